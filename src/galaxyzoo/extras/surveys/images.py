"""The images of a survey, cut into parts, with the columns that go with the predictions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core.errors import InputError, UnavailableError, one_line
from galaxyzoo.core.manifest import digest
from galaxyzoo.core.paths import shown
from galaxyzoo.data.image_cache import decode_many
from galaxyzoo.data.stores import base, opening
from galaxyzoo.extras.formats import fits
from galaxyzoo.extras.formats.columns import column_names, read_columns
from galaxyzoo.extras.formats.fits import FitsSettings
from galaxyzoo.inference.images import Chunk, IdColumn, read_measured


@dataclass(frozen=True)
class Part:
    """Slice of the images of one folder or zip."""

    number: int
    images: base.Images

    @property
    def names(self) -> list[str]:
        """Names of the images, as labels have them."""
        return [*map(one_line, self.images.names)]

    @property
    def stamps(self) -> str:
        """Digest of names and stamps, which change with the images or with their files' times."""
        return digest([repr(self.images.identities())])[:16]

    def is_of(self, notes: Mapping[str, str]) -> bool:
        """Check its images against a record's notes; copies have other stamps, so they are read."""
        return notes["stamps"] == self.stamps or notes["content"] == self.read_content()

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
        return opening.open_all(list(self.paths), {fits.TITLE: self.fits})

    @cached_property
    def parts(self) -> list[Part]:
        """List the parts; none is of two folders or zips."""
        cut = [
            images.take(slice(start, start + self.size))
            for images in self._inputs
            for start in range(0, len(images), self.size)
        ]
        return [Part(number, images) for number, images in enumerate(cut)]

    @cached_property
    def labels(self) -> IdColumn:
        """Id column of the images."""
        return IdColumn.of(self._inputs)

    @cached_property
    def kept(self) -> dict[Path, pa.Table]:
        """Columns to keep beside the predictions, of the same types, by the path of their table."""
        paths = [images.path for images in self._inputs]
        keep = self.keep
        if paths and all({*base.POSITION} <= {*column_names(path)} for path in paths):
            positions = [name for name in base.POSITION if name not in keep]
            keep = (*positions, *keep)
        if not keep:
            return {}
        tables = {path: read_columns(path, keep) for path in paths}
        kinds = {table.schema: shown(path) for path, table in tables.items()}
        try:
            schema = _with_types(pa.unify_schemas([*kinds], promote_options="permissive"))
            return {path: table.cast(schema) for path, table in tables.items()}
        except pa.ArrowException:
            line = f"--keep {','.join(keep)}: column types differ between "
            raise InputError(line + " and ".join(kinds.values())) from None

    def kept_columns(self, chunk: Chunk) -> dict[str, pa.ChunkedArray]:
        """Columns to keep, of the images that were decoded."""
        table = self.kept.get(chunk.images.path)
        if table is None:
            return {}
        rows = table.take(chunk.images.ids[chunk.rows])
        return dict(zip(rows.column_names, rows.columns, strict=True))

    @property
    def notes(self) -> list[str]:
        """Notes on how cut-outs differ from the training pictures."""
        return [*dict.fromkeys(note for images in self._inputs for note in images.notes)]

    def pictures(self, parts: np.ndarray, labels: np.ndarray, image: ImageConfig) -> np.ndarray:
        """(galaxy, cache_px, cache_px, 3) uint8 pictures, by part numbers and labels."""
        galaxies = pd.DataFrame({"part": parts, "label": labels})
        pictures = np.empty((len(galaxies), image.cache_px, image.cache_px, 3), np.uint8)
        for number, rows in galaxies.groupby("part"):
            part = self.parts[number]
            by_label = {self.labels[name]: row for row, name in enumerate(part.names)}
            chosen = [by_label[label] for label in rows["label"]]
            pictures[rows.index] = decode_many(part.images.take(chosen), image)[0]
        return pictures

    @property
    def left_out(self) -> list[tuple[str, str]]:
        """Name and reason of each picture in an unsupported form."""
        return [pair for images in self._inputs for pair in images.left_out]

    @property
    def digest(self) -> str:
        """Digest of the names of all images, in their order, and of what is kept."""
        names = ([each[:2] for each in part.images.identities()] for part in self.parts)
        batches = chain.from_iterable(table.to_batches() for table in self.kept.values())
        columns = (memoryview(batch.serialize()) for batch in batches)
        return digest(chain(map(repr, names), self.keep, columns))[:16]


def _with_types(schema: pa.Schema) -> pa.Schema:
    """Give columns without any value the type of fractional numbers."""
    for number, column in enumerate(schema):
        if pa.types.is_null(column.type):
            schema = schema.set(number, column.with_type(pa.float64()))
    return schema
