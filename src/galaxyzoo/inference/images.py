"""The images that a user wants predicted: folders, zips, files, catalogues; and what names them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core.console import Bar
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.paths import shown
from galaxyzoo.data.image_cache import decode_many
from galaxyzoo.data.readers.catalogues import (
    CATALOGUES,
    ZARR,
    ListStore,
    TarStore,
    find_catalogues,
    open_catalogue,
)
from galaxyzoo.data.readers.fits import FitsSettings, FitsStore
from galaxyzoo.io.archives import (
    FITS_ENDS,
    ID_LIMIT,
    IMAGE_ENDS,
    OTHER_ENDS,
    ImageStore,
    list_images,
    number_of,
    stamp_of,
    stem_of,
    why_not_read,
)
from galaxyzoo.io.tables import ID, plain_cell
from galaxyzoo.tasks.kinds import Task

NAME = "id"  # column of the names where they are no GalaxyIDs
CHUNK = 1024  # images decoded at once
FITS = FitsSettings()
_BLANK = "all of it is of one colour: nothing was written there, or all is masked"
_READ_ENDS = (*IMAGE_ENDS, *FITS_ENDS)
_ENDS = (*_READ_ENDS, *OTHER_ENDS)


@dataclass(frozen=True, eq=False)
class Images:
    """Some images of a store, decoded once for each crop and size: members of an ensemble share."""

    store: ImageStore
    ids: np.ndarray  # (image,)
    _decoded: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    _problems: dict[int, str] = field(default_factory=dict)

    def decode(self, image: ImageConfig) -> np.ndarray:
        """(n, cache_px, cache_px, 3) uint8, of those that can be read."""
        key = image.crop_px, image.cache_px
        if key not in self._decoded:
            images, found = decode_many(self.store, self.ids, image)
            if not self._decoded:  # members of an ensemble predict the same images
                blank = (images == images[:, :1, :1]).all(axis=(1, 2, 3))
                found = {**{int(i): _BLANK for i in self.ids[blank]}, **found}
            self._problems.update(found)
            self._decoded[key] = images[~np.isin(self.ids, list(self._problems))]
        return self._decoded[key]

    def table(self, values: np.ndarray, task: Task) -> pd.DataFrame:
        """Predictions (n, column) of what was decoded, by name."""
        names = [one_line(self.store.names[int(i)]) for i in self.ids if i not in self._problems]
        return pd.DataFrame(values, index=names, columns=list(task.columns))

    @property
    def problems(self) -> list[tuple[str, str]]:
        """Name and reason of each that cannot be read, once they were decoded."""
        return [(self.store.names[i], why) for i, why in self._problems.items()]


def open_stores(
    paths: list[Path], fits: FitsSettings = FITS
) -> tuple[list[ImageStore], list[tuple[str, str]]]:
    """One store per folder, zip or catalogue, one for all single files; ids of each start at 0.

    And (name, reason) of each picture that is of another kind by its name. Prints what is unlike
    the pictures that the networks learned from.
    """
    named, files, catalogues = [], [], []
    for path in paths:
        found = find_catalogues(path)
        catalogues += [open_catalogue(file) for file in found]
        if path.is_dir() and all(file.suffix == ZARR for file in found):
            named.append((path, list_images(path, _ENDS, is_needed=not found)))
        elif path.suffix.lower() == ".zip":
            named.append((path, list_images(path, _ENDS)))
        elif found:
            continue
        elif not path.is_file():
            raise InputError(f"{shown(path)} is missing")
        elif path.name.lower().endswith(_ENDS):
            files.append((str(path.resolve()), stamp_of(path.stat())))
        else:
            ends = ", ".join(_READ_ENDS)
            raise InputError(
                f"{shown(path)}: IMAGES are folders, .zip files, images ({ends}) and catalogues "
                f"({', '.join(CATALOGUES)})"
            )
    if files:
        named.append((Path.cwd(), files))
    opened: list[ImageStore] = [
        ImageStore.numbered(path, [one for one in some if one[0].lower().endswith(_READ_ENDS)])
        for path, some in named
        if some
    ]
    stores = [_with_fits(store, fits) for store in [*opened, *catalogues]]
    for note in notes_on(stores):
        Bar.write(note)
    others = [name for _, some in named for name, _ in some
              if not name.lower().endswith(_READ_ENDS)]  # fmt: skip
    left_out = [(name, why_not_read(name)) for name in others]
    for store in catalogues:
        left_out += store.left_out if isinstance(store, TarStore) else []
    return stores, left_out


def notes_on(stores: Sequence[ImageStore]) -> list[str]:
    """What is unlike the pictures that the networks learned from, a sentence each."""
    said = [note for store in stores if isinstance(store, FitsStore) for note in store.notes]
    return [*dict.fromkeys(said)]


def _with_fits(store: ImageStore, settings: FitsSettings) -> ImageStore:
    """The store, its FITS cut-outs as pictures; the same where it has none."""
    files = store.places if isinstance(store, ListStore) else store.names
    if not any(name.lower().endswith(FITS_ENDS) for name in files.values()):
        return store
    return FitsStore.of(store, settings, store.radii if isinstance(store, ListStore) else {})


@dataclass(frozen=True)
class Labels:
    """What names each image in tables.

    Args:
        column: `GalaxyID` where every image is named by one and none is repeated; else `id`.
        is_number: whether every image is named by a whole number, its label; else labels are the
            names as `one_line` writes them, for names of old archives are no UTF-8.
    """

    column: str
    is_number: bool

    @classmethod
    def of(cls, stores: Sequence[ImageStore]) -> "Labels":
        """Of the images of some stores, none twice; in the memory of two numbers each."""
        none = -(2**63)
        numbers = (none if (i := number_of(name)) is None else i for name in _names(stores))
        ids = np.fromiter(numbers, np.int64)
        if len(ids) and ids.min() > none:
            column = ID if ids.min() >= 0 and ids.max() < ID_LIMIT else NAME
            repeated = _repeated(ids)
            some = [name for name in _names(stores) if number_of(name) in repeated]
            if not some:
                return cls(column, is_number=True)
            if len({stem_of(name) for name in some}) == len(some):
                one, other = (name for name in some if number_of(name) == min(repeated))
                raise InputError(
                    f"images '{one}' and '{other}' are both {column} {min(repeated)}: rename one "
                    "of them"
                )
        marks = np.fromiter((hash(plain_cell(name)) for name in _names(stores)), np.int64)
        repeated, seen = _repeated(marks), set()
        for name in (name for name in _names(stores) if hash(plain_cell(name)) in repeated):
            if plain_cell(name) in seen:
                raise InputError(f"image '{name}' is named twice: predict the folders one by one")
            seen.add(plain_cell(name))
        return cls(NAME, is_number=False)

    def __getitem__(self, name: str) -> int | str:
        """Label of an image, by its name as `one_line` writes it."""
        number = number_of(name) if self.is_number else None
        return name if number is None else number


def _names(stores: Sequence[ImageStore]) -> Iterator[str]:
    return (one_line(store.names[int(i)]) for store in stores for i in store.ids)


def _repeated(numbers: np.ndarray) -> set[int]:
    ordered = np.sort(numbers)
    return {int(i) for i in np.unique(ordered[1:][ordered[1:] == ordered[:-1]])}
