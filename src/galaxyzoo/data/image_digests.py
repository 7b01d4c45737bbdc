"""Digests of a dataset's images, beside its split: an image that has changed since is noticed.

Stamps are compared first; only where one differs, as in a copy, is the image read.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.core import files, paths
from galaxyzoo.core.console import count
from galaxyzoo.core.errors import DamageError, InputError, UnavailableError
from galaxyzoo.core.manifest import digest
from galaxyzoo.data import decoding
from galaxyzoo.data.parallel_decoding import in_threads
from galaxyzoo.data.stores.base import Images

_NAME = "images_{}.npy"
_UNREADABLE = 0  # content of a file that is no image
_digests: dict[str, str] = {}  # of names and contents, by that of names and stamps


def record_images(folder: Path, inputs: Sequence[Images]) -> str:
    """Write the digests of images; returns the digest of them all."""
    ids = np.concatenate([images.ids for images in inputs if len(images)])
    if ids.dtype == object:
        ids = ids.astype(str)
    columns = [("id", ids.dtype), ("stamp", "<i8"), ("content", "<u8")]
    table = np.empty(len(ids), columns)
    table["id"] = ids
    table["stamp"] = np.concatenate([images.table["stamp"] for images in inputs])
    table["content"] = np.concatenate([_content(images) for images in inputs])
    table.sort(order="id")
    whole = _digest_table(table)
    _write(folder / _NAME.format(whole), table)
    return whole


def remove_others(folder: Path, whole: str) -> None:
    """Remove the digests of earlier splits of the same dataset."""
    for path in list(folder.glob(_NAME.format("*"))):
        if path.name != _NAME.format(whole):
            path.unlink()


def check_digests(folder: Path, whole: str, inputs: Sequence[Images]) -> None:
    """Refuse images that are not those of `record_images`; ones that were not there are accepted.

    Args:
        folder: of the split.
        whole: as `record_images` returned it.
        inputs: images, each in one of them.
    Raises:
        DamageError: images or their digests changed.
    """
    path = folder / _NAME.format(whole)
    changed: list[str] = []
    table = None
    with suppress(OSError, ValueError, EOFError):
        table = np.load(path)
    if table is None or _digest_table(table) != whole:
        raise DamageError(f"{paths.shown(path)} is missing or was changed")
    before = table["stamp"].copy()
    for images in inputs:
        rows = np.flatnonzero(pd.Index(table["id"]).isin(images.ids))
        table["stamp"][rows] = images.table["stamp"].loc[table["id"][rows]]
        touched = table[rows][table["stamp"][rows] != before[rows]]
        again = images.select(touched["id"])
        differs = _content(again) != touched["content"]
        differs &= touched["content"] != _UNREADABLE  # others may have been got again
        for name in again.names[differs]:
            changed.append(f"{name} in {paths.shown(images.path)}")
    if changed:
        raise DamageError(
            f"{count(len(changed), 'image')} changed since {paths.shown(folder)} was made "
            f"({changed[0]})"
        )
    if (table["stamp"] != before).any():
        with suppress(InputError):  # where nothing can be written they are read each time
            _write(path, table)


def _write(path: Path, table: np.ndarray) -> None:
    with files.writing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, table)


def _digest_table(table: np.ndarray) -> str:
    return digest([table["id"].tobytes(), table["content"].tobytes()])[:16]


def digest_images(images: Images) -> str:
    """Digest of names and contents, read once a process: copies have other stamps."""
    key = digest(map(repr, images.identities()))
    if key not in _digests:
        _digests[key] = digest([repr(images.named()), _content(images).tobytes()])
    return _digests[key]


def _content(images: Images) -> np.ndarray:
    """(image,) digests of the images as they are stored, or `_UNREADABLE`."""
    order = images.reading_order()
    contents = np.empty(len(images), np.uint64)
    contents[order] = list(in_threads(partial(_read, images.take(order)), len(images)))
    return contents


def _read(images: Images, row: int) -> int:
    """Digest of a row's image, or `_UNREADABLE`; errors of the system are raised."""
    try:
        data = images.load(row)
        if isinstance(data, bytes):
            decoding.read_size(data)
    except UnavailableError:
        raise
    except (ValueError, InputError):
        return _UNREADABLE
    if isinstance(data, bytes):
        content = digest([data])
    else:
        content = digest([repr(data.shape), data.tobytes()])
    return int(content[:16], 16)
