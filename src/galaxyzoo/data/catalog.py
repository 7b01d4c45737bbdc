"""The catalog of a prepared dataset: galaxies, labels, folds; made once, later only read.

`folds/<dataset>/train.csv` holds `GalaxyID` (a number) or `id` (text), `fold`, `group`, then the
label columns, ids ascending; `test.csv` the ids of the sample submission in its order;
`dataset.json` where they came from, their fingerprint, and the task of the user's own labels.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galaxyzoo.core import files, launch, manifest, paths
from galaxyzoo.core.console import count
from galaxyzoo.core.errors import InputError, advise
from galaxyzoo.core.paths import DEMOS
from galaxyzoo.io.tables import FOLD, ID, key_of, read_csv, select_numbers
from galaxyzoo.tasks import decision_tree, kinds, registry

GROUP = "group"
TRAIN = "train.csv"
_TEST = "test.csv"
_ABOUT = "dataset.json"
SETTINGS = "image_settings"  # key of how images are read
OWN_TASK = "task"  # key of the definition of a task of own labels
# Files of a split of own labels of format 2: its task, and ids of galaxies that it numbered
_FORMAT_2 = "task.json", "names.csv"


@dataclass(frozen=True)
class Catalog:
    """Training galaxies with labels and folds, and the test galaxies' ids."""

    dataset: str
    train: pd.DataFrame  # indexed by id ascending; fold, group, then label columns
    test_ids: np.ndarray  # (test galaxy,) the sample submission's order
    # dataset.json: where it came from, how the folds were made
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def ids(self) -> np.ndarray:
        """(galaxy,) training ids, ascending: int64 GalaxyIDs, or text."""
        return self.train.index.to_numpy()

    @property
    def key(self) -> str:
        """Name of the column of ids: `GalaxyID`, or `id` where they are text."""
        return key_of(self.train.index)

    def shares_ids(self, other: "Catalog") -> bool:
        """Check whether an id means the same galaxy in both; else only images can tell."""
        return other.dataset == self.dataset or (self.has_galaxy_ids and other.has_galaxy_ids)

    @property
    def has_galaxy_ids(self) -> bool:
        """Check whether the ids are the competition's, and mean the same in other datasets."""
        by_earlier_version = not self.about.get("own_ids", False)
        return self.about.get("galaxy_ids", by_earlier_version)

    @property
    def folds(self) -> np.ndarray:
        """(galaxy,) fold number of each training galaxy, 0 to n_folds - 1."""
        return self.train[FOLD].to_numpy()

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return int(self.train[FOLD].max()) + 1

    def targets(self, task: kinds.Task) -> np.ndarray:
        """(galaxy, column) targets of a task in its column order, float64."""
        return self.train[list(task.columns)].to_numpy(dtype=np.float64)

    @property
    def task(self) -> kinds.Task | None:
        """Task of the user's own labels, which is named as the dataset; None of other datasets."""
        if OWN_TASK not in self.about:
            return None
        return registry.make_task(self.dataset, self.about[OWN_TASK])

    @property
    def labeled_tasks(self) -> list[kinds.Task]:
        """The tasks whose labels it has, or can make of votes by the task's rule."""
        tasks = list(registry.TASKS.values())
        if self.task:
            tasks.append(self.task)
        return [task for task in tasks if self.has_labels(task)]

    @property
    def has_votes(self) -> bool:
        """Check whether the label columns are the volunteers' 37 vote fractions."""
        return self._has_columns(decision_tree.GALAXY_ZOO_2.columns)

    def _has_columns(self, columns: Iterable[str]) -> bool:
        return set(columns) <= set(self.train.columns)

    def has_labels(self, task: kinds.Task) -> bool:
        """Check whether it has a task's label columns, or votes and the task a rule."""
        return self._has_columns(task.columns) or (task.rule is not None and self.has_votes)

    def labels(self, task: kinds.Task) -> pd.DataFrame:
        """(kept galaxy, column) labels of the galaxies that a task keeps, rows in the ids' order.

        They are the catalog's own columns where it has them, else they follow from its votes by the
        task's rule. A task that they cannot serve is refused.
        """
        if self._has_columns(task.columns):
            return self.train[list(task.columns)]
        if task.rule and self.has_votes:
            return task.rule.labels(self.train)[list(task.columns)]
        present = ", ".join(labeled.name for labeled in self.labeled_tasks)
        lacks = f"dataset '{self.dataset}' has no labels for task '{task.name}'"
        raise InputError(f"{lacks}; it has labels for {present}")

    def for_task(self, task: kinds.Task) -> "Catalog":
        """The galaxies that a task keeps, in the same folds, with the task's own label columns.

        The whole catalog where the task keeps all of it as it is.

        Raises:
            InputError: no labels serve the task, a fold keeps no galaxy, or a class has fewer
                galaxies than there are folds, or all of them in one fold.
        """
        labels = self.labels(task)
        if isinstance(task, kinds.ClassTask):
            members = labels.groupby(self.train[FOLD]).sum().astype(int)  # (fold, class)
            _check_members(members, self.n_folds, task.name, self.dataset)
        elif list(labels.columns) == self.label_columns:
            return self
        train = pd.concat([self.train.loc[labels.index, [FOLD, GROUP]], labels], axis=1)
        return Catalog(self.dataset, train, self.test_ids, self.about)

    def find_difference(self, other: "Catalog") -> str | None:
        """Describe the first difference of two splits; None where they agree.

        Galaxies of datasets that share no ids are not compared.
        """
        if self.shares_ids(other):
            shared, rows, other_rows = np.intersect1d(self.ids, other.ids, return_indices=True)
            moved = self.folds[rows] != other.folds[other_rows]
            if moved.any():
                return f"the fold of {self.key} {shared[moved][0]}"
        if self.n_folds != other.n_folds:
            return "the number of folds"
        return None

    @property
    def label_columns(self) -> list[str]:
        """Names of the label columns."""
        return list(self.train.columns.drop([FOLD, GROUP]))

    @cached_property
    def fingerprint(self) -> str:
        """Digest of every id, label and fold: tables with the same fingerprint may be combined."""
        contents: list[str | bytes] = []
        for column, values in self.train.rename_axis(self.key).reset_index().items():
            contents += [f"{column}\n", _lines(values)]
        if self.key == ID:
            contents.append(np.ascontiguousarray(self.test_ids, "<i8").tobytes())
        else:
            contents.append(_lines(self.test_ids))
        return manifest.digest(contents)[:16]


