"""Images of every form in one table, and rules for names of image files and for ids in tables."""

import errno
import os
import posixpath
import re
import unicodedata
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.extras import installed
from galaxyzoo.core.paths import shown
from galaxyzoo.io.tables import ID_LIMIT, MAX_SAFE_INTEGER, GalaxyId

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
# Pictures that are not read: each decoder would need its own check for files that are cut off.
UNREAD_SUFFIXES = (".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif", ".avif", ".jfif",
                   ".jpe", ".jif", ".jp2", ".j2k", ".jxl", ".ppm", ".pgm", ".pnm", ".tga", ".exr",
                   ".psd", ".npy", ".npz", ".fits.z", ".fits.zst", ".ftz")  # fmt: skip
MAX_IMAGE_BYTES = 50_000_000  # a galaxy's JPEG has about 15,000
# Folders with copies: hidden ones, Synology's and macOS's
HIDDEN = re.compile(r"(^|/)(\.(?!\.?/)[^/]*|@eaDir|__MACOSX)/")
# Names of columns and arrays of ids
IDS = ("GalaxyID", "id", "ids", "id_str", "objid", "object_id", "TARGETID", "source_id", "filename",
       "filenames")  # fmt: skip
POSITION = "ra", "dec"  # columns, degrees
# The same as catalogs name them: of Vizier, SExtractor, Rubin, DESI, ObsCore, Pan-STARRS
POSITION_NAMES = (
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
    ("coord_ra", "coord_dec"),
    ("target_ra", "target_dec"),
    ("s_ra", "s_dec"),
    ("ramean", "decmean"),
    ("right_ascension", "declination"),
)
FILE = "file"  # column of the files that a list names, where it calls images otherwise
_MARK = re.compile("^[0-9a-f]{8}-")  # that Label Studio puts before files' names
_WHOLE = re.compile(r"(-?[0-9]+)(\.0*)?")
_ROUNDED = re.compile(r"-?[0-9](\.[0-9]+)?[eE]\+[0-9]+")  # as large floats are written
# Errors of the system or a network drive that would meet any other file too
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT)
Reader = Callable[[Any], bytes | np.ndarray]  # reads an image by its row in a file, or its name


@dataclass(eq=False)
class Images:
    """Images of folders, files or archives, a row each; safe to read from several threads.

    Args:
        path: where they lie, for messages and the cache's name.
        table: indexed by id: a number that counts them in the order of their file, or a galaxy's.
            Columns: `name` of its file or member, or what a list calls it; `stamp`, a number that
            changes with its content; `reader` and `row`, by which it is read: a number, or the name
            of a file or a zip's member; `identity` in place
            of the name where settings change the image; and those that came along, as of a list.
        left_out: name and reason of each picture that is there and of no form which is read.
        notes: how they differ from the training pictures.
        by_name: each is read by its own name, so by any process; else by a number, from a file
            whose readers keep what they have read.
    """

    path: Path
    table: pd.DataFrame = field(repr=False)
    left_out: Sequence[tuple[str, str]] = field(default=(), repr=False)
    notes: Sequence[str] = field(default=(), repr=False)
    by_name: bool = False

    @classmethod
    def of(
        cls,
        path: Path,
        names: Sequence[str],
        stamps: int | Sequence[int],
        reader: Reader,
        left_out: Sequence[tuple[str, str]] = (),
    ) -> "Images":
        """Number images from 0; none at all are refused."""
        if not names and not left_out:
            raise InputError(f"{shown(path)} has no images")
        columns = {"name": pd.Series(names, dtype=object)}
        return cls(path, pd.DataFrame(columns).assign(stamp=stamps), left_out).through(reader)

    @classmethod
    def concat(cls, path: Path, parts: "Sequence[Images]") -> "Images":
        """Put images of several files one after another, numbered from 0."""
        table = pd.concat([part.table for part in parts], ignore_index=True)
        table = table.drop(columns="identity", errors="ignore")
        return cls(path, table, by_name=all(part.by_name for part in parts))

    def __len__(self) -> int:
        return len(self.table)

    @property
    def ids(self) -> np.ndarray:
        """(image,) ids."""
        return self.table.index.to_numpy()

    @property
    def names(self) -> pd.Series:
        """(image,) names by id."""
        return self.table["name"]

    def identities(self) -> list[tuple[GalaxyId, str, int]]:
        """List what images are recognised by without reading them: id, name and stamp."""
        names = self.table.get("identity", self.names)
        return [*zip(self.ids.tolist(), names, self.table["stamp"].tolist(), strict=True)]

    def reading_order(self) -> np.ndarray:
        """(image,) rows to read first, second, …: some files are read many images at a time."""
        files = pd.factorize(self.table["reader"].map(id))[0]
        return np.lexsort((pd.to_numeric(self.table["row"], errors="coerce"), files))

    def in_parts(self, size: int, order: np.ndarray | None = None) -> "Iterator[Images]":
        """Iterate over images, `size` at a time, in the order of the rows given."""
        order = np.arange(len(self)) if order is None else order
        return (self.take(order[start : start + size]) for start in range(0, len(self), size))

    def take(self, rows: Sequence[int] | np.ndarray | slice) -> "Images":
        """Return the images of some rows."""
        return replace(self, table=self.table.iloc[rows])

    def select(self, ids: Sequence[GalaxyId] | np.ndarray | pd.Index) -> "Images":
        """Return the images of some ids, in their order."""
        return replace(self, table=self.table.loc[ids])

    def relabel(self, ids: Sequence[int] | np.ndarray | pd.Index) -> "Images":
        """Return the images under ids of their own, ascending."""
        return replace(self, table=self.table.set_axis(ids).sort_index())

    def through(self, reader: Reader) -> "Images":
        """Return the images as a function reads them, by row."""
        rows = range(len(self))
        return replace(self, table=self.table.assign(reader=[reader] * len(self), row=rows))

    def identified(self) -> "Images":
        """Return the images by the GalaxyIDs that name them, ascending."""
        first: dict[int, str] = {}
        for name in self.names:
            if (galaxy_id := galaxy_id_of(name)) is None:
                raise InputError(f"{shown(self.path)}: '{name}' is not named after a GalaxyID")
            if galaxy_id in first:
                raise InputError(
                    f"{shown(self.path)} contains GalaxyID {galaxy_id} twice: "
                    f"'{first[galaxy_id]}' and '{name}'"
                )
            first[galaxy_id] = name
        return self.relabel([*first])

    @cached_property
    def _readers(self) -> list[tuple[Reader, Any]]:
        return [*zip(self.table["reader"], self.table["row"].tolist(), strict=True)]

    def load(self, row: int) -> bytes | np.ndarray:
        """Load a row's image as it is stored: encoded bytes, or (H, W, 3) uint8 RGB pixels."""
        read, number = self._readers[row]
        return read(number)

    def read(self, image_id: GalaxyId) -> bytes:
        """Read an image encoded, by id; pixels become PNG, which loses nothing."""
        return encode(self.select([image_id]).load(0))


