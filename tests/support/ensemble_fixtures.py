"""Synthetic galaxies and runs for the ensemble's tests: made-up votes that obey the tree."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.commands import ensemble
from galaxyzoo.config.loading import load_run_config
from galaxyzoo.config.names import ALL_RUNS
from galaxyzoo.core import files
from galaxyzoo.core.manifest import write_sealed
from galaxyzoo.data.catalog import GROUP, Catalog, save_catalog
from galaxyzoo.ensemble.blends import Blend, OofFold
from galaxyzoo.ensemble.selection import CANDIDATES, Candidate, CrossFits, cross_fit
from galaxyzoo.io.tables import FOLD, write_predictions
from galaxyzoo.results.layout import (
    EnsembleFolder,
    RunFolder,
    card_path,
    fold_files,
    list_ensembles,
)
from galaxyzoo.results.table import digest_table, score_table
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, DecisionTree, Question
from galaxyzoo.tasks.kinds import Task, VoteTask
from galaxyzoo.tasks.registry import task_of


class TwoNumbers(VoteTask):
    """Two columns, each for itself, that obey no sums."""

    groups = (slice(0, 1), slice(1, 2))

    def project(self, predictions: np.ndarray) -> np.ndarray:
        return np.clip(predictions, 0.0, 1.0)

    def text(self, column: int) -> str:
        return self.columns[column]

    heading = text


LINEAR = ["mean", "greedy", "nnls", "disagreement_ridge"]  # the quick candidates
COLUMNS = list(GALAXY_ZOO_2.columns)
SMALL = TwoNumbers("small", ("a", "b"), GALAXY_ZOO_2)
Problem = tuple[np.ndarray, np.ndarray, np.ndarray]


def make_problem(
    seed: int, n: int = 200, n_folds: int = 4, n_runs: int = 3, noise: float = 0.3
) -> Problem:
    """(galaxy, run, column) features, (galaxy, column) targets, (galaxy,) folds; two columns."""
    rng = np.random.default_rng(seed)
    targets = rng.random((n, 2))
    features = targets[:, None, :] + rng.normal(scale=noise, size=(n, n_runs, 2))
    return features.astype(np.float32), targets, rng.permutation(np.arange(n) % n_folds)


def fit_all(problem: Problem, names: list[str] = LINEAR) -> CrossFits:
    return cross_fit({name: CANDIDATES[name] for name in names}, SMALL, *problem)


def fit_weights(
    folds: list[OofFold],
    name: str,
    task: Task = SMALL,
    candidates: Mapping[str, Candidate] = CANDIDATES,
) -> np.ndarray:
    """(run, column) weights of a candidate that is a blend."""
    model = candidates[name].fit(folds, task)
    assert isinstance(model, Blend)
    return model.weights


def run_here(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["ensemble.py", *arguments])
    ensemble.main()


def built(task: str = "gz37", dataset: str = "tiny") -> EnsembleFolder:
    """The ensemble that was built last; where none was, the one that has no name."""
    there = list_ensembles(dataset, task)
    newest = max(there, key=lambda folder: card_path(folder.csv).stat().st_mtime_ns, default=None)
    return newest or EnsembleFolder(dataset, task, ALL_RUNS)


def read_card(task: str = "gz37") -> dict[str, Any]:
    """The score card of the ensemble of `tiny` that was built last."""
    return files.read_json(card_path(built(task).csv))


def stack_folds(folds: list[OofFold]) -> tuple[np.ndarray, np.ndarray]:
    """(galaxy, run, column) features in float64, (galaxy, column) targets."""
    features = np.concatenate([fold.features for fold in folds]).astype(float)
    return features, np.concatenate([fold.targets for fold in folds])


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
    oof = pd.DataFrame(draw_run(rng, catalog.targets("gz37"), noise), columns=COLUMNS)
    oof.insert(0, "fold", catalog.folds)
    oof.insert(0, "GalaxyID", catalog.ids)
    test = pd.DataFrame(0.25, index=catalog.test_ids, columns=COLUMNS)
    oof.sample(frac=1, random_state=0).to_csv(folder / "their_oof.csv", index=False)
    test.to_csv(folder / "their_test.csv", index_label="GalaxyID")
    return folder / "their_oof.csv", folder / "their_test.csv"


def vote_task(*answers: int) -> VoteTask:
    """A task on votes with questions of so many answers, none below another."""
    tree = DecisionTree(
        tuple(Question(i, "", ("",) * count, None) for i, count in enumerate(answers, start=1))
    )
    return VoteTask("t", tree.columns, tree)


def draw_votes(
    rng: np.random.Generator, n: int, n_latents: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """(galaxy, answer) valid votes and the (galaxy, latent) shapes that they come from."""
    latents = rng.normal(size=(n, n_latents))
    logits = latents @ np.random.default_rng(7).normal(size=(n_latents, len(COLUMNS)))
    votes = np.zeros((n, len(COLUMNS)))
    for question in GALAXY_ZOO_2.top_down:
        span, parent = GALAXY_ZOO_2.span(question), GALAXY_ZOO_2.parent_index(question)
        shares = np.exp(logits[:, span])
        shares /= shares.sum(axis=1, keepdims=True)
        votes[:, span] = shares * (1.0 if parent is None else votes[:, [parent]])
    return votes, latents


def draw_run(rng: np.random.Generator, votes: np.ndarray, noise: float) -> np.ndarray:
    """(galaxy, answer) raw predictions of a run that errs by `noise` (standard deviation)."""
    return votes + rng.normal(scale=noise, size=votes.shape)


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
    own, columns = catalog.for_task(task), list(task.columns)
    table = pd.DataFrame(oof, index=own.ids, columns=columns)
    table[FOLD] = own.folds
    write_predictions(RunFolder(catalog.dataset, run).oof_csv, table)
    frame = pd.DataFrame(test, index=catalog.test_ids, columns=columns)
    for name in task.decision_columns:
        frame.insert(0, name, columns[0])
    write_predictions(RunFolder(catalog.dataset, run).test_csv, frame)
    scores = score_table(task, oof, own.targets(task.name), own.folds)
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
    card: dict[str, Any] = {"run": run, "task": task_of(run).name, "dataset": own.dataset}
    card |= {"fingerprint": own.fingerprint, "n_folds": own.n_folds}
    card |= {"folds": list(range(own.n_folds)), "views": 8, "selected_on_validation": False}
    card |= {"possible_leakage": False, "training_loss": {}, "tables": {"oof": "", "test": ""}}
    card |= dict.fromkeys(("about", "config", "start", "checkpoint"), "made up")
    lists = ("diverged", "no_better_than_mean", "unreadable_test_images")
    return card | {key: [] for key in lists} | values


def sign(dataset: str, run: str) -> None:
    """Note on a run's card the digests of its tables as they are."""
    tables = {"oof": RunFolder(dataset, run).oof_csv, "test": RunFolder(dataset, run).test_csv}
    path = card_path(tables["oof"])
    digests = {which: digest_table(table) for which, table in tables.items()}
    write_sealed(path, files.read_json(path) | {"tables": digests})


