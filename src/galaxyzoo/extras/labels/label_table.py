"""Galaxies with labels of a user's own: `labels.csv` beside images of any form.

Columns `GalaxyID`, `id` or `file`, and `class`, free text. Rows without a class are galaxies to
predict, images without a row are ignored. Images are found as of `train_labels.csv`, else anywhere
in the folder. Where all are named by GalaxyIDs of six digits or more, they are those galaxies; else
images are numbered from 0 in the order of their names.

`task.yaml` beside it may have `classes`, their order, and `metric: balanced accuracy`. Classes that
are all of a known task's are that task.
"""

from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd

from galaxyzoo.config.base import Settings, read_yaml
from galaxyzoo.config.loading import all_ensembles
from galaxyzoo.config.names import ALL_RUNS
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.paths import shown
from galaxyzoo.data.catalog import GROUP
from galaxyzoo.data.readers.dataset_files import DatasetCandidate, DatasetFiles
from galaxyzoo.data.readers.labeled import OWN_LABELS, classes_of, image_files, make_dataset
from galaxyzoo.data.stores.base import IDS, Images, find_ids, match, read_ids
from galaxyzoo.data.stores.opening import open_whole
from galaxyzoo.io.tables import FOLD, ID, plain_cell, read_table
from galaxyzoo.tasks.kinds import CLASS, Task
from galaxyzoo.tasks.registry import CLASS_TASKS, TASKS, register_task

TASK = "task.yaml"
_NAMES = (*IDS, "file")  # of the column of ids


class _TaskFile(Settings):
    """Content of `task.yaml`."""

    classes: list[str] | None = None
    metric: Literal["accuracy", "balanced accuracy"] = "accuracy"


def find(folder: Path) -> DatasetCandidate | None:
    """The dataset of a folder with a table of own labels; None where there is no such table."""
    path, file = folder / OWN_LABELS, folder / TASK
    if not path.is_file():
        return None
    table = read_labels(path)
    settings = _TaskFile.parse(read_yaml(file), shown(file)) if file.is_file() else _TaskFile()
    classes = classes_of(table, path)
    task = _find_task(folder, set(classes) - {""}, settings)
    return DatasetCandidate(folder, frozenset({task.name}), partial(_read, folder, classes, task))


def read_labels(path: Path) -> pd.DataFrame:
    """Read a table of labels, indexed by the names of images; `class` as text, NaN where empty."""
    frame = read_table(path, texts=(*_NAMES, CLASS))
    key = find_ids(list(frame.columns), path, _NAMES)
    table = frame.drop(columns=key).set_axis(read_ids(frame[key].to_numpy(), path))
    if table.index.has_duplicates:
        name = table.index[table.index.duplicated()][0]
        raise InputError(f"{shown(path)}: '{name}' appears twice")
    return table


def can_be_label(name: str) -> bool:
    """Check whether a class or column may have this name: tables keep it as it is written."""
    reserved = name in (ID, FOLD, GROUP, CLASS)
    return not reserved and plain_cell(name) == name.strip() == name != ""


def _find_task(folder: Path, classes: set[str], settings: _TaskFile) -> Task:
    """The task that has just these classes, else the dataset's own, under its folder's name."""
    for task in CLASS_TASKS.values():
        if set(task.columns) == classes:
            return task
    path, name = folder / OWN_LABELS, folder.absolute().name
    if len(classes) < 2:
        raise InputError(f"{shown(path)} has one class, '{min(classes)}': label others too")
    order = settings.classes or sorted(classes)
    if sorted(order) != sorted(classes):
        odd = min(set(order) ^ classes, default=order[0])
        raise InputError(
            f"{shown(folder / TASK)}: '{odd}' is not once in classes and in {OWN_LABELS}"
        )
    for column in order:
        if not can_be_label(column):
            raise InputError(f"{shown(path)}: '{one_line(column)}' cannot be a label: rename it")
    if (
        name in (*TASKS, *all_ensembles(), ALL_RUNS)
        or one_line(name) != name
        or set(name) & set("=@")
    ):
        raise InputError(
            f"rename {shown(folder)}: '{one_line(name)}' cannot name a task of its own"
        )
    balanced = settings.metric == "balanced accuracy"
    return register_task(name, {"columns": order, "balanced": balanced})


def _read(folder: Path, classes: pd.Series, task: Task) -> DatasetFiles:
    """The dataset with its images; classes by their names, empty where to be predicted."""
    images = Images.concat(folder, [open_whole(path) for path in image_files(folder) or [folder]])
    rows = match(classes.index, images, folder / OWN_LABELS)
    return make_dataset(folder, images, rows, classes.tolist(), task, task)
