"""A run's out-of-fold table, test table and score card, collected from its folds' predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from galaxyzoo.config.schema import Config
from galaxyzoo.core.manifest import Artifact
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.io.tables import GalaxyId
from galaxyzoo.results import layout, submission
from galaxyzoo.results.card import Digests, RunCard
from galaxyzoo.results.table import PredictionTable, score_table

if TYPE_CHECKING:
    from galaxyzoo.data.image_cache import ImageCache

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


@dataclass(frozen=True)
class FoldTables:
    """The prediction tables in a run's fold folders."""

    config: Config
    catalog: Catalog

    @property
    def targets(self) -> np.ndarray:
        """(galaxy, column) of the run's task."""
        return self.catalog.targets(self.config.predicted_task)

    @property
    def folder(self) -> layout.RunFolder:
        """The run's files."""
        return layout.RunFolder(self.catalog.dataset, self.config.run)

    def files(self, fold: int) -> Artifact:
        """The files of a fold."""
        catalog = self.catalog
        return layout.fold_files(self.config, catalog.dataset, catalog.fingerprint, fold)

    def score(self, fold: int) -> float:
        """Score of a finished fold's network on the fold, as on the card.

        Of an earlier stage, the score of one view after its last epoch.
        """
        if self.config.is_earlier_stage:
            return float(pd.read_csv(self.files(fold).path(layout.HISTORY))["val_score"].iloc[-1])
        table = self._read_val(fold).project()
        return table.task.score(table.values, self.targets[self.catalog.folds == fold])

    def collect(self, test_images: "ImageCache") -> RunCard | None:
        """Concatenate the finished folds' predictions, score them, write tables and card.

        The tables hold predictions that are valid in a submission; the networks' own stay in the
        folds' folders. Test predictions of refits have a table of their own.

        Args:
            test_images: images of all test galaxies, the unreadable ones marked.
        Returns:
            The score card; None without a finished fold, unless the run was imported.
        """
        folder, refits = self.folder, self.folder.refits
        if folder.folds:
            card = self._collect_folds(test_images)
        elif refits and folder.card.exists():
            card = RunCard.of(self.catalog.dataset, self.config.run)
        else:
            return None
        if refits:
            table, prior = self._mean_test(refits, test_images)[0], self.targets.mean(axis=0)
            tables = card.tables.model_copy(update={"refit": table.write(folder.refit_csv, prior)})
            card = card.model_copy(update={"tables": tables, "refits": len(refits)})
            card.write(folder.card)
        return card

    def _collect_folds(self, test_images: "ImageCache") -> RunCard:
        catalog, done = self.catalog, self.folder.folds
        rows = np.isin(catalog.folds, done)
        ids, predicted = catalog.ids[rows], [self._read_val(fold).frame for fold in done]
        # Row by row in memory, as always: last digits of sums depend on it.
        values = np.ascontiguousarray(pd.concat(predicted).loc[ids])
        task = self.config.predicted_task
        oof = PredictionTable(task, ids, values, catalog.folds[rows]).project()
        summaries = {fold: FoldSummary(**self.files(fold).notes) for fold in done}
        (test, unreadable), config = self._mean_test(done, test_images), self.config
        return save_run(
            catalog,
            config.run,
            oof,
            test,
            about=config.about,
            config=config.digest(),
            seed=config.train.seed,
            checkpoint=config.train.checkpoint,
            selected_on_validation=any(s.selected_on_validation for s in summaries.values()),
            possible_leakage=config.possible_leakage
            or any(s.possible_leakage for s in summaries.values()),
            views=config.tta.n_views,
            start=" / ".join(dict.fromkeys(s.start for s in summaries.values())),
            training_loss={str(k): (s.first_loss, s.last_loss) for k, s in summaries.items()},
            diverged=[k for k, summary in summaries.items() if summary.diverged],
            unreadable_test_images=unreadable,
        )

    def _mean_test(
        self, folds: Sequence[int], test_images: "ImageCache"
    ) -> tuple[PredictionTable, list[GalaxyId]]:
        """Mean over networks; the mean of the training targets where there is no image.

        Returns:
            The valid predictions, and the ids without an image, as tables have them.
        """
        ids, task = self.catalog.test_ids, self.config.predicted_task
        paths = [self.files(fold).path(layout.TEST_TABLE) for fold in folds]
        values = [PredictionTable.read(path, task, ids).values for path in paths]
        mean = sum(values[1:], start=values[0]) / len(values)
        # An image may have been repaired since a network predicted it.
        earlier: list[GalaxyId] = []
        for fold in folds:
            earlier += self.files(fold).notes.get("unreadable_test_images", ())
        unreadable = test_images.unreadable | pd.Index(ids).isin(earlier)
        named = ids[unreadable].tolist()
        if named:
            mean[unreadable] = self.targets.mean(axis=0)
            tqdm.write(submission.describe_unreadable(named))
        return PredictionTable(task, ids, mean).project(), named

    def _read_val(self, fold: int) -> PredictionTable:
        """Predictions of a fold's own galaxies."""
        ids = self.catalog.ids[self.catalog.folds == fold]
        path = self.files(fold).path(layout.VAL_TABLE)
        return PredictionTable.read(path, self.config.predicted_task, ids)


def save_run(
    catalog: Catalog,
    run: str,
    oof: PredictionTable,
    test: PredictionTable,
    number: str = "%.9f",
    refit: PredictionTable | None = None,
    /,
    **notes: Any,
) -> RunCard:
    """Score predictions, write tables and card.

    Args:
        catalog: galaxies of the run's task.
        run: its name.
        oof: of the galaxies of finished folds, valid.
        test: valid.
        number: form of the tables' numbers.
        refit: test predictions of networks trained on all galaxies.
        notes: values of the card, besides scores.
    """
    folder, task = layout.RunFolder(catalog.dataset, run), oof.task
    targets, rows = catalog.targets(task), catalog.train.index.isin(oof.ids)
    scores = score_table(task, oof.values, targets[rows], oof.folds, targets[~rows])
    failed = []  # folds whose score is no better than that of the mean targets of the others
    for fold, score in scores["per_fold"].items():
        in_fold = catalog.folds == int(fold)
        mean = task.project(targets[~in_fold].mean(axis=0, keepdims=True))
        limit = task.score(np.repeat(mean, in_fold.sum(), axis=0), targets[in_fold])
        if not score < limit:  # nan neither
            failed.append(int(fold))
    values = {
        "run": run,
        "task": task.name,
        "dataset": catalog.dataset,
        "fingerprint": catalog.fingerprint,
        "folds": [*map(int, scores["per_fold"])],
        "n_folds": catalog.n_folds,
        "no_better_than_mean": failed,
        "tables": Digests(
            oof=oof.write(folder.oof_csv, number=number),
            test=test.write(folder.test_csv, targets.mean(axis=0), number),
            refit=refit.write(folder.refit_csv, number=number) if refit else None,
        ),
    }
    card = RunCard(**notes | scores | values)
    card.write(folder.card)
    return card
