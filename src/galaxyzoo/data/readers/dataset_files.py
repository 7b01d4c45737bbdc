"""Result of every reader: ids, labels, and images."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.stores.base import Images
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import TASKS


@dataclass(frozen=True)
class DatasetFiles:
    """A dataset as it lies in `input/`, read and checked."""

    dataset: str
    folder: Path  # for messages: where it was read from
    # indexed by GalaxyID ascending; the 37 vote fractions, or one-hot columns named as classes
    targets: pd.DataFrame
    train_images: Images
    test_images: Images
    # in the sample submission's order
    test_ids: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    # how its images are decoded where galaxies are compared
    image: ImageConfig = field(default_factory=ImageConfig)
    # whether its ids mean other galaxies than the same ids of other datasets
    own_ids: bool = False
    task: Task | None = None  # of a user's table of labels
    table: Path | None = None  # of its votes or labels, which may have positions on the sky too

    def __post_init__(self) -> None:
        """Refuse a galaxy that is both a training and a test galaxy."""
        where, shared = shown(self.folder), np.intersect1d(self.targets.index, self.test_ids)
        if len(shared):
            raise InputError(f"{where}: GalaxyID {shared[0]} is both a training and a test galaxy")

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


def check_images(ids: np.ndarray, images: Images, table: str, exact: bool = False) -> None:
    """Refuse a table of galaxies without an image; if exact, images that it lacks, too."""
    extra = np.setdiff1d(images.ids, ids)[: None if exact else 0]
    missing = np.setdiff1d(ids, images.ids)
    for wrong, has, lists in ((missing, "no", "lists"), (extra, "an", "lacks")):
        if len(wrong):
            raise InputError(
                f"{shown(images.path)} has {has} image of GalaxyID {wrong[0]}, which {table} "
                f"{lists} (such galaxies: {len(wrong):,}): replace whichever is wrong"
            )
