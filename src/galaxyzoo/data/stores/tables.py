"""Images of a catalogue in one file: tar shards, HDF5, Parquet with the images, lists of paths.

And Zarr archives, `<name>.zarr` with `<name>_metadata.parquet` beside it, as ESA's Cutana and its
images_to_zarr write them (https://esa.github.io/Cutana).

Ids are in a column or array named by one of `IDS`, of a Zarr archive also `source_id` or
`original_filename`; in a tar the members are named by them, `<anything>/<id>.jpg`, and so are the
files of a list without such a column. HDF5 and Zarr have `images`, as of `ArrayStore`; Parquet has
`image` (bytes of a JPEG or PNG, or a struct with them under `bytes`); a list, CSV or Parquet, has
`path`, seen from its folder, and for FITS cut-outs `petroR90_r`, in arcsec.
"""

import posixpath
import re
import tarfile
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from galaxyzoo.core.errors import InputError, UnavailableError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.stores.arrays import (
    IMAGES,
    ArrayStore,
    HDF5Images,
    ZarrImages,
    check_images,
    open_hdf5,
    pick_array,
    piece_starts,
)
from galaxyzoo.data.stores.fits import RADIUS
from galaxyzoo.io.archives import (
    FITS_ENDS,
    IMAGE_ENDS,
    MAX_IMAGE_BYTES,
    OTHER_ENDS,
    ImageStore,
    Numbered,
    Texts,
    is_image,
    is_passing,
    stamp_of,
    why_not_read,
)
from galaxyzoo.io.tables import EXACT, read_table

IDS = ("GalaxyID", "id", "ids", "id_str", "objid", "filename", "filenames")
ZARR = ".zarr"
_ZARR_IDS = ("source_id", *IDS, "original_filename")
_ZARR_PLACE = "idx_in_zarr"  # column of Cutana's metadata: which image a row is of
IMAGE, PATHS = "image", ("path", "file_loc")  # the latter in Zoobot's catalogues
_ENDS = (*IMAGE_ENDS, *FITS_ENDS)
_WHOLE = re.compile(r"(-?[0-9]+)(\.0*)?")
_ROUNDED = re.compile(r"-?[0-9](\.[0-9]+)?[eE]\+[0-9]+")  # as large floats are written
_FORM = "a catalogue of images and ids"
_BLOCK = 1 << 20  # bytes read at once behind a tar's end
_LARGEST_GROUP = 1_000_000_000  # bytes of images that are in memory at once


def find_catalogues(path: Path) -> list[Path]:
    """Files and Zarr archives that `open_catalogue` reads: the path itself, or those of a folder.

    A folder's are the Zarr archives in it and in its subfolders, or the Parquet files of HATS.
    """
    if not path.is_dir():
        return [path] if path.suffix.lower() in CATALOGUES and path.is_file() else []
    if path.suffix == ZARR:
        return [path]
    if (path / "hats.properties").is_file():
        return sorted(path.glob("dataset/Norder=*/**/*.parquet"))
    return sorted([*path.glob(f"*{ZARR}"), *path.glob(f"*/*{ZARR}")])


def open_catalogue(path: Path) -> ImageStore:
    """The images of a file or a Zarr archive, each named by its id, in its order."""
    return _open_zarr(path) if path.is_dir() else CATALOGUES[path.suffix.lower()](path)


@dataclass
class TarStore(ImageStore):
    """Images of a tar that is not compressed, read where they lie."""

    places: np.ndarray = field(kw_only=True, repr=False)  # (image, 2) offset, bytes
    left_out: list[tuple[str, str]] = field(kw_only=True, repr=False)  # name and reason

    def read(self, galaxy_id: int) -> bytes:
        """Encoded bytes of one image."""
        offset, size = map(int, self.places[galaxy_id])
        try:
            with open(self.path, "rb") as file:
                file.seek(offset)
                return file.read(size)
        except OSError as error:
            kind = UnavailableError if is_passing(error) else InputError
            raise kind(f"{shown(self.path)} cannot be read ({error})") from None


def _open_tar(path: Path) -> TarStore:
    names, places, links, left_out = Texts(), array("q"), {}, []
    for member in _members(path):
        if is_image(member.name, OTHER_ENDS) and not member.isdir():
            left_out.append((member.name, why_not_read(member.name)))
        elif member.islnk() or member.issym():
            links[posixpath.normpath(member.name)] = _target(member)
        elif not is_image(member.name, _ENDS) or member.isdir():
            continue
        elif member.isreg() and not member.issparse():
            names.append(member.name)
            places.extend((member.offset_data, member.size))
        else:
            left_out.append((member.name, "it is sparse or no file: pack it again without -S"))
    wanted = {name: _follow(name, links) for name in links if is_image(name, _ENDS)}
    targets = set(wanted.values())
    found = {} if not targets else {
        name: (member.offset_data, member.size) for member in _members(path)
        if (name := posixpath.normpath(member.name)) in targets
        if member.isreg() and not member.issparse()
    }  # fmt: skip
    for name, target in wanted.items():
        if target in found:
            names.append(name)
            places.extend(found[target])
        else:
            left_out.append((name, f"it is a link to {links[name]}, no file of the tar"))
    if left_out and not names:
        raise InputError(f"{shown(path)} holds no image (first: {': '.join(left_out[0])})")
    where = np.array(places).reshape(-1, 2)
    for row in np.flatnonzero(where[:, 1] > MAX_IMAGE_BYTES)[:1]:
        raise InputError(f"{shown(path)}/{names[row]} is larger than {MAX_IMAGE_BYTES:,} bytes")
    return TarStore(path, *_number(path, names), places=where, left_out=left_out)


