"""Ids of the images in an archive or table: which column holds them, and what they say."""

import re
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.stores.base import IndexMapping, stamp_of
from galaxyzoo.io.tables import EXACT

IDS = ("GalaxyID", "id", "ids", "id_str", "objid", "filename", "filenames")
_WHOLE = re.compile(r"(-?[0-9]+)(\.0*)?")
_ROUNDED = re.compile(r"-?[0-9](\.[0-9]+)?[eE]\+[0-9]+")  # as large floats are written


def number_names(
    path: Path, names: Sequence[str], stamps: Sequence[int] = ()
) -> tuple[Mapping[int, str], Mapping[int, int]]:
    """Names and stamps by number, by default the file's; a file without an image is refused."""
    if not names:
        raise InputError(f"{shown(path)} holds no image")
    stamps = array("Q", stamps or [stamp_of(path.stat())] * len(names))
    return IndexMapping(names), IndexMapping(stamps)


def find_ids(columns: Sequence[str], path: Path, names: Sequence[str] = IDS) -> str:
    """Find the column or array of ids."""
    present = [name for name in names if name in columns]
    if not present:
        raise InputError(f"{shown(path)} has no ids: name them {', '.join(names)}")
    return present[0]


def read_ids(ids: np.ndarray, path: Path) -> list[str]:
    """Ids as text; a missing one is refused, and a number that was rounded.

    Numbers with a point count as whole ones, `5.0` as `5`, where all ids are whole.
    """
    texts = [text.strip() for text in as_texts(ids)]
    missing = pd.isna(ids)
    for row, text in enumerate(texts):
        if missing[row] or not text:
            raise InputError(f"{shown(path)}: row {row} has no id")
    exact = 2 ** (np.finfo(ids.dtype).nmant + 1) if ids.dtype.kind == "f" else EXACT
    wholes = [_WHOLE.fullmatch(text) for text in texts]
    for row, (text, whole) in enumerate(zip(texts, wholes, strict=True)):
        if _ROUNDED.fullmatch(text) or (whole and whole[2] and abs(int(whole[1])) > exact):
            raise InputError(
                f"{shown(path)}: the id of row {row}, {text}, was a decimal number and may have "
                "lost digits: write ids as whole numbers or text"
            )
    return [whole[1] for whole in wholes if whole] if all(wholes) else texts


def as_texts(values: np.ndarray) -> list[str]:
    """Values as text, of an array of anything."""
    return [
        value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for value in values.tolist()
    ]