def _lines(values: pd.Series | np.ndarray) -> str:
    return "\n".join(map(repr, values.tolist()))


def _check_members(members: pd.DataFrame, n_folds: int, task: str, dataset: str) -> None:
    """Refuse a class of fewer galaxies than folds, or in one fold alone, and a fold without any.

    Args:
        members: (fold, class) numbers of galaxies, of the folds that have some.
        n_folds: number of folds.
        task: its name, for messages.
        dataset: its name.
    """
    subject = f"task '{task}' on '{dataset}'"
    counts = members.sum()
    few = counts[counts < n_folds]
    if len(few):
        raise InputError(
            f"{subject}: class '{few.index[0]}' has too few galaxies ({few.iloc[0]}) for {n_folds} "
            f"folds (such classes: {len(few)}): label more, or use fewer --folds"
        )
    if len(members) < n_folds:
        empty = set(range(n_folds)).difference(members.index)
        raise InputError(
            f"{subject}: fold {min(empty)} has no galaxy that the task keeps: use fewer --folds"
        )
    alone = members.columns[(members > 0).sum() < 2]
    if len(alone):
        raise InputError(
            f"{subject}: all galaxies of class '{alone[0]}' are in one fold, whose networks never "
            f"see that class: label more, or delete {paths.shown(dataset_dir(dataset))} and other "
            "datasets in folds/ with these galaxies, to split again"
        )


def folds_dir() -> Path:
    """Folder of splits and trained folds."""
    return paths.root() / "folds"


def dataset_dir(dataset: str) -> Path:
    """Folder of the prepared catalog and split."""
    return folds_dir() / dataset


def input_places() -> list[Path]:
    """List `input/` and its folders, without demos and cache."""
    top = paths.input_dir()
    places = [top]
    for path in sorted(top.glob("[!.]*")):
        if path.is_dir() and path.name not in (*DEMOS, paths.cache_dir().name):
            places.append(path)
    return places


def data_option(dataset: str | None) -> str:
    """Option by which a command reads a dataset, for messages; empty if it needs none."""
    if dataset and (dataset in DEMOS or (paths.input_dir() / dataset).exists()):
        return launch.data_option(dataset)
    return ""


