"""Columns of ids and positions in tables, as users and catalogs name them."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.io.tables import MAX_SAFE_INTEGER, as_text

# Names of columns and arrays of ids
IDS = ("GalaxyID", "id", "ids", "id_str", "objid", "object_id", "TARGETID", "source_id", "filename",
       "filenames")  # fmt: skip
NAMES = (*IDS, "file", "file_name", "image", "path")  # of columns of ids or of images' files
POSITION = "ra", "dec"  # columns, degrees
# The same as catalogs name them: of Vizier, SExtractor, Rubin, DESI, ObsCore, Pan-STARRS
_CATALOG_NAMES = (
    POSITION,
    ("ra_deg", "dec_deg"),
    ("radeg", "decdeg"),
    ("radeg", "dedeg"),
    ("raj2000", "dej2000"),
    ("raj2000", "decj2000"),
    ("ra_j2000", "dec_j2000"),
    ("_raj2000", "_dej2000"),
    ("ra_icrs", "de_icrs"),
    ("alpha_j2000", "delta_j2000"),
    ("alphawin_j2000", "deltawin_j2000"),
    ("x_world", "y_world"),
    ("coord_ra", "coord_dec"),
    ("target_ra", "target_dec"),
    ("s_ra", "s_dec"),
    ("ramean", "decmean"),
    ("right_ascension", "declination"),
)
OF_MATCH = "_1"  # ends names of the first of two tables that TOPCAT matched and that share them
POSITION_NAMES = (
    *_CATALOG_NAMES,
    *((ra + OF_MATCH, dec + OF_MATCH) for ra, dec in _CATALOG_NAMES),
)
FILE = "file"  # column of the files that a list names, where it calls images otherwise
_WHOLE = re.compile(r"(-?[0-9]+)(\.0*)?")
_ROUNDED = re.compile(r"-?[0-9](\.[0-9]+)?[eE]\+[0-9]+")  # as large floats are written


def pick_columns(columns: Collection[str], names: Sequence[str] = IDS) -> list[str]:
    """Columns or arrays of some names, in small or large letters, in the order of the names."""
    picked = []
    for name in names:
        for column in columns:
            if column.lower() == name.lower():
                picked.append(column)
    return picked


def find_position(columns: Collection[str]) -> tuple[str, str] | None:
    """Find the columns of right ascension and declination; None where there is no such pair."""
    for ra_name, dec_name in POSITION_NAMES:
        ra = pick_columns(columns, [ra_name])
        dec = pick_columns(columns, [dec_name])
        if ra and dec:
            return ra[0], dec[0]
    return None


def find_ids(columns: Collection[str], path: Path) -> str:
    """Find the first column of `NAMES`; refuse a table without any."""
    present = pick_columns(columns, NAMES)
    if not present:
        raise InputError(f"{shown(path)} has no id column (expected one of {', '.join(NAMES)})")
    return present[0]


def read_ids(ids: np.ndarray, path: Path) -> list[str]:
    """Ids as text; a missing one is refused, and a number that was rounded.

    Numbers with a point count as whole ones, `5.0` as `5`, where all ids are whole.
    """
    texts = [text.strip() for text in as_texts(ids)]
    for row, (text, is_missing) in enumerate(zip(texts, pd.isna(ids), strict=True)):
        if is_missing or not text:
            raise InputError(f"{shown(path)}: data row {row + 1} has no id")
        if isinstance(ids[row], bytes) and ("\ufffd" in text or not text.isprintable()):
            raise InputError(
                f"{shown(path)}: the id in data row {row + 1} is binary: write ids as text (in "
                "DuckDB, a UUID as id::VARCHAR)"
            )
    safe = MAX_SAFE_INTEGER
    if ids.dtype.kind == "f":
        safe = 2 ** (np.finfo(ids.dtype).nmant + 1) - 1
    wholes = []
    for row, text in enumerate(texts):
        is_rounded = bool(_ROUNDED.fullmatch(text))
        whole = _WHOLE.fullmatch(text)
        if whole:
            digits, point = whole.groups()
            is_rounded = bool(point) and abs(int(digits)) > safe
            wholes.append(digits)
        if is_rounded:
            raise InputError(
                f"{shown(path)}: the id in data row {row + 1}, {text}, is a decimal number and may "
                "have lost digits: write ids as whole numbers or text"
            )
    return wholes if len(wholes) == len(texts) else texts


def read_id_column(ids: pd.Series, path: Path) -> pd.Series:
    """Ids as text, as `read_ids` reads them, in Arrow's memory: a list may have ten million."""
    is_whole = pd.api.types.is_integer_dtype(ids.dtype)
    if is_whole and not ids.hasnans:
        return ids.astype("str")
    if isinstance(ids.dtype, pd.StringDtype):
        texts = ids.str.strip()
        may_be_rounded = texts.str.contains(r"\.|[eE]\+")
        if not (texts.isna() | (texts == "") | may_be_rounded).any():
            return texts
    return pd.Series(read_ids(ids.to_numpy(), path), dtype="str")


def as_texts(values: np.ndarray) -> list[str]:
    """Values as text, of an array of anything; bytes are UTF-8."""
    return list(map(as_text, values.tolist()))
