"""Tables of votes and class counts: hand-worked, empty classes, the numbers of docs/tasks.md."""

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.data.catalog import GROUP, Catalog
from galaxyzoo.data.readers.kaggle import open_dataset_files
from galaxyzoo.extras.reports.explore import count_classes
from galaxyzoo.io.tables import FOLD
from galaxyzoo.tasks.registry import CLASS_TASKS
from support.datasets import COLUMNS
from support.real_data import MINI, needs_data

RULES = [name for name, task in CLASS_TASKS.items() if task.rule]


def catalog_of(labels: pd.DataFrame, n_folds: int = 3) -> Catalog:
    """A catalog whose galaxies are in folds 0, 1, 2, 0, 1, …"""
    train = labels.copy()
    train.insert(0, FOLD, np.arange(len(train)) % n_folds)
    train.insert(1, GROUP, np.arange(len(train)))
    return Catalog("hand-made", train, np.empty(0, np.int64))


def first_question(*votes: tuple[float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(0.0, index=np.arange(len(votes)) + 7, columns=COLUMNS)
    frame[["Class1.1", "Class1.2"]] = votes
    return frame


def test_hand_worked_counts():
    votes = first_question((0.9, 0.1), (0.7, 0.3), (0.85, 0.1), (0.3, 0.7), (0.1, 0.9), (0.95, 0))
    table = count_classes(catalog_of(votes), CLASS_TASKS["elliptical_spiral"])
    names = ["task", "class", "before", "kept", "dropped", "fold_0", "fold_1", "fold_2"]
    assert table.columns.tolist() == names
    assert table.iloc[0].tolist() == ["elliptical_spiral", "elliptical", 4, 3, 1, 1, 0, 2]
    assert table.iloc[1].tolist() == ["elliptical_spiral", "spiral", 2, 1, 1, 0, 1, 0]


def test_a_label_file_keeps_all_and_has_only_its_own_task():
    columns = CLASS_TASKS["zoo5"].columns
    labels = pd.DataFrame(np.eye(5)[[0, 0, 3, 4]], columns=columns)
    catalog = catalog_of(labels)
    assert [task.name for task in catalog.labeled_tasks] == ["zoo5"]
    table = count_classes(catalog, CLASS_TASKS["zoo5"])
    assert table["before"].tolist() == table["kept"].tolist() == [2, 0, 0, 1, 1]
    assert table["dropped"].sum() == 0
    with pytest.raises(InputError, match="hubble10"):
        count_classes(catalog, CLASS_TASKS["hubble10"])


def published(task: str) -> dict[str, int]:
    """Counts of `kaggle-mini` in docs/tasks.md: the first row of numbers below the heading."""
    page = (CODE_ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    lines = page.split(f"## {task}\n")[1].split("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    named = {k: v for k, v in zip(rows[0], rows[2], strict=True) if k}
    return {name: int(text.replace(",", "")) for name, text in named.items()}


@needs_data(MINI)
def test_the_documented_counts_are_those_of_the_real_files(root):
    catalog = catalog_of(open_dataset_files(MINI).targets)
    for name in RULES:
        table = count_classes(catalog, CLASS_TASKS[name])
        counted = dict(zip(table["class"], table["kept"], strict=True))
        sums = {key: int(table[key].sum()) for key in ("kept", "dropped")}
        assert counted | sums == published(name)
