"""Galaxies with labels of a user's own: `labels.csv` beside images of any form.

Columns `GalaxyID`, `id` or `file`, and `class`, free text. Rows without a class are galaxies to
predict, images without a row are ignored. Images are found as of `train_labels.csv`, else anywhere
in the folder. Where all are named by GalaxyIDs of six digits or more, they are those galaxies; else
images are numbered from 0 in the order of their names.

`task.yaml` beside it may have `classes`, their order, and `metric: balanced accuracy`. Classes that
are all of a known task's are that task.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from galaxyzoo.config.base import Settings, read_yaml
from galaxyzoo.config.loading import all_ensembles
from galaxyzoo.config.names import ALL_RUNS
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.paths import shown
from galaxyzoo.data.catalog import GROUP, folds_dir
from galaxyzoo.data.readers.labeled import CUT_OUT, GALAXY_ID, OWN_LABELS, image_files, one_hot
from galaxyzoo.data.readers.raw_dataset import FoundDataset, RawDataset
from galaxyzoo.data.stores.base import IDS, ImageStore, KeyedStore, find_ids, read_ids, stem_of
from galaxyzoo.data.stores.opening import open_whole_store
from galaxyzoo.io.tables import FOLD, ID, plain_cell, read_table
from galaxyzoo.tasks.kinds import CLASS, Task
from galaxyzoo.tasks.registry import CLASS_TASKS, TASKS, register_task

TASK = "task.yaml"
IMAGE_NAMES = "names.csv"  # in the folds of a dataset of own labels
_NAMES = (*IDS, "file")  # of the column of ids


class _TaskFile(Settings):
    """Content of `task.yaml`."""

    classes: list[str] | None = None
    metric: Literal["accuracy", "balanced accuracy"] = "accuracy"


def find(folder: Path) -> FoundDataset | None:
    """The dataset of a folder with a table of own labels; None where there is no such table."""
    path, file = folder / OWN_LABELS, folder / TASK
    if not path.is_file():
        return None
    table = read_labels(path)
    settings = _TaskFile.parse(read_yaml(file), shown(file)) if file.is_file() else _TaskFile()
    if CLASS not in table.columns:
        raise InputError(f"{shown(path)} has no column '{CLASS}'")
    task, targets = _read_classes(folder, table, settings)
    return FoundDataset(folder, frozenset({task.name}), partial(_read, folder, targets, task))


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


def _read_classes(
    folder: Path, table: pd.DataFrame, settings: _TaskFile
) -> tuple[Task, pd.DataFrame]:
    """The task of the classes, and (galaxy, class) one-hot rows, NaN where to be predicted."""
    path = folder / OWN_LABELS
    classes = pd.Series(table[CLASS].fillna("").to_numpy(str), index=table.index).str.strip()
    present = set(classes) - {""}
    if not present:
        raise InputError(f"{shown(path)} holds no class")
    known = (task for task in CLASS_TASKS.values() if set(task.columns) == present)
    task: Task | None = next(known, None)
    if task is None:
        if len(present) < 2:
            raise InputError(f"{shown(path)} has one class, '{min(present)}': label others too")
        order = settings.classes or sorted(present)
        if set(order) != present or len(order) != len(present):
            odd = min(set(order) ^ present, default=order[0])
            raise InputError(
                f"{shown(folder / TASK)}: '{odd}' is not once in classes and in {OWN_LABELS}"
            )
        balanced = settings.metric == "balanced accuracy"
        task = _register(folder, {"columns": order, "balanced": balanced})
    targets = one_hot(classes, task)
    targets[classes == ""] = np.nan
    return task, targets


def _register(folder: Path, definition: dict[str, Any]) -> Task:
    """Make the dataset's own task known, under its folder's name."""
    path, name = folder / OWN_LABELS, folder.absolute().name
    for column in definition["columns"]:
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
    return register_task(name, definition)


def _read(folder: Path, targets: pd.DataFrame, task: Task) -> RawDataset:
    """The dataset with its images; `targets` by their names, NaN where to be predicted."""
    stores = [open_whole_store(path) for path in image_files(folder) or [folder]]
    places = [(store, number) for store in stores for number in store.names]
    by_name = _index(places, lambda name: name)
    by_stem = _index(places, stem_of)
    chosen = {}
    for name in targets.index:
        matching = by_name.get(name) or by_stem.get(stem_of(name)) or []
        if len(matching) != 1:
            problem = "no image is" if not matching else f"{len(matching)} images are"
            raise InputError(f"{shown(folder / OWN_LABELS)}: {problem} named '{name}'")
        chosen[name] = matching[0]
    ids = {name: int(stem_of(name)) for name in chosen if GALAXY_ID.fullmatch(stem_of(name))}
    by_galaxy_id = len({*ids.values()}) == len(chosen)
    if not by_galaxy_id:
        numbers = _number_images(folder.absolute().name, {s.names[number] for s, number in places})
        ids = {name: numbers[store.names[number]] for name, (store, number) in chosen.items()}
    images = KeyedStore.of(folder, {ids[name]: place for name, place in chosen.items()})
    targets = targets.rename(index=ids).rename_axis(ID)
    if targets.index.has_duplicates:
        name = images.names[targets.index[targets.index.duplicated()][0]]
        raise InputError(f"{shown(folder / OWN_LABELS)}: the image '{name}' has two rows")
    is_labeled = targets.notna().all(axis=1)
    return RawDataset(
        folder.absolute().name,
        folder,
        targets[is_labeled].sort_index(),
        images,
        images,
        targets.index[~is_labeled].to_numpy("int64"),
        CUT_OUT,
        own_ids=not by_galaxy_id,
        task=task,
    )


def image_names(dataset: str) -> dict[int, str]:
    """Names of images of own labels by their numbers; none of other datasets."""
    path = folds_dir() / dataset / IMAGE_NAMES
    if not path.exists():
        return {}
    table = pd.read_csv(path, dtype={"image": str}, keep_default_na=False)
    return dict(zip(table[ID].tolist(), table["image"], strict=True))


def _number_images(dataset: str, names: set[str]) -> dict[str, int]:
    """Number images in the order of their names; those of an earlier split keep their numbers."""
    known = {name: number for number, name in image_names(dataset).items()}
    # The table has names as spreadsheets may see them: `'-5.png`.
    numbers = {name: known[cell] for name in names if (cell := plain_cell(name)) in known}
    first = max(known.values(), default=-1) + 1
    return numbers | {name: i for i, name in enumerate(sorted(names - {*numbers}), first)}


def _index(
    places: list[tuple[ImageStore, int]], key: Callable[[str], str]
) -> dict[str, list[tuple[ImageStore, int]]]:
    """Places of images by a key of their names."""
    index: dict[str, list[tuple[ImageStore, int]]] = {}
    for store, number in places:
        index.setdefault(key(store.names[number]), []).append((store, number))
    return index
