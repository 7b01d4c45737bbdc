"""Galaxies with a class each: a table of labels beside images, or one folder of images per class.

A table: `train_labels.csv` with the columns `GalaxyID,class`, rows in any order; `images.zip` or
`images/` with `<GalaxyID>.jpg`, else files of any name that hold images and their GalaxyIDs
(archives of extras), or a list `images.csv`; images that no table names are ignored; `test_ids.csv`
where there are galaxies to predict.

Folders: `<folder>/<class>/<any name>.jpg`. Where every name is another GalaxyID (six digits or
more), the images are those galaxies; else their ids are their paths in the folder.
"""

import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePath

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import ORIGINAL_PX, ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.readers import dataset_files
from galaxyzoo.data.readers.dataset_files import DatasetCandidate, DatasetFiles
from galaxyzoo.data.readers.side_tables import GROUP_FORMS
from galaxyzoo.data.stores import base, opening
from galaxyzoo.data.stores.names import is_picture, stem_of
from galaxyzoo.io.tables import key_of, read_csv
from galaxyzoo.io.writing import plain_cell
from galaxyzoo.tasks import kinds, registry

LABELS_CSV = "train_labels.csv"
TEST = "test_ids.csv"
IMAGES = "images"
# Such images are cut out already, often small: all of them is kept.
CUT_OUT = ImageConfig(crop_px=ORIGINAL_PX, cache_px=96)
GALAXY_ID = re.compile("[1-9][0-9]{5,17}")  # not the 1, 2, 3 or 0001 by which people number files


def find_table(folder: Path) -> DatasetCandidate | None:
    """The dataset of a folder with a table of labels; None where there is no such table."""
    path = folder / LABELS_CSV
    if not path.is_file():
        return None
    classes = classes_of(read_csv(path), path).sort_index()
    if not classes.all():
        raise InputError(f"{shown(path)}: GalaxyID {classes.idxmin()} has no class: add it")
    task = one_task(set(classes), shown(path))
    read = partial(_read_table, folder, classes, task)
    return DatasetCandidate(folder, frozenset({task.name}), read, image_files(folder, path))


def find_class_folders(folder: Path) -> DatasetCandidate | None:
    """The dataset of a folder where two or more classes of one task have folders; else None."""
    if not folder.is_dir():
        return None
    with os.scandir(folder) as entries:  # asks nothing more of the disk, were it 60,000 images
        names = {entry.name for entry in entries if entry.is_dir()}
    if not is_known(names):
        return None
    images = opening.open_whole(folder)
    classes = [PurePath(name).parts[0] for name in images.names]
    loose = set(classes).intersection(images.names)
    if loose:
        raise InputError(f"{shown(folder)}: '{min(loose)}' is not in a class folder: move it")
    task = one_task(set(classes), f"{shown(folder)}/")
    read = partial(make_dataset, folder, images, range(len(images)), classes, task)
    return DatasetCandidate(folder, frozenset({task.name}), read)


def is_known(names: set[str]) -> bool:
    """Check whether two names or more are those of classes of one known task."""
    spelled = {name.lower() for name in names}
    return any(len(spelled & _lower(task)) > 1 for task in registry.CLASS_TASKS.values())


def one_task(classes: set[str], place: str) -> kinds.ClassTask:
    """Find the task that has all these class names; `place` has them, for the error."""
    spelled = {name.lower() for name in classes}
    task = max(
        registry.CLASS_TASKS.values(),
        key=lambda task: (classes <= set(task.columns), len(spelled & _lower(task))),
    )
    unknown = classes - set(task.columns)
    if unknown:
        raise InputError(
            f"{place}: unknown class '{min(unknown)}': the classes of {task.name} are "
            f"{', '.join(task.columns)}; for your own classes, see Input forms in docs/tasks.md"
        )
    return task


def _lower(task: kinds.ClassTask) -> set[str]:
    return {column.lower() for column in task.columns}


def one_hot(classes: pd.Series, task: kinds.Task) -> pd.DataFrame:
    """(galaxy, class) 0.0 or 1.0 in the task's column order, of class names by id."""
    is_class = classes.to_numpy(object)[:, None] == np.array(task.columns, object)
    ids = classes.index.rename(key_of(classes.index))
    return pd.DataFrame(is_class.astype(np.float64), ids, list(task.columns))


