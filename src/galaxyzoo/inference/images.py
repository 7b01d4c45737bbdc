"""Images to predict, of folders, zips, files, archives and lists, and their ids."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import cv2
import numpy as np
import pandas as pd

from galaxyzoo.config.schema import ORIGINAL_PX, ImageConfig
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.data.decoding import Header, measure
from galaxyzoo.data.parallel_decoding import decode_many
from galaxyzoo.data.stores import base
from galaxyzoo.data.stores.names import number_of, stem_of
from galaxyzoo.io.tables import ID, ID_LIMIT, NAME
from galaxyzoo.io.writing import plain_cell
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import TASKS

# Kind -> how many images, and the first's name with details
InputChecks = dict[str, tuple[int, str]]

_SENTENCES = {
    "gray": "gray, but the networks learned from color images",
    "size": f"not {ORIGINAL_PX} × {ORIGINAL_PX} px, unlike Galaxy Zoo's",
    "bits": "16 bits per channel; only the upper 8 are used",
    "noise": "mostly noise",
    "alpha": "an alpha channel; transparent pixels become black",
}
# Correlation of neighboring pixels: 0.61 and more in 3,000 pictures of the competition at 64 and
# 128 px of 207 and 424, below 0.52 in noise that is not enlarged.
_MIN_CORRELATION = 0.6


def check_inputs(names: Iterable[str], headers: list[Header], images: np.ndarray) -> InputChecks:
    """Count how images differ from Galaxy Zoo's pictures.

    Args:
        names: of the images.
        headers: as `measure` gives them.
        images: (image, side, side, 3) uint8, as the networks get them.
    """
    checks: InputChecks = {}
    for name, (height, width, bits, alpha), image in zip(names, headers, images, strict=True):
        kinds = {
            "gray": (image == image[..., :1]).all(),
            "size": not height == width == ORIGINAL_PX,
            "bits": bits == 16,
            "noise": _correlation(image) < _MIN_CORRELATION,
            "alpha": alpha,
        }
        bright = f", brightest value {image.max()} of 255"
        details = {"size": f", {width} × {height}", "bits": bright}
        odd = {kind: (1, name + details.get(kind, "")) for kind in kinds if kinds[kind]}
        add_checks(checks, odd)
    return checks


def add_checks(total: InputChecks, more: Mapping[str, tuple[int, str]]) -> None:
    """Add counts of further images to `total`, which keeps the first names."""
    for kind, (count, first) in more.items():
        before, known = total.get(kind, (0, first))
        total[kind] = (before + count, known)


def describe_checks(checks: Mapping[str, tuple[int, str]], n_images: int, task: Task) -> list[str]:
    """A sentence for each kind; not for the size where networks learned from a user's images."""
    return [
        f"{checks[kind][0]:,} of {n_images:,} images: {sentence} (first: {checks[kind][1]})"
        for kind, sentence in _SENTENCES.items()
        if kind in checks and not (kind == "size" and task.name not in TASKS)
    ]


def _correlation(image: np.ndarray) -> float:
    """Correlation of the brightness of neighboring pixels, the lower of both axes."""
    bright = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    bright -= bright.mean()
    down, across = (bright[1:] * bright[:-1]).mean(), (bright[:, 1:] * bright[:, :-1]).mean()
    return float(min(down, across) / np.square(bright).mean())


