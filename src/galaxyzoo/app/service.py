"""Predictions, heat maps, similar galaxies and largest errors for the page.

Similar galaxies are near in the features of a network, its last layer before the head.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.preprocessing import normalize

from galaxyzoo.config.names import BUNDLED
from galaxyzoo.config.schema import Config, TTAConfig
from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import Catalog, load_catalog
from galaxyzoo.data.demo.dataset import draw_jpeg
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import Dataset, open_dataset, take_images
from galaxyzoo.ensemble.intervals import VoteIntervals
from galaxyzoo.ensemble.networks import load_intervals, load_predictor
from galaxyzoo.ensemble.predictors import (
    KnownPredictor,
    ensemble_folder,
    list_predictors,
)
from galaxyzoo.explain.galaxy import Galaxy, find_galaxy
from galaxyzoo.explain.gradcam import explain
from galaxyzoo.inference.predict import Predictor, compute_features
from galaxyzoo.models.build import GalaxyNet
from galaxyzoo.results.layout import FEATURES, RunFolder
from galaxyzoo.results.table import PredictionTable
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import is_ensemble

_RUNS_IN_MEMORY = 3
MAX_UPLOAD_BYTES = 20_000_000


def list_runs() -> list[KnownPredictor]:
    """List the predictors that have networks, those of real galaxies first."""
    return [predictor for predictor in list_predictors() if predictor.has_networks]


@lru_cache(maxsize=_RUNS_IN_MEMORY)
def load_run(dataset: str, run: str) -> "LoadedRun":
    """A run or an ensemble, kept in memory."""
    predictor = load_predictor(dataset, run)
    if dataset == BUNDLED:
        return LoadedRun(dataset, run, predictor, None, None)
    catalog = load_catalog(dataset).for_task(predictor.task)
    try:
        data = open_dataset(None, dataset, predictor.task.name)
    except InputError:
        data = None
    return LoadedRun(dataset, run, predictor, catalog, data)


@dataclass(frozen=True)
class PredictedGalaxy:
    """A galaxy and a run's prediction."""

    galaxy: Galaxy
    galaxy_id: int | None  # None for an uploaded image
    prediction: np.ndarray  # (column,)
    picture: np.ndarray  # (H, W, 3) uint8
    bounds: np.ndarray | None = None  # (column, 2) of the 90 % interval of each vote fraction