def save_project(
    dataset: str = "tiny", n: int = 60, n_folds: int = 3, n_runs: int = 2, n_test: int = 10
) -> Catalog:
    """A prepared dataset with finished runs `gz37/run0`, `gz37/run1`, … under the current root."""
    rng = np.random.default_rng(3)
    catalog, test_votes = make_catalog(rng, n, n_folds, dataset, n_test)
    save_catalog(catalog)
    for i in range(n_runs):
        noise = 0.1 + 0.03 * i
        oof, test = draw_run(rng, catalog.targets("gz37"), noise), draw_run(rng, test_votes, noise)
        save_run(catalog, f"gz37/run{i}", oof, test)
    return catalog


def use_root(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """Let every artifact folder lie under `root`."""
    monkeypatch.setenv("GALAXYZOO_ROOT", str(root))


def finish_fold(run: str, catalog: Catalog, fold: int, **notes: object) -> None:
    """Mark a fold, of a run with a saved config, as finished with the files that it has."""
    config = load_run_config(RunFolder(catalog.dataset, run).path).config
    fingerprint = catalog.for_task(task_of(run)).fingerprint
    found = fold_files(config, catalog.dataset, fingerprint, fold)
    names = [path.name for path in found.folder.iterdir()]
    found.finish(names, {"start": "scratch", **notes})