CHUNK = 1024  # images decoded at once
_BLANK = "all its pixels have the same color (empty or masked)"


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some images, decoded once per crop and size for all members of an ensemble."""

    images: base.Images
    checks: InputChecks = field(default_factory=dict)  # of those that can be read, once decoded
    checksums: dict[int, int] = field(default_factory=dict)  # CRC-32 of what was read, by id
    _decoded: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    _problems: dict[int, str] = field(default_factory=dict)  # by row

    def decode(self, image: ImageConfig) -> np.ndarray:
        """(n, cache_px, cache_px, 3) uint8, of those that can be read."""
        key = image.crop_px, image.cache_px
        if key not in self._decoded:
            headers: dict[int, Header] = {}
            read = partial(read_measured, self.images, self.checksums, headers)
            pixels, problems = decode_many(self.images.through(read), image)
            is_first = not self._decoded  # members of an ensemble predict the same images
            if is_first:
                blank = [row for row, each in enumerate(pixels) if _is_blank(each)]
                problems = dict.fromkeys(blank, _BLANK) | problems
            self._problems.update(problems)
            if self._problems:
                pixels = pixels[self.rows]
            self._decoded[key] = pixels
            if is_first:
                names, rows = self.images.names.iloc[self.rows], self.rows
                self.checks.update(check_inputs(names, [headers[row] for row in rows], pixels))
        return self._decoded[key]

    @property
    def rows(self) -> list[int]:
        """(image,) rows of what was decoded."""
        return [row for row in range(len(self.images)) if row not in self._problems]

    def table(self, values: np.ndarray, task: Task) -> pd.DataFrame:
        """Predictions (n, column) of what was decoded, by name."""
        names = self.images.names.iloc[self.rows].map(one_line)
        return pd.DataFrame(values, index=names.to_numpy(), columns=list(task.columns))

    @property
    def problems(self) -> list[tuple[str, str]]:
        """Name and reason of each image that could not be decoded."""
        return [(self.images.names.iloc[row], why) for row, why in self._problems.items()]


def decode_chunk(configs: Sequence[ImageConfig], images: base.Images) -> Chunk:
    """Decode some images as configs want them."""
    chunk = Chunk(images)
    for config in configs:
        chunk.decode(config)
    return chunk


def _is_blank(pixels: np.ndarray) -> bool:
    first = pixels[0, 0]  # whose row decides for most images
    return bool((pixels[0] == first).all() and (pixels == first).all())


def read_measured(
    images: base.Images, checksums: dict[int, int], headers: dict[int, Header], row: int
) -> bytes | np.ndarray:
    """Load an image; note its CRC-32 by its id, and its header by its row."""
    data = images.load(row)
    headers[row] = measure(data)
    content = data.tobytes() if isinstance(data, np.ndarray) else data
    checksums[int(images.ids[row])] = zlib.crc32(content)
    return data


@dataclass(frozen=True)
class IdColumn:
    """Id column of tables: GalaxyID or file name.

    Args:
        column: `GalaxyID` where every image is named by one and none is repeated; else `id`.
        is_number: whether every image is named by a whole number, its label; else labels are the
            names as `one_line` writes them, for names of old archives are no UTF-8.
    """

    column: str
    is_number: bool

    @classmethod
    def of(cls, inputs: Sequence[base.Images]) -> "IdColumn":
        """Choose the id column; check that ids are unique."""
        names = pd.Series([one_line(name) for each in inputs for name in each.names], dtype=object)
        none = -(2**63)
        numbers = (none if (i := number_of(name)) is None else i for name in names)
        ids = pd.Series(np.fromiter(numbers, np.int64))
        if len(ids) and ids.min() > none:
            column = ID if ids.min() >= 0 and ids.max() < ID_LIMIT else NAME
            repeated = ids[ids.duplicated(keep=False)]
            clashing = names[repeated.index]
            if clashing.empty:
                return cls(column, is_number=True)
            if clashing.map(stem_of).is_unique:
                first, second = clashing[repeated == repeated.min()]
                raise InputError(
                    f"images '{first}' and '{second}' are both {column} {repeated.min()}: rename "
                    "one of them"
                )
        for name in names[names.map(plain_cell).duplicated()]:
            raise InputError(f"image '{name}' appears twice: rename one or predict them separately")
        return cls(NAME, is_number=False)

    def __getitem__(self, name: str) -> int | str:
        """Label of an image, by its name as `one_line` writes it."""
        number = number_of(name) if self.is_number else None
        return name if number is None else number
