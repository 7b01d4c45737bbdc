"""Galaxies with a class each: a folder with `train_labels.csv` and `images.zip` or `images/`.

`train_labels.csv` has the columns `GalaxyID,class` in any row order; `test_ids.csv`, where it is
there, the ids to predict. Images of both lie together, named `<GalaxyID>.jpg`; others are ignored.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import ORIGINAL_PX, ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.readers.source import Source
from galaxyzoo.io.archives import ImageStore
from galaxyzoo.io.tables import CLASS, ID, read_csv
from galaxyzoo.tasks.registry import CLASS_TASKS, ClassTask

LABELS, TEST, IMAGES = "train_labels.csv", "test_ids.csv", "images"
# Such images are cut out already, often small: all of them is kept.
CUT_OUT = ImageConfig(crop_px=ORIGINAL_PX, cache_px=96)


def holds_data(folder: Path) -> bool:
    """Whether the folder is of this form."""
    return (folder / LABELS).is_file()


def find_tasks(folder: Path) -> set[str]:
    """Names of the tasks that the folder's classes belong to.

    Raises:
        InputError: the table is broken, or its classes are no task's.
    """
    return {_task_of(_read_classes(folder / LABELS), folder / LABELS).name}


def read_source(folder: Path) -> Source:
    """Read labels and ids and check that every one has an image.

    Raises:
        InputError: a file is missing or broken, a class is unknown, an image is missing, or a
            galaxy is both for training and for test.
    """
    classes = _read_classes(folder / LABELS).sort_index()
    task = _task_of(classes, folder / LABELS)
    targets = one_hot(classes, task)
    path = folder / TEST
    test_ids = read_csv(path).index.to_numpy() if path.exists() else np.empty(0, np.int64)
    images = _open_images(folder)
    for ids, table in ((targets.index.to_numpy(), LABELS), (test_ids, TEST)):
        missing = np.setdiff1d(ids, images.ids)
        if len(missing):
            raise InputError(
                f"{shown(images.path)} has no image of GalaxyID {missing[0]}, which stands in "
                f"{table} ({len(missing)} missing)"
            )
    shared = np.intersect1d(targets.index, test_ids)
    if len(shared):
        raise InputError(
            f"{shown(folder)}: GalaxyID {shared[0]} is both a training and a test galaxy"
        )
    return Source(folder.absolute().name, folder, targets, test_ids, images, images, CUT_OUT)


def one_task(classes: set[str], where: str) -> ClassTask:
    """The task that knows all these class names.

    Raises:
        InputError: none does; the message names a class that the nearest task does not know.
    """
    best = max(CLASS_TASKS.values(), key=lambda task: len(classes & set(task.columns)))
    unknown = sorted(classes - set(best.columns))
    if unknown:
        known = ", ".join(best.columns)
        raise InputError(
            f"{where}: unknown class '{unknown[0]}': the classes of {best.name} are {known}"
        )
    return best


def one_hot(classes: pd.Series, task: ClassTask) -> pd.DataFrame:
    """(galaxy, class) 0.0 or 1.0 in the task's column order, of class names by GalaxyID."""
    names = classes.to_numpy()
    columns = {column: (names == column).astype(np.float64) for column in task.columns}
    return pd.DataFrame(columns, index=classes.index.rename(ID))


def _task_of(classes: pd.Series, path: Path) -> ClassTask:
    return one_task(set(classes), shown(path))


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


def _open_images(folder: Path) -> ImageStore:
    for path in (folder / IMAGES, folder / f"{IMAGES}.zip"):
        if path.exists():
            return ImageStore.open(path)
    raise InputError(f"{shown(folder)}/ lacks {IMAGES}.zip (or a folder {IMAGES}/)")
