"""Decode JPEG and PNG images: the center square, shrunk, or why there is none.

JPEGs are decoded by simplejpeg, or by Pillow where that lacks; both refuse files that are cut off,
where OpenCV would fill with gray what is missing. Each has its own build of libjpeg: pixels may
differ. PNGs are checked here and decoded by cv2.
"""

import io
import math
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from galaxyzoo.config.schema import ORIGINAL_PX

if TYPE_CHECKING:
    from PIL.Image import Image

try:
    import simplejpeg
except ModuleNotFoundError:
    simplejpeg = None

DECODER = simplejpeg.__version__ if simplejpeg else "Pillow"
_PRINT_SPACES = ("CMYK", "YCCK")
# cv2's flags by how much an image shrinks while it is decoded.
_REDUCED = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
MAX_OFFSET = 1 / 50  # of the side: so far from the middle is a galaxy still in it
MAX_SIDE = 8192  # px; beyond it lie files that unpack to gigabytes
_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
_BITS = 24  # place of a channel's bits in a PNG
_COLOR_TYPE = 25


class Header(NamedTuple):
    """Height and width in px, bits a channel, whether there is opacity; of drawn ones `notes`."""

    height: int
    width: int
    bits: int = 8
    has_alpha: bool = False
    notes: Mapping[str, str] | None = None


class Picture(np.ndarray):
    """(H, W, 3) uint8 RGB pixels drawn from measured ones.

    `notes` says what was amiss with those: a sentence's end, such as "filled", and a detail.
    """

    notes: Mapping[str, str] | None = None


