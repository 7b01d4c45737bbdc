"""Progress of all trainings of a command, read from their files."""

import sys
from dataclasses import dataclass

from galaxyzoo.config.schema import Config
from galaxyzoo.core import console
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.results import oof
from galaxyzoo.results.fold_files import FoldFiles, is_refit
from galaxyzoo.training.fold import read_timings


@dataclass(frozen=True)
class FoldInTraining:
    """A fold or refit that is left to be trained."""

    config: Config
    catalog: Catalog  # the galaxies of its task
    files: FoldFiles

    @property
    def epochs_left(self) -> int:
        """Epochs that it has not been trained for."""
        # One that took over the weights of another has trained no epoch.
        return self.config.train.epochs - max(read_timings(self.files.timings), default=0)

    def describe(self) -> str:
        """Describe a finished one: its score and how long it took."""
        score = "trained on all galaxies"
        if not is_refit(self.files.name):
            value = oof.score_fold(self.config, self.catalog, self.files)
            score = f"{self.config.metric} {value:.5f}"
        minutes = sum(read_timings(self.files.timings).values()) / 60
        return f"{self.config.title}, {self.files.title}: {score} in {minutes:.1f} min"


class FoldProgress:
    """Trainings that are left.

    Args:
        left: of all runs of the command.
    """

    def __init__(self, left: list[FoldInTraining]) -> None:
        self.left = left
        self.epochs = sum(fold.config.train.epochs for fold in left)

    def look(self) -> int:
        """Print a line for each newly finished one; returns the epochs done."""
        before = self.left
        self.left = [fold for fold in before if not fold.files.is_finished]
        for fold in before:
            if fold in self.left:
                continue
            more = sum(other.config is fold.config for other in self.left)
            left = f"; {console.count(more, 'fold')} to go" if more else ""
            console.ProgressBar.write(f"{fold.describe()}{left}")
            sys.stdout.flush()  # into a log at once
        return self.epochs - sum(fold.epochs_left for fold in self.left)
