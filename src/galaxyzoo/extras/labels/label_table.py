"""Galaxies with labels of a user's own: `labels.csv` beside images of any form.

Rows without a class are galaxies to predict, images without a row are ignored. Where all are named
by GalaxyIDs of six digits or more, they are those galaxies; else their ids are what the user wrote.
Forms and columns: docs/labels.md.
"""

from functools import partial
from itertools import chain
from pathlib import Path, PurePath
from typing import Literal

import numpy as np
import pandas as pd

from galaxyzoo.config.base import Settings, read_yaml
from galaxyzoo.config.loading import all_ensembles
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.paths import ALL_RUNS, input_dir, shown
from galaxyzoo.data.catalog import GROUP
from galaxyzoo.data.readers import kaggle
from galaxyzoo.data.readers.dataset_files import DatasetCandidate, DatasetFiles
from galaxyzoo.data.readers.labeled import (
    classes_of,
    image_files,
    is_known,
    make_dataset,
)
from galaxyzoo.data.readers.side_tables import GROUPS
from galaxyzoo.data.stores.base import IDS, Images, find_ids, is_read, match, pick_columns, read_ids
from galaxyzoo.data.stores.opening import open_whole
from galaxyzoo.io.tables import FOLD, ID, NAME, read_table
from galaxyzoo.io.writing import plain_cell
from galaxyzoo.tasks.kinds import CLASS, ClassTask, Task
from galaxyzoo.tasks.registry import CLASS_TASKS, TASKS

TASK = "task.yaml"
_FORMS = "labels.csv", "labels.csv.gz", "labels.parquet", "metadata.csv", "metadata.jsonl"
_NOTES = ".yaml", ".txt", ".md", ".db", ".ini"  # as of task.yaml, README.txt, Thumbs.db
_TABLES = ".csv", ".gz", ".parquet", ".tsv", ".xlsx"  # beside class folders: a catalog, say
NAMES = (*IDS, "file", "file_name", "image", "path")  # of columns of ids or files
_SPLITS = "train", "val", "valid", "validation", "test"  # folders, whose parts we deal anew
_YES, _NO = ("True", "true", "1", "1.0"), ("False", "false", "0", "0.0")


class _TaskFile(Settings):
    """Content of `task.yaml`."""

    label: str | None = None  # column of the classes
    classes: list[str] | None = None
    metric: Literal["accuracy", "balanced accuracy"] = "accuracy"


def find_label_table(folder: Path) -> DatasetCandidate | None:
    """The dataset of a folder with a table of own labels, or with a folder of images a class."""
    path, file = _find_table(folder), folder / TASK
    settings = _TaskFile.parse(read_yaml(file), shown(file)) if file.is_file() else _TaskFile()
    if path is None:
        return _find_folders(folder, settings)
    table = read_table(path, texts=None).dropna(how="all")
    if path.stem == "metadata" and "file_name" not in table:
        return None
    names = table[pick_columns(table, NAMES)]
    classes = _read_classes(table.drop(columns=names.columns), path, settings)
    task = _find_task(folder, path, set(classes) - {""}, settings)
    read = partial(_read, folder, path, names, classes, task)
    return DatasetCandidate(folder, frozenset({task.name}), read, image_files(folder, path))


def _find_table(folder: Path) -> Path | None:
    """The table of labels in a folder, of the first of its forms, in whatever case."""
    paths = {path.name.lower(): path for path in folder.glob("[lLmM]*") if path.is_file()}
    for name in _FORMS:
        if name in paths:
            return paths[name]
    return None


def _find_folders(folder: Path, settings: _TaskFile) -> DatasetCandidate | None:
    """The dataset of a folder, or of `train/`, `val/`, … in it, with a folder of images a class."""
    splits = [path for name in _SPLITS if (path := folder / name).is_dir()]
    tops = {top: names for top in splits or [folder] if (names := _class_names(top))}
    classes = {*chain(*tops.values())}
    if len(classes) < 2 or folder == input_dir() or (is_known(classes) and not splits):
        return None
    if kaggle.holds_data(folder):  # its folders of images are no classes
        return None
    task = _find_task(folder, next(iter(tops)), classes, settings)

    def read() -> DatasetFiles:
        for table in sorted(folder.glob("[!.]*")):
            if table.suffix.lower() in _TABLES and table.name != GROUPS:
                print(f"{shown(table)} is not read: {GROUPS} alone may have groups and positions")
        images = open_whole(folder)
        places = [PurePath(name).parts for name in images.names]
        rows = [row for row, parts in enumerate(places) if folder / parts[0] in tops or not splits]
        if len(splits) > 1:
            count, names = len(images) - len(rows), ", ".join(f"{top.name}/" for top in tops)
            print(f"{shown(folder)}: new folds from {names}; other images ignored: {count:,}")
        listed = [places[row][1 if splits else 0] for row in rows]
        return make_dataset(folder, images, rows, listed, task, task)

    return DatasetCandidate(folder, frozenset({task.name}), read)


