"""Images in one array of a file, HDF5, Zarr or `.npz`, read a piece at a time."""

import dataclasses
import errno
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from galaxyzoo.core.errors import InputError, UnavailableError
from galaxyzoo.core.launch import require
from galaxyzoo.core.paths import shown
from galaxyzoo.io.archives import LARGEST_RATIO, MODEST_BYTES, ImageStore, is_passing

if TYPE_CHECKING:
    import h5py

IMAGES = "images"
PIECE_ROWS = 256  # of an array that lies in one
_PIECES = 2  # kept at a time: threads stand on both sides of a border
_SMALLEST_SIDE = 8  # px
_UNWRITTEN = "its piece of the file was never written, or is lost"


@dataclass
class ArrayStore(ImageStore):
    """Images of an array, numbered from 0; PNG where others are JPEG.

    It is (image, H, W, 3) RGB, as Cutana writes it, (image, 3, H, W), as images_to_zarr does, or of
    one channel, grey; uint8, or floats from 0 to 1.

    The array is read piece by piece, each once for many images: a compressed file keeps hundreds of
    images in one, and reading image by image would unpack all of it every time. A piece that is
    lost or damaged costs its own images alone.
    """

    # opens the array, anything that a slice of rows can be taken of; called once, when needed
    open_array: Callable[[], Any] = field(kw_only=True, repr=False)
    starts: Sequence[int] = field(kw_only=True, repr=False)  # first row of each piece, ascending
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _array: Any = field(default=None, repr=False)
    # each with its rows, or the reason why it has none
    _pieces: dict[int, np.ndarray | str] = field(default_factory=dict, repr=False)

    @staticmethod
    def of_rows(
        path: Path,
        count: int,
        stamp: int,
        open_array: Callable[[], Any],
        piece_rows: int = PIECE_ROWS,
    ) -> "ArrayStore":
        """A store of the first `count` rows.

        Args:
            path: the file, for messages and the cache's name.
            count: number of images.
            stamp: identifies the array's content without reading it.
            open_array: gives the array.
            piece_rows: rows that the file keeps in one piece.
        """
        names = {row: f"image {row}" for row in range(count)}
        stamps = dict.fromkeys(names, stamp)
        starts = range(0, count, piece_rows)
        return ArrayStore(path, names, stamps, open_array=open_array, starts=starts)

    def read(self, galaxy_id: int) -> bytes:
        """One image as PNG, which loses nothing."""
        return cv2.imencode(".png", self._pixels(galaxy_id)[..., ::-1])[1].tobytes()

    def load(self, galaxy_id: int) -> bytes | np.ndarray:
        """One image's pixels, (H, W, 3) uint8; one channel is grey."""
        return self._pixels(galaxy_id)

    def _pixels(self, galaxy_id: int) -> np.ndarray:
        image = self._row(galaxy_id)
        if image.ndim == 2:
            image = image[..., None]
        elif image.shape[2] not in (1, 3):
            image = np.ascontiguousarray(np.moveaxis(image, 0, -1))
        if image.dtype != np.uint8:
            if not (image >= 0).all() or not (image <= 1).all():  # NaN is neither
                raise InputError("it has values outside 0 to 1: write them as uint8")
            image = np.round(255 * image).astype(np.uint8)
        return image if image.shape[2] == 3 else np.repeat(image, 3, axis=2)

    def _row(self, row: int) -> Any:
        """A row of the array; one thread reads its piece, the others wait for it."""
        number = bisect_right(self.starts, row) - 1
        with self._lock:
            if number not in self._pieces:
                while len(self._pieces) >= _PIECES:
                    del self._pieces[next(iter(self._pieces))]
                self._pieces[number] = self._read_piece(number)
            piece = self._pieces[number]
        if isinstance(piece, str):
            raise InputError(piece)
        return piece[row - self.starts[number]]

    def _read_piece(self, number: int) -> np.ndarray | str:
        start, stop = ([*self.starts[number : number + 2], len(self.names)])[:2]
        try:
            if self._array is None:
                self._array = self.open_array()
            return np.asarray(self._array[start:stop])
        except UnavailableError:
            raise
        except InputError as error:
            return str(error)
        except (OSError, ValueError, RuntimeError) as error:  # the last of Zarr's codecs
            if is_passing(error):
                raise UnavailableError(f"{shown(self.path)} cannot be read ({error})") from None
            return f"its piece of {shown(self.path)} is damaged ({str(error).splitlines()[0]})"


def piece_starts(count: int, chunks: tuple[int, ...] | None) -> range:
    """First row of each piece of an array of `count` rows that is kept in such chunks."""
    return range(0, count, chunks[0] if chunks else PIECE_ROWS)


