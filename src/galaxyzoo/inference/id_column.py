"""Id column of tables of predicted images: their GalaxyIDs, or other ids and names."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.util import hash_array

from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.data.stores.base import Images
from galaxyzoo.data.stores.names import number_of, stem_of
from galaxyzoo.io.tables import ID, ID_LIMIT, NAME
from galaxyzoo.io.writing import plain_cell

_PLAIN_NUMBER = "0|-?[1-9][0-9]{0,17}"  # of many names at once; others are read one by one
_BATCH = 100_000  # names hashed at once


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
    def of(cls, inputs: Sequence[Images]) -> "IdColumn":
        """Choose the id column; an InputError names two images that would have the same id."""
        names = pd.concat([images.names for images in inputs], ignore_index=True)
        numbers = _read_numbers(names)
        if numbers is not None:
            column = NAME
            if numbers.min() >= 0 and numbers.max() < ID_LIMIT:
                column = ID
            repeated = _repeated(numbers)
            if not len(repeated):
                return cls(column, is_number=True)
            clashing = names[np.isin(numbers, repeated)].map(one_line)
            if clashing.map(stem_of).is_unique:
                number = repeated.min()
                first, second = names[numbers == number].map(one_line).iloc[:2]
                raise InputError(
                    f"images '{first}' and '{second}' are both {column} {number}: rename one of "
                    "them"
                )
        for name in _repeated_cells(names):
            raise InputError(f"image '{name}' appears twice: rename one or predict them separately")
        return cls(NAME, is_number=False)

    def __getitem__(self, name: str) -> int | str:
        """Label of an image, by its name as `one_line` writes it."""
        number = number_of(name) if self.is_number else None
        return name if number is None else number


def _read_numbers(names: pd.Series) -> np.ndarray | None:
    """(image,) int64 by which all images are named; None where there is none or one is not."""
    numbers = np.empty(len(names), np.int64)
    for start in range(0, len(names), _BATCH):
        batch = names.iloc[start : start + _BATCH]
        is_text = isinstance(batch.dtype, pd.StringDtype)
        if is_text and batch.str.fullmatch(_PLAIN_NUMBER).all():
            numbers[start : start + _BATCH] = batch.astype("int64")
            continue
        for row, name in enumerate(batch, start):
            number = number_of(one_line(name))
            if number is None:
                return None
            numbers[row] = number
    return numbers if len(numbers) else None


def _repeated(numbers: np.ndarray) -> np.ndarray:
    """Numbers that stand more than once, ascending; a table of all would take more memory."""
    in_order = np.sort(numbers)
    return np.unique(in_order[1:][in_order[1:] == in_order[:-1]])


def _repeated_cells(names: pd.Series) -> pd.Series:
    """Names, as `one_line` writes them, that tables would hold a second time.

    Hashes find candidates in a fifth of the memory that a table of all names needs.
    """
    hashes = np.empty(len(names), np.uint64)
    for start in range(0, len(names), _BATCH):
        batch = names.iloc[start : start + _BATCH]
        hashes[start : start + _BATCH] = hash_array(
            batch.map(plain_cell).to_numpy(object), categorize=False
        )
    candidates = names[np.isin(hashes, _repeated(hashes))]
    return candidates[candidates.map(plain_cell).duplicated()].map(one_line)
