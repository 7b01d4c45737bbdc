"""Check a submission, send it to Kaggle, and show its score.

  bash scripts/submit.sh -m "three networks, stacked"
  bash scripts/submit.sh submissions/kaggle/gz37/resnet18.csv -m "ResNet18 alone" --no-wait

Only a complete submission is sent: every galaxy of the sample submission, in its order, with values
that the decision tree allows.
"""

import argparse
from pathlib import Path

from galaxyzoo.core import launch, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.readers.kaggle import whole_sample_ids
from galaxyzoo.download.kaggle_api import PAGE, connect, send, wait_for_score
from galaxyzoo.results import layout, submission, table
from galaxyzoo.results.card import SubmissionCard
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import get_task

_LONGEST_WAIT_S = 600


def main() -> None:
    """Parse, check, send, wait."""
    args = parse_args()
    path = args.file.resolve()
    check_file(path)
    api = connect()
    ref = send(api, path, args.message)
    print(f"sent {paths.shown(path)}: {PAGE}/submissions", flush=True)
    score = None if args.no_wait else wait_for_score(api, ref, _LONGEST_WAIT_S)
    launch.print_done(score or "no score yet: see that page later")


def check_file(path: Path) -> None:
    """Check that a file is a submission of the whole competition, and its score card its own."""
    if not path.exists():
        raise InputError(
            f"{paths.shown(path)} is missing: `bash scripts/train_folds.sh` writes "
            f"{paths.shown(layout.published_csv())}"
        )
    card = layout.card_path(path)
    if card.exists() and SubmissionCard.read(card).table != table.digest_table(path):
        raise InputError(
            f"{paths.shown(path)} is not the table that {paths.shown(card)} was written for: make "
            "both again, or delete the card if the table is your own"
        )
    submission.check(path, get_task(COMPETITION_TASK), whole_sample_ids())


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = launch.new_parser(__doc__)
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        default=layout.published_csv(),
        metavar="FILE",
        help="default: submissions/predictions.csv",
    )
    parser.add_argument("-m", "--message", required=True, help="its description on Kaggle")
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the score")
    return parser.parse_args()
