"""An ablation study's runs: each change trained on its folds."""

from collections.abc import Sequence
from dataclasses import dataclass

from galaxyzoo import atomic
from galaxyzoo.catalogs import Catalog
from galaxyzoo.errors import FoldError, InputError
from galaxyzoo.fold_tables import FoldTables
from galaxyzoo.paths import oof_csv
from galaxyzoo.preparation import Prepared
from galaxyzoo.runs import Run
from galaxyzoo.scores import card_path, digest_table
from galaxyzoo.side_by_side import train_runs
from galaxyzoo.study import Study, Variant
from galaxyzoo.tasks import Task, get_task
from galaxyzoo.training import TIMINGS, read_timings


@dataclass(frozen=True)
class Ablation:
    """A study on a dataset, some folds of it."""

    study: Study
    data: Prepared
    folds: tuple[int, ...]

    @property
    def task(self) -> Task:
        """The task of all its runs."""
        return get_task(self.study.base.config.task)

    @property
    def catalog(self) -> Catalog:
        """The galaxies of the dataset that the task keeps."""
        return self.data.catalog.for_task(self.task)

    def run(self, variant: Variant) -> Run:
        """The run of a variant."""
        return Run(variant.run_config, self.data)

    def check(self, variants: Sequence[Variant]) -> dict[str, str]:
        """Refuse, before anything starts, what would fail later or mix with what is there.

        Returns:
            Name -> why it cannot be trained yet: the run that it starts from is not there.
        Raises:
            InputError: the dataset lacks a fold, or a variant's run exists with other settings or
                data or cannot be made.
        """
        missing = [fold for fold in self.folds if not 0 <= fold < self.catalog.n_folds]
        if missing:
            raise InputError(
                f"there is no fold {missing[0]}: '{self.catalog.dataset}' has folds 0 to "
                f"{self.catalog.n_folds - 1} (--folds)"
            )
        reasons = {}
        for variant in variants:
            try:
                self.run(variant).check()
            except FoldError as error:
                reasons[variant.name] = str(error)
        return reasons

    def is_done(self, variant: Variant) -> bool:
        """Whether all folds of a variant are trained and in its out-of-fold table."""
        table = oof_csv(self.catalog.dataset, variant.config.run)
        if not self._are_folds_done(variant) or not table.exists():
            return False
        try:
            card = atomic.read_json(card_path(table))
            # A kill may have come between the folds' marks and the table, or before its card.
            return {*self.folds} <= {*card["folds"]} and (
                card["tables"]["oof"] == digest_table(table)
            )
        except (InputError, KeyError, TypeError):
            return False

    def train(self, variants: Sequence[Variant], jobs: int = 1, backend: str = "loky") -> list[str]:
        """Train what is not finished, and say what is.

        Args:
            variants: those that only look at another's networks anew come after it, or it is
                finished.
            jobs: folds at a time.
            backend: as of `train_runs`.
        Returns:
            Why some could not be trained to their end; the next call goes on with them.
        Raises:
            InputError: a run exists with other settings or data, or something cannot be written.
        """
        runs = {v.name: self.run(v) for v in variants if not self.is_done(v)}
        names = {run.config.run: name for name, run in runs.items()}
        for card in train_runs([*runs.values()], list(self.folds), jobs, backend):
            name = names[card["run"]]
            if not runs[name].stopped:
                print(f"{name}: done", flush=True)
        return [f"{name}: {reason}" for name, run in runs.items() for reason in run.stopped]

    def minutes(self, variant: Variant) -> float | None:
        """Minutes that the epochs of the folds took; None where nothing is trained."""
        if variant.trained_as is not variant:
            return None
        folder = self.run(variant).folder
        paths = [folder / f"fold_{fold}" / TIMINGS for fold in self.folds]
        return sum(sum(read_timings(path).values()) for path in paths if path.exists()) / 60

    def _are_folds_done(self, variant: Variant) -> bool:
        return {*self.folds} <= {*FoldTables(variant.run_config, self.catalog).done}
