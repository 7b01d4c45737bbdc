"""Decode images once and keep them: one memory-mapped uint8 array per set of images.

A cache is named by a digest of its settings and of the images in it, so a stale one cannot be read.
Its manifest holds the array's digest, checked at the first opening in a process.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core import files, paths
from galaxyzoo.core.artifact import SealedFiles, State
from galaxyzoo.core.console import ProgressBar
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.manifest import OLDEST_FORMAT, digest
from galaxyzoo.core.prefetch import prefetch
from galaxyzoo.data import decoding
from galaxyzoo.data.parallel_decoding import count_processes, decode_many
from galaxyzoo.data.stores.base import Images
from galaxyzoo.io.tables import ID, GalaxyId, key_of

LISTED = 10  # unusable images that a message names
_VERSION = 4  # of the decoding; raise it when the pixels change
_DECODERS = cv2.__version__, decoding.DECODER
_checked: set[tuple[Path, int]] = set()  # (array, its mtime in ns) checked in this process


@dataclass(frozen=True)
class ImageCache:
    """Decoded images of a list of galaxies."""

    ids: np.ndarray  # (image,)
    images: np.ndarray  # (image, cache_px, cache_px, 3) uint8 RGB, memory-mapped, read-only
    unreadable: np.ndarray  # (image,) bool; such an image is black
    problems: dict[GalaxyId, str] = field(default_factory=dict)  # why, by id
    notes: Path | None = None  # the file that lists them


def open_cache(
    images: Images, ids: np.ndarray, config: ImageConfig, chunk: int = 512
) -> ImageCache:
    """Decode the galaxies' images, or open what an earlier call decoded.

    Args:
        images: among which those are.
        ids: (image,) the order of the result.
        config: crop and size.
        chunk: images decoded at a time.
    Returns:
        The images; one that does not decode is black and marked.
    """
    if not len(ids):  # a memory map cannot be empty
        nothing = np.empty((0, config.cache_px, config.cache_px, 3), np.uint8)
        return ImageCache(ids, nothing, np.empty(0, bool))
    images = images.select(ids)
    stored = _StoredCache.of(images, config)
    with stored.make_if_needed(f"decoding {paths.shown(images.path)}") as filling:
        if filling:
            filling.notes = {"unreadable": _decode_all(stored.array, images, config, chunk)}
    if stored.state() != "finished":
        raise InputError(
            f"{paths.shown(stored.array)} changed while being written: rerun the command"
        )
    return stored.open(ids)


def describe_bad(images: Images, cache: ImageCache, advice: str) -> str:
    """Describe in one line how many images of a cache cannot be used, the first ones, and why.

    They stand at the end, where a line that gets too long is cut off.
    """
    by_reason: dict[str, list[str]] = {}
    for galaxy_id, reason in list(cache.problems.items())[:LISTED]:
        by_reason.setdefault(reason, []).append(images.names[galaxy_id])
    first = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in by_reason.items())
    if cache.notes and len(cache.problems) > LISTED:
        advice += f"; all are listed in {paths.shown(cache.notes)}"
    count = f"{len(cache.problems)} of {len(cache.ids)} images cannot be used"
    line = f"{paths.shown(images.path)}: {count}: {advice}; first: {first}"
    return one_line(" ".join(line.split()))


class _StoredCache(SealedFiles):
    """An array of decoded images, whose notes say why some of them are black."""

    @classmethod
    def of(cls, images: Images, config: ImageConfig) -> "_StoredCache":
        """The array of some images, in the folder of all caches."""
        mark = paths.cache_dir() / f"{_name(images, config)}.json"
        return cls(mark, {}, "run again", [f"{mark.stem}.npy"])

    @property
    def array(self) -> Path:
        """Path of the array."""
        return self.mark.with_suffix(".npy")

    @property
    def lock(self) -> Path:
        """A lock of its own: other caches are in the same folder."""
        return self.mark.with_suffix(".lock")

    def state(self) -> State:
        """Ask how far it is; the array is checked at the first time in a process."""
        state = super().state()
        if state != "finished":
            return state
        try:
            key = self.array, self.array.stat().st_mtime_ns
            if key not in _checked:
                self.path(self.array.name)
                _checked.add(key)
        except (InputError, FileNotFoundError):
            return "stale"
        return "finished"

    def discard(self) -> None:
        """Say that the images are decoded again."""
        ProgressBar.write(f"{paths.shown(self.array)} is damaged; decoding the images again")

    def open(self, ids: np.ndarray) -> ImageCache:
        """Map the array of finished ones into memory."""
        problems = parse_ids(self.notes["unreadable"], ids)
        images = np.load(self.array, mmap_mode="r")
        unreadable = pd.Index(ids).isin(list(problems))
        # mapped still, and faster than a `memmap`
        return ImageCache(ids, np.asarray(images), unreadable, problems, self.mark)


def _decode_all(
    array: Path, images: Images, config: ImageConfig, chunk: int
) -> dict[GalaxyId, str]:
    """Decode into an array; returns why images are unreadable, by id.

    It is written as a file, not through a memory map: on a full disk the system kills a process
    that writes to one.
    """
    shape = (len(images), config.cache_px, config.cache_px, 3)
    problems: dict[GalaxyId, str] = {}
    ids = images.ids.tolist()
    order = images.reading_order()
    with (
        files.writing(array) as temporary,
        open(temporary, "wb") as file,
        ProgressBar(total=len(images), desc=f"decoding {images.path.name}", unit="img") as bar,
    ):
        head = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, head)
        first_pixel = file.tell()
        chunks = images.in_parts(chunk, order)
        decode = partial(decode_many, config=config)
        for pixels, unreadable in prefetch(decode, chunks, 1, count_processes(images)):
            rows, order = np.split(order, [len(pixels)])
            for place, reason in unreadable.items():
                problems[ids[rows[place]]] = reason
            for row, image in zip(rows.tolist(), pixels, strict=True):
                file.seek(first_pixel + row * image.size)
                file.write(image.data)
            bar.update(len(rows))
    return problems


def parse_ids(by_id: Mapping[str, str], ids: np.ndarray) -> dict[GalaxyId, str]:
    """Values by id of a JSON object, whose keys are text; `ids` tells which kind they have."""
    kind = int if key_of(ids) == ID else str
    return {kind(key): value for key, value in by_id.items()}


def _name(images: Images, config: ImageConfig) -> str:
    """Name of a cache: sizes, and a digest of its settings and images."""
    settings = (_VERSION, OLDEST_FORMAT, config.crop_px, config.cache_px, *_DECODERS)
    whole = digest(map(repr, [settings, *images.identities()]))
    return f"{images.path.stem}_{config.crop_px}_{config.cache_px}_{whole[:12]}"