@dataclass(eq=False)
class LoadedRun:
    """A trained run, or an ensemble of some, with its networks and its dataset."""

    dataset: str
    run: str  # name, `ensemble:NAME` of an ensemble
    predictor: Predictor
    known: Catalog | None  # galaxies of the task; None for a bundled run
    data: Dataset | None  # None where the images are gone
    # Grad-CAM hooks into the networks: one request at a time
    _hooking: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _features: np.ndarray | None = field(default=None, repr=False)

    @property
    def task(self) -> Task:
        """The run's."""
        return self.predictor.task

    @property
    def config(self) -> Config:
        """Config of the run, or of an ensemble's first run, whose features measure similarity."""
        return self.predictor.runs[0].config

    @property
    def catalog(self) -> Catalog:
        """Galaxies of the task."""
        if self.known is None:
            raise InputError("these networks come without galaxies: upload an image")
        return self.known

    @property
    def _prepared(self) -> Dataset:
        """The dataset with its images."""
        if self.data is None:
            raise InputError(f"the images of '{self.catalog.dataset}' are no longer in input/")
        return self.data

    @cached_property
    def _images(self) -> ImageCache:
        """Decoded training images."""
        return self._prepared.train_images(self.config.image)

    @cached_property
    def _intervals(self) -> VoteIntervals | None:
        """Intervals of vote fractions; None for classes, and where too few folds are trained."""
        try:
            return load_intervals(self.dataset, self.run)
        except InputError:
            return None

    def has(self, galaxy_id: int) -> bool:
        """Check whether the dataset holds a galaxy's image."""
        raw = self._prepared.raw
        return galaxy_id in raw.train_images.names or galaxy_id in raw.test_images.names

    def predict(self, galaxy_id: int) -> PredictedGalaxy:
        """A galaxy of the dataset."""
        return self._predict(find_galaxy(galaxy_id, self.task, self._prepared), galaxy_id)

    def predict_upload(self, encoded: bytes, name: str) -> PredictedGalaxy:
        """A galaxy in an uploaded image, decoded as training images are."""
        if len(encoded) > MAX_UPLOAD_BYTES:
            raise InputError(f"{name} is larger than {MAX_UPLOAD_BYTES // 1_000_000} MB")
        return self.predict_picture(Galaxy(name, encoded, f"{name} cannot be used"))

    def predict_drawn(self, number: int) -> PredictedGalaxy:
        """Predict a demo galaxy, drawn from its number (100,000 to 999,999)."""
        return self.predict_picture(Galaxy("a drawn galaxy, no real one", draw_jpeg(number)[0], ""))

    def predict_picture(self, galaxy: Galaxy) -> PredictedGalaxy:
        """Predict a picture that is not of the dataset, such as one from another run."""
        return self._predict(galaxy, None)

    def _predict(self, galaxy: Galaxy, galaxy_id: int | None) -> PredictedGalaxy:
        picture = galaxy.decode(self.config.image)[0]
        # A training galaxy's by the networks of its own fold, where those are trained.
        prediction = self.predictor.predict(galaxy.decode, galaxy.fold)[0]
        bounds = self._intervals.bounds(prediction[None])[0] if self._intervals else None
        return PredictedGalaxy(galaxy, galaxy_id, prediction, picture, bounds)

    def gradcam(
        self, shown: PredictedGalaxy, column: int, method: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """(H, W, 3) uint8 network input, and (H, W) 0 to 1 heat map for an answer."""
        with self._hooking:
            image, heat, _ = explain(self.predictor, shown.galaxy, column, method)
        return image, heat

    def find_similar(
        self,
        shown: PredictedGalaxy,
        count: int,
        report: Callable[[float], None] = lambda share: None,
    ) -> list[tuple[int, float]]:
        """GalaxyIDs of the nearest training galaxies in the first run's first network's features.

        Args:
            shown: the galaxy; it is not among them.
            count: how many.
            report: called with the share of features that are computed, 0 to 1.
        Returns:
            GalaxyID and cosine similarity, nearest first.
        """
        fold, model = next(iter(self.predictor.runs[0].models.items()))
        if self._features is None:
            folder = RunFolder(self.dataset, self.config.run).fold(fold)
            self._features = load_features(folder, model, self._images, self.config, report)
        vector = embed(model, shown.galaxy.decode(self.config.image), self.config)[0]
        pairs = nearest(self._features, vector, count + 1)
        similar = [(int(self._images.ids[row]), similarity) for row, similarity in pairs]
        return [pair for pair in similar if pair[0] != shown.galaxy_id][:count]

    def thumbnails(self, ids: Sequence[int]) -> np.ndarray:
        """(galaxy, H, W, 3) uint8 of training galaxies."""
        return take_images(self._images, np.array(ids))

    def worst(self, column: int | None, count: int) -> pd.DataFrame:
        """Galaxies with the largest out-of-fold errors, largest first.

        Args:
            column: error of this answer; None: RMSE over all columns.
            count: how many.
        Returns:
            Indexed by GalaxyID: predicted, known (of the column, else the class or NaN), error.
        """
        catalog, dataset, run = self.catalog, self.dataset, self.run
        folder = ensemble_folder(dataset, run) if is_ensemble(run) else None
        path = (folder or RunFolder(dataset, run)).oof_csv
        predicted = PredictionTable.read(path, self.task).frame
        known = pd.DataFrame(
            catalog.targets(self.task.name), catalog.ids, list(self.task.columns)
        ).loc[predicted.index]
        off = (predicted - known).abs()
        if column is None:
            error = np.sqrt((off**2).mean(axis=1))
            errors = {"predicted": np.nan, "known": np.nan, "error": error}
        else:
            name = self.task.columns[column]
            errors = {"predicted": predicted[name], "known": known[name], "error": off[name]}
        return pd.DataFrame(errors).sort_values("error", ascending=False, kind="stable")[:count]


def nearest(vectors: np.ndarray, vector: np.ndarray, count: int) -> list[tuple[int, float]]:
    """Row and cosine similarity of those of (row, feature) unit vectors that are nearest to one."""
    similarity = vectors.astype(np.float32) @ vector.astype(np.float32)
    order = np.argsort(-similarity, kind="stable")[:count]
    return [(int(row), float(similarity[row])) for row in order]


def load_features(
    folder: Path,
    model: GalaxyNet,
    cache: ImageCache,
    config: Config,
    report: Callable[[float], None] = lambda share: None,
) -> np.ndarray:
    """`embed` all galaxies of a cache, computed once and kept in the fold's folder.

    Args:
        folder: of the fold.
        model: its network.
        cache: images of the training galaxies.
        config: of the run.
        report: called with the share that is done, 0 to 1.
    """
    path = folder / FEATURES
    with files.hold_lock(folder / f"{FEATURES}.lock", "comparing galaxies"):
        values = _read(path, len(cache.ids))
        if values is None:
            values = embed(model, cache.images, config, report)
            with files.writing(path) as temporary, temporary.open("wb") as file:
                np.save(file, values)
    report(1.0)
    return values


def embed(
    model: GalaxyNet,
    images: np.ndarray,
    config: Config,
    report: Callable[[float], None] = lambda share: None,
) -> np.ndarray:
    """(n, cache_px, cache_px, 3) uint8 -> (n, feature) float16 of unit length, one view each."""
    features = compute_features(model, images, config, TTAConfig(dihedral=False), report)
    return normalize(features).astype(np.float16)


def _read(path: Path, count: int) -> np.ndarray | None:
    """Read the file of an earlier call; None if it is incomplete or of other galaxies."""
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        return None
    fits = values.ndim == 2 and len(values) == count and values.dtype == np.float16
    return values if fits else None
