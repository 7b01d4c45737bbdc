"""From the runs' tables to the ensemble's submission, out-of-fold table and score card."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galaxyzoo import atomic, locks, submission
from galaxyzoo.base_models import (
    find_divergence,
    find_optimistic,
    find_seen,
    find_unreadable,
    load_oof,
    load_test,
)
from galaxyzoo.catalogs import Catalog
from galaxyzoo.ensemble_card import DIGITS, digest_inputs, make_card
from galaxyzoo.ensembling import CrossFits, cross_fit
from galaxyzoo.errors import InputError
from galaxyzoo.outside import OutsideTable
from galaxyzoo.scores import UNREADABLE, card_path, digest_table
from galaxyzoo.tables import FOLD, write_predictions
from galaxyzoo.tasks import Task


@dataclass(frozen=True)
class Combination:
    """Which runs are combined how, and where the result goes."""

    task: Task
    whole: Catalog  # the dataset's
    runs: Sequence[str]
    candidates: Sequence[str]
    seed: int  # of the candidates that draw random numbers
    path: Path  # of the submission; its card lies beside it
    oof_path: Path | None  # of the cross-fitted predictions; None: they are not kept
    outside: Sequence[OutsideTable] = ()  # predictions made elsewhere, to be combined too
    set_aside: Sequence[OutsideTable] = ()  # such as are scored, but not combined

    def make(self) -> tuple[dict[str, Any], bool]:
        """Cross-fit, choose, predict the test galaxies and write, unless that has been done.

        Returns:
            The score card, and whether it was made now.
        Raises:
            InputError: a run's table is missing, broken or of another split, or something cannot be
                written.
        """
        # Whoever has waited reads what is there now, not what was there before.
        lock = locks.holding(self.path.parent / locks.NAME, "making this ensemble")
        with lock if self.oof_path else nullcontext():
            return self._make()

    def _make(self) -> tuple[dict[str, Any], bool]:
        """What `make` does, nobody else at the same."""
        catalog, runs = self.whole.for_task(self.task), self.all_runs
        oof, test = self._load(catalog)
        unreadable = find_unreadable(self.runs, self.whole)
        outside = self._describe_outside(catalog)
        inputs = digest_inputs(
            self.candidates, runs, oof, test, unreadable, catalog, self.seed, outside
        )
        card = self._finished_card(inputs)
        if card is not None:
            return card, False
        targets = catalog.targets(self.task.name)
        fits = cross_fit(self.candidates, self.task, oof, targets, catalog.folds, self.seed)
        optimistic = find_optimistic(self.runs, self.whole)
        marked = [table.run for table in self.outside if table.perhaps_seen]
        card = {
            "inputs": inputs,
            "optimistic": bool(optimistic),
            "optimistic_runs": optimistic,
            "perhaps_seen": [*find_seen(self.runs, self.whole), *marked],
            "outside": outside,
            "diverged": find_divergence(self.runs, self.whole),
            UNREADABLE: catalog.test_ids[unreadable].tolist(),
            **make_card(fits, runs, oof, catalog, self.seed),
        }
        predictions = self.task.make_valid(fits.models[card["chosen"]].predict(test))
        prior = targets.mean(axis=0)
        # A stacker would bend the mean that the runs' tables hold there.
        predictions[unreadable] = self.task.make_valid(prior[None])
        if self.oof_path is not None:
            card["oof_table"] = _write_oof(self.oof_path, fits, card["chosen"], catalog)
        submission.write(self.path, predictions, self.task, catalog.test_ids, card, prior)
        return card, True

    @property
    def all_runs(self) -> list[str]:
        """Names of what is combined: our own runs, then the outside tables."""
        return [*self.runs, *(table.run for table in self.outside)]

    def _load(self, catalog: Catalog) -> tuple[np.ndarray, np.ndarray]:
        """(galaxy, run, column) float32 out-of-fold and test predictions, of `all_runs`."""
        oof = [table.load_oof(self.task, catalog)[:, None] for table in self.outside]
        test = [table.load_test(self.task, catalog)[:, None] for table in self.outside]
        if self.runs:
            oof.insert(0, load_oof(self.runs, self.task, self.whole))
            test.insert(0, load_test(self.runs, self.task, self.whole))
        return np.concatenate(oof, axis=1), np.concatenate(test, axis=1)

    def _describe_outside(self, catalog: Catalog) -> dict[str, Any]:
        """What the card says of the outside tables, those set aside too."""
        targets, about = catalog.targets(self.task.name), {}
        for table in sorted([*self.outside, *self.set_aside], key=lambda table: table.name):
            predictions = table.load_oof(self.task, catalog)
            score = round(self.task.score(predictions, targets), DIGITS)
            about[table.name] = table.describe(score, table in self.outside)
        return about

    def _finished_card(self, inputs: str) -> dict[str, Any] | None:
        """The card of an ensemble that was made from the same inputs and is whole; else None.

        A kill may have come between table and card, so the card must be of the very tables there.
        """
        try:
            card = atomic.read_json(card_path(self.path))
            expected = {"inputs": inputs, "table": digest_table(self.path)}
            if self.oof_path is not None:
                expected["oof_table"] = digest_table(self.oof_path)
        except (InputError, OSError):
            return None
        return card if isinstance(card, dict) and expected.items() <= card.items() else None


def _write_oof(path: Path, fits: CrossFits, name: str, catalog: Catalog) -> str:
    """Write a candidate's cross-fitted predictions, as a run's out-of-fold table; its digest."""
    columns = list(fits.task.columns)
    table = pd.DataFrame(fits.predictions(name), index=catalog.ids, columns=columns)
    table[FOLD] = catalog.folds
    write_predictions(path, table)
    return digest_table(path)
