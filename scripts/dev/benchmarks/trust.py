"""How far the networks in `weights/` are right on pictures that are unlike those of training.

Training galaxies are predicted by the network that has not seen them, in one view, after each
change to their pictures (424 px, 0.02 Petrosian radii each).
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from measuring import Table
from views import RUN, load_bundled, predict_pixels, spread

from galaxyzoo.config.schema import ImageConfig, TTAConfig
from galaxyzoo.data.parallel_decoding import decode_many
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.data.stores.base import Images

_GALAXIES = 100  # of each fold
_WHOLE = ImageConfig(crop_px=424, cache_px=424)
_RNG = np.random.default_rng(0)
_Change = Callable[[np.ndarray], np.ndarray]


def zoom(image: np.ndarray, factor: float) -> np.ndarray:
    """The galaxy so many times as large; around a smaller one its sky is mirrored."""
    side = len(image)
    warp = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), 0, factor)
    small = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.warpAffine(image, warp, (side, side), flags=small, borderMode=cv2.BORDER_REFLECT_101)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of so many pixels."""
    return cv2.GaussianBlur(image, (0, 0), sigma)


def add_noise(image: np.ndarray, sd: float) -> np.ndarray:
    """Gaussian noise of so many gray levels, each pixel and band by itself."""
    return (image + _RNG.normal(0, sd, image.shape)).clip(0, 255).round().astype(np.uint8)


def one_band(image: np.ndarray, band: int) -> np.ndarray:
    """One band for all three."""
    return np.repeat(image[..., [band]], 3, axis=2)


CHANGES: dict[str, _Change] = {
    "none": np.asarray,
    **{f"{x:g} times as large": partial(zoom, factor=x) for x in (0.5, 0.75, 1.5, 2.0)},
    **{f"blurred, sigma {x:g} px": partial(blur, sigma=x) for x in (2.0, 4.0, 8.0)},
    **{f"noise, sd {x:g} gray levels": partial(add_noise, sd=x) for x in (5.0, 15.0, 30.0)},
    "red band alone": partial(one_band, band=0),
    "green band alone": partial(one_band, band=1),
    "red and blue exchanged": lambda image: image[..., ::-1],
}


def measure(data: Dataset, _repeats: int) -> list[Table]:
    """RMSE after each change."""
    run = load_bundled(data).restrict(None, TTAConfig(dihedral=False))
    errors: dict[str, list[np.ndarray]] = {name: [] for name in CHANGES}
    means = []
    targets = data.targets(run.task)
    for fold in run.models:
        rows = spread(np.flatnonzero(data.folds == fold), _GALAXIES)
        means.append((targets[data.folds != fold].mean(axis=0) - targets[rows]) ** 2)
        images = decode_many(data.raw.train_images.select(data.ids[rows]), _WHOLE)[0]
        for name, change in CHANGES.items():
            arrays = [change(image) for image in images]
            changed = Images.of(Path(), [str(row) for row in rows], 0, arrays.__getitem__)
            pixels = decode_many(changed, run.config.image)[0]
            errors[name].append((predict_pixels(run, fold, pixels) - targets[rows]) ** 2)
    rows_of = [(name, f"{np.sqrt(np.mean(values)):.4f}") for name, values in errors.items()]
    rows_of.append(("(mean votes for every galaxy)", f"{np.sqrt(np.mean(means)):.4f}"))
    return [Table(f"{RUN}, {_GALAXIES} galaxies of each fold", ("pictures", "RMSE"), rows_of)]