def _members(path: Path) -> Iterator[tarfile.TarInfo]:
    """Members of a plain tar that is whole; tarfile ends quietly where a head is damaged."""
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                archive.members.clear()  # type: ignore[attr-defined]  # it keeps a kilobyte each
                yield member
            end = archive.offset
        with open(path, "rb") as file:
            file.seek(end)
            block = file.read(_BLOCK)
            if len(block) < tarfile.BLOCKSIZE:
                raise tarfile.ReadError("its end is missing")
            while block:
                if block.count(0) < len(block):
                    raise tarfile.ReadError(f"what follows byte {end:,} is neither file nor zeros")
                block = file.read(_BLOCK)
    except (tarfile.TarError, OSError, ValueError) as error:
        raise InputError(
            f"{shown(path)} is not a whole plain tar ({error}): pack it again"
        ) from None


def _target(member: tarfile.TarInfo) -> str:
    """Name of the member that a link leads to; a hard link has it whole."""
    folder = posixpath.dirname(member.name) if member.issym() else ""
    return posixpath.normpath(posixpath.join(folder, member.linkname))


def _follow(name: str, links: Mapping[str, str]) -> str:
    """What a chain of links leads to; a circle ends at one of them."""
    for _ in range(len(links)):
        if name not in links:
            break
        name = links[name]
    return name


def _open_hdf5(path: Path) -> ArrayStore:
    with open_hdf5(path) as file:
        images = pick_array(file, IMAGES, path, _FORM)
        check_images(images, shown(path))
        ids = pick_array(file, _find_ids(list(file), path), path, _FORM)
        if ids.shape != images.shape[:1]:
            raise InputError(
                f"{shown(path)} holds {len(images)} images and ids of shape {ids.shape}"
            )
        names, starts = _texts(ids[:], path), piece_starts(len(images), images.chunks)
    numbered = _number(path, names)
    return ArrayStore(path, *numbered, open_array=partial(HDF5Images, path), starts=starts)


def _open_zarr(path: Path) -> ArrayStore:
    """Row i of the metadata is of image i, or of the one that it names."""
    images, table = ZarrImages(path), path.with_name(f"{path.stem}_metadata.parquet")
    check_images(images, shown(path))
    try:
        columns = parquet.read_schema(table).names
        name = _find_ids(columns, table, _ZARR_IDS)
        rows = parquet.read_table(table, columns=list({name, _ZARR_PLACE} & {*columns}))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{shown(table)} gives no ids ({_first(error)})") from None
    ids, count = rows[name].to_numpy(), images.shape[0]
    if _ZARR_PLACE in columns:
        places = rows[_ZARR_PLACE].to_numpy()
        if sorted(places.tolist()) != list(range(count)):
            raise InputError(
                f"{shown(table)}: '{_ZARR_PLACE}' is not each of 0 to {count - 1} once, as its "
                "images are"
            )
        ids = ids[np.argsort(places)]
    if len(ids) != count:
        raise InputError(f"{shown(path)} holds {count:,} images and {len(ids):,} ids")
    stamp = zlib.crc32(repr([stamp_of(file.stat()) for file in sorted(path.rglob("*"))]).encode())
    numbered = _number(table, _texts(ids, table), [stamp ^ stamp_of(table.stat())] * count)
    starts = piece_starts(count, images.chunks)
    return ArrayStore(path, *numbered, open_array=partial(ZarrImages, path), starts=starts)


@dataclass
class BytesStore(ArrayStore):
    """Images in a column of bytes, read a row group at a time."""

    def read(self, galaxy_id: int) -> bytes:
        """Encoded bytes of one image."""
        image = self._row(galaxy_id)
        if image is None or len(image) > MAX_IMAGE_BYTES:
            raise InputError("it is empty" if image is None else "it is too large")
        return image

    def load(self, galaxy_id: int) -> bytes:
        """As `read`."""
        return self.read(galaxy_id)


@dataclass
class _Column:
    """A column of bytes, of which the rows of a row group can be taken."""

    path: Path
    starts: list[int]  # first row of each group

    def __getitem__(self, rows: slice) -> np.ndarray:
        group = bisect_right(self.starts, rows.start) - 1
        file = parquet.ParquetFile(self.path, page_checksum_verification=True)
        column = file.read_row_group(group, columns=[IMAGE]).column(0)
        values = column.to_pylist()
        if pa.types.is_struct(column.type):
            values = [value and value["bytes"] for value in values]
        found = np.empty(len(values), object)
        found[:] = values
        return found


