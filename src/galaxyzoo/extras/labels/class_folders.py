"""Galaxies in a folder a class, without a table: `mine/spiral/`, or `mine/train/spiral/`."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import input_dir, shown
from galaxyzoo.data.readers import kaggle
from galaxyzoo.data.readers.dataset_files import DatasetCandidate, DatasetFiles
from galaxyzoo.data.readers.labeled import is_known, make_dataset
from galaxyzoo.data.readers.side_tables import GROUP_FORMS, GROUPS
from galaxyzoo.data.stores.names import HIDDEN, is_read
from galaxyzoo.data.stores.opening import open_whole
from galaxyzoo.extras.labels.own_task import TaskFile, find_task, print_alike
from galaxyzoo.tasks.kinds import Task

_NOTES = (".yaml", ".txt", ".md", ".db", ".ini")  # as of task.yaml, README.txt, Thumbs.db
_TABLES = (".csv", ".gz", ".parquet", ".tsv", ".xlsx")  # beside class folders: a catalog, say
_SPLITS = ("train", "val", "valid", "validation", "test")  # folders, whose parts we deal anew


def find_class_folders(folder: Path, settings: TaskFile) -> DatasetCandidate | None:
    """The dataset of a folder, or of `train/`, `val/`, … in it, with a folder of images a class.

    Args:
        folder: of the dataset.
        settings: its `task.yaml`.
    """
    splits = [folder / name for name in _SPLITS if (folder / name).is_dir()]
    tops = []  # folders of class folders
    classes = set()
    others = []
    for top in splits or [folder]:
        names, beside = _list_entries(top)
        if names:
            tops.append(top)
            classes |= names
            others += beside
    if len(classes) < 2 or folder == input_dir():
        return None
    if not splits and (others or is_known(classes)):
        return None
    if kaggle.holds_data(folder):  # its folders of images are no classes
        return None
    if others:
        raise InputError(
            f"{shown(others[0])} is not a class folder with images: move it out of {shown(folder)}/"
        )
    task = find_task(folder, tops[0], classes, settings)
    read = partial(_read, folder, splits, tops, task)
    return DatasetCandidate(folder, frozenset({task.name}), read)


def _read(folder: Path, splits: Sequence[Path], tops: Sequence[Path], task: Task) -> DatasetFiles:
    """The dataset with its images; those outside class folders are ignored."""
    print_alike(task.columns, folder)
    for table in sorted(folder.glob("[!.]*")):
        if table.suffix.lower() in _TABLES and table.name.lower() not in GROUP_FORMS:
            print(f"{shown(table)} is not read: {GROUPS} alone may have groups and positions")
    images = open_whole(folder)
    rows = []
    classes = []
    for row, name in enumerate(images.names):
        folders = name.split("/")
        if splits and folder / folders[0] not in tops:
            continue
        rows.append(row)
        classes.append(folders[1] if splits else folders[0])
    if len(splits) > 1:
        used = ", ".join(f"{top.name}/" for top in tops)
        ignored = len(images) - len(rows)
        print(f"{shown(folder)}: new folds from {used}; other images ignored: {ignored:,}")
    return make_dataset(folder, images, rows, classes, task, may_change=True)


def _list_entries(top: Path) -> tuple[set[str], list[Path]]:
    """List the names of class folders, and entries other than notes, tables and empty folders."""
    names = set()
    others = []
    for path in sorted(top.glob("[!.]*")):
        if HIDDEN.match(f"{path.name}/"):
            continue
        files = [file.name for file in path.glob("[!.]*")]
        if any(map(is_read, files)):
            names.add(path.name)
        elif files or (not path.is_dir() and path.suffix.lower() not in _NOTES + _TABLES):
            others.append(path)
    return names, others
