"""Images to predict, of folders, zips, files, archives and lists, and their ids."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core.errors import InputError, UnavailableError, one_line
from galaxyzoo.core.manifest import digest
from galaxyzoo.data.image_cache import decode_many
from galaxyzoo.data.stores import base, opening
from galaxyzoo.data.stores.fits import DEFAULT, FitsSettings, FitsStore
from galaxyzoo.inference.oddities import Oddities, find_oddities, measure
from galaxyzoo.io.tables import ID, ID_LIMIT, plain_cell
from galaxyzoo.tasks.kinds import Task

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "id"  # column of the names where they are no GalaxyIDs
CHUNK = 1024  # images decoded at once
PART_SIZE = 8192
_BLANK = "all of it is of one color: nothing was written there, or all is masked"


@dataclass(frozen=True, eq=False)
class Images:
    """Images of a store, decoded once per crop and size for all members of an ensemble."""

    store: base.ImageStore
    ids: np.ndarray  # (image,)
    oddities: Oddities = field(default_factory=dict)  # of those that can be read, once decoded
    checksums: dict[int, int] = field(default_factory=dict)  # of what was read, by id
    _decoded: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    _problems: dict[int, str] = field(default_factory=dict)

    def decode(self, image: ImageConfig) -> np.ndarray:
        """(n, cache_px, cache_px, 3) uint8, of those that can be read."""
        key = image.crop_px, image.cache_px
        if key not in self._decoded:
            store = _MeasuredStore.of(self.store)
            images, problems = decode_many(store, self.ids, image)
            self.checksums.update(store.checksums)
            is_first = not self._decoded  # members of an ensemble predict the same images
            if is_first:
                pairs = zip(self.ids.tolist(), images, strict=True)
                blank = [image_id for image_id, pixels in pairs if _is_blank(pixels)]
                problems = dict.fromkeys(blank, _BLANK) | problems
            self._problems.update(problems)
            read = self.read_ids.tolist()
            if self._problems:
                images = images[np.isin(self.ids, read)]
            self._decoded[key] = images
            if is_first:
                names, sizes = [self.store.names[i] for i in read], [store.sizes[i] for i in read]
                self.oddities.update(find_oddities(names, sizes, images))
        return self._decoded[key]

    @property
    def read_ids(self) -> np.ndarray:
        """(image,) ids in the store of what was decoded."""
        return np.array([i for i in self.ids if int(i) not in self._problems], np.int64)

    def table(self, values: np.ndarray, task: Task) -> pd.DataFrame:
        """Predictions (n, column) of what was decoded, by name."""
        names = [one_line(self.store.names[int(i)]) for i in self.read_ids]
        return pd.DataFrame(values, index=names, columns=list(task.columns))

    @property
    def problems(self) -> list[tuple[str, str]]:
        """Name and reason of each image that could not be decoded."""
        return [(self.store.names[i], why) for i, why in self._problems.items()]


def _is_blank(pixels: np.ndarray) -> bool:
    first = pixels[0, 0]  # whose row decides for most images
    return bool((pixels[0] == first).all() and (pixels == first).all())


@dataclass
class _MeasuredStore(base.ImageStore):
    """Wrapper of a store that measures images, and takes their checksums, while they are read."""

    inner: base.ImageStore = field(kw_only=True)
    sizes: dict[int, tuple[int, int, int]] = field(kw_only=True)  # as of `measure`, by id
    checksums: dict[int, int] = field(kw_only=True)  # CRC-32, by id

    @staticmethod
    def of(inner: base.ImageStore) -> "_MeasuredStore":
        arguments = (inner.path, inner.names, inner.stamps)
        return _MeasuredStore(*arguments, inner=inner, sizes={}, checksums={})

    def load(self, galaxy_id: int) -> bytes | np.ndarray:
        data = self.inner.load(galaxy_id)
        self.sizes[galaxy_id] = measure(data)
        content = data.tobytes() if isinstance(data, np.ndarray) else data
        self.checksums[galaxy_id] = zlib.crc32(content)
        return data


def notes_on(stores: Sequence[base.ImageStore]) -> list[str]:
    """Notes on how cut-outs differ from the training pictures."""
    notes = [note for store in stores if isinstance(store, FitsStore) for note in store.notes]
    return [*dict.fromkeys(notes)]


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
    def of(cls, stores: Sequence[base.ImageStore]) -> "IdColumn":
        """Choose the id column; check that ids are unique, using 16 bytes an image."""
        none = -(2**63)
        numbers = (none if (i := base.number_of(name)) is None else i for name in _names(stores))
        ids = np.fromiter(numbers, np.int64)
        if len(ids) and ids.min() > none:
            column = ID if ids.min() >= 0 and ids.max() < ID_LIMIT else NAME
            repeated = _repeated(ids)
            clashing = [name for name in _names(stores) if base.number_of(name) in repeated]
            if not clashing:
                return cls(column, is_number=True)
            if len({base.stem_of(name) for name in clashing}) == len(clashing):
                first, second = (name for name in clashing if base.number_of(name) == min(repeated))
                raise InputError(
                    f"images '{first}' and '{second}' are both {column} {min(repeated)}: "
                    "rename one of them"
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
        number = base.number_of(name) if self.is_number else None
        return name if number is None else number


@dataclass(frozen=True)
class Part:
    """Slice of the images of one folder or zip."""

    number: int
    store: base.ImageStore
    ids: np.ndarray  # (image,) in the store

    @property
    def names(self) -> list[str]:
        """Names of the images, as labels have them."""
        return [one_line(self.store.names[int(i)]) for i in self.ids]

    @property
    def stamps(self) -> str:
        """Digest of names and stamps, which change with the images or with their files' times."""
        return digest([repr([self.store.digest_of(int(i)) for i in self.ids])])[:16]

    def is_of(self, notes: Mapping[str, str]) -> bool:
        """Check its images against a record's notes; copies have other stamps, so they are read."""
        return notes["stamps"] == self.stamps or notes["content"] == self.read_content()

    def read_content(self) -> str:
        """Read all images anew; returns `digest_content` of them."""
        store = _MeasuredStore.of(self.store)
        for image_id in self.ids[self.store.reading_order(self.ids)].tolist():
            try:
                store.load(image_id)
            except UnavailableError:
                raise
            except (InputError, ValueError):
                continue
        return digest_content(store.checksums)


