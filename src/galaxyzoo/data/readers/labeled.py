"""Galaxies with a class each: a table of labels beside images, or one folder of images per class.

A table: `train_labels.csv` with the columns `GalaxyID,class`, rows in any order; `images.zip` or
`images/` with `<GalaxyID>.jpg`, else files of any name that hold images and their GalaxyIDs
(HDF5, Parquet, …), or a list `images.csv`; images that no table names are ignored; `test_ids.csv`
where there are galaxies to predict.

Folders: `<folder>/<class>/<any name>.jpg`. Where every name is another GalaxyID (six digits or
more), the images are those galaxies; else they are numbered from 0 in the order of their paths.
"""

import os
import re
from functools import partial
from pathlib import Path, PurePath

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import ORIGINAL_PX, ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.readers import raw_dataset
from galaxyzoo.data.stores.base import ImageStore, KeyedStore
from galaxyzoo.data.stores.opening import is_archive, open_by_galaxy_id, open_whole_store
from galaxyzoo.io.tables import ID, read_csv
from galaxyzoo.tasks.kinds import CLASS, ClassTask, Task
from galaxyzoo.tasks.registry import CLASS_TASKS

LABELS, TEST, IMAGES = "train_labels.csv", "test_ids.csv", "images"
OWN_LABELS = "labels.csv"  # of `label_table`
# Such images are cut out already, often small: all of them is kept.
CUT_OUT = ImageConfig(crop_px=ORIGINAL_PX, cache_px=96)
GALAXY_ID = re.compile("[1-9][0-9]{5,17}")  # not the 1, 2, 3 or 0001 by which people number files


def find_table(folder: Path) -> raw_dataset.FoundDataset | None:
    """The dataset of a folder with a table of labels; None where there is no such table."""
    path = folder / LABELS
    if not path.is_file():
        return None
    classes = _read_classes(path).sort_index()
    task = one_task(set(classes), shown(path))
    return raw_dataset.FoundDataset(
        folder, frozenset({task.name}), partial(_read_table, folder, classes, task)
    )


def find_class_folders(folder: Path) -> raw_dataset.FoundDataset | None:
    """The dataset of a folder where two or more classes of one task have folders; else None."""
    if not folder.is_dir():
        return None
    with os.scandir(folder) as entries:  # asks nothing more of the disk, were it 60,000 images
        names = {entry.name for entry in entries if entry.is_dir()}
    spelled = {name.lower() for name in names}
    if not any(len(spelled & _lower(task)) > 1 for task in CLASS_TASKS.values()):
        return None
    store = open_whole_store(folder)
    loose = [name for name in sorted(store.names.values()) if len(PurePath(name).parts) == 1]
    if loose:
        raise InputError(f"{shown(folder)}: '{loose[0]}' lies in no class's folder")
    task = one_task({PurePath(name).parts[0] for name in store.names.values()}, f"{shown(folder)}/")
    read = partial(_read_class_folders, folder, store, task)
    return raw_dataset.FoundDataset(folder, frozenset({task.name}), read)


def one_task(classes: set[str], where: str) -> ClassTask:
    """Find the task that has all these class names; `where` is their place, for the error."""
    spelled = {name.lower() for name in classes}
    most = max(len(spelled & _lower(task)) for task in CLASS_TASKS.values())
    best = [task for task in CLASS_TASKS.values() if len(spelled & _lower(task)) == most]
    lacking = [min(classes - set(task.columns), default=None) for task in best]
    if None in lacking:
        return best[lacking.index(None)]
    if len(best) == 1 or not most:
        raise InputError(
            f"{where}: unknown class '{lacking[0]}': the classes of {best[0].name} are "
            f"{', '.join(best[0].columns)}; a table of your own classes is {OWN_LABELS}"
        )
    listed = "; ".join(
        f"{task.name} ({', '.join(task.columns)}) lacks '{name}'"
        for task, name in zip(best, lacking, strict=True)
    )
    raise InputError(f"{where}: no task has all of its classes: {listed}")


def _lower(task: ClassTask) -> set[str]:
    return {column.lower() for column in task.columns}


def one_hot(classes: pd.Series, task: Task) -> pd.DataFrame:
    """(galaxy, class) 0.0 or 1.0 in the task's column order, of class names by GalaxyID."""
    names = classes.to_numpy()
    columns = {column: (names == column).astype(np.float64) for column in task.columns}
    return pd.DataFrame(columns, index=classes.index.rename(ID))


def _read_classes(path: Path) -> pd.Series:
    """Class names by GalaxyID, rows in the file's order."""
    frame = read_csv(path)
    if CLASS not in frame.columns:
        raise InputError(f"{shown(path)} has no column '{CLASS}'")
    if frame.empty:
        raise InputError(f"{shown(path)} holds no galaxy")
    empty = frame.index[frame[CLASS].isna()]
    if len(empty):
        raise InputError(f"{shown(path)}: GalaxyID {empty[0]} has no class")
    return frame[CLASS].astype(str).str.strip()


def _read_table(folder: Path, classes: pd.Series, task: ClassTask) -> raw_dataset.RawDataset:
    path = folder / TEST
    test_ids = read_csv(path).index.to_numpy() if path.exists() else np.empty(0, np.int64)
    images = _open_images(folder)
    for ids, table in ((classes.index.to_numpy(), LABELS), (test_ids, TEST)):
        raw_dataset.check_images(ids, images, table)
    raw_dataset.check_apart(classes.index.to_numpy(), test_ids, folder)
    name, targets = folder.absolute().name, one_hot(classes, task)
    return raw_dataset.RawDataset(name, folder, targets, images, images, test_ids, CUT_OUT)


def image_files(folder: Path) -> list[Path]:
    """Find the images of a folder with a table of labels; nothing of any other folder."""
    has_table = any((folder / table).is_file() for table in (LABELS, OWN_LABELS))
    return images_beside(folder) if has_table else []


def images_beside(folder: Path) -> list[Path]:
    """Find the images in `images/`, its zip or list, else in archives; empty: none of these."""
    for path in (folder / IMAGES, folder / f"{IMAGES}.zip", folder / f"{IMAGES}.csv"):
        if path.exists():
            return [path]
    return [path for path in sorted(folder.glob("[!.]*")) if is_archive(path)]


def _open_images(folder: Path) -> ImageStore:
    paths = image_files(folder)
    if not paths:
        raise InputError(
            f"{shown(folder)}/ lacks {IMAGES}.zip (or a folder {IMAGES}/, or files of other forms: "
            "docs/surveys.md)"
        )
    return open_by_galaxy_id(*paths)


def _read_class_folders(folder: Path, store: ImageStore, task: ClassTask) -> raw_dataset.RawDataset:
    """The dataset of the images of a folder."""
    order = sorted(store.names, key=store.names.__getitem__)
    paths = [PurePath(store.names[number]) for number in order]
    stems = [path.stem for path in paths]
    named_by_id = all(map(GALAXY_ID.fullmatch, stems)) and len(set(stems)) == len(stems)
    rows = [int(stem) for stem in stems] if named_by_id else range(len(stems))
    places = {row: (store, number) for row, number in zip(rows, order, strict=True)}
    images = KeyedStore.of(folder, places)
    classes = pd.Series([path.parts[0] for path in paths], index=rows).sort_index()
    targets, name = one_hot(classes, task), folder.absolute().name
    return raw_dataset.RawDataset(
        name, folder, targets, images, images, image=CUT_OUT, own_ids=not named_by_id
    )