def classes_of(table: pd.DataFrame, path: Path, column: str = kinds.CLASS) -> pd.Series:
    """Classes of a table of labels as text, empty where a row has none."""
    if column not in table.columns:
        raise InputError(f"{shown(path)} has no column '{column}': name the column of classes so")
    classes = table[column].fillna("").astype(str).str.strip()
    if not classes.any():
        raise InputError(f"{shown(path)}: column '{column}' is empty: write the classes there")
    return classes


def _read_table(folder: Path, classes: pd.Series, task: kinds.ClassTask) -> DatasetFiles:
    table = folder / LABELS_CSV
    test_ids = np.empty(0, np.int64)
    if (folder / TEST).exists():
        test_ids = read_csv(folder / TEST).index.to_numpy()
    files = image_files(folder, table)
    if not files:
        raise InputError(
            f"{shown(folder)}/ lacks {IMAGES}.zip (or a folder {IMAGES}/, or another of the "
            "Input forms in docs/tasks.md)"
        )
    images = opening.open_by_galaxy_id(*files)
    dataset_files.check_images(classes.index.to_numpy(), images, LABELS_CSV)
    dataset_files.check_images(test_ids, images, TEST)
    name = folder.absolute().name
    targets = one_hot(classes, task)
    return DatasetFiles(
        name, folder, targets, images, images, test_ids, CUT_OUT, task=task, table=table
    )


def image_files(folder: Path, table: Path) -> list[Path]:
    """Find the images beside a table of labels: `images/`, its zip or list, archives, zips.

    Zips beside pictures are left out: they may hold the same ones.
    """
    named = dataset_files.find_file(folder, (IMAGES, f"{IMAGES}.zip", f"{IMAGES}.csv"))
    if named:
        return [named]
    others = []
    for path in sorted(folder.glob("[!.]*")):
        if path != table and path.name.lower() not in GROUP_FORMS:
            others.append(path)
    archives = [path for path in others if opening.is_archive(path)]
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    if any(map(is_picture, names)):
        return archives
    return archives + [path for path in others if path.suffix.lower() == ".zip"]


def make_dataset(
    folder: Path,
    images: base.Images,
    rows: Sequence[int],
    classes: Sequence[str],
    task: kinds.Task,
    may_change: bool = False,
    table: Path | None = None,
    written: Sequence[str] = (),
) -> DatasetFiles:
    """Make the dataset of images with classes: galaxies by GalaxyIDs that name them, else by text.

    Args:
        folder: where they lie.
        images: all in the folder.
        rows: (galaxy,) of the images with classes.
        classes: (galaxy,) names; empty: to be predicted.
        task: of the classes.
        may_change: whether the labels are the user's own.
        table: of these.
        written: (galaxy,) how it names the images; default as they are named.
    """
    chosen = images.take(rows)
    stems = pd.Index([stem_of(name) for name in chosen.names])
    galaxy_ids = stems.is_unique and all(GALAXY_ID.fullmatch(stem) for stem in stems)
    if galaxy_ids:
        ids = stems.astype("int64")
    else:
        ids = text_ids(written or list(chosen.names), table or folder)
    labels = pd.Series(classes, ids, dtype=str).sort_index()
    test_ids = labels.index[labels == ""].to_numpy()
    targets = one_hot(labels[labels != ""], task)
    chosen = chosen.relabel(ids)
    return DatasetFiles(
        folder.absolute().name,
        folder,
        targets,
        chosen,
        chosen,
        test_ids,
        CUT_OUT,
        galaxy_ids=galaxy_ids,
        task=task,
        may_change=may_change,
        table=table,
    )


def text_ids(names: Sequence[str], source: Path) -> pd.Index:
    """Ids of galaxies as tables write them, so that they are read back the same.

    Args:
        names: (galaxy,) as the user or an image's file has them.
        source: file or folder, for messages.
    Raises:
        InputError: two names give one id.
    """
    ids = pd.Index([str(plain_cell(name.strip())) for name in names], dtype=object)
    if not ids.is_unique:
        raise InputError(f"{shown(source)} has id {ids[ids.duplicated()][0]} twice")
    return ids
