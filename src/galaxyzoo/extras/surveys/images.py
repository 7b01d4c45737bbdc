"""The images of a survey, cut into parts, with the columns that go with the predictions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core.errors import InputError, UnavailableError, one_line
from galaxyzoo.core.manifest import digest
from galaxyzoo.core.paths import shown
from galaxyzoo.data.parallel_decoding import decode_many
from galaxyzoo.data.stores import base, opening
from galaxyzoo.data.stores.columns import POSITION, find_position
from galaxyzoo.extras.formats.columns import TableInPieces, column_names, open_columns
from galaxyzoo.extras.formats.fits import FitsSettings
from galaxyzoo.inference.chunks import Chunk, read_measured
from galaxyzoo.inference.id_column import IdColumn


@dataclass(frozen=True)
class Part:
    """Slice of the images of one folder, zip or list."""

    number: int
    rows: slice  # of the images of the folder, zip or list
    source: base.Images = field(repr=False)
    archive_stamp: int | None  # of the zip or array that holds them, if one does

    def __len__(self) -> int:
        return self.rows.stop - self.rows.start

    @cached_property
    def images(self) -> base.Images:
        """The images, whose files are looked at here, before they are read."""
        return self.source.take(self.rows).stamped()

    @property
    def names(self) -> list[str]:
        """Names of the images, as labels have them."""
        return [one_line(name) for name in self.source.names.iloc[self.rows].tolist()]

    @property
    def stamps(self) -> str:
        """Digest of names and stamps, which change with the images or with their files' times."""
        return digest([repr(self.images.identities())])[:16]

    def is_of(self, notes: Mapping[str, str]) -> bool:
        """Check its images against a record's notes; copies have other stamps, so they are read."""
        return notes["stamps"] == self.stamps or notes["content"] == self.read_content()

    def is_changed(self, row: int) -> bool:
        """Check whether an image's file is gone, or not as it was opened."""
        path = self.images.path
        stamp = self.archive_stamp
        if stamp is None:
            image = self.images.table.iloc[row]
            folder = path if path.is_dir() else path.parent
            path = folder / image["row"]
            stamp = image["stamp"]
        return not path.exists() or base.stamp_of(path.stat()) != stamp

    def read_content(self) -> str:
        """Read all images anew; returns `digest_content` of them."""
        checksums: dict[int, int] = {}
        for row in self.images.reading_order().tolist():
            try:
                read_measured(self.images, checksums, {}, row)
            except UnavailableError:
                raise
            except (InputError, ValueError):
                continue
        return digest_content(checksums)


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
        keep: columns of their tables that go with the predictions, besides the position, which goes
            with them where all tables have it.
    """

    paths: tuple[Path, ...]
    size: int = 8192
    fits: FitsSettings = field(default_factory=FitsSettings)
    keep: tuple[str, ...] = ()

    @cached_property
    def _inputs(self) -> list[base.Images]:
        return opening.open_all(list(self.paths), self.fits)

    @cached_property
    def parts(self) -> list[Part]:
        """List the parts; none is of two folders or zips."""
        parts = list[Part]()
        for images in self._inputs:
            has_files = images.by_name and images.path.suffix.lower() != ".zip"
            stamp = None if has_files else base.stamp_of(images.path.stat())
            for start in range(0, len(images), self.size):
                rows = slice(start, min(start + self.size, len(images)))
                parts.append(Part(len(parts), rows, images, stamp))
        return parts

    @cached_property
    def labels(self) -> IdColumn:
        """Id column of the images."""
        return IdColumn.of(self._inputs)

    def ids(self, part: Part) -> list[int | str]:
        """Ids of a part's images, in its order."""
        return [self.labels[name] for name in part.names]

    def rows_of(self, part: Part, ids: Sequence[int | str] | np.ndarray | pd.Series) -> np.ndarray:
        """(id,) rows of a part's images, -1 where it has none of an id."""
        return pd.Index(self.ids(part), dtype=object).get_indexer(ids)

    @cached_property
    def kept(self) -> dict[Path, TableInPieces]:
        """Columns to keep beside the predictions, of the same types, by the path of their table.

        Besides the columns of `keep`, these are the positions, as `ra` and `dec`.

        Raises:
            InputError: an input has no such column, or types differ between inputs.
        """
        paths = [images.path for images in self._inputs]
        positions = {path: find_position(column_names(path)) for path in paths}
        if not all(positions.values()):  # kept of all images or of none
            positions = {}
        if not self.keep and not positions:
            return {}
        tables = {}
        examples = {}  # of a file, by its columns
        for path in paths:
            names = _names_of_kept(self.keep, positions.get(path) or ())
            tables[path] = open_columns(path, names)
            examples[tables[path].schema] = shown(path)
        schemas = list(examples)
        try:
            schema = _with_types(pa.unify_schemas(schemas, promote_options="permissive"))
            for path, columns in tables.items():
                is_same = columns.schema == schema
                tables[path] = replace(columns, schema=schema)
                if not is_same:
                    for _ in tables[path].pieces():  # refuses values that the types cannot hold
                        pass
            return tables
        except pa.ArrowException:
            listed = ",".join(schemas[0].names)
            files = " and ".join(examples.values())
            raise InputError(f"--keep {listed}: column types differ between {files}") from None

    @property
    def kept_schema(self) -> pa.Schema:
        """Names and types of the columns to keep, the same of all inputs."""
        for columns in self.kept.values():
            return columns.schema
        return pa.schema([])

    def kept_columns(self, chunk: Chunk) -> dict[str, pa.ChunkedArray]:
        """Columns to keep, of the images that were decoded."""
        columns = self.kept.get(chunk.images.path)
        if columns is None:
            return {}
        rows = columns.take(chunk.images.ids[chunk.rows])
        return dict(zip(rows.column_names, rows.columns, strict=True))

    @property
    def notes(self) -> list[str]:
        """Notes on how cut-outs differ from the training pictures."""
        notes = list[str]()
        for images in self._inputs:
            notes += images.notes
        return list(dict.fromkeys(notes))

    def pictures(
        self, parts: np.ndarray, rows: np.ndarray, image: ImageConfig
    ) -> tuple[np.ndarray, dict[int, str]]:
        """Decode images again, by part numbers and rows in the parts.

        Returns:
            (galaxy, cache_px, cache_px, 3) uint8; and by galaxy why that is not the image that was
            predicted, where it is another.
        """
        pictures = np.empty((len(rows), image.cache_px, image.cache_px, 3), np.uint8)
        problems = dict[int, str]()
        for number, rows_of_part in pd.Series(rows).groupby(parts):
            part = self.parts[number]
            decoded, unreadable = decode_many(part.images.take(rows_of_part), image)
            pictures[rows_of_part.index] = decoded
            for place in unreadable:
                problems[rows_of_part.index[place]] = "The image cannot be read."
            for galaxy, row in rows_of_part.items():  # once it was read, or it could still change
                if part.is_changed(row):
                    problems[galaxy] = "The image was changed or removed after its prediction."
        return pictures, problems

    @property
    def left_out(self) -> list[tuple[str, str]]:
        """Name and reason of each picture in an unsupported form."""
        return [pair for images in self._inputs for pair in images.left_out]

    @property
    def digest(self) -> str:
        """Digest of the names of all images, in their order, and of what is kept."""
        return digest(self._content())[:16]

    def _content(self) -> Iterator[str | memoryview]:
        """Yield what the digest is of, a part or a batch of a table at a time."""
        for part in self.parts:
            yield repr(part.source.take(part.rows).named())
        yield from self.keep
        for columns in self.kept.values():
            for piece in columns.pieces():
                for batch in piece.to_batches():
                    yield memoryview(batch.serialize())


def _names_of_kept(keep: Sequence[str], position: Sequence[str]) -> dict[str, str]:
    """Columns to keep, by their names in the parts; `ra` and `dec` of a position not among them."""
    columns = {}
    for name, column in zip(POSITION, position, strict=False):
        if column not in keep:
            columns[name] = column
    for column in keep:
        columns[column] = column
    return columns


def _with_types(schema: pa.Schema) -> pa.Schema:
    """Give columns without any value the type of fractional numbers."""
    for number, column in enumerate(schema):
        if pa.types.is_null(column.type):
            schema = schema.set(number, column.with_type(pa.float64()))
    return schema
