"""Trained projects: by the real command once, or finished runs that no network was trained for.

The fixture `trained_project` is a folder in which `train.py gz37/cnn --ensemble` has run once for
all tests; `project` is a copy for a file, `copy` for one test. Tests of what is done with finished
runs need no training: under the fixture `root`, `save_project()` makes the catalog `tiny` of 60
galaxies and runs gz37/run0, gz37/run1, …, each with out-of-fold table, test table and score card;
`save_class_project()` the same of classes. `save_run(catalog, name, oof, test)` adds a run with
predictions of your own, `save_table` one whose predictions are drawn.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from galaxyzoo import commands
from galaxyzoo.core import files
from galaxyzoo.core.extras import load_entry_point
from galaxyzoo.core.manifest import write_sealed
from galaxyzoo.core.paths import ALL_RUNS
from galaxyzoo.data.catalog import GROUP, Catalog, save_catalog, task_of
from galaxyzoo.ensemble.model_listing import ensemble_folder
from galaxyzoo.io.tables import FOLD
from galaxyzoo.io.writing import write_predictions
from galaxyzoo.results.layout import EnsembleFolder, RunFolder, card_path, list_ensembles
from galaxyzoo.results.table import digest_table, score_table
from galaxyzoo.tasks.registry import TASKS, get_task, is_ensemble
from support.datasets import ANOMALIES
from support.problems import COLUMNS, draw_probs, draw_run, draw_votes, one_hot


def make_catalog(
    rng: np.random.Generator, n: int, n_folds: int, dataset: str, n_test: int
) -> tuple[Catalog, np.ndarray]:
    """A catalog of made-up galaxies, and the (test galaxy, answer) votes that nobody is told."""
    ids = np.sort(rng.choice(np.arange(100_000, 900_000), n + n_test, replace=False))
    rng.shuffle(ids)
    train = pd.DataFrame(draw_votes(rng, n)[0], index=np.sort(ids[:n]), columns=COLUMNS)
    train.insert(0, GROUP, np.arange(n))
    train.insert(0, FOLD, rng.permutation(np.arange(n) % n_folds))
    return Catalog(dataset, train, ids[n:]), draw_votes(rng, n_test)[0]


def save_project(
    dataset: str = "tiny", n: int = 60, n_folds: int = 3, n_runs: int = 2, n_test: int = 10
) -> Catalog:
    """A prepared dataset with finished runs `gz37/run0`, `gz37/run1`, … under the current root."""
    rng = np.random.default_rng(3)
    catalog, test_votes = make_catalog(rng, n, n_folds, dataset, n_test)
    save_catalog(catalog)
    for i in range(n_runs):
        noise = 0.1 + 0.03 * i
        oof = draw_run(rng, catalog.targets(TASKS["gz37"]), noise)
        test = draw_run(rng, test_votes, noise)
        save_run(catalog, f"gz37/run{i}", oof, test)
    return catalog


def save_class_project(n: int = 90, n_runs: int = 3) -> Catalog:
    """A dataset with four rare and frequent classes, and finished runs anomaly4/run0, …"""
    rng = np.random.default_rng(5)
    votes, _ = make_catalog(rng, n, 3, "tiny", 10)
    labels = one_hot(rng.permutation(np.minimum(np.arange(n) % 12, 3)), 4)
    classes = pd.DataFrame(labels, index=votes.ids, columns=ANOMALIES)
    train = pd.concat([votes.train[[FOLD, GROUP]], classes], axis=1)
    catalog = Catalog("tiny", train, votes.test_ids)
    save_catalog(catalog)
    of_train = draw_probs(rng, labels, n_runs)
    of_test = draw_probs(rng, one_hot(np.arange(10) % 4, 4), n_runs)
    for i in range(n_runs):
        save_run(catalog, f"anomaly4/run{i}", of_train[:, i], of_test[:, i])
    return catalog


N_FOLDS = 3


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


def save_table(
    catalog: Catalog, run: str, noise: float, folds: tuple[int, ...] = (0, 1, 2), **card: object
) -> np.ndarray:
    """Write a run's out-of-fold table and score card; returns its predictions."""
    task = task_of(run)
    catalog = catalog.for_task(task)
    rows = np.isin(catalog.folds, folds)
    targets = catalog.targets(task)[rows]
    drawn = np.random.default_rng(len(run)).uniform(0, noise, targets.shape)
    predictions = np.round(task.project(targets + drawn), 9)
    scores = score_table(task, predictions, targets, catalog.folds[rows])
    values = run_card(catalog, run, folds=list(folds), **scores)
    table = pd.DataFrame(predictions, index=catalog.ids[rows], columns=list(task.columns))
    table[FOLD] = catalog.folds[rows]
    path = scored = RunFolder(catalog.dataset, run).oof_csv
    if is_ensemble(run):
        folder = ensemble_folder(catalog.dataset, run)
        path, scored = folder.oof_csv, folder.csv
        values |= dict.fromkeys(("inputs", "table"), "") | {"name": folder.name, "rule": "simplest"}
        values |= {key: {} for key in ("candidates", "runs", "error_correlation", "diverged")}
        lists = ("simplest_first", "runs_selected_on_validation", "possible_leakage")
        values |= dict.fromkeys(("best", "chosen"), "mean") | {key: [] for key in lists}
        values |= {"without": {"candidate": "mean", "runs": {}}, "nested": None}
    write_predictions(path, table)
    digest = digest_table(path)
    values |= {"tables": {"oof": digest, "test": ""}, "oof_table": digest, **card}
    write_sealed(scored.with_suffix(".json"), values)
    return predictions


