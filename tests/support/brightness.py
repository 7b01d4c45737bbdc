"""A predictor without networks: how bright an image is."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.inference.predict import Predictor
from galaxyzoo.tasks.registry import get_task

if TYPE_CHECKING:
    from galaxyzoo.extras.surveys.survey import Survey

TASK = get_task("elliptical_spiral")
IMAGE = ImageConfig(crop_px=424, cache_px=32)


class Brightness:
    """Its two networks agree least on images of middle gray."""

    task, digest = TASK, "brightness"
    runs = (SimpleNamespace(config=SimpleNamespace(image=IMAGE)),)

    def predict(self, decode: Callable[[ImageConfig], np.ndarray]) -> np.ndarray:
        bright = decode(IMAGE).mean(axis=(1, 2, 3)) / 255
        return np.stack([bright, 1 - bright], axis=1)

    def features(self, decode: Callable[[ImageConfig], np.ndarray]) -> np.ndarray:
        bright = self.predict(decode)[:, :1]
        return np.hstack([np.cos(bright), np.sin(bright)]) * (1 + bright)  # lengths do not count

    def predict_with_spread(self, decode: Any) -> tuple[np.ndarray, np.ndarray]:
        values = self.predict(decode)
        return values, values * (1 - values)


class Darkness(Brightness):
    """Another predictor."""

    digest = "darkness"

    def predict(self, decode: Callable[[ImageConfig], np.ndarray]) -> np.ndarray:
        return 1 - super().predict(decode)


def make_job(
    folder: Path, *paths: Path, size: int = 4, predictor: type[Brightness] = Brightness, **more: Any
) -> "Survey":
    """A job by it, in parts of `size` images."""
    from galaxyzoo.extras.surveys.images import SurveyImages
    from galaxyzoo.extras.surveys.survey import Survey

    load = cast(Callable[[], Predictor], predictor)
    found = SurveyImages(paths, size=size)
    return Survey(folder, "elliptical_spiral/x", load, found, np.array([0.5, 0.5]), **more)
