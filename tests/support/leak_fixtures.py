"""Small projects in which one fold's galaxies can be changed while the split stays."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import Config
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.results.card import RunCard
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.training.run import Run
from support.kaggle_fixtures import Competition, draw_competition, draw_image, encode
from support.small_models import small_config

IMAGE = {"crop_px": 424, "cache_px": 32, "field_px": 424, "size_px": 32}
TRAIN = {"epochs": 2, "batch_size": 8, "lr": 1e-2}
CLASSES: dict[str, Any] = {"task": "elliptical_spiral", "run": "elliptical_spiral/small"}


def tiny_config(train: dict[str, Any] | None = None, **sections: Any) -> Config:
    return small_config(image=IMAGE, train={**TRAIN, **(train or {})}, **sections)


def clear_competition(n_train: int = 36, side_px: int = 106) -> Competition:
    """Galaxies whose first answer is clear, two smooth ones for each with features."""
    competition = draw_competition(n_train, 4, seed=11)
    votes = competition.votes.to_numpy().copy()
    rng = np.random.default_rng(1)
    first = rng.uniform(0.85, 0.95, n_train)
    smooth = rng.permutation(np.arange(n_train) % 3 > 0)
    votes[:, 0], votes[:, 1] = np.where(smooth, first, 0.03), np.where(smooth, 0.03, first)
    votes[:, 2] = 1 - votes[:, 0] - votes[:, 1]
    competition.votes[:] = GALAXY_ZOO_2.project(votes).round(6)
    if side_px != 106:
        for galaxy_id in competition.images:
            picture = draw_image(np.random.default_rng(galaxy_id), side_px)
            competition.images[galaxy_id] = encode(picture, 95)
    return competition


@dataclass
class Project:
    """A prepared dataset, with its decoded images."""

    data: Dataset
    images: ImageCache

    @property
    def catalog(self) -> Catalog:
        return self.data.catalog

    def other_labels(self, fold: int) -> "Project":
        """The same split, the labels of half of one fold's galaxies given to all of them."""
        rows = np.flatnonzero(self.catalog.folds == fold)
        train = self.catalog.train.copy()
        labels, half = self.catalog.label_columns, (np.arange(len(rows)) + 1) // 2
        train.iloc[rows, train.columns.get_indexer(labels)] = train.iloc[rows[half]][labels]
        return self.changed(f"labels {fold}", train, self.images.images)

    def other_images(self, fold: int) -> "Project":
        """The same, the images of one fold's galaxies in negative."""
        images = self.images.images.copy()
        images[self.catalog.folds == fold] ^= 255
        return self.changed(f"images {fold}", self.catalog.train, images)

    def changed(self, name: str, train: pd.DataFrame, images: np.ndarray) -> "Project":
        catalog = replace(self.catalog, dataset=name, train=train)
        return Project(Dataset(catalog, self.data.raw), replace(self.images, images=images))

    def train(self, config: Config, folds: list[int]) -> RunCard:
        """Train folds of a run, stage by stage; returns the card."""
        for stage in config.stages:
            card = Run(stage, self.data, {"train": self.images}).train(folds)
        assert card is not None
        return card

    def written(self, config: Config, fold: int) -> dict[str, bytes]:
        """What a fold's training left."""
        folder = RunFolder(self.catalog.dataset, config.run).fold(fold)
        return {path.name: path.read_bytes() for path in folder.iterdir()}