def check_images(images: Any, where: str) -> None:
    """Refuse an array that cannot be images, as `ArrayStore` reads them."""
    shape = images.shape
    sides = shape[1:3] if len(shape) == 3 or shape[3:] in ((1,), (3,)) else shape[2:]
    is_shape = len(shape) == 3 or (len(shape) == 4 and {1, 3} & {shape[1], shape[3]})
    is_type = images.dtype in (np.uint8, np.float32, np.float64)
    if not is_shape or not is_type or min(sides) < _SMALLEST_SIDE:
        raise InputError(
            f"{where}: '{IMAGES}' is {images.dtype} of shape {shape}, expected uint8, or floats "
            "from 0 to 1, of shape (image, height, width, 3)"
        )


def pick_array(file: "h5py.File", name: str, path: Path, form: str) -> Any:
    """An array of an open file, which lies in it; `form` of file is what it should be."""
    h5py = load_h5py()
    # Asked for before it is followed: a link may lead to another file, or to a device.
    is_inside = isinstance(file.get(name, getlink=True), h5py.HardLink)
    found = file[name] if is_inside else None
    if not isinstance(found, h5py.Dataset):
        listed = ", ".join(map(repr, list(file)[:4])) or "nothing"
        raise InputError(f"{shown(path)} has no array '{name}' (found {listed}): it is not {form}")
    if found.external or found.is_virtual:
        raise InputError(f"{shown(path)}: '{name}' lies in other files: it is not {form}")
    if found.nbytes > max(MODEST_BYTES, LARGEST_RATIO * path.stat().st_size):
        raise InputError(
            f"{shown(path)}: '{name}' has shape {found.shape}, too much for a file of "
            f"{path.stat().st_size:,} bytes: get it again"
        )
    return found


def open_hdf5(path: Path) -> "h5py.File":
    """A whole HDF5 file."""
    try:
        return load_h5py().File(path)
    except OSError as error:
        reason = str(error).splitlines()[0]
        if error.errno == errno.EAGAIN or "already open for write" in reason:
            raise UnavailableError(
                f"{shown(path)} is open for writing elsewhere ({reason}): close it there; after a "
                "writer that was killed, `h5clear --status` frees it"
            ) from None
        raise InputError(
            f"{shown(path)} is not a whole HDF5 file ({path.stat().st_size:,} bytes; {reason}): "
            "get it again"
        ) from None


class HDF5Images:
    """An HDF5 file's images, of which slices of rows can be taken."""

    def __init__(self, path: Path) -> None:
        self._images = open_hdf5(path)[IMAGES]

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Rows of one piece; HDF5 itself gives zeros where nothing was written."""
        chunks, identity = self._images.chunks, self._images.id
        if chunks is None:
            is_whole = identity.get_storage_size() > 0
        else:
            sides = zip(self._images.shape[1:], chunks[1:], strict=True)
            places = product([rows.start], *(range(0, side, chunk) for side, chunk in sides))
            is_whole = all(identity.get_chunk_info_by_coord(p).byte_offset for p in places)
        if not is_whole:
            raise InputError(_UNWRITTEN)
        return self._images[rows]


class ZarrImages:
    """A Zarr archive's images, of which slices of rows can be taken.

    Args:
        path: the archive's folder.
    """

    def __init__(self, path: Path) -> None:
        require(shown(path), "zarr")
        import zarr

        try:
            self.array: Any = zarr.open_group(path, mode="r")[IMAGES]
            self.shape, self.dtype, self.chunks = (
                getattr(self.array, name) for name in ("shape", "dtype", "chunks")
            )
        except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{shown(path)} has no array '{IMAGES}' ({why})") from None

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Rows; Zarr itself gives its fill value for pieces that are not there."""
        values, fill = self.array[rows], self.array.fill_value or 0
        if any((values[:, *tile] == fill).all() for tile in self._tiles()):
            # With another fill value, pieces that are not there look different.
            other = self.dtype.type(0 if fill else 1)
            about = dataclasses.replace(self.array.metadata, fill_value=other)
            twin = type(self.array)(dataclasses.replace(self.array.async_array, metadata=about))
            if not np.array_equal(values, twin[rows]):
                raise InputError(f"{_UNWRITTEN} (a piece of nothing but {fill} is not written)")
        return values

    def _tiles(self) -> Iterator[tuple[slice, ...]]:
        """The parts of an image, each of which lies in one piece with those of other images."""
        sides = zip(self.shape[1:], self.chunks[1:], strict=True)
        return product(*([slice(k, k + c) for k in range(0, s, c)] for s, c in sides))


def load_h5py() -> Any:
    """The library, loaded only where there is such a file."""
    import h5py

    return h5py