def _class_names(top: Path) -> set[str]:
    """Names of folders of images, if a folder has nothing else but notes and tables."""
    names = set()
    for path in top.glob("[!.]*"):
        if path.is_dir() and any(is_read(file.name) for file in path.iterdir()):
            names.add(path.name)
        elif path.is_dir() or path.suffix.lower() not in (*_NOTES, *_TABLES):
            return set()
    return names


def _read_classes(table: pd.DataFrame, path: Path, settings: _TaskFile) -> pd.Series:
    """Class of each row, empty where it has none: of the column of labels, or of 0 and 1 each."""
    column = settings.label or next(iter(pick_columns(table, (CLASS, "label"))), "")
    if column in table:
        return classes_of(table.rename(columns={column: CLASS}), path)
    flags = table.loc[:, table.isin([*_YES, *_NO]).all()].isin(_YES)
    if flags.shape[1] > 1 and (flags.sum(axis=1) == 1).all():
        return flags.idxmax(axis=1)
    is_number = table.replace(" *%$", "", regex=True).apply(pd.to_numeric, errors="coerce").notna()
    counts = table.loc[:, ~is_number.all()].nunique()
    likely = counts[counts > 1].idxmin() if (counts > 1).any() else "NAME"
    problem = f"{shown(path)} has no column '{column or CLASS}'"
    if counts.empty:
        problem += ", only numeric ones"
    raise InputError(
        f"{problem} (found {', '.join(table.columns[:9])}): name the right one in {TASK}: "
        f"`label: {likely}`"
    )


def can_be_label(name: str) -> bool:
    """Check whether a class or column may have this name: tables keep it as it is written."""
    reserved = name in (ID, NAME, FOLD, GROUP, CLASS, "score", "part")  # two of rankings
    return not reserved and plain_cell(name) == name.strip() == name != ""


def _find_task(folder: Path, path: Path, classes: set[str], settings: _TaskFile) -> Task:
    """The task that has just these classes, else the dataset's own, under its folder's name."""
    for task in CLASS_TASKS.values():
        if set(task.columns) == classes:
            return task
    name = folder.absolute().name
    if len(classes) < 2:
        raise InputError(f"{shown(path)} has only class '{min(classes)}': label another class too")
    order = settings.classes or sorted(classes)
    if sorted(order) != sorted(classes):
        odd = min(set(order) ^ classes, default=order[0])
        raise InputError(
            f"{shown(folder / TASK)}: '{odd}' is in only one of `classes:` and {path.name}"
        )
    for column in order:
        if not can_be_label(column):
            raise InputError(f"{shown(path)}: '{one_line(column)}' cannot name a class: rename it")
    if (
        name in (*TASKS, *all_ensembles(), ALL_RUNS)
        or one_line(name) != name
        or set(name) & set("=@")
    ):
        raise InputError(f"rename {shown(folder)}: '{one_line(name)}' cannot name a task")
    balanced = settings.metric == "balanced accuracy"
    return ClassTask(name, tuple(order), balanced=balanced)


def _read(
    folder: Path, path: Path, names: pd.DataFrame, classes: pd.Series, task: Task
) -> DatasetFiles:
    """The dataset with its images; classes by rows of the table, empty where to be predicted."""
    files = image_files(folder, path) or [folder]
    images = Images.concat(folder, [open_whole(file) for file in files])
    find_ids(names, path, NAMES)
    named, problems = dict[str, list[int]](), list[str]()
    for column in names:
        try:
            named[column] = match(read_ids(names[column].to_numpy(), path), images, path)
        except InputError as error:
            problems.append(str(error))
    if not named:
        raise InputError(problems[0] if len(problems) == 1 else f"{problems[0]}; {problems[-1]}")
    (column, rows), *others = named.items()
    for other in (name for name, of_other in others if of_other != rows):
        raise InputError(
            f"{shown(path)}: columns '{column}' and '{other}' name different images: delete one"
        )
    labels, texts = _majority(rows, classes, path), read_ids(names[column].to_numpy(), path)
    ids = pd.Series(texts, rows).groupby(level=0).first()[labels.index]
    return make_dataset(folder, images, [*labels.index], [*labels], task, task, path, [*ids])


def _majority(rows: list[int], classes: pd.Series, path: Path) -> pd.Series:
    """Class of each image that most of its rows have, empty where there is none, by its row."""
    counts = pd.crosstab(np.array(rows), classes.to_numpy()).drop(columns="", errors="ignore")
    most = counts.max(axis=1)
    is_clear = (most > 0) & (counts.eq(most, axis=0).sum(axis=1) == 1)
    labels = counts.idxmax(axis=1).where(is_clear, "").loc[[*dict.fromkeys(rows)]]
    if len(labels) < len(rows):
        print(
            f"{shown(path)}: {len(rows):,} labels of {len(labels):,} images; "
            f"{most.sum() / counts.to_numpy().sum():.1%} agree with the majority; images without a "
            f"majority: {(~is_clear).sum():,}"
        )
    return labels
