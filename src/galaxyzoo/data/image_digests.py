"""Digests of a dataset's images, beside its split: an image that has changed since is noticed.

The stamps of the stores are compared first; only where one differs, as in a copy, is the image
read.
"""

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

import numpy as np

from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError, UnavailableError
from galaxyzoo.core.manifest import digest
from galaxyzoo.core.paths import shown
from galaxyzoo.data.image_cache import AT_ONCE, in_threads, read_size
from galaxyzoo.data.stores.base import ImageStore

_IMAGE = np.dtype([("id", "<i8"), ("stamp", "<i8"), ("content", "<u8")])
_NAME = "images_{}.npy"
_UNREADABLE = 0  # content of a file that is no image


def record_images(folder: Path, images: Sequence[tuple[ImageStore, np.ndarray]]) -> str:
    """Write the digests of the images of some stores, with ids; returns the digest of them all."""
    table = np.empty(sum(len(ids) for _, ids in images), _IMAGE)
    table["id"] = np.concatenate([ids for _, ids in images])
    table["stamp"] = np.concatenate([_stamps(store, ids) for store, ids in images])
    table["content"] = np.concatenate([_content(store, ids) for store, ids in images])
    table.sort(order="id")
    whole = _digest(table)
    _write(folder / _NAME.format(whole), table)
    return whole


def remove_others(folder: Path, whole: str) -> None:
    """Remove the digests of earlier splits of the same dataset."""
    for path in folder.glob(_NAME.format("*")):
        if path.name != _NAME.format(whole):
            path.unlink()


def check_images(
    folder: Path, whole: str, images: Sequence[tuple[ImageStore, np.ndarray]], advice: str
) -> None:
    """Refuse images that are not those of `record_images`; ones that were not there are accepted.

    Args:
        folder: of the split.
        whole: as `record_images` returned it.
        images: stores, and ids of images in them.
        advice: end of the error message.
    """
    path, changed = folder / _NAME.format(whole), list[str]()
    try:
        table = np.load(path)
    except (OSError, ValueError, EOFError):
        table = None
    if table is None or _digest(table) != whole:
        raise InputError(f"{shown(path)} is missing or was changed: {advice}")
    before = table["stamp"].copy()
    for store, ids in images:
        rows = np.flatnonzero(np.isin(table["id"], ids))
        table["stamp"][rows] = _stamps(store, table["id"][rows])
        touched = table[rows][table["stamp"][rows] != before[rows]]
        known = touched["content"] != _UNREADABLE  # others may have been got again
        differs = known & (_content(store, touched["id"]) != touched["content"])
        names = [store.names[image_id] for image_id in touched["id"][differs].tolist()]
        changed += [f"{name} in {shown(store.path)}" for name in names]
    if changed:
        count = f"{len(changed):,} image" + "s" * (len(changed) > 1)
        raise InputError(f"{count} changed since {shown(folder)} was made ({changed[0]}): {advice}")
    if (table["stamp"] != before).any():
        with suppress(InputError):  # where nothing can be written they are read each time
            _write(path, table)


def _write(path: Path, table: np.ndarray) -> None:
    with files.writing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, table)


def _digest(table: np.ndarray) -> str:
    return digest([table["id"].tobytes(), table["content"].tobytes()])[:16]


def _stamps(store: ImageStore, ids: np.ndarray) -> np.ndarray:
    return np.array([store.stamps[image_id] for image_id in ids.tolist()], np.int64)


def _content(store: ImageStore, ids: np.ndarray) -> np.ndarray:
    """(image,) digests of the images as they are stored, or `_UNREADABLE`."""

    def read_some(start: int) -> list[int]:
        return [_read(store, image_id) for image_id in ids[start : start + AT_ONCE].tolist()]

    return np.array([*chain.from_iterable(in_threads(read_some, len(ids)))], np.uint64)


def _read(store: ImageStore, image_id: int) -> int:
    try:
        data = store.load(image_id)
        if isinstance(data, bytes):
            read_size(data)
    except UnavailableError:
        raise
    except (ValueError, InputError):
        return _UNREADABLE
    shape, content = ("", data) if isinstance(data, bytes) else (repr(data.shape), data.tobytes())
    return int(digest([shape, content])[:16], 16)