def encode(data: bytes | np.ndarray) -> bytes:
    """An image's bytes; pixels become PNG."""
    if isinstance(data, bytes):
        return data
    return cv2.imencode(".png", data[..., ::-1])[1].tobytes()


def match(names: Iterable[str], images: Images, where: Path) -> list[int]:
    """Rows of the images that a table names, as of `find_rows`; `where` is the table.

    Raises:
        InputError: a name is of no image, or of several.
    """
    names, rows = [*names], []
    for name, matching in zip(names, find_rows(names, images.names), strict=True):
        if len(matching) != 1:
            several = " and ".join(f"'{images.names.iloc[row]}'" for row in matching[:2])
            problem = f"both {several} are" if several else "no image is"
            raise InputError(f"{shown(where)}: {problem} named '{name}'")
        rows.append(matching[0])
    return rows


def find_rows(names: Iterable[str], known: Iterable[str]) -> Iterator[list[int]]:
    """Rows of the known names of images that agree with each name, from the end on.

    Paths may be relative to any folder, or absolute, with either slash and any Unicode form; the
    ending of an image may be missing, and Label Studio's mark is left out. A number may lack zeros
    before it, as in a spreadsheet, or have some.
    """
    parts = [_parts(name) for name in known]
    by_tail: dict[tuple[str, ...], list[int]] = {}
    for row, (path, _) in enumerate(parts):
        for tail in _tails(path):
            by_tail.setdefault(tail, []).append(row)
    for name in names:
        path, ending = _parts(name)
        alike: list[int] = []  # that share the longest end of the path
        for tail in _tails(path):
            alike = by_tail.get(tail, [])
            if alike:
                break
        exact = [row for row in alike if parts[row] == (path, ending)]
        of_ending = [row for row in alike if parts[row][1] == ending]
        yield exact or of_ending or alike


def _parts(name: str) -> tuple[tuple[str, ...], str]:
    """Stem and folders of a name, from its end on, and its ending."""
    # Without the ' of `plain_cell`: it has none before -5, but one before -5.jpg.
    text, end = _split_ending(unicodedata.normalize("NFC", one_line(name).removeprefix("'")))
    path = [part for part in re.split(r"[\\/]", text) if part not in ("", ".")] or [""]
    return (_MARK.sub("", path[-1]), *path[-2::-1]), end.lower()


