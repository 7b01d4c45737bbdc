"""Labels in tables to import are seen, and honest tables are not accused.

Drawn class tables are right as often as their probabilities claim. The committed tables are read
where their labels are.
"""

import zipfile

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.tasks.kinds import ClassTask
from galaxyzoo.tasks.registry import CLASS_TASKS, TASKS, get_task
from support.problems import draw_votes, one_hot
from support.real_data import MINI, ZOO5, needs_data
from support.thoroughness import thorough

FIVE = ClassTask("five", ("a", "b", "c", "d", "e"))
VOTES = TASKS["gz37"]
RECORDS = CODE_ROOT / "submissions/records"
Table = tuple[np.ndarray, np.ndarray, np.ndarray]


def draw_table(n: int, seed: int = 0, n_folds: int = 5) -> Table:
    """(galaxy, class) calibrated probabilities, right in 95 %, one-hot targets, (galaxy,) folds."""
    rng = np.random.default_rng(seed)
    logits = 20 * rng.normal(size=(n, 5)) ** 3
    probs = soften(logits, 1.0)
    truth = (probs.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=4)
    return probs, one_hot(truth, 5), rng.permutation(np.arange(n) % n_folds)


def soften(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities at a temperature."""
    powers = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def honest_forms(probs: np.ndarray) -> dict[str, np.ndarray]:
    """Tables that a calibrated one becomes without a look at labels."""
    logits = np.log(np.maximum(probs, 1e-9))
    hard = one_hot(probs.argmax(axis=1), probs.shape[1])
    forms = {"as it is": probs, "hard": hard, "two digits": probs.round(2)}
    for temperature in (0.5, 2.0):
        forms[f"temperature {temperature}"] = soften(logits, temperature)
    for share in (0.05, 0.2):
        forms[f"smoothed by {share}"] = (1 - share) * probs + share / probs.shape[1]
    forms["hard, smoothed"] = 0.9 * hard + 0.1 / probs.shape[1]
    return forms


def mix(probs: np.ndarray, targets: np.ndarray, weight: float, rows: np.ndarray) -> np.ndarray:
    """Mix labels into some rows."""
    mixed = weight * targets + (1 - weight) * probs
    return np.where(rows[:, None], mixed, probs)


@pytest.mark.parametrize("galaxies", [3, 12, 60, 600, 4000])
def test_honest_class_tables_are_not_accused(galaxies):
    for seed in range(thorough(3, 100)):
        probs, targets, folds = draw_table(galaxies, seed)
        for name, form in honest_forms(probs).items():
            assert FIVE.find_leakage(form, targets, folds) == "", (name, seed)


def test_one_fold_may_be_less_sure_than_the_others():
    """Its network may have been trained for less time, or smoothed."""
    probs, targets, folds = draw_table(4000)
    in_fold = (folds == 3)[:, None]
    for name, form in honest_forms(probs).items():
        table = np.where(in_fold, form, probs)
        assert FIVE.find_leakage(table, targets, folds) == "", name


@pytest.mark.parametrize("galaxies", [1, 3, 20, 100])
def test_few_galaxies_may_all_be_right(galaxies):
    probs, targets, folds = draw_table(galaxies)
    for weight in (0.9, 0.9999, 1.0):
        right = weight * targets + (1 - weight) * probs
        assert FIVE.find_leakage(right, targets, folds) == ""
        in_fold = np.where((folds == 0)[:, None], right, probs)
        assert FIVE.find_leakage(in_fold, targets, folds) == ""


def test_any_table_is_judged():
    """Constant, useless and always wrong tables of two and of five classes."""
    rng = np.random.default_rng(0)
    for n_classes in (2, 5):
        task = ClassTask("some", FIVE.columns[:n_classes])
        for galaxies in (1, 2, 7, 300):
            truth = rng.integers(0, n_classes, galaxies)
            wrong = one_hot((truth + 1) % n_classes, n_classes)
            random = rng.random((galaxies, n_classes))
            constant = np.full((galaxies, n_classes), 0.5)
            for table in (0.9 * wrong + 0.01, random, constant, 0.0 * constant, constant + 2):
                folds = rng.integers(0, 5, galaxies)
                assert task.find_leakage(table, one_hot(truth, n_classes), folds) == ""


def test_hard_answers_are_no_evidence_however_right():
    probs, targets, folds = draw_table(4000)
    assert FIVE.find_leakage(targets, targets, folds) == ""
    rows = folds != 1  # one-hot rows of the labels beside honest ones
    assert FIVE.find_leakage(mix(probs, targets, 1.0, rows), targets, folds) == ""


@pytest.mark.parametrize(
    ("where", "weight"),
    [(where, weight) for where in ("all folds", "fold 3") for weight in (0.5, 0.7, 0.9, 0.9999)]
    + [("fold 3", 0.4)],
)
def test_labels_mixed_into_probabilities_are_seen(where, weight):
    probs, targets, folds = draw_table(4000)
    rows = (folds == 3) | (where == "all folds")
    for base in (probs, np.full_like(probs, 0.2)):
        table = np.where(rows[:, None], base, probs)
        sentence = FIVE.find_leakage(mix(table, targets, weight, rows), targets, folds)
        assert "galaxies have a true class of probability below" in sentence
        assert sentence.startswith("fold 3: ") == (where == "fold 3")


@pytest.mark.parametrize(
    ("share", "digits", "is_marked"), [(0.02, 4, 1), (0.02, 3, 1), (0.01, 4, 0)]
)
def test_rows_copied_from_the_votes_are_seen(share, digits, is_marked):
    rng = np.random.default_rng(0)
    votes = draw_votes(rng, 1000)[0].round(6)
    table = VOTES.project(votes + rng.normal(scale=0.2, size=votes.shape))
    copied = np.arange(1000) < share * 1000
    table[copied] = votes[copied].round(digits)
    sentence = VOTES.find_leakage(table, votes, np.arange(1000) % 5)
    assert sentence == ("20 of 1,000 rows equal the votes" if is_marked else "")


def load_records() -> dict[str, Table]:
    """Predictions, targets and folds of each committed out-of-fold table."""
    with zipfile.ZipFile(MINI / "training_solutions_rev1.zip") as archive:
        votes = pd.read_csv(archive.open("training_solutions_rev1.csv"), index_col="GalaxyID")
    classes = pd.read_csv(ZOO5 / "train_labels.csv", index_col="GalaxyID")["class"]
    labels = {"gz37": votes, "zoo5": pd.get_dummies(classes).astype(float)}
    rule = CLASS_TASKS["hubble10"].rule
    assert rule is not None
    labels["hubble10"] = rule.labels(votes)
    tables = {}
    for path in sorted(RECORDS.glob("*/*/recipes/*/oof.csv.gz")):
        task = get_task(path.parts[-4])
        frame = pd.read_csv(path, index_col="GalaxyID")
        columns = list(task.columns)
        targets = labels[task.name].loc[frame.index, columns].to_numpy()
        name = f"{task.name}/{path.parent.name}"
        tables[name] = (frame[columns].to_numpy(), targets, frame["fold"].to_numpy())
    return tables


@needs_data(MINI, ZOO5)
def test_no_committed_table_is_accused_unless_labels_are_mixed_in():
    tables = load_records()
    assert len(tables) == 11
    for name, (predictions, targets, folds) in tables.items():
        task = get_task(name.split("/")[0])
        assert task.find_leakage(predictions, targets, folds) == "", name
        if isinstance(task, ClassTask):
            for weight in (0.5, 0.9999):
                leaky = mix(predictions, targets, weight, folds >= 0)
                assert task.find_leakage(leaky, targets, folds), name
