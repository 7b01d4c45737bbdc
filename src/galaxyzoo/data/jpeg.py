"""Decode JPEGs by simplejpeg, or by Pillow where that lacks; both refuse files that are cut off.

OpenCV would fill with gray what such a file lacks. Each has its own build of libjpeg: pixels may
differ.
"""

import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

try:
    import simplejpeg
except ModuleNotFoundError:
    simplejpeg = None

DECODER = simplejpeg.__version__ if simplejpeg else "Pillow"
_PRINT_SPACES = ("CMYK", "YCCK")


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


def decode_jpeg(data: bytes, reduce: int) -> np.ndarray:
    """Decode and shrink by 1, 2 or 4.

    simplejpeg refuses whatever libjpeg warns of, so also a cut-off file that ends in an end marker,
    which Pillow takes. A progressive JPEG cut between two scans passes: what is left is a complete,
    less sharp picture.

    Returns:
        (H / reduce, W / reduce, 3) uint8 RGB, sides rounded up; four channels where it is for
        print.
    Raises:
        ValueError: it is truncated or damaged.
    """
    height, width, is_print = read_header(data)
    colors = "CMYK" if is_print else "RGB"
    if simplejpeg:
        smallest = {"min_height": -(-height // reduce), "min_width": -(-width // reduce)}
        return simplejpeg.decode_jpeg(data, colors, **({} if is_print else smallest))
    picture = _open(data)
    picture.draft(None, (width // reduce, height // reduce))
    try:
        return np.array(picture.convert(colors))
    except OSError as error:
        raise ValueError(error) from None


def _open(data: bytes) -> "Image":
    from PIL import Image

    try:
        return Image.open(io.BytesIO(data), formats=["JPEG"])
    except (OSError, SyntaxError, Image.DecompressionBombError):
        raise ValueError("Pillow cannot read it") from None
