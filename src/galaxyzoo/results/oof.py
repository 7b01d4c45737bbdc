"""A run's out-of-fold table, test table and score card, collected from its folds' predictions."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from galaxyzoo.config.schema import Config
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.io.tables import GalaxyId
from galaxyzoo.results import layout, submission
from galaxyzoo.results.card import RunCard
from galaxyzoo.results.fold_files import HISTORY, TEST_TABLE, VAL_TABLE, FoldFiles
from galaxyzoo.results.table import PredictionTable, score_table
from galaxyzoo.tasks.kinds import Task

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
    refit = None
    if refits:
        refit, _ = _mean_test(config, catalog, refits, test_images)
    if folds:
        notes = {"refits": len(refits), **_describe_trainings(config, folds)}
        return _collect_folds(config, catalog, folds, test_images, notes, refit)
    folder = layout.RunFolder(catalog.dataset, config.run)
    if refit is None or not folder.card.exists():
        return None
    card = RunCard.of(catalog.dataset, config.run)  # imported: its other tables stay
    prior = catalog.targets(config.predicted_task).mean(axis=0)
    tables = card.tables.model_copy(update={"refit": refit.write(folder.refit_csv, prior)})
    card = card.model_copy(update={"tables": tables, "refits": len(refits)})
    card.write(folder.card)
    return card


def _collect_folds(
    config: Config,
    catalog: Catalog,
    folds: Sequence[FoldFiles],
    test_images: "ImageCache",
    notes: Mapping[str, Any],
    refit: PredictionTable | None,
) -> RunCard:
    """Write tables and card of the finished folds; `notes` and `refit` as of `save_run`."""
    predicted = pd.concat([_read_val(config, catalog, files).frame for files in folds])
    is_predicted = catalog.train.index.isin(predicted.index)
    ids = catalog.ids[is_predicted]
    # Row by row in memory, as always: last digits of sums depend on it.
    values = np.ascontiguousarray(predicted.loc[ids])
    oof = PredictionTable(config.predicted_task, ids, values, catalog.folds[is_predicted])
    test, unreadable = _mean_test(config, catalog, folds, test_images)
    notes = {**notes, "unreadable_test_images": unreadable}
    return save_run(catalog, config.run, oof.project(), test, notes, refit)


def _describe_trainings(config: Config, folds: Sequence[FoldFiles]) -> dict[str, Any]:
    """Values of a run's card that its config and the trainings of its folds give."""
    starts = []
    losses = {}
    diverged = []
    selected = False
    may_have_seen = config.possible_leakage
    for files in folds:
        summary = files.summary
        starts.append(summary.start)
        losses[str(files.number)] = (summary.first_loss, summary.last_loss)
        if summary.diverged:
            diverged.append(files.number)
        selected |= summary.selected_on_validation
        may_have_seen |= summary.possible_leakage
    return {
        "about": config.about,
        "config": config.digest(),
        "seed": config.train.seed,
        "checkpoint": config.train.checkpoint,
        "selected_on_validation": selected,
        "possible_leakage": may_have_seen,
        "views": config.tta.n_views,
        "start": " / ".join(dict.fromkeys(starts)),
        "training_loss": losses,
        "diverged": diverged,
    }


def _mean_test(
    config: Config, catalog: Catalog, trained: Sequence[FoldFiles], test_images: "ImageCache"
) -> tuple[PredictionTable, list[GalaxyId]]:
    """Mean over networks; the mean of the training targets where there is no image.

    Returns:
        The valid predictions, and the ids without an image, as tables have them.
    """
    ids = catalog.test_ids
    task = config.predicted_task
    total = np.zeros((len(ids), len(task.columns)))
    # An image may have been repaired since a network predicted it.
    earlier: list[GalaxyId] = []
    for files in trained:
        total += PredictionTable.read(files.path(TEST_TABLE), task, ids).values
        earlier += files.summary.unreadable_test_images
    mean = total / len(trained)
    is_unreadable = test_images.unreadable | pd.Index(ids).isin(earlier)
    unreadable = ids[is_unreadable].tolist()
    if unreadable:
        mean[is_unreadable] = catalog.targets(task).mean(axis=0)
        tqdm.write(submission.describe_unreadable(unreadable))
    return PredictionTable(task, ids, mean).project(), unreadable


def _read_val(config: Config, catalog: Catalog, files: FoldFiles) -> PredictionTable:
    """Predictions of a fold's own galaxies."""
    ids = catalog.ids[catalog.folds == files.number]
    return PredictionTable.read(files.path(VAL_TABLE), config.predicted_task, ids)


def save_run(
    catalog: Catalog,
    run: str,
    oof: PredictionTable,
    test: PredictionTable,
    notes: Mapping[str, Any],
    refit: PredictionTable | None = None,
    number: str = "%.9f",
) -> RunCard:
    """Score predictions, write tables and card.

    Args:
        catalog: galaxies of the run's task.
        run: its name.
        oof: of the galaxies of finished folds, valid.
        test: valid.
        notes: values of the card, besides scores and tables.
        refit: test predictions of networks trained on all galaxies.
        number: form of the tables' numbers.
    """
    task = oof.task
    targets = catalog.targets(task)
    is_scored = catalog.train.index.isin(oof.ids)
    scores = score_table(task, oof.values, targets[is_scored], oof.folds, targets[~is_scored])
    fold_scores = {int(fold): score for fold, score in scores["per_fold"].items()}
    weak_folds = _no_better_than_mean(fold_scores, catalog, task)

    folder = layout.RunFolder(catalog.dataset, run)
    prior = targets.mean(axis=0)
    digests = {
        "oof": oof.write(folder.oof_csv, number=number),
        "test": test.write(folder.test_csv, prior, number),
    }
    if refit:
        digests["refit"] = refit.write(folder.refit_csv, prior, number)
    values = {
        "run": run,
        "task": task.name,
        "dataset": catalog.dataset,
        "fingerprint": catalog.fingerprint,
        "folds": list(fold_scores),
        "n_folds": catalog.n_folds,
        "no_better_than_mean": weak_folds,
        "tables": digests,
    }
    card = RunCard(**{**notes, **scores, **values})
    card.write(folder.card)
    return card


def _no_better_than_mean(
    fold_scores: Mapping[int, float], catalog: Catalog, task: Task
) -> list[int]:
    """Folds whose score is no better than that of the mean targets of the others, or NaN."""
    targets = catalog.targets(task)
    weak_folds = []
    for fold, score in fold_scores.items():
        in_fold = catalog.folds == fold
        mean = task.project(targets[~in_fold].mean(axis=0, keepdims=True))
        means = np.repeat(mean, in_fold.sum(), axis=0)
        is_better = score < task.score(means, targets[in_fold])  # NaN is not
        if not is_better:
            weak_folds.append(fold)
    return weak_folds
