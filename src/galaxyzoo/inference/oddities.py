"""Count images that differ from the training pictures, by kind."""

from collections.abc import Mapping
from contextlib import suppress

import cv2
import numpy as np

from galaxyzoo.config.schema import ORIGINAL_PX
from galaxyzoo.data import jpeg
from galaxyzoo.tasks.kinds import Task

# Kind -> how many images, and the first's name with details
Oddities = dict[str, tuple[int, str]]

_SENTENCES = {
    "gray": "are gray; the networks learned from pictures in three colors",
    "size": f"are not {ORIGINAL_PX} × {ORIGINAL_PX} px, as Galaxy Zoo's are",
    "bits": "have 16 bits a channel, of which the upper 8 are read",
    "noise": "are mostly noise",
}
# Correlation of neighboring pixels: 0.61 and more in 3,000 pictures of the competition at 64 and
# 128 px of 207 and 424, below 0.52 in noise that is not enlarged.
_MIN_CORRELATION = 0.6
_PNG = b"\x89PNG\r\n\x1a\n"


def measure(data: bytes | np.ndarray) -> tuple[int, int, int]:
    """Height and width in px, and bits a channel, by an image's header; (0, 0, 8) where none is."""
    if isinstance(data, np.ndarray):
        return data.shape[0], data.shape[1], 8
    if data.startswith(_PNG) and len(data) > 24:  # as in the IHDR chunk of the PNG standard
        return int.from_bytes(data[20:24]), int.from_bytes(data[16:20]), data[24]
    with suppress(ValueError):
        return *jpeg.read_header(data)[:2], 8
    return 0, 0, 8


def find_oddities(
    names: list[str], sizes: list[tuple[int, int, int]], images: np.ndarray
) -> Oddities:
    """Count how images differ from Galaxy Zoo's pictures.

    Args:
        names: of the images.
        sizes: as `measure` gives them.
        images: (image, side, side, 3) uint8, as the networks get them.
    """
    oddities: Oddities = {}
    for name, (height, width, bits), image in zip(names, sizes, images, strict=True):
        kinds = {
            "gray": (image == image[..., :1]).all(),
            "size": not height == width == ORIGINAL_PX,
            "bits": bits == 16,
            "noise": _correlation(image) < _MIN_CORRELATION,
        }
        bright = f", brightest value {image.max()} of 255"
        details = {"size": f", {width} × {height}", "bits": bright}
        odd = {kind: (1, name + details.get(kind, "")) for kind in kinds if kinds[kind]}
        add_oddities(oddities, odd)
    return oddities


def add_oddities(total: Oddities, more: Mapping[str, tuple[int, str]]) -> None:
    """Add counts of further images to `total`, which keeps the first names."""
    for kind, (count, first) in more.items():
        before, known = total.get(kind, (0, first))
        total[kind] = (before + count, known)


def describe(oddities: Mapping[str, tuple[int, str]], n_images: int, task: Task) -> list[str]:
    """A sentence for each kind; not for the size where networks learned from a user's images."""
    return [
        f"{oddities[kind][0]:,} of {n_images:,} images {sentence} (first: {oddities[kind][1]})"
        for kind, sentence in _SENTENCES.items()
        if kind in oddities and not (kind == "size" and task.recipes)
    ]


def _correlation(image: np.ndarray) -> float:
    """Correlation of the brightness of neighboring pixels, the lower of both axes."""
    bright = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    bright -= bright.mean()
    down, across = (bright[1:] * bright[:-1]).mean(), (bright[:, 1:] * bright[:, :-1]).mean()
    return float(min(down, across) / np.square(bright).mean())
