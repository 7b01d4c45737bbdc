"""Predictions and heat maps for the page."""

import threading
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np

from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.demo.dataset import draw_jpeg
from galaxyzoo.ensemble import model_listing
from galaxyzoo.extras.explain.galaxy import Galaxy, settings_of_run
from galaxyzoo.extras.explain.gradcam import HeatMap, explain
from galaxyzoo.extras.intervals import intervals
from galaxyzoo.inference import load_model
from galaxyzoo.inference.predict import Predictor
from galaxyzoo.tasks.kinds import Task

_RUNS_IN_MEMORY = 3
MAX_UPLOAD_BYTES = 20_000_000


def list_runs() -> list[model_listing.ModelEntry]:
    """List the predictors that have networks, those of real galaxies first."""
    return [predictor for predictor in model_listing.list_predictors() if predictor.has_networks]


@lru_cache(maxsize=_RUNS_IN_MEMORY)
def load_cached_run(dataset: str, run: str) -> "LoadedRun":
    """A run or an ensemble, kept in memory."""
    return LoadedRun(dataset, run, load_model.load_predictor(dataset, run))


@dataclass(frozen=True)
class PredictedGalaxy:
    """A galaxy and a run's prediction."""

    galaxy: Galaxy
    prediction: np.ndarray  # (column,)
    picture: np.ndarray  # (H, W, 3) uint8
    bounds: np.ndarray | None = None  # (column, 2) of the 90 % interval of each vote fraction


@dataclass(eq=False)
class LoadedRun:
    """A trained run, or an ensemble of some, with its networks."""

    dataset: str
    run: str  # name, `ensemble:NAME` of an ensemble
    predictor: Predictor
    # Grad-CAM hooks into the networks: one request at a time
    _hooking: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def task(self) -> Task:
        """The run's."""
        return self.predictor.task

    @property
    def config(self) -> Config:
        """Config of the run, or of an ensemble's first run."""
        return self.predictor.runs[0].config

    @cached_property
    def _intervals(self) -> intervals.VoteIntervals | None:
        """Intervals of vote fractions; None for classes, and where too few folds are trained."""
        try:
            return intervals.load_intervals(self.dataset, self.run)
        except InputError:
            return None

    def predict_upload(self, encoded: bytes, name: str) -> PredictedGalaxy:
        """Predict the galaxy in an uploaded image; one too large or unreadable is an error."""
        if len(encoded) > MAX_UPLOAD_BYTES:
            raise InputError(f"{name} is larger than {MAX_UPLOAD_BYTES // 1_000_000} MB")
        return self.predict_picture(Galaxy(name, encoded, f"{name} cannot be used"))

    def predict_drawn(self, number: int) -> PredictedGalaxy:
        """Predict a demo galaxy, drawn from its number (100,000 to 999,999)."""
        jpeg = draw_jpeg(number)[0]
        return self.predict_picture(Galaxy("simulated galaxy, no volunteer votes", jpeg, ""))

    def predict_picture(self, galaxy: Galaxy) -> PredictedGalaxy:
        """Predict a picture, such as one from another run."""
        galaxy = replace(galaxy, fits=settings_of_run(self.dataset))
        picture = galaxy.decode(self.config.image)[0]
        prediction = self.predictor.predict(galaxy.decode)[0]
        bounds = None
        if self._intervals:
            bounds = self._intervals.bounds(prediction[None])[0]
        return PredictedGalaxy(galaxy, prediction, picture, bounds)

    def gradcam(self, shown: PredictedGalaxy, column: int, method: str) -> HeatMap:
        """Heat map of a galaxy for an answer."""
        with self._hooking:
            return explain(self.predictor, shown.galaxy, column, method)