def save_run(
    catalog: Catalog, run: str, oof: np.ndarray, test: np.ndarray, **changes: object
) -> None:
    """Write a run's out-of-fold table, test table and score card as training does.

    Args:
        catalog: the dataset's whole catalog.
        run: its task's name first.
        oof: (galaxy, column) of the task's galaxies.
        test: (test galaxy, column).
        changes: of the card.
    """
    task = task_of(run)
    own = catalog.for_task(task)
    columns = list(task.columns)
    table = pd.DataFrame(oof, index=own.train.index, columns=columns)
    table[FOLD] = own.folds
    write_predictions(RunFolder(catalog.dataset, run).oof_csv, table)
    frame = pd.DataFrame(test, index=pd.Index(catalog.test_ids, name=catalog.key), columns=columns)
    for name in task.decision_columns:
        frame.insert(0, name, columns[0])
    write_predictions(RunFolder(catalog.dataset, run).test_csv, frame)
    scores = score_table(task, oof, own.targets(task), own.folds)
    card = run_card(own, run, **scores, **changes)
    write_sealed(RunFolder(catalog.dataset, run).card, card)
    sign(catalog.dataset, run)


def run_card(own: Catalog, run: str, **values: object) -> dict[str, Any]:
    """A run's card, as plain values.

    Args:
        own: the galaxies of its task.
        run: its task's name first.
        values: scores, and what differs from a run without fault.
    """
    card: dict[str, Any] = {
        "run": run,
        "task": task_of(run).name,
        "dataset": own.dataset,
        "fingerprint": own.fingerprint,
        "n_folds": own.n_folds,
        "folds": list(range(own.n_folds)),
        "views": 8,
        "selected_on_validation": False,
        "possible_leakage": False,
        "training_loss": {},
        "tables": {"oof": "", "test": ""},
        "about": "made up",
        "config": "made up",
        "start": "made up",
        "checkpoint": "made up",
        "diverged": [],
        "no_better_than_mean": [],
        "unreadable_test_images": [],
    }
    return card | values


def sign(dataset: str, run: str) -> None:
    """Note on a run's card the digests of its tables as they are."""
    tables = {"oof": RunFolder(dataset, run).oof_csv, "test": RunFolder(dataset, run).test_csv}
    path = card_path(tables["oof"])
    digests = {which: digest_table(table) for which, table in tables.items()}
    write_sealed(path, files.read_json(path) | {"tables": digests})


def shuffle_tables(run: str, seed: int) -> None:
    """Shuffle rows and columns of both tables of a run of `tiny`."""
    for table in (RunFolder("tiny", run).oof_csv, RunFolder("tiny", run).test_csv):
        frame = pd.read_csv(table).sample(frac=1, random_state=seed)
        shuffled = frame.sample(frac=1, axis=1, random_state=seed)
        shuffled.to_csv(table, index=False, float_format="%.9f")
    sign("tiny", run)


def save_theirs(catalog: Catalog, folder: Path, noise: float = 0.15) -> tuple[Path, Path]:
    """Good predictions as somebody would bring them: shuffled, raw; paths of the two tables."""
    rng = np.random.default_rng(9)
    oof = pd.DataFrame(draw_run(rng, catalog.targets(get_task("gz37")), noise), columns=COLUMNS)
    oof.insert(0, "fold", catalog.folds)
    oof.insert(0, "GalaxyID", catalog.ids)
    test = pd.DataFrame(0.25, index=catalog.test_ids, columns=COLUMNS)
    oof.sample(frac=1, random_state=0).to_csv(folder / "their_oof.csv", index=False)
    test.to_csv(folder / "their_test.csv", index_label="GalaxyID")
    return folder / "their_oof.csv", folder / "their_test.csv"


def run_command(monkeypatch: pytest.MonkeyPatch, name: str, *words: str | Path) -> None:
    """Call a command's main function here, with these words on the command line."""
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, words)])
    load_entry_point(commands.references()[name])()


def run_here(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    run_command(monkeypatch, "ensemble", *arguments)


def built(task: str = "gz37", dataset: str = "tiny") -> EnsembleFolder:
    """The ensemble that was built last; where none was, the one that has no name."""
    there = list_ensembles(dataset, task)
    newest = max(there, key=lambda folder: card_path(folder.csv).stat().st_mtime_ns, default=None)
    return newest or EnsembleFolder(dataset, task, ALL_RUNS)


def read_card(task: str = "gz37") -> dict[str, Any]:
    """The score card of the ensemble of `tiny` that was built last."""
    return files.read_json(card_path(built(task).csv))
