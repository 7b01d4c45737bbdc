"""Out-of-fold tables with their score cards, for reports, without training."""

import base64

import cv2
import numpy as np
import pandas as pd

from galaxyzoo.core.manifest import write_sealed
from galaxyzoo.data.catalog import GROUP, Catalog, save_catalog
from galaxyzoo.ensemble.model_listing import ensemble_folder
from galaxyzoo.io.tables import FOLD, write_predictions
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.results.table import digest_table, score_table
from galaxyzoo.tasks.registry import get_task, is_ensemble, task_of
from support.ensemble_fixtures import run_card

N_FOLDS = 3


def save_table(
    catalog: Catalog, run: str, noise: float, folds: tuple[int, ...] = (0, 1, 2), **card: object
) -> np.ndarray:
    """Write a run's out-of-fold table and score card; returns its predictions."""
    task = task_of(run)
    catalog = catalog.for_task(task)
    rows = np.isin(catalog.folds, folds)
    targets = catalog.targets(task.name)[rows]
    drawn = np.random.default_rng(len(run)).uniform(0, noise, targets.shape)
    predictions = np.round(task.project(targets + drawn), 9)
    scores = score_table(task, predictions, targets, catalog.folds[rows])
    values = run_card(catalog, run, folds=list(folds), **scores)
    table = pd.DataFrame(predictions, index=catalog.ids[rows], columns=list(task.columns))
    table[FOLD] = catalog.folds[rows]
    path = scored = RunFolder(catalog.dataset, run).oof_csv
    if is_ensemble(run):
        folder = ensemble_folder(catalog.dataset, run)
        values |= {
            "name": folder.name,
            "inputs": "",
            "rule": "simplest",
            "best": "mean",
            "chosen": "mean",
        }
        values |= {
            "candidates": {},
            "simplest_first": [],
            "without": {"candidate": "mean", "runs": {}},
            "nested": None,
        }
        values |= {"runs_selected_on_validation": [], "possible_leakage": []}
        values |= {"runs": {}, "error_correlation": {}, "table": "", "diverged": {}}
        path, scored = folder.oof_csv, folder.csv
    write_predictions(path, table)
    digest = digest_table(path)
    values |= {"tables": {"oof": digest, "test": ""}, "oof_table": digest, **card}
    write_sealed(scored.with_suffix(".json"), values)
    return predictions


def save_classes(names: list[str]) -> Catalog:
    """A catalog of zoo5 whose other classes are all in the last two folds, two galaxies each."""
    task = get_task("zoo5")
    others = [name for name in task.columns if name not in names]
    classes = np.array(names + 3 * others)
    train = pd.DataFrame({c: (classes == c).astype(float) for c in task.columns})
    train.index = np.arange(100, 100 + len(train))
    rest = np.arange(3 * len(others)) % 2 + 1
    train.insert(0, GROUP, np.arange(len(train)))
    train.insert(0, FOLD, np.concatenate([np.arange(len(names)) // 2 % N_FOLDS, rest]))
    catalog = Catalog("bare", train, np.empty(0, dtype=np.int64))
    save_catalog(catalog)
    return catalog


def read_embedded(data: str) -> np.ndarray:
    """(H, W, 3 or 4) picture of a page, BGR; `data` is its base64."""
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture
