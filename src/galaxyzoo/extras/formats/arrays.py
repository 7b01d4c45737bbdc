"""Images in one array of a file, HDF5 or `.npz`, read a piece at a time.

The array is `images`; its ids are in an array named by one of `IDS`, else images are numbered from
0. Arrays of Python objects, which can run code, are refused.
"""

import errno
import math
import threading
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from itertools import product
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from galaxyzoo.core.errors import (
    InputError,
    UnavailableError,
    is_transient,
    one_line,
    reason_of,
)
from galaxyzoo.core.paths import shown
from galaxyzoo.data.stores import base
from galaxyzoo.data.stores.columns import pick_columns, read_ids
from galaxyzoo.io.archives import ALWAYS_ACCEPTED_BYTES, MAX_RATIO, open_zip

if TYPE_CHECKING:
    import h5py

PIXELS = "images"
CLASSES = "classes"  # names of numeric labels
_FORM = "a file of images and ids"
_PIECE_ROWS = 256  # where the file stores the array contiguously
_PIECES = 2  # kept at a time, of all files: threads stand on both sides of a border
_MIN_SIDE = 8  # px


def _to_pixels(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 pixels of a row of an array.

    It is (H, W, 3) RGB, (3, H, W), or of one channel, gray; uint8, or floats from 0 to 1.
    """
    if image.ndim == 2:
        image = image[..., None]
    elif image.shape[2] not in (1, 3):
        image = np.ascontiguousarray(np.moveaxis(image, 0, -1))
    if image.dtype != np.uint8:
        if not (image >= 0).all() or not (image <= 1).all():  # NaN is neither
            raise InputError("its values are not all from 0 to 1: write uint8, and no NaN")
        image = np.round(255 * image).astype(np.uint8)
    if image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    return image


@dataclass(eq=False)
class PieceReader:
    """Reads rows of an array piece by piece, each once for many images.

    A compressed file keeps hundreds of images in a piece, and reading image by image would unpack
    all of it every time. A piece that is lost or damaged costs its own images alone.
    """

    path: Path
    # opens the array, anything that a slice of rows can be taken of; called once, when needed
    open_array: Callable[[], Any]
    starts: Sequence[int]  # first row of each piece, ascending
    count: int  # of rows
    convert: Callable[[Any], bytes | np.ndarray] = _to_pixels  # makes an image of a row

    def __post_init__(self) -> None:
        """Prepare to read; nothing is opened yet."""
        self._array: Any = None

    def __reduce__(self) -> tuple:
        """Pickle without the open file and its pieces."""
        return PieceReader, tuple(getattr(self, field.name) for field in fields(self))

    def __call__(self, row: int) -> bytes | np.ndarray:
        """Load the image of a row; one thread reads its piece, the others wait.

        Raises:
            InputError: the piece is damaged, or the image has values that are no pixels.
            UnavailableError: the file may be readable later.
        """
        index = bisect_right(self.starts, row) - 1
        with _lock:
            if (self, index) not in _kept:
                while len(_kept) >= _PIECES:
                    _drop_oldest()
                _kept[self, index] = self._read_piece(index)
            piece = _kept[self, index]
        if isinstance(piece, str):
            raise InputError(piece)
        return self.convert(piece[row - self.starts[index]])

    def close(self) -> None:
        """Let go of the open array; the next row opens it again."""
        self._array = None

    def _read_piece(self, index: int) -> np.ndarray | str:
        """Read the rows of a piece; a text says why they are lost.

        Raises:
            UnavailableError: the file may be readable later.
        """
        is_last = index == len(self.starts) - 1
        start = self.starts[index]
        stop = self.count if is_last else self.starts[index + 1]
        try:
            if self._array is None:
                self._array = self.open_array()
            return np.asarray(self._array[start:stop])
        except UnavailableError:
            raise
        except InputError as error:
            return str(error)
        except (OSError, ValueError, RuntimeError) as error:
            if is_transient(error):
                raise UnavailableError(f"{shown(self.path)} cannot be read ({error})") from None
            return f"its chunk of {shown(self.path)} is damaged ({reason_of(error)})"


_lock = threading.Lock()
# The pieces read last, in order: rows of an array, or the reason why there are none
_kept: dict[tuple[PieceReader, int], np.ndarray | str] = {}


def _drop_oldest() -> None:
    """Forget the piece that has been kept longest; without another one its array is closed."""
    oldest = next(iter(_kept))
    del _kept[oldest]
    reader = oldest[0]
    if all(other is not reader for other, _ in _kept):
        reader.close()


def build_images(
    path: Path,
    ids: np.ndarray,
    count: int,
    open_array: Callable[[], Any],
    stamp: int,
    chunks: tuple[int, ...] | None = None,
) -> base.Images:
    """Build images of an array's rows.

    Args:
        path: the file, for messages and the cache's name.
        ids: (image,) numbers or text.
        count: number of images.
        open_array: opens the array.
        stamp: number that changes with the array's content.
        chunks: shape of the file's chunks; None: it is contiguous.
    Raises:
        InputError: the ids are not as many, or an id is missing.
    """
    if ids.shape != (count,):
        raise InputError(f"{shown(path)} has {count:,} images, but ids of shape {ids.shape}")
    piece_rows = chunks[0] if chunks else _PIECE_ROWS
    starts = range(0, count, piece_rows)
    reader = PieceReader(path, open_array, starts, count)
    return base.Images.of(path, read_ids(ids, path), stamp, reader)


def number_rows(count: int) -> np.ndarray:
    """(image,) ids of images that have none in their file."""
    return np.array([f"image {row}" for row in range(count)])


def open_hdf5(path: Path) -> base.Images:
    """The images of an HDF5 file."""
    with open_hdf5_file(path) as file:
        images = pick_array(file, PIXELS, path, _FORM)
        check_pixels(images.shape, images.dtype, path)
        count = len(images)
        chunks = images.chunks
        id_arrays = pick_columns(file)
        ids = number_rows(count)
        if id_arrays:
            ids = pick_array(file, id_arrays[0], path, _FORM)[:]
    open_array = partial(HDF5Images, path)
    return build_images(path, ids, count, open_array, base.stamp_of(path.stat()), chunks)


def open_npz(path: Path) -> base.Images:
    """The images of a `.npz` file; their shape is read now, their pixels when they are decoded."""
    with open_zip(path) as archive:
        checksums = {Path(member.filename).stem: member.CRC for member in archive.infolist()}
    with _open_member(path, PIXELS) as member:
        shape, dtype = _read_head(member)
    check_pixels(shape, dtype, path)
    count = shape[0]
    id_arrays = pick_columns(checksums)
    ids = number_rows(count)
    if id_arrays:
        ids = load_array(path, id_arrays[0])
    return build_images(path, ids, count, partial(load_array, path, PIXELS), checksums[PIXELS])


def load_array(path: Path, name: str) -> np.ndarray:
    """A whole array of a `.npz` file; an `InputError` where it is missing or cannot be read."""
    with _open_member(path, name) as member:
        return np.lib.format.read_array(member, allow_pickle=False)


@contextmanager
def _open_member(path: Path, name: str) -> Iterator[IO[bytes]]:
    """Open an array's member of a `.npz` file; an error in one line where it cannot be read."""
    try:
        with open_zip(path) as archive, archive.open(f"{name}.npy") as member:
            _check_size(member, archive.getinfo(f"{name}.npy").file_size)
            yield member
    except KeyError:
        use = " (the names of numeric labels)" if name == CLASSES else ""
        raise InputError(f"{shown(path)} has no array '{name}'{use}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        if "Object arrays" in str(error):
            raise InputError(
                f"{shown(path)}: '{name}' holds Python objects: save it as numbers or as text "
                "(np.array(…, dtype=str))"
            ) from None
        reason = reason_of(error)
        raise InputError(f"{shown(path)}: '{name}' cannot be read ({reason})") from None


def _check_size(member: IO[bytes], size: int) -> None:
    """Check an array's size against its header, before numpy allocates the memory."""
    shape, dtype = _read_head(member)
    needed = member.tell() + math.prod(shape) * dtype.itemsize
    if needed != size and not dtype.hasobject:
        raise ValueError(f"its shape {shape} needs {needed:,} bytes, but it has {size:,}")
    member.seek(0)


def _read_head(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array, from its first bytes."""
    version, _ = np.lib.format.read_magic(member)
    if version == 1:
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(member)
    return shape, dtype


def check_pixels(shape: tuple[int, ...], dtype: np.dtype, path: Path) -> None:
    """Refuse an array that cannot be images, as `_to_pixels` reads them."""
    sides: tuple[int, ...] = ()
    if len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3)):  # gray, or colors last
        sides = shape[1:3]
    elif len(shape) == 4 and shape[1] in (1, 3):
        sides = shape[2:]
    is_type = dtype == np.uint8 or dtype.kind == "f"
    if not sides or not is_type or min(sides) < _MIN_SIDE:
        raise InputError(
            f"{shown(path)}: '{PIXELS}' is {dtype} of shape {shape}; expected uint8 or floats from "
            f"0 to 1, shape (image, height, width, 3), sides of at least {_MIN_SIDE} px"
        )


def pick_array(file: "h5py.File", name: str, path: Path, form: str) -> Any:
    """Pick an array of an open file; refuse links and data in other files.

    Args:
        form: expected content of the file, for the message.
    Raises:
        InputError: there is no such array, it lies in other files, it claims more than the file
            can hold, or h5py lacks its compression.
    """
    import h5py

    # Asked for before it is followed: a link may lead to another file, or to a device.
    is_inside = isinstance(file.get(name, getlink=True), h5py.HardLink)
    array = file[name] if is_inside else None
    if not isinstance(array, h5py.Dataset):
        listed = ", ".join(map(repr, list(file)[:4])) or "nothing"
        raise InputError(f"{shown(path)} has no array '{name}' (found {listed}): it is not {form}")
    if array.external or array.is_virtual:
        raise InputError(f"{shown(path)} is not {form}: '{name}' is stored in other files")
    if array.nbytes > max(ALWAYS_ACCEPTED_BYTES, MAX_RATIO * path.stat().st_size):
        raise InputError(
            f"{shown(path)}: '{name}' has shape {array.shape}, too large for a file of "
            f"{path.stat().st_size:,} bytes: download it again"
        )
    pipeline = array.id.get_create_plist()
    for number in range(pipeline.get_nfilters()):
        code, _, _, title = pipeline.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            raise InputError(
                f"{shown(path)}: '{name}' is packed by filter {code} ({one_line(title.decode())}), "
                "which h5py lacks: write it with gzip (in PyTables, complib='zlib')"
            )
    return array


def open_hdf5_file(path: Path) -> "h5py.File":
    """A whole HDF5 file.

    Raises:
        UnavailableError: another program writes it.
        InputError: it is damaged or no HDF5.
    """
    import h5py  # loaded only where there is such a file

    try:
        return h5py.File(path)
    except OSError as error:
        reason = reason_of(error)
        if error.errno == errno.EAGAIN or "already open for write" in reason:
            raise UnavailableError(
                f"{shown(path)} is open in another program ({reason}): close it there or, if that "
                "program was killed, free it with `h5clear --status`"
            ) from None
        raise InputError(
            f"{shown(path)} is not a complete HDF5 file ({path.stat().st_size:,} bytes; "
            f"{reason}): download it again"
        ) from None


class HDF5Images:
    """An HDF5 file's images, of which slices of rows can be taken."""

    def __init__(self, path: Path) -> None:
        self._images = open_hdf5_file(path)[PIXELS]

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Rows of one piece; HDF5 itself gives zeros where nothing was written."""
        if not self._is_written(rows.start):
            raise InputError("its chunk of the file is missing")
        return self._images[rows]

    def _is_written(self, row: int) -> bool:
        """Check whether the file has all chunks of the piece that begins with a row."""
        storage = self._images.id
        chunks = self._images.chunks
        if chunks is None:
            return storage.get_storage_size() > 0
        starts: list[Sequence[int]] = [[row]]  # of the chunks, along each axis
        for side, length in zip(self._images.shape[1:], chunks[1:], strict=True):
            starts.append(range(0, side, length))
        corners = product(*starts)
        return all(storage.get_chunk_info_by_coord(corner).byte_offset for corner in corners)