def save_catalog(catalog: Catalog) -> None:
    """Write a catalog; `dataset.json` comes last and marks it complete.

    Where it replaces another, `dataset.json` first names all that a kill may leave between the two.
    """
    folder = dataset_dir(catalog.dataset)
    if has_catalog(catalog.dataset):
        before = load_catalog(catalog.dataset)
        between = replace(catalog, test_ids=before.test_ids)
        fingerprints = [state.fingerprint for state in (before, between, catalog)]
        manifest.write_sealed(folder / _ABOUT, {**before.about, "replaced_by": fingerprints})
    tables = {TRAIN: catalog.train, _TEST: pd.DataFrame(index=catalog.test_ids)}
    for name, frame in tables.items():
        files.write_text(folder / name, frame.to_csv(index_label=catalog.key, lineterminator="\n"))
    manifest.write_sealed(folder / _ABOUT, {**catalog.about, "fingerprint": catalog.fingerprint})


def has_catalog(dataset: str) -> bool:
    """Check whether the dataset has been prepared."""
    return (dataset_dir(dataset) / _ABOUT).exists()


def catalog_names() -> list[str]:
    """Names of all prepared datasets, in alphabetical order."""
    return sorted(path.parent.name for path in folds_dir().glob(f"*/{_ABOUT}"))


def read_image_settings(dataset: str) -> list[str]:
    """Settings of forms of images that a dataset was prepared with; none of bundled networks."""
    return _read_description(dataset).get(SETTINGS, []) if has_catalog(dataset) else []


def load_catalog(dataset: str) -> Catalog:
    """Read a prepared catalog; rows of `train.csv` may be in any order.

    Raises:
        InputError: it is missing, of an earlier version, or was changed.
    """
    folder = dataset_dir(dataset)
    if not has_catalog(dataset):
        prepare = launch.typed("prepare")
        advice = f"type `{prepare}{launch.data_option(dataset)}`"
        if not data_option(dataset):
            place = paths.shown(paths.input_dir())
            advice = f"put its files into {place}/{dataset}/ and {advice}"
            advice += f" (if {place}/ itself holds them: `{prepare}`)"
        raise InputError(f"{paths.shown(folder)} has no split: {advice}")
    description = _read_description(dataset)
    if _has_numbered_galaxies(dataset, description):
        runs = len(list(folder.glob("*/*/config.yaml")))
        raise InputError(
            f"{paths.shown(folder)} was split by an earlier version (format 2, not "
            f"{manifest.FORMAT}), which numbered your galaxies: delete {paths.shown(folder)} to "
            f"split again; this deletes {count(runs, 'run')}"
        )
    key = description.get("key", ID)
    train = read_csv(folder / TRAIN, key=key)
    labels = train.columns.drop([FOLD, GROUP], errors="ignore")
    train = select_numbers(train, [FOLD, GROUP, *labels], folder / TRAIN).sort_index()
    train = train.astype({FOLD: "int64", GROUP: "int64"})
    test_ids = read_csv(folder / _TEST, key=key).index.to_numpy()
    catalog = Catalog(dataset, train, test_ids, description)
    if catalog.fingerprint not in [description["fingerprint"], *description.get("replaced_by", ())]:
        raise InputError(f"{paths.shown(folder)} was changed after it was made: {_advice(dataset)}")
    return catalog


def load_catalogs() -> Iterator[Catalog]:
    """Load all prepared catalogs, but for those that are refused where they are named."""
    for name in catalog_names():
        if not _has_numbered_galaxies(name, _read_description(name)):
            yield load_catalog(name)


def _read_description(dataset: str) -> dict[str, Any]:
    with advise(_advice(dataset)):
        return manifest.read_sealed(dataset_dir(dataset) / _ABOUT)


def _advice(dataset: str) -> str:
    return f"restore it, or delete {paths.shown(dataset_dir(dataset))} to split and train again"


def _has_numbered_galaxies(dataset: str, description: Mapping[str, Any]) -> bool:
    """Check whether a split of own labels is of format 2, which numbered galaxies."""
    is_old = description[manifest.FORMAT_KEY] == 2
    return is_old and any((dataset_dir(dataset) / name).exists() for name in _FORMAT_2)


def find_task(name: str) -> kinds.Task | None:
    """Find a task by name: one of `TASKS`, or of a prepared dataset's own labels; None: neither."""
    if name in registry.TASKS or name not in catalog_names():
        return registry.TASKS.get(name)
    return load_catalog(name).task


def load_task(name: str) -> kinds.Task:
    """Find a task as `find_task` does; refuse an unknown one."""
    return find_task(name) or registry.get_task(name)


def task_of(name: str) -> kinds.Task:
    """Find the task of a run or an ensemble, named as `task_name` has it; refuse an unknown one."""
    return load_task(registry.task_name(name))
