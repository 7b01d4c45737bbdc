"""The task of a user's own labels: its classes, and `task.yaml` beside the labels."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import pandas as pd

from galaxyzoo.config.base import Settings, read_yaml
from galaxyzoo.config.loading import reserved_ensembles
from galaxyzoo.core.console import warn_once
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.paths import shown
from galaxyzoo.data.catalog import GROUP
from galaxyzoo.io.tables import FOLD, ID, NAME
from galaxyzoo.io.writing import plain_cell
from galaxyzoo.tasks.kinds import CLASS, ClassTask, Task
from galaxyzoo.tasks.registry import CLASS_TASKS, TASKS

TASK_FILE = "task.yaml"
# Other columns of tables that have a column a class; the last two are of rankings
_RESERVED = (ID, NAME, FOLD, GROUP, CLASS, "score", "part")


class TaskFile(Settings):
    """Content of `task.yaml`."""

    label: str | None = None  # column of the classes
    classes: list[str] | None = None
    metric: Literal["accuracy", "balanced accuracy"] = "accuracy"


def read_task_file(folder: Path) -> TaskFile:
    """Read a folder's `task.yaml`; all defaults where it has none."""
    path = folder / TASK_FILE
    if not path.is_file():
        return TaskFile()
    return TaskFile.parse(read_yaml(path), shown(path))


def can_be_label(name: str) -> bool:
    """Check whether a class or column may have this name: tables keep it as it is written."""
    if not name or name in _RESERVED:
        return False
    return plain_cell(name) == name.strip() == name


def find_task(folder: Path, path: Path, classes: set[str], settings: TaskFile) -> Task:
    """The task that has just these classes, else the dataset's own, under its folder's name.

    Args:
        folder: of the dataset.
        path: the table or folder with the classes, for messages.
        classes: their names.
        settings: the folder's `task.yaml`.
    Raises:
        InputError: there are fewer than two classes, others than those of `task.yaml`, or a class
            or the folder has a name that tables or commands cannot keep.
    """
    for task in CLASS_TASKS.values():
        if set(task.columns) == classes:
            if settings.classes or settings.metric != TaskFile().metric:
                warn_once(
                    f"{shown(folder / TASK_FILE)}: `classes` and `metric` are not used: these are "
                    f"the classes of task {task.name}, which has its own"
                )
            return task
    if len(classes) < 2:
        problem = f"only class '{min(classes)}'" if classes else "no class"
        raise InputError(f"{shown(path)} has {problem}: label another class too")
    names = dict.fromkeys(settings.classes or sorted(classes))
    columns = [name for name in names if name in classes]
    missing = classes - set(columns)
    if missing:
        raise InputError(
            f"{shown(folder / TASK_FILE)}: `classes:` lacks '{min(missing)}' of {path.name}: add it"
        )
    for column in columns:
        if not can_be_label(column):
            raise InputError(f"{shown(path)}: '{one_line(column)}' cannot name a class: rename it")
    name = folder.absolute().name
    if not _can_be_task(name):
        raise InputError(f"rename {shown(folder)}: '{one_line(name)}' cannot name a task")
    return ClassTask(name, tuple(columns), balanced=settings.metric == "balanced accuracy")


def print_alike(classes: Iterable[str], path: Path) -> None:
    """Point out classes in a table or folder that differ only in letter case."""
    names = pd.Series(sorted(classes))
    alike = names[names.str.lower().duplicated(keep=False)]
    if len(alike):
        print(
            f"{shown(path)}: classes that differ only in letter case: {', '.join(alike)} (rename "
            "those that mean the same)"
        )


def _can_be_task(name: str) -> bool:
    if name in TASKS or name in reserved_ensembles():
        return False
    return one_line(name) == name and "=" not in name and "@" not in name
