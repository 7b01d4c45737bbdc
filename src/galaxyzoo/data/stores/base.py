"""Images of every form in one table."""

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.stores.names import galaxy_id_of
from galaxyzoo.io.tables import GalaxyId

MAX_IMAGE_BYTES = 50_000_000  # a galaxy's JPEG has about 15,000
Reader = Callable[[Any], bytes | np.ndarray]  # reads an image by its row in a file, or its name


@dataclass(eq=False)
class Images:
    """Images of folders, files or archives, a row each; safe to read from several threads.

    Args:
        path: where they lie, for messages and the cache's name.
        table: indexed by id: a number that counts them in the order of their file, or a galaxy's.
            Columns: `name` of its file or member, or what a list calls it; `stamp`, a number that
            changes with its content, missing in lists until `stamped`; `reader` and `row`, by which
            it is read: a number, or the name of a file or a zip's member; `identity` in place of
            the name where settings change the image; and those that came along, as of a list.
        left_out: name and reason of each picture that is there and of no form which is read.
        notes: how they differ from the training pictures.
        by_name: each is read by its own name, so by any process; else by a number, from a file
            whose readers keep what they have read.
    """

    path: Path
    table: pd.DataFrame = field(repr=False)
    left_out: Sequence[tuple[str, str]] = field(default=(), repr=False)
    notes: Sequence[str] = field(default=(), repr=False)
    by_name: bool = False

    @classmethod
    def of(
        cls,
        path: Path,
        names: Sequence[str] | pd.Series,
        stamps: int | Sequence[int] | None,
        reader: Reader,
        left_out: Sequence[tuple[str, str]] = (),
    ) -> "Images":
        """Number images from 0; none at all are refused.

        Args:
            path: as of the class.
            names: of the images; a series keeps its type, which may hold millions in little memory.
            stamps: of the images; None: those of their files, when they are `stamped`.
            reader: reads an image by its number.
            left_out: as of the class.
        """
        if not len(names) and not left_out:
            raise InputError(f"{shown(path)} has no images")
        if not isinstance(names, pd.Series):
            names = pd.Series(names, dtype=object)
        table = pd.DataFrame({"name": names})
        if stamps is not None:
            table["stamp"] = stamps
        return cls(path, table, left_out).through(reader)

    @classmethod
    def concat(cls, path: Path, inputs: "Sequence[Images]") -> "Images":
        """Put images of several files one after another, numbered from 0."""
        table = pd.concat([images.table for images in inputs], ignore_index=True)
        return cls(path, table, by_name=all(images.by_name for images in inputs))

    def __len__(self) -> int:
        return len(self.table)

    @property
    def ids(self) -> np.ndarray:
        """(image,) ids."""
        return self.table.index.to_numpy()

    @property
    def names(self) -> pd.Series:
        """(image,) names by id."""
        return self.table["name"]

    def identities(self) -> list[tuple[GalaxyId, str, int]]:
        """List what images are recognised by without reading them: id, name and stamp."""
        stamps = self.stamped().table["stamp"].tolist()
        return [(*named, stamp) for named, stamp in zip(self.named(), stamps, strict=True)]

    def named(self) -> list[tuple[GalaxyId, str]]:
        """List ids and names; the latter with the settings that change the image."""
        names = self.table.get("identity", self.names)
        return list(zip(self.ids.tolist(), names.tolist(), strict=True))

    def stamped(self) -> "Images":
        """Return the images with the stamps of their files, 0 where one cannot be found."""
        if "stamp" in self.table:
            return self
        stamps = [stamp_at(self.path.parent / name) for name in self.table["row"]]
        return replace(self, table=self.table.assign(stamp=stamps))

    def reading_order(self) -> np.ndarray:
        """(image,) rows to read first, second, …: some files are read many images at a time."""
        files = pd.factorize(self.table["reader"].map(id))[0]
        return np.lexsort((pd.to_numeric(self.table["row"], errors="coerce"), files))

    def in_parts(self, size: int, order: np.ndarray | None = None) -> "Iterator[Images]":
        """Iterate over images, `size` at a time, in the order of the rows given."""
        if order is None:
            order = np.arange(len(self))
        for start in range(0, len(self), size):
            yield self.take(order[start : start + size])

    def take(self, rows: Sequence[int] | np.ndarray | slice) -> "Images":
        """Return the images of some rows."""
        return replace(self, table=self.table.iloc[rows])

    def select(self, ids: Sequence[GalaxyId] | np.ndarray | pd.Index) -> "Images":
        """Return the images of some ids, in their order."""
        return replace(self, table=self.table.loc[ids])

    def relabel(self, ids: Sequence[int] | np.ndarray | pd.Index) -> "Images":
        """Return the images under ids of their own, ascending."""
        return replace(self, table=self.table.set_axis(ids).sort_index())

    def through(self, reader: Reader) -> "Images":
        """Return the images as a function reads them, by row."""
        readers = np.empty(len(self), object)
        readers.fill(reader)
        return replace(self, table=self.table.assign(reader=readers, row=range(len(self))))

    def identified(self) -> "Images":
        """Return the images by the GalaxyIDs that name them, ascending; refuse other names."""
        first: dict[int, str] = {}
        for name in self.names:
            galaxy_id = galaxy_id_of(name)
            if galaxy_id is None:
                raise InputError(f"{shown(self.path)}: '{name}' is not named after a GalaxyID")
            if galaxy_id in first:
                raise InputError(
                    f"{shown(self.path)} contains GalaxyID {galaxy_id} twice: "
                    f"'{first[galaxy_id]}' and '{name}'"
                )
            first[galaxy_id] = name
        return self.relabel(list(first))

    @cached_property
    def _readers(self) -> list[tuple[Reader, Any]]:
        return list(zip(self.table["reader"], self.table["row"].tolist(), strict=True))

    def load(self, row: int) -> bytes | np.ndarray:
        """Load a row's image as it is stored: encoded bytes, or (H, W, 3) uint8 RGB pixels."""
        reader, place = self._readers[row]
        return reader(place)

    def read(self, image_id: GalaxyId) -> bytes:
        """Read an image encoded, by id; pixels become PNG, which loses nothing."""
        return encode(self.select([image_id]).load(0))


def encode(data: bytes | np.ndarray) -> bytes:
    """An image's bytes; pixels become PNG."""
    if isinstance(data, bytes):
        return data
    return cv2.imencode(".png", data[..., ::-1])[1].tobytes()


def stamp_at(file: Path) -> int:
    """Stamp of a file, 0 where it cannot be found."""
    try:
        return stamp_of(file.stat())
    except (OSError, ValueError):  # it will be an error of its image
        return 0


def stamp_of(status: os.stat_result) -> int:
    """Stamp that changes with a file or its rights, without reading the file.

    A copy of the file may have another stamp, which only means decoding it again.
    """
    rights = f"{status.st_mode} {status.st_uid} {status.st_gid}"
    return zlib.crc32(f"{status.st_size} {status.st_mtime_ns} {rights}".encode())
