"""Galaxies with classes of a user's own: `labels.csv` beside images of any form.

Columns `GalaxyID`, `id` or `file`, and `class`, free text; rows without a class are galaxies to
predict, images without a row are ignored. Images are found as of `train_labels.csv`, else anywhere
in the folder. Where all are named by GalaxyIDs of six digits or more, they are those galaxies; else
images are numbered from 0 in the order of their names.

`task.yaml` beside it may have `classes`, their order, and `metric: balanced accuracy`. Classes that
are all of a known task's are that task.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd

from galaxyzoo.config.base import Settings, read_yaml
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.paths import shown
from galaxyzoo.data.catalog import GROUP
from galaxyzoo.data.readers.labeled import CUT_OUT, GALAXY_ID, OWN_LABELS, image_files, one_hot
from galaxyzoo.data.readers.raw_dataset import FoundDataset, RawDataset
from galaxyzoo.data.stores.base import IDS, ImageStore, KeyedStore, find_ids, read_ids, stem_of
from galaxyzoo.data.stores.opening import open_whole_store
from galaxyzoo.io.tables import FOLD, ID, plain_cell, read_table
from galaxyzoo.tasks.kinds import CLASS, ClassTask
from galaxyzoo.tasks.registry import CLASS_TASKS, TASKS, register_task

TASK = "task.yaml"
_NAMES = (*IDS, "file")  # of the column of ids


class _TaskFile(Settings):
    """Content of `task.yaml`."""

    classes: list[str] | None = None
    metric: Literal["accuracy", "balanced accuracy"] = "accuracy"


def find(folder: Path) -> FoundDataset | None:
    """The dataset of a folder with a table of own labels; None where there is no such table."""
    path = folder / OWN_LABELS
    if not path.is_file():
        return None
    classes = _read_classes(path)
    task = _find_task(folder, classes)
    return FoundDataset(folder, frozenset({task.name}), partial(_read, folder, classes, task))


def _read_classes(path: Path) -> pd.Series:
    """Class names by the images' ids, rows in the file's order; empty where to be predicted."""
    frame = read_table(path, texts=(*_NAMES, CLASS))
    if CLASS not in frame.columns:
        raise InputError(f"{shown(path)} has no column '{CLASS}'")
    names = read_ids(frame[find_ids(list(frame.columns), path, _NAMES)].to_numpy(), path)
    classes = pd.Series(frame[CLASS].fillna("").to_numpy(str), index=names).str.strip()
    if classes.index.has_duplicates:
        name = classes.index[classes.index.duplicated()][0]
        raise InputError(f"{shown(path)}: '{name}' appears twice")
    if (classes == "").all():
        raise InputError(f"{shown(path)} holds no class")
    return classes


def _find_task(folder: Path, classes: pd.Series) -> ClassTask:
    """The known task that has exactly these classes, else the dataset's own."""
    path, name, present = folder / OWN_LABELS, folder.absolute().name, set(classes) - {""}
    known = (task for task in CLASS_TASKS.values() if set(task.columns) == present)
    if task := next(known, None):
        return task
    if len(present) < 2:
        raise InputError(f"{shown(path)} has one class, '{min(present)}': label others too")
    for label in sorted(present):
        if label in (ID, FOLD, GROUP, CLASS) or plain_cell(label) != label:
            raise InputError(f"{shown(path)}: '{one_line(label)}' cannot name a class: rename it")
    if name in TASKS or one_line(name) != name or set(name) & set("=@"):
        raise InputError(
            f"rename {shown(folder)}: '{one_line(name)}' cannot name a task of its own"
        )
    file = folder / TASK
    settings = _TaskFile.parse(read_yaml(file), shown(file)) if file.is_file() else _TaskFile()
    order = settings.classes or sorted(present)
    if set(order) != present or len(order) != len(present):
        odd = min(set(order) ^ present, default=order[0])
        raise InputError(f"{shown(file)}: '{odd}' is not once in classes and in {OWN_LABELS}")
    definition = {"columns": order, "balanced": settings.metric == "balanced accuracy"}
    return register_task(name, definition)


def _read(folder: Path, classes: pd.Series, task: ClassTask) -> RawDataset:
    stores = [open_whole_store(path) for path in image_files(folder) or [folder]]
    places = [(store, number) for store in stores for number in store.names]
    by_name = _index(places, lambda name: name)
    by_stem = _index(places, stem_of)
    chosen = {}
    for name in classes.index:
        matching = by_name.get(name) or by_stem.get(stem_of(name)) or []
        if len(matching) != 1:
            problem = "no image is" if not matching else f"{len(matching)} images are"
            raise InputError(f"{shown(folder / OWN_LABELS)}: {problem} named '{name}'")
        chosen[name] = matching[0]
    ids = {name: int(stem_of(name)) for name in chosen if GALAXY_ID.fullmatch(stem_of(name))}
    by_galaxy_id = len({*ids.values()}) == len(chosen)
    if not by_galaxy_id:
        order = sorted(places, key=lambda place: place[0].names[place[1]])
        numbers = {(id(store), number): row for row, (store, number) in enumerate(order)}
        ids = {name: numbers[id(store), number] for name, (store, number) in chosen.items()}
    images = KeyedStore.of(folder, {ids[name]: place for name, place in chosen.items()})
    classes = classes.rename(index=ids)
    labeled, test_ids = classes[classes != ""].sort_index(), classes.index[classes == ""]
    name = folder.absolute().name
    return RawDataset(
        name,
        folder,
        one_hot(labeled, task),
        images,
        images,
        test_ids.to_numpy("int64"),
        CUT_OUT,
        own_ids=not by_galaxy_id,
        task=task,
    )


def _index(
    places: list[tuple[ImageStore, int]], key: Callable[[str], str]
) -> dict[str, list[tuple[ImageStore, int]]]:
    """Places of images by a key of their names."""
    index: dict[str, list[tuple[ImageStore, int]]] = {}
    for store, number in places:
        index.setdefault(key(store.names[number]), []).append((store, number))
    return index
