"""Section of the exploration page on images: sizes and brightness."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from galaxyzoo.config.schema import ORIGINAL_PX
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.image_cache import decode
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.data.stores.base import ImageStore
from galaxyzoo.io.tables import write_table
from galaxyzoo.reports.html import GalaxyCard, HtmlSection

SAMPLED_IMAGES = 500
FRAME_PX = 106  # side of the small whole frames; a quarter of the competition's images
SATURATED = 255
CHANNELS = ("red", "green", "blue")
_NAMED = 5  # unreadable images that the page names


@dataclass(frozen=True)
class ImageSample:
    """Sample of a dataset's images as small whole frames, and measures of the originals."""

    # indexed by GalaxyID: bytes, width, height, <channel>_mean, <channel>_sd, saturated (fraction)
    measures: pd.DataFrame
    frames: np.ndarray  # (image, FRAME_PX, FRAME_PX, 3) uint8 RGB
    problems: dict[int, str]  # GalaxyID -> why it cannot be read


def explore_images(data: Dataset, seed: int, folder: Path) -> list[HtmlSection]:
    """The section on a random sample of the training images, beside one of the test images."""
    raw, catalog = data.raw, data.catalog
    samples = {"train": sample_images(raw.train_images, catalog.ids, SAMPLED_IMAGES, seed)}
    if len(catalog.test_ids):
        samples["test"] = sample_images(raw.test_images, catalog.test_ids, SAMPLED_IMAGES, seed)
    table = pd.DataFrame({name: summarize_images(s) for name, s in samples.items()}, dtype=object)
    table = table.rename_axis("measure").reset_index()
    write_table(folder / "images.csv", table)
    lines = [
        f"GalaxyID {galaxy_id} ({name}) cannot be read: {why}."
        for name, sample in samples.items()
        for galaxy_id, why in list(sample.problems.items())[:_NAMED]
    ]
    galleries = []
    if len(samples["train"].frames):
        mean = samples["train"].frames.mean(axis=0)
        mean = (255 * mean / max(mean.max(), 1e-9)).astype(np.uint8)
        galleries = [
            ("Mean of the training images", [GalaxyCard("its brightest pixel as white", mean)])
        ]
    caption = f"Measured on the originals of {SAMPLED_IMAGES} or fewer random images"
    return [HtmlSection("Images", "\n".join(lines), [(caption, table)], galleries=galleries)]


def sample_images(store: ImageStore, ids: np.ndarray, count: int, seed: int) -> ImageSample:
    """Draw images at random and measure them; unreadable ones become `problems`."""
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


def summarize_images(sample: ImageSample) -> dict[str, float | int | str]:
    """Summary of a sample's measures, by name; only counts where no image is readable."""
    table, unreadable = sample.measures, len(sample.problems)
    counts = {"sampled": len(table) + unreadable, "unreadable": unreadable}
    if table.empty:
        return {**counts}
    sizes = (table["width"].astype(str) + " × " + table["height"].astype(str)).value_counts()
    return {
        **counts,
        "pixels": f"{sizes.index[0]}" + (f" ({len(sizes)} sizes)" if len(sizes) > 1 else ""),
        "bytes, median": int(table["bytes"].median()),
        "bytes, smallest": int(table["bytes"].min()),
        "bytes, largest": int(table["bytes"].max()),
        **{f"{c}, mean": round(float(table[f"{c}_mean"].mean()), 3) for c in CHANNELS},
        **{f"{c}, sd within images": round(float(table[f"{c}_sd"].mean()), 3) for c in CHANNELS},
        "saturated pixels, %": round(float(100 * table["saturated"].mean()), 5),
        "images with a saturated pixel, %": round(float(100 * (table["saturated"] > 0).mean()), 2),
    }


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
