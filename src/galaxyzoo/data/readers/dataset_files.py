"""Result of every reader: ids, labels, and images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.stores.base import Images
from galaxyzoo.io.tables import key_of
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import TASKS


@dataclass(frozen=True)
class DatasetFiles:
    """A dataset as it lies in `input/`, read and checked."""

    dataset: str
    folder: Path  # for messages: where it was read from
    # indexed by id ascending; the 37 vote fractions, or one-hot columns named as classes
    targets: pd.DataFrame
    train_images: Images
    test_images: Images
    # in the sample submission's order
    test_ids: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    # how its images are decoded where galaxies are compared
    image: ImageConfig = field(default_factory=ImageConfig)
    # whether its ids are the competition's; else the same ids mean other galaxies in other datasets
    galaxy_ids: bool = True
    task: Task | None = None  # of its classes; None of votes
    may_change: bool = False  # labels are the user's own: a split follows their changes
    table: Path | None = None  # of its votes or labels, which may have positions on the sky too
    settings: Sequence[str] = ()  # of forms of images, as they are typed
    # by id; folds of a team's table, which are taken over
    folds: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))
    folds_from: str = ""  # that table: its name and digest
    is_strict: bool = False  # whether to refuse folds of a table that divide a group

    def __post_init__(self) -> None:
        """Refuse a galaxy that is both a training and a test galaxy."""
        shared = self.targets.index[self.targets.index.isin(self.test_ids)]
        if len(shared):
            raise InputError(
                f"{shown(self.folder)}: {key_of(shared)} {shared[0]} is both a training and a test "
                "galaxy: keep it in one of them"
            )

    @property
    def own_task(self) -> Task | None:
        """The task of a user's own labels; None where they are those of a known task."""
        if self.task and self.task.name not in TASKS:
            return self.task
        return None


@dataclass(frozen=True)
class DatasetCandidate:
    """Dataset candidate: labels are read just far enough to tell its tasks."""

    path: Path
    tasks: frozenset[str]  # names
    open: Callable[[], DatasetFiles]  # the rest: checks labels against images
    images: Sequence[Path] = ()  # its files of images, which are no datasets of their own


def find_file(folder: Path, names: Sequence[str]) -> Path | None:
    """Find the first of these files that a folder has, in whatever letter case."""
    paths = {path.name.lower(): path for path in folder.glob("[!.]*")}
    for name in names:
        if name in paths:
            return paths[name]
    return None


def check_images(ids: np.ndarray, images: Images, table: str, exact: bool = False) -> None:
    """Refuse a table of galaxies without an image; if exact, images that it lacks, too.

    Args:
        ids: (galaxy,) GalaxyIDs in the table.
        images: by GalaxyID.
        table: its name, for the message.
        exact: whether each image has to be in the table.
    """
    missing = np.setdiff1d(ids, images.ids)
    extra = np.setdiff1d(images.ids, ids)
    if len(missing):
        wrong, problem = missing, f"no image of GalaxyID {missing[0]}, which {table} lists"
    elif exact and len(extra):
        wrong, problem = extra, f"an image of GalaxyID {extra[0]}, which {table} lacks"
    else:
        return
    raise InputError(
        f"{shown(images.path)} has {problem} (such galaxies: {len(wrong):,}): replace whichever is "
        "wrong"
    )
