"""A loaded run of untrained networks, and uploads."""

import cv2
import numpy as np

from galaxyzoo.data.prepare import Dataset
from galaxyzoo.extras.app.service import LoadedRun
from galaxyzoo.inference.predict import RunNetworks
from galaxyzoo.models.build import build_model
from support.small_models import small_config

CONFIG = small_config()


def loaded(data: Dataset) -> LoadedRun:
    models = {fold: build_model(CONFIG, initialize=False).eval() for fold in (0, 1)}
    return LoadedRun(data.catalog.dataset, CONFIG.run, RunNetworks(CONFIG, models))


def jpeg(side: int) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    return cv2.imencode(".jpg", noise)[1].tobytes()