def _open_parquet(path: Path) -> ImageStore:
    try:
        file = parquet.ParquetFile(path)
        columns = file.schema_arrow.names
        if IMAGE not in columns:
            return _open_list(path, file.read().to_pandas())
        names = _texts(file.read([_find_ids(columns, path)]).column(0).to_numpy(), path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{shown(path)} is not a whole Parquet file ({_first(error)})") from None
    kind = file.schema_arrow.field(IMAGE).type
    has_bytes = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    inner = kind.field("bytes").type if has_bytes else kind
    inner = inner.value_type if pa.types.is_dictionary(inner) else inner
    if inner not in (pa.binary(), pa.large_binary(), pa.binary_view()):
        raise InputError(f"{shown(path)}: '{IMAGE}' is {kind}, expected bytes of JPEGs or PNGs")
    groups = [file.metadata.row_group(k) for k in range(file.num_row_groups)]
    if any(group.total_byte_size > _LARGEST_GROUP for group in groups):
        raise InputError(f"{shown(path)} has row groups above 1 GB: write it in smaller ones")
    starts = [0, *accumulate(group.num_rows for group in groups)][:-1]
    numbered, column = _number(path, names), partial(_Column, path, starts)
    return BytesStore(path, *numbered, open_array=column, starts=starts)


@dataclass
class ListStore(ImageStore):
    """Images that a list names by their paths."""

    places: Mapping[int, str] = field(kw_only=True, repr=False)  # seen from the list's folder
    radii: Mapping[int, float] = field(kw_only=True, repr=False)  # arcsec, where it has them

    def read(self, galaxy_id: int) -> bytes:
        """Encoded bytes of one image."""
        place = self.places[galaxy_id]
        return ImageStore(self.path.parent, {galaxy_id: place}, {}).read(galaxy_id)


def _open_csv(path: Path) -> ListStore:
    return _open_list(path, read_table(path, texts={*PATHS, *IDS}))


def _open_list(path: Path, table: pd.DataFrame) -> ListStore:
    column = next((name for name in PATHS if name in table), None)
    if column is None:
        raise InputError(f"{shown(path)}: a list needs a column '{PATHS[0]}'")
    folder, places = path.parent.resolve(), table[column].fillna("").astype(str).tolist()
    for row, place in enumerate(places):
        file = Path(place)
        if file.is_absolute() and file.is_relative_to(folder):
            file = file.relative_to(folder)
            places[row] = str(file)
        if file.is_absolute() or ".." in file.parts:
            raise InputError(f"{shown(path)}: '{place}' leads out of the list's folder")
    found = [name for name in IDS if name in table]
    names = _texts(table[found[0]].to_numpy(), path) if found else places
    radii = _read_radii(path, table[RADIUS]) if RADIUS in table else {}
    stamps = [_stamp(path.parent / place) for place in places]
    return ListStore(path, *_number(path, names, stamps), places=Numbered(places), radii=radii)


def _stamp(file: Path) -> int:
    try:
        return stamp_of(file.stat())
    except (OSError, ValueError):  # it will be an error of its image
        return 0


def _read_radii(path: Path, column: pd.Series) -> Mapping[int, float]:
    radii = pd.to_numeric(column, errors="coerce").to_numpy(float)
    for row in np.flatnonzero(~((radii > 0) & np.isfinite(radii))):
        raise InputError(f"{shown(path)}: '{RADIUS}' of row {row} is no radius in arcsec")
    return Numbered(radii.tolist())


def _number(
    path: Path, names: Sequence[str], stamps: Sequence[int] = ()
) -> tuple[Mapping[int, str], Mapping[int, int]]:
    """Names and stamps by number, by default the file's; a file without an image is refused."""
    if not names:
        raise InputError(f"{shown(path)} holds no image")
    stamps = array("Q", stamps or [stamp_of(path.stat())] * len(names))
    return Numbered(names), Numbered(stamps)


def _find_ids(columns: Sequence[str], path: Path, names: Sequence[str] = IDS) -> str:
    """Which of the columns or arrays holds the ids."""
    found = [name for name in names if name in columns]
    if not found:
        raise InputError(f"{shown(path)} has no ids: name them {', '.join(names)}")
    return found[0]


def _texts(ids: np.ndarray, path: Path) -> list[str]:
    """Ids as text; a missing one is refused, and a number that was rounded.

    Numbers with a point count as whole ones, `5.0` as `5`, where all ids are whole.
    """
    texts = [
        (galaxy.decode("utf-8", "replace") if isinstance(galaxy, bytes) else str(galaxy)).strip()
        for galaxy in ids.tolist()
    ]
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


def _first(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


CATALOGUES: dict[str, Callable[[Path], ImageStore]] = {
    ".tar": _open_tar,
    ".h5": _open_hdf5,
    ".hdf5": _open_hdf5,
    ".parquet": _open_parquet,
    ".csv": _open_csv,
}