def digest_content(checksums: Mapping[int, int]) -> str:
    """Digest of the content of images, from the checksum of each that can be read, by id."""
    return digest([repr(sorted(checksums.items()))])[:16]


@dataclass(frozen=True)
class SurveyImages:
    """The images of some folders, zips and files, cut into parts.

    Args:
        paths: folders, zips or single images.
        size: most images of a part.
        fits: how FITS cut-outs among them become pictures.
        keep: columns of their tables that go with the predictions, or the position, which headers
            of FITS cut-outs have, too; none: the position, where all tables have it.
    """

    paths: tuple[Path, ...]
    size: int = PART_SIZE
    fits: FitsSettings = DEFAULT
    keep: tuple[str, ...] = ()

    @cached_property
    def _stores(self) -> list[base.ImageStore]:
        return opening.open_stores(list(self.paths), self.fits)

    @cached_property
    def parts(self) -> list[Part]:
        """List the parts; none is of two folders or zips."""
        cut = [
            (store, ids[start : start + self.size])
            for store in self._stores
            for ids in [store.ids]  # once: it is made anew each time
            for start in range(0, len(ids), self.size)
        ]
        return [Part(number, store, ids) for number, (store, ids) in enumerate(cut)]

    @cached_property
    def labels(self) -> IdColumn:
        """Id column of the images."""
        return IdColumn.of(self._stores)

    @cached_property
    def kept(self) -> dict[Path, "pa.Table"]:
        """Columns to keep beside the predictions, by the path of a store; row i is of image i."""
        from galaxyzoo.data.stores.columns import column_names, read_columns

        paths = [store.path for store in self._stores if not self._has_centers(store)]
        keep = self.keep
        if not keep and paths and all({*base.POSITION} <= {*column_names(path)} for path in paths):
            keep = base.POSITION
        return {path: read_columns(path, keep) for path in paths} if keep else {}

    def _has_centers(self, store: base.ImageStore) -> bool:
        """Check whether positions are asked for that cut-outs have, and no table."""
        is_position = bool(self.keep) and {*self.keep} <= {*base.POSITION}
        if not is_position or not isinstance(store, FitsStore):
            return False
        from galaxyzoo.data.stores.columns import column_names

        return not {*self.keep} <= {*column_names(store.path)}

    def kept_columns(self, images: Images) -> dict[str, "pa.ChunkedArray | np.ndarray"]:
        """Columns to keep, of the images that were decoded."""
        store, table = images.store, self.kept.get(images.store.path)
        if table is not None:
            rows = table.take(images.read_ids)
            return dict(zip(rows.column_names, rows.columns, strict=True))
        if not self.keep or not isinstance(store, FitsStore):
            return {}
        columns = dict(zip(base.POSITION, store.centers(images.read_ids).T, strict=True))
        return {name: columns[name] for name in self.keep}

    @property
    def notes(self) -> list[str]:
        """See `notes_on`."""
        return notes_on(self._stores)

    def open_again(self) -> "SurveyImages":
        """Open the same paths again, as they are now."""
        return replace(self)

    def pictures(self, parts: np.ndarray, labels: np.ndarray, image: ImageConfig) -> np.ndarray:
        """(galaxy, cache_px, cache_px, 3) uint8 pictures, by part numbers and labels."""
        galaxies = pd.DataFrame({"part": parts, "label": labels})
        pictures = np.empty((len(galaxies), image.cache_px, image.cache_px, 3), np.uint8)
        for number, rows in galaxies.groupby("part"):
            part = self.parts[number]
            by_label = {self.labels[name]: i for name, i in zip(part.names, part.ids, strict=True)}
            ids = np.array([by_label[label] for label in rows["label"]])
            pictures[rows.index] = decode_many(part.store, ids, image)[0]
        return pictures

    @property
    def left_out(self) -> list[tuple[str, str]]:
        """Name and reason of each picture in an unsupported form."""
        return [pair for store in self._stores for pair in store.left_out]

    @property
    def stamps(self) -> list[str]:
        """Digest of each part's stamps."""
        return [part.stamps for part in self.parts]

    @property
    def digest(self) -> str:
        """Digest of the names of all images, in their order, and of what is kept."""
        names = ([part.store.digest_of(int(i))[:2] for i in part.ids] for part in self.parts)
        batches = chain.from_iterable(table.to_batches() for table in self.kept.values())
        columns = (memoryview(batch.serialize()) for batch in batches)
        return digest(chain(map(repr, names), self.keep, columns))[:16]


def _names(stores: Sequence[base.ImageStore]) -> Iterator[str]:
    return (one_line(store.names[int(i)]) for store in stores for i in store.ids)


def _repeated(numbers: np.ndarray) -> set[int]:
    ordered = np.sort(numbers)
    return {int(i) for i in np.unique(ordered[1:][ordered[1:] == ordered[:-1]])}
