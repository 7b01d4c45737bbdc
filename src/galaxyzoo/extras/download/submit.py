"""Check a submission, send it to Kaggle, and show its score.

  bash scripts/submit.sh -m "three networks, stacked"
  bash scripts/submit.sh submissions/kaggle/gz37/cnn.csv -m "alone" --no-wait

Only a complete submission is sent: every galaxy of the sample submission, in
its order, with values that the decision tree allows.
"""

from dataclasses import MISSING, dataclass
from pathlib import Path

from galaxyzoo.core import launch, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.options import option, positional, read_options
from galaxyzoo.data.readers.kaggle import whole_sample_ids
from galaxyzoo.extras.download.kaggle_api import PAGE, connect, submit_file, wait_for_score
from galaxyzoo.results import layout, submission, table
from galaxyzoo.results.card import SubmissionCard
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import get_task

_LONGEST_WAIT_S = 600


@dataclass(frozen=True, kw_only=True)
class SubmitOptions:
    """Options of the command."""

    file: Path | None = positional("default: submissions/predictions.csv", "FILE", None, nargs="?")
    message: str = option("its description on Kaggle", MISSING, "-m", "--message")
    no_wait: bool = option("do not wait for the score", False)


def main() -> None:
    """Parse, check, send, wait."""
    options = read_options(SubmitOptions, __doc__)
    path = (options.file or layout.published_csv()).resolve()
    check_file(path)
    api = connect()
    ref = submit_file(api, path, options.message)
    print(f"sent {paths.shown(path)}: {PAGE}/submissions", flush=True)
    score = None if options.no_wait else wait_for_score(api, ref, _LONGEST_WAIT_S)
    launch.print_done(score or "no score yet: see that page later")


def check_file(path: Path) -> None:
    """Check that a file is a submission of the whole competition, and its score card its own."""
    if not path.exists():
        raise InputError(
            f"{paths.shown(path)} is missing: `{launch.typed('train_folds')}` writes "
            f"{paths.shown(layout.published_csv())}"
        )
    card = layout.card_path(path)
    if card.exists() and SubmissionCard.read(card).table != table.digest_table(path):
        raise InputError(
            f"{paths.shown(path)} is not the table that {paths.shown(card)} was written for: make "
            "both again, or delete the card if the table is your own"
        )
    submission.check(path, get_task(COMPETITION_TASK), whole_sample_ids())
