"""What each fold's network of a run says alone: of its own galaxies, and of the test galaxies.

A training galaxy is predicted by the one network that never saw it, a test galaxy in the run's test
table by the mean of all folds' networks, which is smoother. Whatever has to mean the same on both
sides starts from single networks.
"""

from dataclasses import dataclass

import numpy as np

from galaxyzoo.catalogs import Catalog
from galaxyzoo.errors import InputError
from galaxyzoo.fold_tables import TEST_SPREAD, TEST_TABLE, VAL_SPREAD, VAL_TABLE
from galaxyzoo.outside import PREFIX as OUTSIDE
from galaxyzoo.paths import fold_dir, run_dir, shown
from galaxyzoo.run_configs import load_run_config
from galaxyzoo.tables import read_predictions
from galaxyzoo.tasks import task_of


@dataclass(frozen=True)
class NetworkTables:
    """Tables that the folds' networks of a finished run have left."""

    run: str
    catalog: Catalog  # galaxies of the run's task

    @classmethod
    def open(cls, run: str, whole: Catalog) -> "NetworkTables":
        """The tables of a run.

        Args:
            run: such as `gz37/resnet18`.
            whole: the dataset's whole catalog.
        Raises:
            InputError: a fold's tables are missing, or of another split; the run was trained
                elsewhere.
        """
        if run.startswith(OUTSIDE):
            raise InputError("only its mean over networks came")
        catalog = whole.for_task(task_of(run))
        folder = run_dir(catalog.dataset, run)
        for fold in range(catalog.n_folds):
            for name in (VAL_TABLE, TEST_TABLE):
                path = fold_dir(catalog.dataset, run, fold) / name
                if not path.exists():
                    raise InputError(f"{shown(path)} is missing: training {run} again writes it")
        if load_run_config(folder)[1] != catalog.fingerprint:
            raise InputError(
                f"{shown(folder)} was trained on another split: delete it and train {run} again"
            )
        return cls(run, catalog)

    @property
    def has_spread(self) -> bool:
        """Whether every fold has noted how far its views differ."""
        folders = [
            fold_dir(self.catalog.dataset, self.run, fold) for fold in range(self.catalog.n_folds)
        ]
        names = (VAL_SPREAD, TEST_SPREAD)
        return all((folder / name).exists() for folder in folders for name in names)

    def own(self, spread: bool = False) -> np.ndarray:
        """(galaxy, column) each training galaxy by the network of its own fold.

        Args:
            spread: the deviation over the views instead of their mean.
        Raises:
            InputError: a table is missing or broken, or its ids are not the fold's.
        """
        catalog, name = self.catalog, VAL_SPREAD if spread else VAL_TABLE
        out = np.empty((len(catalog.ids), len(self.columns)))
        for fold in range(catalog.n_folds):
            rows = catalog.folds == fold
            out[rows] = self._read(fold, name, catalog.ids[rows])
        return out

    def test(self, fold: int, spread: bool = False) -> np.ndarray:
        """(test galaxy, column) of one fold's network, in the sample submission's order.

        Args:
            fold: the network's.
            spread: the deviation over the views instead of their mean.
        Raises:
            InputError: the table is missing or broken, or its ids are not the sample's.
        """
        return self._read(fold, TEST_SPREAD if spread else TEST_TABLE, self.catalog.test_ids)

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the run's task: what its networks predict."""
        return task_of(self.run).columns

    def _read(self, fold: int, name: str, ids: np.ndarray) -> np.ndarray:
        path = fold_dir(self.catalog.dataset, self.run, fold) / name
        return read_predictions(path, self.columns, ids).to_numpy()
