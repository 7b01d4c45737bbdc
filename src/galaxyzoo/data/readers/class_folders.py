"""Labelled images in one folder per class: `<folder>/<class>/<any name>.jpg`.

Where every name is another GalaxyID (six digits or more), the images are those galaxies; else they
are numbered from 0 in the order of their paths.
"""

import os
import re
from pathlib import Path, PurePath

import numpy as np
import pandas as pd

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.readers.labelled import CUT_OUT, one_hot, one_task
from galaxyzoo.data.readers.source import Source
from galaxyzoo.io.archives import ImageStore, list_images
from galaxyzoo.tasks.registry import CLASS_TASKS, ClassTask

_GALAXY_ID = re.compile(r"[1-9]\d{5,17}")  # not the 1, 2, 3 or 0001 by which people number files


def holds_data(folder: Path) -> bool:
    """Whether the folder is of this form: two or more classes of one task have folders there."""
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:  # asks nothing more of the disk, were it 60,000 images
        names = {entry.name for entry in entries if entry.is_dir()}
    return any(len(names & set(task.columns)) > 1 for task in CLASS_TASKS.values())


def find_tasks(folder: Path) -> set[str]:
    """Name of the task that the folders' names belong to.

    Raises:
        InputError: a folder with images is named by no class of that task, or an image lies in no
            folder.
    """
    return {_task_of(list_images(folder), folder).name}


def read_source(folder: Path) -> Source:
    """List the images; their folders are their classes.

    Raises:
        InputError: a folder with images is named by no class of the task, or an image lies in no
            folder.
    """
    entries = sorted(list_images(folder))
    task = _task_of(entries, folder)
    ids = _galaxy_ids([name for name, _ in entries])
    rows = list(range(len(entries))) if ids is None else ids
    images = ImageStore(
        folder,
        {row: name for row, (name, _) in zip(rows, entries, strict=True)},
        {row: stamp for row, (_, stamp) in zip(rows, entries, strict=True)},
    )
    classes = pd.Series([_class_of(name) for name, _ in entries], index=rows).sort_index()
    nobody, dataset = np.empty(0, np.int64), folder.absolute().name
    targets = one_hot(classes, task)
    return Source(dataset, folder, targets, nobody, images, images, CUT_OUT, own_ids=ids is None)


def _task_of(entries: list[tuple[str, int]], folder: Path) -> ClassTask:
    loose = [name for name, _ in entries if len(PurePath(name).parts) == 1]
    if loose:
        raise InputError(f"{shown(folder)}: '{loose[0]}' lies in no class's folder")
    return one_task({_class_of(name) for name, _ in entries}, f"{shown(folder)}/")


def _class_of(name: str) -> str:
    return PurePath(name).parts[0]


def _galaxy_ids(names: list[str]) -> list[int] | None:
    """GalaxyIDs where every file is named by another one; else None."""
    stems = [PurePath(name).stem for name in names]
    named = all(map(_GALAXY_ID.fullmatch, stems)) and len(set(stems)) == len(stems)
    return [int(stem) for stem in stems] if named else None
