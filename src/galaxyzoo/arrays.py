"""Images by number out of one big array in a file, as astroNN's HDF5 files and `.npz` files hold.

The array is read in blocks of rows, each once for many images: a compressed file keeps pixels of
hundreds of images in one piece, so that reading image by image would unpack all of it every time.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from galaxyzoo.archives import ImageStore, is_passing
from galaxyzoo.errors import InputError, UnavailableError
from galaxyzoo.paths import shown

_BLOCKS = 2  # kept at a time: threads stand on both sides of a border


@dataclass
class ArrayStore(ImageStore):
    """Images of an (image, H, W, 3) uint8 RGB array, numbered from 0; PNG where others are JPEG."""

    # opens the array, anything that a slice of rows can be taken of; called once, when needed
    open_array: Callable[[], Any] = field(kw_only=True, repr=False)
    block_rows: int = field(default=256, kw_only=True)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _problem: str = field(default="", repr=False)
    _array: Any = field(default=None, repr=False)
    _blocks: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    def __reduce__(self) -> tuple[Callable[..., "ArrayStore"], tuple]:
        """For another process, which opens the array itself."""
        again = partial(ArrayStore, open_array=self.open_array, block_rows=self.block_rows)
        return again, (self.path, self.names, self.stamps)

    @staticmethod
    def of_rows(
        path: Path, count: int, stamp: int, open_array: Callable[[], Any], block_rows: int = 256
    ) -> "ArrayStore":
        """A store of the first `count` rows.

        Args:
            path: the file, for messages and the cache's name.
            count: number of images.
            stamp: identifies the array's content without reading it.
            open_array: gives the array.
            block_rows: rows read at a time; best what the file keeps in one piece.
        """
        names = {row: f"image {row}" for row in range(count)}
        stamps = dict.fromkeys(names, stamp)
        return ArrayStore(path, names, stamps, open_array=open_array, block_rows=block_rows)

    def read(self, galaxy_id: int) -> bytes:
        """One image as PNG, which loses nothing.

        Raises:
            InputError: the file is damaged.
            UnavailableError: the system cannot read any file now.
        """
        block, row = divmod(galaxy_id, self.block_rows)
        image = self._block(block)[row]
        # Light compression: the bytes live only until they are decoded.
        return cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()

    def _block(self, number: int) -> np.ndarray:
        """(image, H, W, 3) rows of a block; one thread reads it, the others wait for it."""
        with self._lock:
            if number not in self._blocks:
                while len(self._blocks) >= _BLOCKS:
                    del self._blocks[next(iter(self._blocks))]
                self._blocks[number] = self._read_block(number)
            return self._blocks[number]

    def _read_block(self, number: int) -> np.ndarray:
        if self._problem:  # not tried again for every image
            raise InputError(self._problem)
        start = number * self.block_rows
        try:
            if self._array is None:
                self._array = self.open_array()
            return np.asarray(self._array[start : start + self.block_rows])
        except InputError as error:
            self._problem = str(error)
        except (OSError, ValueError) as error:
            if is_passing(error):
                raise UnavailableError(f"{shown(self.path)} cannot be read ({error})") from None
            self._problem = f"{shown(self.path)} is damaged ({str(error).splitlines()[0]})"
        raise InputError(self._problem)
