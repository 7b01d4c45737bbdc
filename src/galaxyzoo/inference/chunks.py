"""Chunks of images to predict, decoded once for all networks."""

import zlib
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core.errors import one_line
from galaxyzoo.data.decoding import Header, measure
from galaxyzoo.data.parallel_decoding import decode_many
from galaxyzoo.data.stores.base import Images
from galaxyzoo.inference.oddities import Oddities, add_oddities, find_known, find_oddities
from galaxyzoo.tasks.kinds import Task

CHUNK = 1024  # images decoded at once
_BLANK = "all its pixels have the same color (empty or masked)"


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some images, decoded once per crop and size for all members of an ensemble."""

    images: Images
    oddities: Oddities = field(default_factory=dict)  # of those that can be read, once decoded
    checksums: dict[int, int] = field(default_factory=dict)  # CRC-32 of what was read, by id
    _decoded: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    _problems: dict[int, str] = field(default_factory=dict)  # by row

    def decode(self, image: ImageConfig) -> np.ndarray:
        """(n, cache_px, cache_px, 3) uint8, of those that can be read."""
        key = (image.crop_px, image.cache_px)
        if key not in self._decoded:
            self._decoded[key] = self._decode(image)
        return self._decoded[key]

    def _decode(self, image: ImageConfig) -> np.ndarray:
        """Decode those that can be read; the first time, note the others, and all oddities."""
        headers: dict[int, Header] = {}
        read = partial(read_measured, self.images, self.checksums, headers)
        pixels, problems = decode_many(self.images.through(read), image)
        is_first = not self._decoded  # members of an ensemble predict the same images
        if is_first:
            blank = [row for row, picture in enumerate(pixels) if _is_blank(picture)]
            self._problems.update(dict.fromkeys(blank, _BLANK))
        self._problems.update(problems)
        if self._problems:
            pixels = pixels[self.rows]
        if is_first:
            headers_read = [headers[row] for row in self.rows]
            self.oddities.update(find_oddities(self.names, headers_read, pixels))
        return pixels

    @property
    def rows(self) -> list[int]:
        """(image,) rows of what was decoded."""
        return [row for row in range(len(self.images)) if row not in self._problems]

    @property
    def names(self) -> pd.Series:
        """(image,) names of what was decoded."""
        return self.images.names.iloc[self.rows]

    def count_oddities(self, galaxies: Set[int]) -> Oddities:
        """Count what is odd in what was decoded; galaxies: that the networks learned from."""
        oddities = dict(self.oddities)
        if galaxies:
            add_oddities(oddities, find_known(self.names, galaxies))
        return oddities

    def table(self, values: np.ndarray, task: Task) -> pd.DataFrame:
        """Predictions (n, column) of what was decoded, by name."""
        names = self.names.map(one_line)
        return pd.DataFrame(values, index=names.to_numpy(), columns=list(task.columns))

    @property
    def problems(self) -> list[tuple[str, str]]:
        """Name and reason of each image that could not be decoded."""
        names = self.images.names
        return [(names.iloc[row], reason) for row, reason in self._problems.items()]


def decode_chunk(configs: Sequence[ImageConfig], images: Images) -> Chunk:
    """Decode some images as configs want them."""
    chunk = Chunk(images)
    for config in configs:
        chunk.decode(config)
    return chunk


def _is_blank(pixels: np.ndarray) -> bool:
    first = pixels[0, 0]  # whose row decides for most images
    return bool((pixels[0] == first).all() and (pixels == first).all())


def read_measured(
    images: Images, checksums: dict[int, int], headers: dict[int, Header], row: int
) -> bytes | np.ndarray:
    """Load an image; note its CRC-32 by its id, and its header by its row."""
    data = images.load(row)
    headers[row] = measure(data)
    content = data.tobytes() if isinstance(data, np.ndarray) else data
    checksums[int(images.ids[row])] = zlib.crc32(content)
    return data
