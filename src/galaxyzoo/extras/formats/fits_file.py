"""Extensions (HDUs) of a FITS file: which of them is the image, and its pixels; tables."""

import bz2
import gzip
import io
import lzma
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galaxyzoo.core.errors import InputError, reason_of
from galaxyzoo.core.paths import shown
from galaxyzoo.extras.formats import FITS_SUFFIXES

MIN_SIDE = 8  # px, as of HDF5
_MAX_BYTES = 500_000_000  # of all bands, unpacked
_PACKED: dict[bytes, Callable[[io.BytesIO], Any]] = {  # by their beginnings
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
MAGIC = (b"SIMPLE  =", *_PACKED)  # as files begin
_SCIENCE = ("SCI", "SCIENCE", "IMAGE")  # names of the image among masks, weights and errors


def read_planes(data: bytes, names: tuple[str, ...]) -> tuple[np.ndarray, Any]:
    """Read the pixels of an image.

    Args:
        data: the file's content.
        names: extensions as `--hdu` names them; by default the one that `_find_image` finds.
    Returns:
        (band, H, W) float32 pixels, NaN where there are none; and the header of the first
        extension.
    Raises:
        InputError: there is no such extension, or its shape is no image's.
    """
    with _open(data) as hdus:
        chosen = _find_named(hdus, names) or [_find_image(hdus)]
        for hdu in chosen:
            if not _is_picture(hdu):
                raise InputError(
                    f"its shape is {hdu.shape}; expected (band, H, W) or (H, W) with sides "
                    f"of at least {MIN_SIDE} px"
                )
            if 4 * len(chosen) * math.prod(hdu.shape) > _MAX_BYTES:
                raise InputError(f"its shape {hdu.shape} is too large")
        header = chosen[0].header
        bands = [_planes(hdu) for hdu in chosen]
        if len({planes.shape[1:] for planes in bands}) > 1:
            raise InputError(f"--hdu {','.join(names)}: these extensions differ in size")
        return np.concatenate(bands), header


def has_colors(header: Any) -> bool:
    """Check whether pixels are bytes of a finished picture, not measured and scaled to bytes."""
    is_scaled = header.get("BSCALE", 1) != 1 or header.get("BZERO") or "BLANK" in header
    return header["BITPIX"] == 8 and not is_scaled


def _has_pixels(hdu: Any) -> bool:
    return hdu.is_image and hdu.shape != ()


def _axes(hdu: Any) -> tuple[int, ...]:
    """Shape without axes of 1, (band, H, W) or (H, W); bytes may have their colors last."""
    axes = tuple(side for side in hdu.shape if side != 1)
    if has_colors(hdu.header) and len(axes) == 3 and axes[2] in (3, 4):
        return (axes[2], *axes[:2])
    return axes


def _is_picture(hdu: Any) -> bool:
    axes = _axes(hdu)
    return len(axes) in (2, 3) and min(axes[-2:]) >= MIN_SIDE


def _planes(hdu: Any) -> np.ndarray:
    """(band, H, W) float32 pixels of an extension, NaN where its BLANK says there are none."""
    raw = hdu.data
    header = hdu.header
    scale = header.get("BSCALE", 1)
    zero = header.get("BZERO", 0)
    pixels = raw
    # By hand, as astropy ignores BLANK 0 and that of unsigned integers, and fails on signed bytes.
    if (scale, zero) != (1, 0):
        exact = np.longdouble if header["BITPIX"] == 64 else np.float64
        pixels = raw.astype(exact) * scale + zero
    with np.errstate(over="ignore"):  # those beyond float32 become infinite
        pixels = pixels.astype(np.float32)
    # Of integers alone; comparing with None would take ten times as long as all the rest.
    if "BLANK" in header and raw.dtype.kind in "iu":
        pixels[raw == header["BLANK"]] = np.nan
    axes = _axes(hdu)
    pixels = pixels.squeeze()
    if pixels.shape != axes:
        pixels = np.moveaxis(pixels, 2, 0)
    return pixels.reshape(-1, *axes[-2:])


def _find_named(hdus: Any, names: tuple[str, ...]) -> list[Any]:
    """Find the extensions that `--hdu` names, by number or name.

    `SCI,2` is the extension SCI of EXTVER 2, as for ds9 and IRAF; where the file has none, the band
    in SCI and that in extension 2.
    """
    listed = ",".join(names)
    chosen = [hdu for hdu in hdus if f"{hdu.name},{hdu.ver}" == listed.upper()]
    if len(chosen) != 1:
        chosen = [_find_extension(hdus, name) for name in names]
    if not all(map(_has_pixels, chosen)):
        raise InputError(f"--hdu {listed}: not an image; the file has {_list_extensions(hdus)}")
    return chosen


def _find_extension(hdus: Any, name: str) -> Any:
    """Find the one extension of a number or name."""
    alike = [hdu for hdu in hdus if hdu.name == name.upper()]
    if name.isdecimal():
        alike = hdus[int(name) : int(name) + 1]
    if len(alike) > 1:
        raise InputError(
            f"it has {_list_extensions(hdus, name.upper())}: choose the image by its number, such "
            f"as --hdu {hdus.index(alike[-1])}"
        )
    if not alike:
        raise InputError(f"it has no extension {name} (--hdu), only {_list_extensions(hdus)}")
    return alike[0]


def _find_image(hdus: Any) -> Any:
    """Find the extension that is the image by name, the first or the only one."""
    images = [hdu for hdu in hdus if _has_pixels(hdu)]
    if not images:
        raise InputError("its FITS file has no image")
    pictures = [hdu for hdu in images if _is_picture(hdu)]
    if not pictures:
        return images[0]
    science = [hdu for hdu in pictures if hdu.name in _SCIENCE] or pictures
    first = science[0]
    others = science[1:]
    are_bands = bool(others) and not others[0].name and len(_axes(first)) == 2
    if are_bands or (others and first is not hdus[0]):
        number = hdus.index(first)
        raise InputError(
            f"it has {_list_extensions(hdus)}: choose the image with --hdu {number}, or --hdu "
            f"{number},{number + 1},{number + 2} for one band in each"
        )
    return first


def _list_extensions(hdus: Any, name: str = "") -> str:
    """List the numbers and names of the extensions, or of those of a name."""
    listed = []
    for number, hdu in enumerate(hdus):
        if _has_pixels(hdu) and name in ("", hdu.name):
            listed.append(f"{number} {hdu.name}".strip())
    return ", ".join(listed[:10])


def _open(data: bytes) -> Any:
    """Open the extensions of a file, their pixels as stored."""
    for begin, unpack in _PACKED.items():
        if data.startswith(begin):
            data = unpack(io.BytesIO(data)).read(_MAX_BYTES)
            break  # what is packed twice is no FITS file
    # Not scaled: no copy of the pixels
    return _import_fits().HDUList.fromstring(data, do_not_scale_image_data=True)


def _import_fits() -> Any:
    """Import astropy's FITS once a file comes; what it would warn of is checked in this module."""
    import warnings

    from astropy.io import fits
    from astropy.utils.exceptions import AstropyWarning

    warnings.filterwarnings("ignore", category=AstropyWarning)
    return fits


def holds_table(path: Path) -> bool:
    """Check whether a path is a FITS file with a table, and no image; a damaged one is not."""
    if not path.name.lower().endswith(FITS_SUFFIXES):
        return False
    with suppress(Exception), _import_fits().open(path) as hdus:
        # Not of every form with pixels: TOPCAT puts a table's VOTable before it, as 1-D bytes.
        images = [hdu for hdu in hdus if hdu.is_image]
        return len(images) < len(hdus) and not any(map(_is_picture, images))
    return False


def read_table(path: Path) -> pd.DataFrame:
    """Read the first table of a FITS file, but for columns of arrays; texts are no bytes.

    Booleans may lack a value, as TOPCAT writes those of empty cells.

    Raises:
        InputError: it is damaged.
    """
    from astropy.table import Table

    try:
        with _import_fits().open(path, character_as_bytes=True) as hdus:
            hdu = next(hdu for hdu in hdus if not hdu.is_image)
            table = Table.read(hdu, format="fits")
            cells = hdu.data.view(np.ndarray)
        table.keep_columns([name for name in table.colnames if table[name].ndim == 1])
        table.convert_bytestring_to_unicode()
        frame = table.to_pandas()
        for name in frame.select_dtypes(bool):
            # astropy takes a byte of zero, which is no value, for false.
            frame[name] = frame[name].astype("boolean").mask(cells[name] == 0)
        return frame
    except Exception as error:  # noqa: BLE001  astropy raises a dozen kinds for damaged files
        raise InputError(f"{shown(path)} cannot be read ({reason_of(error)})") from None
