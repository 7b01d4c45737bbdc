"""A random sample of the original images: sizes, brightness, and how far out a galaxy shines."""

from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

from galaxyzoo.archives import ImageStore
from galaxyzoo.config import ORIGINAL_PX
from galaxyzoo.errors import InputError
from galaxyzoo.images import decode

FRAME_PX = 106  # side of the small whole frames; a quarter of the competition's images
SATURATED = 255
CHANNELS = ("red", "green", "blue")
_SKY_RINGS = 5  # outermost rings, taken as the background


@dataclass(frozen=True)
class ImageSample:
    """Some images of a dataset, small and whole, with what was measured on the originals."""

    # indexed by GalaxyID: bytes, width, height, <channel>_mean, <channel>_sd, saturated (fraction)
    measures: pd.DataFrame
    frames: np.ndarray  # (image, FRAME_PX, FRAME_PX, 3) uint8 RGB
    problems: dict[int, str]  # GalaxyID -> why it cannot be read


def sample_images(store: ImageStore, ids: np.ndarray, count: int, seed: int) -> ImageSample:
    """Draw images at random and measure them; an unreadable one is noted and left out."""
    drawn = np.random.default_rng(seed).choice(ids, min(count, len(ids)), replace=False)
    measures, frames, problems = {}, [], {}
    for galaxy_id in np.sort(drawn).tolist():
        try:
            data = store.read(galaxy_id)
            frames.append(decode(data, ORIGINAL_PX, FRAME_PX))
            measures[galaxy_id] = _measure(data)
        except (ValueError, InputError, cv2.error) as error:
            problems[galaxy_id] = str(error).splitlines()[0]
    table = pd.DataFrame.from_dict(measures, orient="index").rename_axis("GalaxyID")
    shape = (len(frames), FRAME_PX, FRAME_PX, 3)
    return ImageSample(table, np.array(frames, np.uint8).reshape(shape), problems)


def summarise_images(sample: ImageSample) -> dict[str, float | int | str]:
    """What the sample says of the dataset's images, by name; only counts where none is readable."""
    known = {"sampled": len(sample.measures) + len(sample.problems)}
    unreadable = {"unreadable": len(sample.problems)}
    table = sample.measures
    if table.empty:
        return {**known, **unreadable}
    sizes = (table["width"].astype(str) + " × " + table["height"].astype(str)).value_counts()
    return {
        **known,
        **unreadable,
        "pixels": f"{sizes.index[0]}" + (f" ({len(sizes)} sizes)" if len(sizes) > 1 else ""),
        "bytes, median": int(table["bytes"].median()),
        "bytes, smallest": int(table["bytes"].min()),
        "bytes, largest": int(table["bytes"].max()),
        **{f"{name}, mean": round(float(table[f"{name}_mean"].mean()), 3) for name in CHANNELS},
        **{
            f"{name}, sd within images": round(float(table[f"{name}_sd"].mean()), 3)
            for name in CHANNELS
        },
        "saturated pixels, %": round(float(100 * table["saturated"].mean()), 5),
        "images with a saturated pixel, %": round(float(100 * (table["saturated"] > 0).mean()), 2),
    }


def radial_profiles(frames: np.ndarray) -> np.ndarray:
    """(image, ring) median brightness in rings around the centre, 0 to 255.

    The median of a ring leaves out stars and neighbours. Rings are one pixel of the frame wide and
    end where the circle touches the frame's edge.
    """
    bright = frames.mean(axis=3, dtype=np.float32)
    place = np.arange(FRAME_PX) - (FRAME_PX - 1) / 2
    ring = np.hypot(place[:, None], place[None, :]).astype(int)
    rings = [np.median(bright[:, ring == k], axis=1) for k in range(FRAME_PX // 2)]
    return np.column_stack(rings)


def light_radii(profiles: np.ndarray, part: float) -> np.ndarray:
    """(image,) radius that holds this part of the brightness above the background.

    Args:
        profiles: (image, ring).
        part: 0 to 1.
    Returns:
        Radii as part of half the frame's side, 0 to 1; NaN where nothing stands above the
        background.
    """
    sky = profiles[:, -_SKY_RINGS:].mean(axis=1, keepdims=True)
    n_rings = profiles.shape[1]
    area = 2 * np.arange(n_rings) + 1.0
    grown = np.cumsum((profiles - sky) * area, axis=1)
    total = grown[:, -1:]
    first = (grown >= part * total).argmax(axis=1)
    return np.where(total[:, 0] > 0, (first + 1) / n_rings, np.nan)


def _measure(data: bytes) -> dict[str, float]:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ValueError("it does not decode as an image")
    mean, sd = cv2.meanStdDev(image)
    return {
        "bytes": len(data),
        "width": image.shape[1],
        "height": image.shape[0],
        **{f"{name}_mean": float(v) for name, v in zip(CHANNELS, mean[:, 0], strict=True)},
        **{f"{name}_sd": float(v) for name, v in zip(CHANNELS, sd[:, 0], strict=True)},
        "saturated": float((image >= SATURATED).any(axis=2).mean()),
    }