def _tails(path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Stem with fewer and fewer folders; at last, a number without the zeros before it.

    The empty name has none: it is of no image.
    """
    stem = path[0]
    if not stem:
        return
    for count in range(len(path), 0, -1):
        yield path[:count]
    yield "", stem.lstrip("0") if stem.isdecimal() else stem


@cache
def read_suffixes() -> tuple[str, ...]:
    """Endings of files with an image each that are read."""
    return (*IMAGE_SUFFIXES, *chain(*(extra.pictures for extra in installed().values())))


@cache
def picture_suffixes() -> tuple[str, ...]:
    """Endings of files with images, read or not."""
    return (*read_suffixes(), *UNREAD_SUFFIXES)


def _split_ending(name: str) -> tuple[str, str]:
    lower = name.lower()
    end = next((end for end in picture_suffixes() if lower.endswith(end)), "")
    return name[: len(name) - len(end)], name[len(name) - len(end) :]


def stem_of(name: str) -> str:
    """Name of a picture's file without folder and ending; any other name is an id, and stays."""
    path, end = _split_ending(name)
    return posixpath.basename(path) if end else name


def file_names(places: list[str]) -> list[str]:
    """Names of files without folders, which differ between machines; the paths if two agree."""
    names = [posixpath.basename(place) for place in places]
    return names if pd.Index(names).is_unique else places


def number_of(name: str) -> int | None:
    """GalaxyID of a picture's file, `<anything>/<GalaxyID>.jpg`; of other ids any int64."""
    stem = stem_of(name)
    written = "0|-?[1-9][0-9]{0,18}" if stem == name else "[0-9]{1,18}"  # an id 007 keeps its zeros
    number = int(stem) if re.fullmatch(written, stem) else None
    return number if number is not None and abs(number) < 2**63 else None


def galaxy_id_of(name: str) -> int | None:
    """GalaxyID that an image is named by, `<anything>/<GalaxyID>.jpg`; None for other names."""
    number = number_of(name)
    return number if number is not None and 0 <= number < ID_LIMIT else None


def is_transient(error: BaseException) -> bool:
    """Check whether an error is the system's, whichever file is read, and may pass."""
    return isinstance(error, OSError) and error.errno in _PASSING


def stamp_of(status: os.stat_result) -> int:
    """Stamp that changes with a file or its rights, without reading the file.

    A copy of the file may have another stamp, which only means decoding it again.
    """
    rights = f"{status.st_mode} {status.st_uid} {status.st_gid}"
    return zlib.crc32(f"{status.st_size} {status.st_mtime_ns} {rights}".encode())


def why_not_read(name: str) -> str:
    """Explain why an image's form is not read."""
    end = Path(name).suffix.lower()
    return f"{end} is not supported: convert it to JPEG or PNG" if end else "its link is broken"


def is_read(name: str) -> bool:
    """Check whether a picture is of a form which is read."""
    return name.lower().endswith(read_suffixes())


def is_picture(name: str) -> bool:
    """Check whether a name is a picture's, not a macOS `._` copy or in a hidden folder."""
    is_copy = posixpath.basename(name).startswith("._") or HIDDEN.search(name)
    return name.lower().endswith(picture_suffixes()) and not is_copy


def pick_columns(columns: Collection[str], names: Sequence[str] = IDS) -> list[str]:
    """Columns or arrays of some names, in small or large letters, in the order of the names."""
    return [each for name in names for each in columns if each.lower() == name.lower()]


def find_position(columns: Collection[str]) -> tuple[str, str] | None:
    """Find the columns of right ascension and declination; None where there is no such pair."""
    for ra_name, dec_name in POSITION_NAMES:
        ra = pick_columns(columns, [ra_name])
        dec = pick_columns(columns, [dec_name])
        if ra and dec:
            return ra[0], dec[0]
    return None


def find_ids(columns: Collection[str], path: Path, names: Sequence[str] = IDS) -> str:
    """Find the column or array of ids."""
    if not (present := pick_columns(columns, names)):
        raise InputError(f"{shown(path)} has no id column (expected one of {', '.join(names)})")
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
    is_float = ids.dtype.kind == "f"
    safe = 2 ** (np.finfo(ids.dtype).nmant + 1) - 1 if is_float else MAX_SAFE_INTEGER
    wholes = [_WHOLE.fullmatch(text) for text in texts]
    for row, (text, whole) in enumerate(zip(texts, wholes, strict=True)):
        if _ROUNDED.fullmatch(text) or (whole and whole[2] and abs(int(whole[1])) > safe):
            raise InputError(
                f"{shown(path)}: the id in row {row}, {text}, is a decimal number and may have "
                "lost digits: write ids as whole numbers or text"
            )
    return [whole[1] for whole in wholes if whole] if all(wholes) else texts


def as_texts(values: np.ndarray) -> list[str]:
    """Values as text, of an array of anything."""
    return [
        value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for value in values.tolist()
    ]
