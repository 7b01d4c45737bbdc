"""Oddities of images: how they differ from Galaxy Zoo's pictures."""

from collections.abc import Iterable, Mapping, Set

import cv2
import numpy as np

from galaxyzoo.config.schema import ORIGINAL_PX
from galaxyzoo.core.console import count
from galaxyzoo.data.decoding import Header, is_trimmed
from galaxyzoo.data.stores.names import galaxy_id_of
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import TASKS

# Kind, or a drawn picture's note -> how many images, and the first's name with details
Oddities = dict[str, tuple[int, str]]

_SENTENCES = {
    "gray": "gray, but the networks learned from color images",
    "shape": "not square: if an edge was trimmed, crop them around the galaxy, which must be in "
    "the center",
    "size": f"not {ORIGINAL_PX} × {ORIGINAL_PX} px, unlike Galaxy Zoo's",
    "bits": "16 bits per channel; only the upper 8 are used",
    "noise": "mostly noise",
    "alpha": "an alpha channel; transparent pixels become black",
    "known": "named by the GalaxyID of a training galaxy; if it is that galaxy, its prediction is "
    "optimistic",
}
# Correlation of neighboring pixels: 0.61 and more in 3,000 pictures of the competition at 64 and
# 128 px of 207 and 424, below 0.52 in noise that is not enlarged.
_MIN_CORRELATION = 0.6
_SHRUNK_PX = 64  # the noise of more pixels hides galaxies that anyone sees


def find_oddities(names: Iterable[str], headers: list[Header], images: np.ndarray) -> Oddities:
    """Count how images differ from Galaxy Zoo's pictures.

    Args:
        names: of the images.
        headers: as `measure` gives them.
        images: (image, side, side, 3) uint8, as the networks get them.
    """
    oddities: Oddities = {}
    for name, header, image in zip(names, headers, images, strict=True):
        for kind, detail in _differences(header, image).items():
            add_oddities(oddities, {kind: (1, f"{name}{detail}")})
    return oddities


def find_known(names: Iterable[str], galaxies: Set[int]) -> Oddities:
    """Count the images whose names are GalaxyIDs of training galaxies."""
    known = [name for name in names if galaxy_id_of(name) in galaxies]
    return {"known": (len(known), known[0])} if known else {}


def _differences(header: Header, image: np.ndarray) -> dict[str, str]:
    """Kinds in which an image differs, each with a detail to put behind its name."""
    height = header.height
    width = header.width
    differences = dict(header.notes or {})
    if (image == image[..., :1]).all():
        differences["gray"] = ""
    if header.notes is None:  # a drawn picture's size on the sky is known, or said
        if is_trimmed(height, width):
            differences["shape"] = f", {width} × {height}"
        elif height != ORIGINAL_PX or width != ORIGINAL_PX:
            differences["size"] = f", {width} × {height}"
    if header.bits == 16:
        differences["bits"] = f", brightest value {image.max()} of 255"
    if _correlation(image) < _MIN_CORRELATION:
        differences["noise"] = ""
    if header.has_alpha:
        differences["alpha"] = ""
    return differences


def _correlation(image: np.ndarray) -> float:
    """Correlation of the brightness of neighboring pixels, the lower of both axes."""
    side = min(len(image), _SHRUNK_PX)
    shrunk = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    bright = cv2.cvtColor(shrunk, cv2.COLOR_RGB2GRAY).astype(np.float32)
    bright -= bright.mean()
    down = (bright[1:] * bright[:-1]).mean()
    across = (bright[:, 1:] * bright[:, :-1]).mean()
    variance = np.square(bright).mean()
    return float(min(down, across) / max(variance, 1e-9))


def add_oddities(total: Oddities, further: Mapping[str, tuple[int, str]]) -> None:
    """Add counts of further images to `total`, which keeps the first names."""
    for kind, (n_further, name) in further.items():
        count_before, first_name = total.get(kind, (0, name))
        total[kind] = (count_before + n_further, first_name)


def describe_oddities(
    oddities: Mapping[str, tuple[int, str]], n_images: int, task: Task
) -> list[str]:
    """A sentence for each kind; not for the size where networks learned from a user's images."""
    sentences = []
    for kind in dict.fromkeys([*_SENTENCES, *oddities]):
        if kind not in oddities or (kind == "size" and task.name not in TASKS):
            continue
        n_of_kind, first_name = oddities[kind]
        sentence = _SENTENCES.get(kind, kind)
        share = f"{n_of_kind:,} of {count(n_images, 'image')}"
        sentences.append(f"{share}: {sentence} (first: {first_name})")
    return sentences
