"""Files of one training: of a fold, of a refit on all galaxies, or of the hold-out.

Each training has a folder in that of its run, named as the part of the galaxies that it learns
from: `fold_3`, `refit_0`, `holdout`. Only this module knows these names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from galaxyzoo.config.schema import Config
from galaxyzoo.core import paths
from galaxyzoo.core.artifact import SealedFiles
from galaxyzoo.core.manifest import Provenance
from galaxyzoo.io.tables import GalaxyId

WEIGHTS = "weights.safetensors"
CHECKPOINT = "checkpoint.pt"
HISTORY = "history.csv"  # numbers of each epoch
TIMINGS = "timings.csv"  # seconds of each epoch
VAL_TABLE = "val.csv"  # predictions of its own galaxies
TEST_TABLE = "test.csv"  # predictions of the test galaxies
HELD_OUT_TABLE = "held_out.csv"  # predictions of the hold-out's test part
DONE = "fold.json"  # the mark
GALAXIES = "galaxies.npy"  # GalaxyIDs that the bundled student learned from
HOLDOUT = "holdout"
_FOLD = "fold_"
_REFIT = "refit_"
EVERY_FOLD = f"{_FOLD}*"  # pattern of their folders
FIRST_REFIT = 1000  # number of refit_0 in random streams and records; below it are folds
_CONTENTS = (WEIGHTS, HISTORY, VAL_TABLE, TEST_TABLE, HELD_OUT_TABLE)
# The untrained network's loss is a mean over a part of the galaxies and, like all losses in
# training, under dropout: 30 galaxies that teach nothing gave ratios up to 1.14. Learning rates far
# too high gave 1.5 and more on 30 galaxies, 1.7 and more on kaggle-mini.
_TOLERANCE = 0.2


def fold_name(fold: int) -> str:
    """Name of a fold's training, such as fold_3."""
    return f"{_FOLD}{fold}"


def refit_name(number: int) -> str:
    """Name of a training on all galaxies, such as refit_0."""
    return f"{_REFIT}{number}"


def is_fold(name: str) -> bool:
    """Check whether a training is that of a fold."""
    return name.removeprefix(_FOLD).isdecimal()  # no `fold_0_old`


def is_refit(name: str) -> bool:
    """Check whether a training is one on all galaxies."""
    return name.startswith(_REFIT)


def training_number(name: str) -> int:
    """Number of a fold or refit, by which its random streams differ and its files record it.

    Of a hold-out, which has none, it is a ValueError.
    """
    if is_refit(name):
        return FIRST_REFIT + int(name.removeprefix(_REFIT))
    return int(name.removeprefix(_FOLD))


def title_of(name: str) -> str:
    """Name of a training for users, such as `fold 3`."""
    return name.replace("_", " ")


def finished_folds(run_folder: Path) -> list[int]:
    """Numbers of the finished folds of a run."""
    names = [mark.parent.name for mark in run_folder.glob(f"{EVERY_FOLD}/{DONE}")]
    return sorted(training_number(name) for name in names if is_fold(name))


def finished_refits(run_folder: Path) -> list[str]:
    """Names of the finished trainings on all galaxies, from refit_0 without a gap."""
    finished: list[str] = []
    while (run_folder / refit_name(len(finished)) / DONE).exists():
        finished.append(refit_name(len(finished)))
    return finished


def fold_provenance(config: Config, fingerprint: str, fold: int | str) -> Provenance:
    """Provenance of a training's files; `fingerprint`: of its galaxies, labels and folds."""
    return {"config": config.digest(), "fingerprint": fingerprint, "fold": fold}


@dataclass(frozen=True)
class FoldSummary:
    """Summary of a training: start, losses, flags."""

    start: str  # where the first weights came from
    # mean training loss of the untrained network; None where nothing was trained
    first_loss: float | None = None
    last_loss: float | None = None  # that of the epoch whose weights are kept
    selected_on_validation: bool = False  # an epoch was chosen on the fold
    possible_leakage: bool = False  # the first weights may have seen the fold
    # ids of the test images that could not be read when it predicted them
    unreadable_test_images: Sequence[GalaxyId] = ()

    @property
    def diverged(self) -> bool:
        """Check whether training made the network worse by more than chance.

        The mean training loss of the epoch whose weights are kept is more than a fifth above that
        of the untrained network on the first 256 galaxies (all, where there are fewer).
        """
        if self.first_loss is None or self.last_loss is None:
            return False
        return self.last_loss > (1 + _TOLERANCE) * self.first_loss


class FoldFiles(SealedFiles):
    """Files of a training."""

    @classmethod
    def of(cls, run_folder: Path, name: str, config: Config, fingerprint: str) -> "FoldFiles":
        """Files of a training of these settings, on the galaxies of this fingerprint.

        Args:
            run_folder: folder of the run.
            name: such as fold_3; of a stage's hold-out, holdout_STAGE.
            config: of the run or the stage.
            fingerprint: of the task's galaxies, labels and folds.
        """
        number = HOLDOUT if name.startswith(HOLDOUT) else training_number(name)
        provenance = fold_provenance(config, fingerprint, number)
        folder = run_folder / name
        advice = f"delete {paths.shown(folder)} to retrain"
        return cls(folder / DONE, provenance, advice, _CONTENTS)

    @property
    def name(self) -> str:
        """Name of the training."""
        return self.folder.name

    @property
    def title(self) -> str:
        """Name for users, such as `fold 3`."""
        return title_of(self.name)

    @property
    def number(self) -> int:
        """Number of the fold or refit."""
        return training_number(self.name)

    @property
    def checkpoint(self) -> Path:
        """State after the last whole epoch, while it is trained."""
        return self.folder / CHECKPOINT

    @property
    def timings(self) -> Path:
        """Seconds of each epoch; not among the files that are checked."""
        return self.folder / TIMINGS

    @property
    def summary(self) -> FoldSummary:
        """Summary of the finished training of a fold or refit."""
        return FoldSummary(**self.notes)


def exported_trainings(files: SealedFiles) -> list[str]:
    """Names of the folds and refits whose networks are among the files of an exported run."""
    paths_of_weights = [Path(name) for name in files.names if Path(name).name == WEIGHTS]
    return sorted((path.parent.name for path in paths_of_weights), key=training_number)
