"""Collect the folds' predictions into a run's out-of-fold table, test table and score card."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from galaxyzoo.config.schema import Config
from galaxyzoo.core.manifest import write_sealed
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.io.tables import FOLD, read_predictions, write_predictions
from galaxyzoo.results.card import RunCard, digest_table, score_table
from galaxyzoo.results.layout import (
    DONE,
    HISTORY,
    TEST_TABLE,
    VAL_TABLE,
    FoldFolder,
    RunFolder,
    card_path,
)
from galaxyzoo.results.submission import describe_unreadable
from galaxyzoo.tasks.registry import get_task

# The untrained network's loss is a mean over a part of the galaxies and, like all losses in
# training, under dropout: 30 galaxies that teach nothing gave ratios up to 1.14. Learning rates far
# too high gave 1.5 and more on 30 galaxies, 1.7 and more on kaggle-mini.
_TOLERANCE = 0.2


@dataclass(frozen=True)
class FoldSummary:
    """Where a fold's weights come from and how its training went."""

    start: str  # where the first weights came from
    # mean training loss of the untrained network; None where nothing was trained
    first_loss: float | None = None
    last_loss: float | None = None  # that of the epoch whose weights are kept
    accumulation: int = 1  # parts of a batch at the end
    selected_on_validation: bool = False  # an epoch was chosen on the fold
    possible_leakage: bool = False  # the first weights may have seen the fold
    # GalaxyIDs of the test images that could not be read when it predicted them
    unreadable_test_images: Sequence[int] = ()

    @property
    def diverged(self) -> bool:
        """Whether training made the network worse by more than chance.

        The mean training loss of the epoch whose weights are kept is more than a fifth above that
        of the untrained network on the first 256 galaxies (all, where there are fewer).
        """
        if self.first_loss is None or self.last_loss is None:
            return False
        return self.last_loss > (1 + _TOLERANCE) * self.first_loss


@dataclass(frozen=True)
class FoldTables:
    """The prediction tables in a run's fold folders."""

    config: Config
    catalog: Catalog

    def folder(self, fold: int) -> Path:
        """The folder of a fold."""
        return RunFolder(self.catalog.dataset, self.config.run).fold(fold)

    def files(self, fold: int) -> FoldFolder:
        """The files of a fold."""
        catalog = self.catalog
        return FoldFolder.of(self.config, catalog.dataset, catalog.fingerprint, fold)

    @property
    def done(self) -> list[int]:
        """The finished folds."""
        return [k for k in range(self.catalog.n_folds) if (self.folder(k) / DONE).exists()]

    def score(self, fold: int) -> float:
        """Score of a finished fold's network on the fold, as on the card.

        Of an earlier stage, the score of one view after its last epoch.
        """
        if self.config.is_earlier_stage:
            return float(pd.read_csv(self.files(fold).path(HISTORY))["val_score"].iloc[-1])
        task, own = get_task(self.config.task), self.catalog.folds == fold
        predictions = self._read(fold, VAL_TABLE, self.catalog.ids[own]).to_numpy()
        return task.score(task.project(predictions), self.catalog.targets(task.name)[own])

    def collect(self, test_images: ImageCache) -> RunCard:
        """Concatenate the finished folds' predictions, score them, write tables and card.

        The tables hold predictions that are valid in a submission; the networks' own stay in the
        folds' folders.

        Args:
            test_images: images of all test galaxies, the unreadable ones marked.
        Returns:
            The score card.
        """
        task, catalog, done = get_task(self.config.task), self.catalog, self.done
        rows = np.isin(catalog.folds, done)
        parts = [self._read(k, VAL_TABLE, catalog.ids[catalog.folds == k]) for k in done]
        oof = pd.concat(parts).loc[catalog.ids[rows]]
        oof[:] = task.project(oof.to_numpy())
        targets, folds = catalog.targets(task.name), catalog.folds[rows]
        summaries = {fold: FoldSummary(**self.files(fold).notes) for fold in done}
        # An image may have been repaired since a fold predicted it.
        earlier = [i for summary in summaries.values() for i in summary.unreadable_test_images]
        unreadable = test_images.unreadable | np.isin(test_images.ids, earlier)
        scores = score_table(task, oof.to_numpy(), targets[rows], folds, targets[~rows])
        card = {
            **self._card_head(summaries),
            "unreadable_test_images": catalog.test_ids[unreadable].tolist(),
            "no_better_than_mean": self._no_better_than_mean(scores["per_fold"]),
            **scores,
        }
        oof[FOLD] = folds
        test = self._mean_test(unreadable)
        test[:] = task.project(test.to_numpy())
        prior = targets.mean(axis=0)
        oof_path = RunFolder(catalog.dataset, self.config.run).oof_csv
        test_path = RunFolder(catalog.dataset, self.config.run).test_csv
        write_predictions(oof_path, oof)
        write_predictions(test_path, task.with_decision(test, prior))
        card["tables"] = {"oof": digest_table(oof_path), "test": digest_table(test_path)}
        write_sealed(card_path(oof_path), card)
        return RunCard.read(card_path(oof_path))

    def _no_better_than_mean(self, scores: dict[str, float]) -> list[int]:
        """Folds whose score is no better than that of the mean targets of the other folds.

        Args:
            scores: score of each finished fold, by its number.
        """
        task, catalog, found = get_task(self.config.task), self.catalog, []
        targets = catalog.targets(task.name)
        for fold in self.done:
            own = catalog.folds == fold
            mean = task.project(targets[~own].mean(axis=0, keepdims=True))
            limit = task.score(np.repeat(mean, own.sum(), axis=0), targets[own])
            if not scores[str(fold)] < limit:  # nan neither
                found.append(fold)
        return found

    def _mean_test(self, unreadable: np.ndarray) -> pd.DataFrame:
        """Mean over the folds' models; the mean of the training targets where there is no image."""
        tables = [self._read(fold, TEST_TABLE, self.catalog.test_ids) for fold in self.done]
        mean = sum(tables[1:], start=tables[0]) / len(tables)
        if unreadable.any():
            mean.loc[unreadable] = self.catalog.targets(self.config.task).mean(axis=0)
            tqdm.write(describe_unreadable(self.catalog.test_ids[unreadable]))
        return mean

    def _read(self, fold: int, name: str, ids: np.ndarray) -> pd.DataFrame:
        path = self.files(fold).path(name)
        return read_predictions(path, get_task(self.config.task).columns, ids)

    def _card_head(self, summaries: dict[int, FoldSummary]) -> dict[str, Any]:
        config, catalog = self.config, self.catalog
        selected = any(summary.selected_on_validation for summary in summaries.values())
        return {
            "run": config.run,
            "about": config.about,
            "task": config.task,
            "dataset": catalog.dataset,
            "fingerprint": catalog.fingerprint,
            "config": config.digest(),
            "folds": self.done,
            "n_folds": catalog.n_folds,
            "seed": config.train.seed,
            "checkpoint": config.train.checkpoint,
            "selected_on_validation": selected,
            "possible_leakage": config.possible_leakage
            or any(summary.possible_leakage for summary in summaries.values()),
            "views": config.tta.n_views,
            "start": " / ".join(dict.fromkeys(summary.start for summary in summaries.values())),
            "training_loss": {str(k): [s.first_loss, s.last_loss] for k, s in summaries.items()},
            "diverged": [k for k, summary in summaries.items() if summary.diverged],
        }
