"""A run's out-of-fold table, test table and score card, collected from its folds' predictions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from galaxyzoo.config.schema import Config
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.io.tables import GalaxyId
from galaxyzoo.results import layout, submission
from galaxyzoo.results.card import Digests, RunCard
from galaxyzoo.results.fold_files import HISTORY, TEST_TABLE, VAL_TABLE, FoldFiles
from galaxyzoo.results.table import PredictionTable, score_table

if TYPE_CHECKING:
    from galaxyzoo.data.image_cache import ImageCache


def score_fold(config: Config, catalog: Catalog, files: FoldFiles) -> float:
    """Score of a finished fold's network on the fold, as on the card.

    Of an earlier stage, the score of one view after its last epoch.

    Args:
        config: of the run.
        catalog: the galaxies of its task.
        files: of the fold.
    """
    if config.is_earlier_stage:
        return float(pd.read_csv(files.path(HISTORY))["val_score"].iloc[-1])
    table = _read_val(config, catalog, files).project()
    targets = catalog.targets(config.predicted_task)[catalog.folds == files.number]
    return table.task.score(table.values, targets)


def collect(
    config: Config,
    catalog: Catalog,
    folds: Sequence[FoldFiles],
    refits: Sequence[FoldFiles],
    test_images: "ImageCache",
) -> RunCard | None:
    """Concatenate the finished folds' predictions, score them, write tables and card.

    The tables hold predictions that are valid in a submission; the networks' own stay in the folds'
    folders. Test predictions of refits have a table of their own.

    Args:
        config: of the run.
        catalog: the galaxies of its task.
        folds: those that are finished, ascending.
        refits: finished trainings on all galaxies.
        test_images: images of all test galaxies, the unreadable ones marked.
    Returns:
        The score card; None without a finished fold, unless the run was imported.
    """
    folder = layout.RunFolder(catalog.dataset, config.run)
    if folds:
        card = _collect_folds(config, catalog, folds, test_images)
    elif refits and folder.card.exists():
        card = RunCard.of(catalog.dataset, config.run)
    else:
        return None
    if refits:
        table, _ = _mean_test(config, catalog, refits, test_images)
        prior = catalog.targets(config.predicted_task).mean(axis=0)
        digest = table.write(folder.refit_csv, prior)
        tables = card.tables.model_copy(update={"refit": digest})
        card = card.model_copy(update={"tables": tables, "refits": len(refits)})
        card.write(folder.card)
    return card


def _collect_folds(
    config: Config, catalog: Catalog, folds: Sequence[FoldFiles], test_images: "ImageCache"
) -> RunCard:
    predicted = pd.concat([_read_val(config, catalog, files).frame for files in folds])
    rows = catalog.train.index.isin(predicted.index)
    ids = catalog.ids[rows]
    # Row by row in memory, as always: last digits of sums depend on it.
    values = np.ascontiguousarray(predicted.loc[ids])
    oof = PredictionTable(config.predicted_task, ids, values, catalog.folds[rows]).project()
    test, unreadable = _mean_test(config, catalog, folds, test_images)
    summaries = {files.number: files.summary for files in folds}
    starts = dict.fromkeys(summary.start for summary in summaries.values())
    may_have_seen = [summary.possible_leakage for summary in summaries.values()]
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
        possible_leakage=config.possible_leakage or any(may_have_seen),
        views=config.tta.n_views,
        start=" / ".join(starts),
        training_loss={str(k): (s.first_loss, s.last_loss) for k, s in summaries.items()},
        diverged=[k for k, summary in summaries.items() if summary.diverged],
        unreadable_test_images=unreadable,
    )


def _mean_test(
    config: Config, catalog: Catalog, trained: Sequence[FoldFiles], test_images: "ImageCache"
) -> tuple[PredictionTable, list[GalaxyId]]:
    """Mean over networks; the mean of the training targets where there is no image.

    Returns:
        The valid predictions, and the ids without an image, as tables have them.
    """
    ids, task = catalog.test_ids, config.predicted_task
    total = np.zeros((len(ids), len(task.columns)))
    # An image may have been repaired since a network predicted it.
    earlier: list[GalaxyId] = []
    for files in trained:
        total += PredictionTable.read(files.path(TEST_TABLE), task, ids).values
        earlier += files.summary.unreadable_test_images
    mean = total / len(trained)
    unreadable = test_images.unreadable | pd.Index(ids).isin(earlier)
    named = ids[unreadable].tolist()
    if named:
        mean[unreadable] = catalog.targets(task).mean(axis=0)
        tqdm.write(submission.describe_unreadable(named))
    return PredictionTable(task, ids, mean).project(), named


def _read_val(config: Config, catalog: Catalog, files: FoldFiles) -> PredictionTable:
    """Predictions of a fold's own galaxies."""
    ids = catalog.ids[catalog.folds == files.number]
    return PredictionTable.read(files.path(VAL_TABLE), config.predicted_task, ids)


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
