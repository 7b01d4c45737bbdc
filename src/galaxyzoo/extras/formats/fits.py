"""FITS cut-outs as pictures.

An image is one extension (HDU) of the file, (band, H, W) or (H, W), or several that `--hdu` names.

The networks learned from SDSS's color pictures of g, r and i, stretched as by Lupton et al., 8.48
Petrosian radii wide (424 px of 0.02 petroR90_r: Willett et al. 2013, section 2).
"""

import bz2
import gzip
import io
import lzma
import math
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import cv2
import numpy as np

from galaxyzoo.core.errors import InputError, reason_of
from galaxyzoo.core.options import option
from galaxyzoo.data.decoding import over_black
from galaxyzoo.data.stores import base
from galaxyzoo.data.stores.columns import FILE
from galaxyzoo.extras.formats import FITS_SUFFIXES
from galaxyzoo.extras.formats.stretches import STRETCHES

RADIUS = "petroR90_r"  # column of a list: arcsec
WIDTH_IN_RADII = 8.48  # of a training image
_MAX_BYTES = 500_000_000  # of all bands, unpacked
_PACKED: dict[bytes, Callable[[io.BytesIO], Any]] = {  # by their beginnings
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
MAGIC = (b"SIMPLE  =", *_PACKED)  # as files begin
_MIN_SIDE = 8  # px, as of HDF5
_SCIENCE = ("SCI", "SCIENCE", "IMAGE")  # names of the image among masks, weights and errors


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ArgumentTypeError("must be above 0")
    return number


def _bands(text: str) -> tuple[int, ...]:
    numbers = text.split(",")
    if len(numbers) != 3 or not all(map(str.isdecimal, numbers)):
        raise ArgumentTypeError(f"'{text}' is not three plane numbers, such as 2,1,0")
    return tuple(map(int, numbers))


@dataclass(frozen=True, kw_only=True)
class FitsSettings:
    """Settings that turn cut-outs into pictures; options of commands that read images.

    Stretches: lupton: asinh of the bands' mean, above the sky; zscale: linear between IRAF's limits
    for the bands' mean; linear: from the lowest pixel of all bands to the highest.
    """

    stretch: Literal["lupton", "zscale", "linear"] = option("FITS: brightness stretch", "lupton")
    bands: tuple[int, ...] = option(
        "FITS: planes for red, green and blue, counted from 0 (default: 2,1,0)",
        (2, 1, 0),
        type=_bands,
        metavar="R,G,B",
    )
    hdu: tuple[str, ...] = option(
        "FITS: extension with the image, such as SCI or 1, or one per band, such as 1,2,3 "
        "(default: SCI, SCIENCE or IMAGE, else the first or only image)",
        (),
        metavar="PART",
    )
    field_arcsec: float | None = option(
        "FITS: side of the central square to use, ideally 8.48 petroR90_r, which lists can give "
        "(default: the whole cut-out)",
        None,
        "--field",
        type=_positive,
        metavar="ARCSEC",
    )
    pixel_arcsec: float | None = option(
        "FITS: pixel scale (default: from the header's WCS)",
        None,
        "--pixel-scale",
        type=_positive,
        metavar="ARCSEC",
    )


def wrap(images: base.Images, settings: FitsSettings) -> base.Images:
    """Make pictures of the FITS cut-outs among images, and note how they differ."""
    table = images.table
    files = table.get(FILE, images.names)
    radii = table.get(RADIUS, [None] * len(table))
    if not any(name.lower().endswith(FITS_SUFFIXES) for name in files):
        return images
    field_arcsec = settings.field_arcsec
    notes = []
    if settings.stretch != "lupton":
        notes.append(
            f"FITS: {settings.stretch} stretch; the bundled networks expect Lupton's asinh"
        )
    if RADIUS not in table:
        used = "whole FITS cut-outs" if field_arcsec is None else f"the central {field_arcsec:g}″"
        notes.append(
            f"Using {used}; the bundled networks expect {WIDTH_IN_RADII} petroR90_r across. Adjust "
            f"this with --field, or with {RADIUS} in a list."
        )
    identity = []
    readers = []
    for name, read, radius in zip(images.names, table["reader"], radii, strict=True):
        width_arcsec = field_arcsec
        if radius is not None and np.isfinite(radius):
            width_arcsec = WIDTH_IN_RADII * radius
        identity.append(f"{name} {settings} {radius}")
        readers.append(partial(_read_image, read, settings, width_arcsec))
    return replace(images, table=table.assign(reader=readers, identity=identity), notes=notes)


def _read_image(
    read: base.Reader, settings: FitsSettings, width_arcsec: float | None, row: int | str
) -> bytes | np.ndarray:
    """Read an image, a FITS file as a picture."""
    data = base.encode(read(row))
    if data.startswith(MAGIC):
        return to_rgb(data, settings, width_arcsec)
    return data


def to_rgb(data: bytes, settings: FitsSettings, width_arcsec: float | None = None) -> np.ndarray:
    """Draw the picture of a FITS file.

    Args:
        data: the file's content.
        settings: all but its `field_arcsec` is used.
        width_arcsec: side of the center square; None: the whole.
    Returns:
        (H, W, 3) uint8 RGB, the file's last row first; one band is gray, RGB(A) bytes stay as is.
    Raises:
        InputError: it is damaged, too large, of another shape, has no such extension or band, is
            smaller than the square, or has pixels without a value or all of the same.
    """
    try:
        bands, header = _read(data, settings.hdu)
        if width_arcsec is not None:
            scale = settings.pixel_arcsec or _pixel_arcsec(header)
            bands = _crop_center(bands, width_arcsec / scale)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001  astropy raises a dozen kinds for damaged files
        raise InputError(f"its FITS file is damaged ({reason_of(error)})") from None
    is_ready = header["BITPIX"] == 8 and not header.get("BZERO") and len(bands) in (3, 4)
    if len(bands) > 1 and not is_ready:
        if max(settings.bands) >= len(bands):
            raise InputError(f"it has only bands 0 to {len(bands) - 1}: set --bands R,G,B")
        bands = bands[list(settings.bands)]
    ranges = np.ptp(bands, axis=(1, 2))
    if not np.isfinite(ranges).all():  # NaN, or further apart than float32 reaches
        missing = bands.size - np.isfinite(bands).sum()
        if missing:
            raise InputError(f"it has {missing:,} pixels without a value (NaN)")
    if not ranges.any():
        raise InputError(f"all its pixels have the same value ({bands.flat[0]:g})")
    if is_ready:
        colors = bands.astype(np.uint8)
    else:
        if len(bands) == 1:
            bands = np.repeat(bands, 3, axis=0)  # gray
        colors = STRETCHES[settings.stretch](bands)
    colors = colors[:, ::-1]  # FITS counts rows upwards
    pixels = cv2.merge(list(colors[:3]))
    if len(colors) == 4:
        return over_black(pixels, colors[3])
    return pixels


def _read(data: bytes, names: tuple[str, ...]) -> tuple[np.ndarray, Any]:
    """(band, H, W) float32 pixels of the extensions of an image, and the header of the first."""
    with _open(data) as hdus:
        chosen = _find_named(hdus, names) or [_find_image(hdus)]
        for hdu in chosen:
            if not _is_picture(hdu):
                raise InputError(
                    f"its shape is {hdu.shape}; expected (band, H, W) or (H, W) with sides "
                    f"of at least {_MIN_SIDE} px"
                )
            if 4 * len(chosen) * math.prod(hdu.shape) > _MAX_BYTES:
                raise InputError(f"its shape {hdu.shape} is too large")
        header = chosen[0].header
        bands = [_planes(hdu) for hdu in chosen]
        if len(bands) == 1:
            return bands[0], header
        if len({planes.shape[1:] for planes in bands}) > 1:
            raise InputError(f"--hdu {','.join(names)}: these extensions differ in size")
        return np.concatenate(bands), header


def _axes(hdu: Any) -> tuple[int, ...]:
    """Shape without axes of 1, (band, H, W) or (H, W); bytes may have their colors last."""
    axes = tuple(side for side in hdu.shape if side != 1)
    if hdu.header["BITPIX"] == 8 and len(axes) == 3 and axes[2] in (3, 4):
        return (axes[2], *axes[:2])
    return axes


def _is_picture(hdu: Any) -> bool:
    axes = _axes(hdu)
    return len(axes) in (2, 3) and min(axes[-2:]) >= _MIN_SIDE


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
    pixels = pixels.astype(np.float32)
    if "BLANK" in header:  # comparing with None would take ten times as long as all the rest
        pixels[raw == header["BLANK"]] = np.nan
    axes = _axes(hdu)
    pixels = pixels.squeeze()
    if pixels.shape != axes:
        pixels = np.moveaxis(pixels, 2, 0)
    return pixels.reshape(-1, *axes[-2:])


def _find_named(hdus: Any, names: tuple[str, ...]) -> list[Any]:
    """Find the extensions that `--hdu` names, by number or name."""
    listed = ",".join(names)
    chosen = []
    for name in names:
        key = int(name) if name.isdecimal() else name
        try:
            chosen.append(hdus[key])
        except (KeyError, IndexError):
            raise InputError(
                f"it has no extension {listed} (--hdu), only {_list_extensions(hdus)}"
            ) from None
    if not all(hdu.is_image and hdu.shape for hdu in chosen):
        raise InputError(f"--hdu {listed}: not an image; the file has {_list_extensions(hdus)}")
    return chosen


def _find_image(hdus: Any) -> Any:
    """Find the extension that is the image by name, the first or the only one."""
    images = [hdu for hdu in hdus if hdu.is_image and hdu.shape]
    if not images:
        raise InputError("its FITS file has no image")
    pictures = [hdu for hdu in images if _is_picture(hdu)]
    if not pictures:
        return images[0]
    science = [hdu for hdu in pictures if hdu.name in _SCIENCE] or pictures
    if len(science) > 1 and science[0] is not hdus[0]:
        raise InputError(
            f"it has {_list_extensions(hdus)}: choose the image with --hdu 1, or --hdu 1,2,3 for "
            "one band in each"
        )
    return science[0]


def _list_extensions(hdus: Any) -> str:
    listed = [f"{number} {hdu.name}".strip() for number, hdu in enumerate(hdus) if hdu.shape]
    return ", ".join(listed[:10])


def _pixel_arcsec(header: Any) -> float:
    """Side of a pixel by the coordinates of the header."""
    from astropy.wcs import WCS
    from astropy.wcs.utils import proj_plane_pixel_scales

    try:
        coordinates = WCS(header).celestial
        scales = np.ones(2)
        if coordinates.naxis == 2:
            scales = proj_plane_pixel_scales(coordinates)
    except Exception as error:  # noqa: BLE001  wcslib has a dozen kinds
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"its WCS is damaged ({reason}): add --pixel-scale") from None
    if not (scales < 1).all():  # degrees; NaN, or astropy's 1 where there is neither CDELT nor CD
        raise InputError("its header has no pixel scale: add --pixel-scale")
    return float(np.mean(scales)) * 3600


def _crop_center(bands: np.ndarray, side: float) -> np.ndarray:
    """The center square; its side is in px."""
    height, width = bands.shape[1:]
    side_px = round(side)
    if not _MIN_SIDE <= side_px <= min(height, width):
        raise InputError(
            f"a field of {side:,.1f} px does not fit into its {width} × {height} px, or is below "
            f"{_MIN_SIDE} px"
        )
    top = (height - side_px) // 2
    left = (width - side_px) // 2
    return bands[:, top : top + side_px, left : left + side_px]


def _open(data: bytes) -> Any:
    """Open the extensions of a file, their pixels as stored.

    astropy is imported once a FITS file comes; what it would warn of is checked in this module.
    """
    import warnings

    from astropy.io import fits
    from astropy.utils.exceptions import AstropyWarning

    warnings.filterwarnings("ignore", category=AstropyWarning)
    for begin, unpack in _PACKED.items():
        if data.startswith(begin):
            data = unpack(io.BytesIO(data)).read(_MAX_BYTES)
            break  # what is packed twice is no FITS file
    return fits.HDUList.fromstring(data, do_not_scale_image_data=True)  # no copy of the pixels
