"""Surveys: jobs of a predictor without networks, which tells how bright an image is.

`draw_survey(folder, {"1.png": 90, …})` writes images of one gray level each. Of these,
`make_job(votes, folder).run()` leaves in `votes` what `survey.py IMAGES votes` leaves, in parts
of four images. `Brightness`, its predictor, gives two votes (the mean brightness, and the rest to
one) and features of length two; `Darkness` is another one, for what must not be mixed. `extras` are
kept besides votes: `("features",)` is what the label page needs. `finish_survey(root)` does all of
it; `survey_features(folder, features)` is such a survey as the label page reads it, without images.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.inference.predict import Predictor
from galaxyzoo.tasks.registry import get_task
from support.pictures import encode

if TYPE_CHECKING:
    import pyarrow as pa

    from galaxyzoo.extras.labels.label_loop import LabelLoop
    from galaxyzoo.extras.surveys.finished import SurveyFeatures
    from galaxyzoo.extras.surveys.survey import Survey


TASK = get_task("elliptical_spiral")
COUNT = 60
RARE = [3, 7, 11, 40, 41, 50]
IMAGE = ImageConfig(crop_px=424, cache_px=32)


class Brightness:
    """Its two networks agree least on images of middle gray."""

    task, digest = TASK, "brightness"
    galaxies = frozenset[int]()
    runs = (SimpleNamespace(config=SimpleNamespace(image=IMAGE), models=range(2)),)

    def predict(self, decode: Callable[[ImageConfig], np.ndarray]) -> np.ndarray:
        bright = decode(IMAGE).mean(axis=(1, 2, 3)) / 255
        return np.stack([bright, 1 - bright], axis=1)

    def features(self, decode: Callable[[ImageConfig], np.ndarray]) -> np.ndarray:
        bright = self.predict(decode)[:, :1]
        return np.hstack([np.cos(bright), np.sin(bright)]) * (1 + bright)  # lengths do not count

    def predict_with_features(self, decode: Any) -> tuple[np.ndarray, np.ndarray]:
        return self.predict(decode), self.features(decode)

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


def draw_survey(folder: Path, grays: Mapping[str, int | bytes]) -> Path:
    """Write images of 16 × 16 px by name: a gray level each, or these bytes."""
    folder.mkdir()
    for name, gray in grays.items():
        if isinstance(gray, bytes):
            (folder / name).write_bytes(gray)
            continue
        picture = np.full((16, 16), gray, np.uint8)
        picture[:2, :2] += 1  # one color alone is no galaxy; the mean stays
        picture[-2:, -2:] -= 1
        (folder / name).write_bytes(encode(picture, end=".png"))
    return folder


def finish_survey(root: Path) -> Path:
    """The survey `votes` of twelve images 100.png, …, ever brighter; 105.png is broken."""
    grays: dict[str, int | bytes] = {f"{100 + k}.png": 20 * k + 1 for k in range(12)}
    images = draw_survey(root / "survey", grays | {"105.png": b"broken"})
    make_job(root / "votes", images, size=5, extras=("features",)).run()
    return root / "votes"


def survey_features(folder: Path, features: np.ndarray, images: Any = None) -> "SurveyFeatures":
    """A finished survey as the label page reads it: galaxies 0.png, 1.png, … of no position."""
    from galaxyzoo.extras.surveys.finished import SurveyFeatures

    count = len(features)
    ids = np.array([f"{k}.png" for k in range(count)], object)
    votes = np.full((count, 1), 0.5, np.float32)
    nowhere = np.full((count, 2), np.nan)
    values = features.astype(np.float32)
    first = np.zeros(count, int)
    return SurveyFeatures(folder, images, ids, first, first, values, votes, nowhere)


def make_loop(folder: Path, width: int = 8) -> "LabelLoop":
    """A label loop on `COUNT` galaxies, of which the rows `RARE` have features of their own."""
    from galaxyzoo.extras.labels.label_loop import LabelLoop

    features = np.random.default_rng(0).normal(size=(COUNT, width))
    features[RARE, :4] += 6
    return LabelLoop(survey_features(folder, features))


def read_columns(path: Path, names: list[str]) -> "pa.Table":
    """Read columns of a list or Parquet file as surveys keep them."""
    import pyarrow as pa

    from galaxyzoo.extras.formats.columns import open_columns

    columns = open_columns(path, {name: name for name in names})
    return pa.concat_tables(columns.pieces())
