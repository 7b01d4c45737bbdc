"""Collect the folds' predictions into a run's out-of-fold table, test table and score card."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from galaxyzoo.config.schema import Config
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.results import layout, submission
from galaxyzoo.results.card import Digests, RunCard
from galaxyzoo.results.table import PredictionTable, join_tables
from galaxyzoo.tasks.registry import get_task

# The untrained network's loss is a mean over a part of the galaxies and, like all losses in
# training, under dropout: 30 galaxies that teach nothing gave ratios up to 1.14. Learning rates far
# too high gave 1.5 and more on 30 galaxies, 1.7 and more on kaggle-mini.
_TOLERANCE = 0.2


@dataclass(frozen=True)
class FoldSummary:
    """Summary of a fold's training: start, losses, flags."""

    start: str  # where the first weights came from
    # mean training loss of the untrained network; None where nothing was trained
    first_loss: float | None = None
    last_loss: float | None = None  # that of the epoch whose weights are kept
    selected_on_validation: bool = False  # an epoch was chosen on the fold
    possible_leakage: bool = False  # the first weights may have seen the fold
    # GalaxyIDs of the test images that could not be read when it predicted them
    unreadable_test_images: Sequence[int] = ()

    @property
    def diverged(self) -> bool:
        """Check whether training made the network worse by more than chance.

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
        return layout.RunFolder(self.catalog.dataset, self.config.run).fold(fold)

    def files(self, fold: int) -> layout.FoldFolder:
        """The files of a fold."""
        catalog = self.catalog
        return layout.FoldFolder.of(self.config, catalog.dataset, catalog.fingerprint, fold)

    @property
    def done(self) -> list[int]:
        """The finished folds."""
        return [k for k in range(self.catalog.n_folds) if (self.folder(k) / layout.DONE).exists()]

    def score(self, fold: int) -> float:
        """Score of a finished fold's network on the fold, as on the card.

        Of an earlier stage, the score of one view after its last epoch.
        """
        if self.config.is_earlier_stage:
            return float(pd.read_csv(self.files(fold).path(layout.HISTORY))["val_score"].iloc[-1])
        table, targets = self._read_val(fold).project(), self.catalog.targets(self.config.task)
        return table.task.score(table.values, targets[self.catalog.folds == fold])

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
        joined = join_tables([self._read_val(fold) for fold in done])
        oof = replace(joined.select(catalog.ids[rows]).project(), folds=catalog.folds[rows])
        targets = catalog.targets(task.name)
        summaries = {fold: FoldSummary(**self.files(fold).notes) for fold in done}
        # An image may have been repaired since a fold predicted it.
        earlier = [i for summary in summaries.values() for i in summary.unreadable_test_images]
        unreadable = test_images.unreadable | np.isin(test_images.ids, earlier)
        scores = oof.score(targets[rows], targets[~rows])
        test = self._mean_test(unreadable).project()
        config, folder = self.config, layout.RunFolder(catalog.dataset, self.config.run)
        tables = Digests(
            oof=oof.write(folder.oof_csv),
            test=test.write(folder.test_csv, targets.mean(axis=0)),
        )
        card = RunCard(
            run=config.run,
            about=config.about,
            task=config.task,
            dataset=catalog.dataset,
            fingerprint=catalog.fingerprint,
            config=config.digest(),
            folds=done,
            n_folds=catalog.n_folds,
            seed=config.train.seed,
            checkpoint=config.train.checkpoint,
            selected_on_validation=any(s.selected_on_validation for s in summaries.values()),
            possible_leakage=config.possible_leakage
            or any(s.possible_leakage for s in summaries.values()),
            views=config.tta.n_views,
            start=" / ".join(dict.fromkeys(s.start for s in summaries.values())),
            training_loss={str(k): (s.first_loss, s.last_loss) for k, s in summaries.items()},
            diverged=[k for k, summary in summaries.items() if summary.diverged],
            unreadable_test_images=catalog.test_ids[unreadable].tolist(),
            no_better_than_mean=self._no_better_than_mean(scores["per_fold"]),
            tables=tables,
            **scores,
        )
        card.write(folder.card)
        return card

    def _no_better_than_mean(self, scores: dict[str, float]) -> list[int]:
        """Folds whose score is no better than that of the mean targets of the other folds.

        Args:
            scores: score of each finished fold, by its number.
        """
        task, catalog, failed = get_task(self.config.task), self.catalog, []
        targets = catalog.targets(task.name)
        for fold in self.done:
            in_fold = catalog.folds == fold
            mean = task.project(targets[~in_fold].mean(axis=0, keepdims=True))
            limit = task.score(np.repeat(mean, in_fold.sum(), axis=0), targets[in_fold])
            if not scores[str(fold)] < limit:  # nan neither
                failed.append(fold)
        return failed

    def _mean_test(self, unreadable: np.ndarray) -> PredictionTable:
        """Mean over the folds' models; the mean of the training targets where there is no image."""
        ids, task = self.catalog.test_ids, get_task(self.config.task)
        paths = [self.files(fold).path(layout.TEST_TABLE) for fold in self.done]
        values = [PredictionTable.read(path, task, ids).values for path in paths]
        mean = sum(values[1:], start=values[0]) / len(values)
        if unreadable.any():
            mean[unreadable] = self.catalog.targets(task.name).mean(axis=0)
            tqdm.write(submission.describe_unreadable(ids[unreadable]))
        return PredictionTable(task, ids, mean)

    def _read_val(self, fold: int) -> PredictionTable:
        """Predictions of a fold's own galaxies."""
        ids = self.catalog.ids[self.catalog.folds == fold]
        path = self.files(fold).path(layout.VAL_TABLE)
        return PredictionTable.read(path, get_task(self.config.task), ids)