def decode(data: bytes | np.ndarray, crop_px: int, size_px: int) -> np.ndarray:
    """Decode an image, cut the center square, shrink it.

    Args:
        data: JPEG, or PNG whose transparent pixels are laid over black, or (H, W, 3) uint8 RGB
            pixels, treated like a PNG of the same pixels.
        crop_px: side of the square in pixels of a 424 px original; other originals are cut in
            proportion.
        size_px: side of the result, at most `crop_px`.
    Returns:
        (size_px, size_px, 3) uint8 RGB.
    Raises:
        ValueError: not an image, cut off, damaged, or of a side above `MAX_SIDE`.
    """
    if not isinstance(data, np.ndarray):
        reduce = _choose_reduction(read_size(data), crop_px, size_px)
        if data.startswith(_JPEG):
            return _cut_square(_decode_jpeg(data, reduce), crop_px, size_px)
        if not _has_alpha(data):
            return _cut_square(_decode_by_cv2(data, reduce), crop_px, size_px)
        data = over_black(_decode_by_cv2(data, 1), _read_alpha(data))
    _check_shape(data.shape[:2])
    reduce = _choose_reduction(data.shape[:2], crop_px, size_px)
    if reduce > 1:  # as cv2 shrinks a PNG while it decodes
        size = (data.shape[1] // reduce, data.shape[0] // reduce)
        data = cv2.resize(data, size, interpolation=cv2.INTER_LINEAR_EXACT)
    return _cut_square(data, crop_px, size_px)


def over_black(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB pixels over black, by their (H, W) uint8 opacity."""
    return cv2.multiply(pixels, cv2.merge([alpha] * 3), scale=1 / 255)


def _choose_reduction(shape: tuple[int, ...], crop_px: int, size_px: int) -> int:
    """Choose the largest reduction that leaves the square with at least `size_px` a side."""
    side = min(shape) * crop_px / ORIGINAL_PX  # in this image's own pixels
    return max(reduce for reduce in _REDUCED if reduce == 1 or side / reduce >= size_px)


def _cut_square(image: np.ndarray, crop_px: int, size_px: int) -> np.ndarray:
    """The center square, shrunk."""
    rows, columns = image.shape[:2]
    keep = max(1, round(min(rows, columns) * crop_px / ORIGINAL_PX))
    top, left = (rows - keep) // 2, (columns - keep) // 2
    image = image[top : top + keep, left : left + keep]
    if keep == size_px:
        return image
    interpolation = cv2.INTER_AREA if keep > size_px else cv2.INTER_LINEAR
    return cv2.resize(image, (size_px, size_px), interpolation=interpolation)


def begins_as_picture(data: bytes) -> bool:
    """Check whether bytes begin as a JPEG or a PNG does."""
    return data.startswith((_JPEG, _PNG))


def read_size(data: bytes) -> tuple[int, int]:
    """Read the size off an image's header; refuse what is no JPEG or PNG of a reasonable size.

    A PNG is checked to its end. Of a JPEG the header alone is read: it is checked as it is decoded.

    Args:
        data: the file's content; whatever stands behind the image's end is ignored.
    Returns:
        (height, width) in px.
    Raises:
        ValueError: empty, another type, cut off, damaged, or a side outside 1 to `MAX_SIDE` px.
    """
    if not data:
        raise ValueError("it is empty")
    if data.startswith(_JPEG):
        try:
            shape = read_header(data)[:2]
        except ValueError as error:
            raise ValueError(f"its JPEG header is truncated or damaged ({error})") from None
    elif data.startswith(_PNG):
        shape = _check_png(data)
    else:
        raise ValueError("it is neither JPEG nor PNG")
    _check_shape(shape)
    return shape


def measure(data: bytes | np.ndarray) -> Header:
    """Read an image's header; zeros where it has none."""
    if isinstance(data, np.ndarray):
        notes = data.notes if isinstance(data, Picture) else None
        return Header(data.shape[0], data.shape[1], notes=notes)
    if data.startswith(_PNG) and len(data) > _COLOR_TYPE:
        height, width = _png_size(data)
        return Header(height, width, data[_BITS], _has_alpha(data))
    with suppress(ValueError):
        height, width, _ = read_header(data)
        return Header(height, width)
    return Header(0, 0)


def is_trimmed(height: int, width: int) -> bool:
    """Check whether a side is so much shorter that the galaxy may be away from the middle."""
    return abs(height - width) > max(height, width) * MAX_OFFSET


def _check_shape(shape: tuple[int, ...]) -> None:
    if min(shape) < 1 or max(shape) > MAX_SIDE:
        raise ValueError(f"its size is {shape[1]} × {shape[0]} px; sides must be 1 to {MAX_SIDE}")


def read_header(data: bytes) -> tuple[int, int, bool]:
    """Height and width in px, and whether it has four colors, for print.

    Raises:
        ValueError: the header is truncated or damaged.
    """
    if simplejpeg:
        height, width, color_space, _ = simplejpeg.decode_jpeg_header(data)
        return height, width, color_space in _PRINT_SPACES
    picture = _open(data)
    return picture.height, picture.width, picture.mode == "CMYK"


def _decode_jpeg(data: bytes, reduce: int) -> np.ndarray:
    """Decode and shrink by 1, 2 or 4.

    simplejpeg refuses whatever libjpeg warns of, so also a cut-off file that ends in an end marker,
    which Pillow takes. A progressive JPEG cut between two scans passes: what is left is a complete,
    less sharp picture.

    Returns:
        (H / reduce, W / reduce, 3) uint8 RGB, sides rounded up.
    Raises:
        ValueError: it is truncated or damaged.
    """
    try:
        height, width, is_print = read_header(data)
        colors = "CMYK" if is_print else "RGB"
        if simplejpeg and is_print:
            pixels = simplejpeg.decode_jpeg(data, colors)
        elif simplejpeg:
            height = math.ceil(height / reduce)
            width = math.ceil(width / reduce)
            pixels = simplejpeg.decode_jpeg(data, colors, min_height=height, min_width=width)
        else:
            picture = _open(data)
            picture.draft(None, (width // reduce, height // reduce))
            pixels = np.array(picture.convert(colors))
    except (OSError, ValueError) as error:
        raise ValueError(f"it is truncated or damaged ({error})") from None
    if is_print:  # checked, but no RGB
        return _decode_by_cv2(data, reduce)
    return pixels


def _open(data: bytes) -> "Image":
    from PIL import Image

    try:
        return Image.open(io.BytesIO(data), formats=["JPEG"])
    except (OSError, SyntaxError, Image.DecompressionBombError):
        raise ValueError("Pillow cannot read it") from None


def _decode_by_cv2(data: bytes, reduce: int) -> np.ndarray:
    """(H / reduce, W / reduce, 3) uint8 RGB."""
    return cv2.cvtColor(_imdecode(data, _REDUCED[reduce]), cv2.COLOR_BGR2RGB)


def _imdecode(data: bytes, flags: int) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise ValueError("it cannot be decoded: it is truncated or damaged")
    return image


def _has_alpha(png: bytes) -> bool:
    """Check for a channel of opacity, or levels or colors that are transparent (tRNS)."""
    return png[_COLOR_TYPE] in (4, 6) or 0 <= png.find(b"tRNS") < png.find(b"IDAT")


def _read_alpha(png: bytes) -> np.ndarray:
    """(H, W) uint8 opacity of a PNG that has some."""
    image = _imdecode(png, cv2.IMREAD_UNCHANGED)
    if image.ndim == 2:  # gray with a transparent level, which cv2 leaves out
        start = png.find(b"tRNS") + 4
        level = int.from_bytes(png[start : start + 2])
        if png[_BITS] < 8:
            level *= 255 // (2 ** png[_BITS] - 1)
        return np.where(image == level, 0, 255).astype(np.uint8)
    if image.shape[2] < 4:  # its colors are not there
        return np.full(image.shape[:2], 255, np.uint8)
    return cv2.convertScaleAbs(image[..., 3], alpha=255 / np.iinfo(image.dtype).max)


def _check_png(data: bytes) -> tuple[int, int]:
    """Follow the chunks and their checksums up to the last one (ISO 15948, 5.3).

    Returns:
        (height, width) in px.
    Raises:
        ValueError: a checksum is wrong, or the last chunk is missing.
    """
    position = len(_PNG)
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position : position + 4])
        if zlib.crc32(data[position + 4 : end]) != int.from_bytes(data[end : end + 4]):
            raise ValueError("it is truncated or damaged (wrong checksum in a PNG chunk)")
        if data[position + 4 : position + 8] == b"IEND":
            return _png_size(data)
        position = end + 4
    raise ValueError("it is truncated (no end-of-image marker)")


def _png_size(data: bytes) -> tuple[int, int]:
    """(height, width) in px, of the IHDR chunk."""
    return int.from_bytes(data[20:24]), int.from_bytes(data[16:20])
