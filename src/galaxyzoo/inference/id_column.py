"""Id column of tables of predicted images: their GalaxyIDs, or other ids and names."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.data.stores.base import Images
from galaxyzoo.data.stores.names import number_of, stem_of
from galaxyzoo.io.tables import ID, ID_LIMIT, NAME
from galaxyzoo.io.writing import plain_cell

_NO_NUMBER = -(2**63)  # below all numbers that an image may have


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
        listed: list[str] = []
        for images in inputs:
            listed += [one_line(name) for name in images.names]
        names = pd.Series(listed, dtype=object)
        ids = pd.Series(np.fromiter((_number(name) for name in listed), np.int64))
        if len(ids) and ids.min() > _NO_NUMBER:
            column = NAME
            if ids.min() >= 0 and ids.max() < ID_LIMIT:
                column = ID
            repeated = ids[ids.duplicated(keep=False)]
            if repeated.empty:
                return cls(column, is_number=True)
            clashing = names[repeated.index]
            if clashing.map(stem_of).is_unique:
                number = repeated.min()
                first, second = clashing[repeated == number].iloc[:2]
                raise InputError(
                    f"images '{first}' and '{second}' are both {column} {number}: rename one of "
                    "them"
                )
        for name in names[names.map(plain_cell).duplicated()]:
            raise InputError(f"image '{name}' appears twice: rename one or predict them separately")
        return cls(NAME, is_number=False)

    def __getitem__(self, name: str) -> int | str:
        """Label of an image, by its name as `one_line` writes it."""
        number = number_of(name) if self.is_number else None
        return name if number is None else number


def _number(name: str) -> int:
    number = number_of(name)
    return _NO_NUMBER if number is None else number
