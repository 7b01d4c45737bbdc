"""FITS cut-outs as pictures: the bands to red, green and blue, the sky's range to 8 bits.

An image is one part (HDU) of the file, (band, H, W) or (H, W), or several that `--hdu` names.

The networks learned from SDSS's color pictures of g, r and i, stretched as by Lupton et al., 8.48
Petrosian radii wide (424 px of 0.02 petroR90_r: Willett et al. 2013, section 2).

Source of the stretches: Lupton et al. 2004 (PASP 116, 133), as in astropy's `make_lupton_rgb`, and
IRAF's zscale, by astropy.
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
from galaxyzoo.extras.formats import FITS_SUFFIXES

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
_SKY_NOISES = 20  # at so many, Lupton's stretch turns from linear to logarithmic
_SOFTENING = 8  # Lupton's Q
_SKY_SAMPLE = 100  # the sky is measured on at least so many pixels along each side
_PADDING_RATIO = 10  # padding is a value at least so many times as frequent as any other
_PADDING_SHARE = 1 / 8  # of the pixels; of a compressed sky a tenth may have been rounded to 0


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
    files, radii = table.get(base.FILE, images.names), table.get(RADIUS, [None] * len(table))
    if not any(name.lower().endswith(FITS_SUFFIXES) for name in files):
        return images
    notes, field_arcsec = [], settings.field_arcsec
    if settings.stretch != "lupton":
        notes.append(
            f"FITS: {settings.stretch} stretch; the bundled networks expect Lupton's asinh"
        )
    if RADIUS not in table:
        part = "whole FITS cut-outs" if field_arcsec is None else f"the central {field_arcsec:g}″"
        notes.append(
            f"Using {part}; the bundled networks expect {WIDTH_IN_RADII} petroR90_r across. Adjust "
            f"this with --field, or with {RADIUS} in a list."
        )
    identity, readers = [], []
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
    return to_rgb(data, settings, width_arcsec) if data.startswith(MAGIC) else data


def to_rgb(data: bytes, settings: FitsSettings, width_arcsec: float | None = None) -> np.ndarray:
    """Draw the picture of a FITS file.

    Args:
        data: the file's content.
        settings: all but its `field_arcsec` is used.
        width_arcsec: side of the center square; None: the whole.
    Returns:
        (H, W, 3) uint8 RGB, the file's last row first; one band is gray, RGB(A) bytes stay as is.
    Raises:
        InputError: damaged, cut off, of another shape, too large, with pixels without a value.
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
    missing = 0 if np.isfinite(ranges).all() else bands.size - np.isfinite(bands).sum()
    if missing:
        raise InputError(f"it has {missing:,} pixels without a value (NaN)")
    if not ranges.any():
        raise InputError(f"all its pixels have the same value ({bands.flat[0]:g})")
    if is_ready:
        red, green, blue, *alpha = bands[:, ::-1].astype(np.uint8)
        pixels = cv2.merge([red, green, blue])
        return over_black(pixels, *alpha) if alpha else pixels
    bands = bands if len(bands) == 3 else np.repeat(bands, 3, axis=0)  # one band is gray
    return cv2.merge([*STRETCHES[settings.stretch](bands)[:, ::-1]])  # FITS counts rows upwards


def _read(data: bytes, hdu: tuple[str, ...]) -> tuple[np.ndarray, Any]:
    """(band, H, W) float32 pixels of the parts that hold the image, and the first's header."""
    with _open(data) as parts:
        chosen = _find_parts(parts, hdu)
        for part in chosen:
            if not _is_picture(part):
                raise InputError(
                    f"its shape is {part.shape}; expected (band, H, W) or (H, W) with sides "
                    f"of at least {_MIN_SIDE} px"
                )
            if 4 * len(chosen) * math.prod(part.shape) > _MAX_BYTES:
                raise InputError(f"its shape {part.shape} is too large")
        bands = [_planes(part) for part in chosen]
        if len({planes.shape[1:] for planes in bands}) > 1:
            raise InputError(f"--hdu {','.join(hdu)}: these extensions differ in size")
        return bands[0] if len(bands) == 1 else np.concatenate(bands), chosen[0].header


def _axes(part: Any) -> tuple[int, ...]:
    """Shape without axes of 1, (band, H, W) or (H, W); bytes may have their colors last."""
    axes = tuple(side for side in part.shape if side != 1)
    is_last = part.header["BITPIX"] == 8 and len(axes) == 3 and axes[2] in (3, 4)
    return (axes[2], *axes[:2]) if is_last else axes


def _is_picture(part: Any) -> bool:
    return len(_axes(part)) in (2, 3) and min(_axes(part)[-2:]) >= _MIN_SIDE


def _planes(part: Any) -> np.ndarray:
    """(band, H, W) float32 pixels of a part, NaN where its BLANK says that there are none."""
    raw, header = part.data, part.header
    scale, zero = header.get("BSCALE", 1), header.get("BZERO", 0)
    # By hand, as astropy ignores BLANK 0 and that of unsigned integers, and fails on signed bytes.
    exact = np.longdouble if header["BITPIX"] == 64 else np.float64
    pixels = raw if (scale, zero) == (1, 0) else raw.astype(exact) * scale + zero
    pixels = pixels.astype(np.float32)
    if "BLANK" in header:  # comparing with None would take ten times as long as all the rest
        pixels[raw == header["BLANK"]] = np.nan
    axes, pixels = _axes(part), pixels.squeeze()
    pixels = pixels if pixels.shape == axes else np.moveaxis(pixels, 2, 0)
    return pixels.reshape(-1, *axes[-2:])


def _find_parts(parts: Any, hdu: tuple[str, ...]) -> list[Any]:
    """The parts that hold the image: those that `--hdu` names, else one."""
    if not hdu:
        return [_find_image(parts)]
    try:
        chosen = [parts[int(name) if name.isdecimal() else name] for name in hdu]
    except (KeyError, IndexError):
        raise InputError(
            f"it has no extension {','.join(hdu)} (--hdu), only {_list_parts(parts)}"
        ) from None
    if not all(part.is_image and part.shape for part in chosen):
        raise InputError(f"--hdu {','.join(hdu)}: not an image; the file has {_list_parts(parts)}")
    return chosen


def _find_image(parts: Any) -> Any:
    """The part that is the image by name, the first or the only one."""
    images = [part for part in parts if part.is_image and part.shape]
    if not images:
        raise InputError("its FITS file has no image")
    images = [part for part in images if _is_picture(part)] or images[:1]
    images = [part for part in images if part.name in _SCIENCE] or images
    if len(images) > 1 and images[0] is not parts[0]:
        raise InputError(
            f"it has {_list_parts(parts)}: choose the image with --hdu 1, or --hdu 1,2,3 for one "
            "band in each"
        )
    return images[0]


def _list_parts(parts: Any) -> str:
    listed = [f"{number} {part.name}".strip() for number, part in enumerate(parts) if part.shape]
    return ", ".join(listed[:10])


def _pixel_arcsec(header: Any) -> float:
    """Side of a pixel by the coordinates of the header."""
    from astropy.wcs import WCS
    from astropy.wcs.utils import proj_plane_pixel_scales

    try:
        coordinates = WCS(header).celestial
        scales = proj_plane_pixel_scales(coordinates) if coordinates.naxis == 2 else np.ones(2)
    except Exception as error:  # noqa: BLE001  wcslib has a dozen kinds
        why = str(error).strip().splitlines()[-1]
        raise InputError(f"its WCS is damaged ({why}): add --pixel-scale") from None
    if not (scales < 1).all():  # degrees; NaN, or astropy's 1 where there is neither CDELT nor CD
        raise InputError("its header has no pixel scale: add --pixel-scale")
    return float(np.mean(scales)) * 3600


def _crop_center(bands: np.ndarray, side: float) -> np.ndarray:
    """The center square; its side is in px."""
    height, width = bands.shape[1:]
    keep = round(side)
    if not _MIN_SIDE <= keep <= min(height, width):
        raise InputError(
            f"a field of {side:,.1f} px does not fit into its {width} × {height} px, or is below "
            f"{_MIN_SIDE} px"
        )
    top, left = (height - keep) // 2, (width - keep) // 2
    return bands[:, top : top + keep, left : left + keep]


def _lupton(bands: np.ndarray) -> np.ndarray:
    """Stretch bands, which are overwritten."""
    step = max(1, min(bands.shape[1:]) // _SKY_SAMPLE)
    sample = bands[:, ::step, ::step].reshape(len(bands), -1)
    sky = np.array([[_median(pixels)] for pixels in sample])
    rest = (sample - sky).ravel()
    noise = float(_median(abs(rest - _median(rest))) * 1.482602218505602)  # MAD to sd, as astropy
    if not noise or all(map(_is_padded, sample)):
        raise InputError(
            "Lupton's stretch needs sky noise, but this sky is noiseless or padded: crop to the "
            "center with --field, or use --stretch linear"
        )
    return _asinh_rgb(np.subtract(bands, sky[..., None], out=bands), _SKY_NOISES * noise)


def _median(pixels: np.ndarray) -> np.float32:
    """Median of finite pixels in half of the time of `np.median`, which sorts out two ranks."""
    half = pixels.size // 2
    ranked = np.partition(pixels, half)
    return ranked[half] if pixels.size % 2 else np.mean([ranked[:half].max(), ranked[half]])


def _asinh_rgb(bands: np.ndarray, stretch: float) -> np.ndarray:
    """Lupton's picture of bands above the sky, black at 0; both (3, H, W). Overwrites the bands.

    In float32 and by OpenCV's logarithm it takes a third of the time of astropy's
    `make_lupton_rgb`, with which it agrees but for one gray level in a few pixels of a million.
    """
    intensity = (bands[0] + bands[1] + bands[2]) / 3  # in a third of the time of mean
    # below 0.001 asinh(x) / x is 1 in float32; above 1e18 the square of x would overflow
    x = np.clip(intensity * np.float32(_SOFTENING / stretch), 1e-3, 1e18)
    factor = cv2.log(x + np.sqrt(x * x + 1)) / x  # asinh(x) / x
    factor *= np.float32(25.5 / np.arcsinh(0.1 * _SOFTENING) * _SOFTENING / stretch)
    bands *= factor * (intensity > 0)
    if bands.max() > 255:
        bands *= 255 / np.maximum(bands.max(axis=0), 255)  # too bright: the color is kept
    return np.maximum(bands, 0, out=np.empty(bands.shape, np.uint8), casting="unsafe")


def _is_padded(pixels: np.ndarray) -> bool:
    """Check whether the most frequent of a band's values stands out, as no sky's does."""
    if np.bincount(pixels.view(np.uint16)[::2]).max() <= pixels.size * _PADDING_SHARE:
        return False  # no half of a float32 is frequent, so no value is: a tenth of the time
    counts = np.unique(pixels, return_counts=True)[1]
    most, *second = np.sort(counts)[:-3:-1]
    return most > _PADDING_RATIO * max([*second, 1]) and most > pixels.size * _PADDING_SHARE


def _zscale(bands: np.ndarray) -> np.ndarray:
    from astropy.visualization import ZScaleInterval

    return _scale(bands, *ZScaleInterval().get_limits(bands.mean(axis=0)))


def _linear(bands: np.ndarray) -> np.ndarray:
    return _scale(bands, float(bands.min()), float(bands.max()))


def _scale(bands: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.round(255 * ((bands - low) / ((high - low) or 1)).clip(0, 1)).astype(np.uint8)


def _open(data: bytes) -> Any:
    """Open the parts of a file, their pixels as stored.

    astropy is imported once a FITS file comes; what it would warn of is checked in this module.
    """
    import warnings

    from astropy.io import fits
    from astropy.utils.exceptions import AstropyWarning

    warnings.filterwarnings("ignore", category=AstropyWarning)
    unpack = next((_PACKED[begin] for begin in _PACKED if data.startswith(begin)), None)
    if unpack:  # once: what is packed twice is no FITS file
        data = unpack(io.BytesIO(data)).read(_MAX_BYTES)
    return fits.HDUList.fromstring(data, do_not_scale_image_data=True)  # no copy of the pixels


STRETCHES = {"lupton": _lupton, "zscale": _zscale, "linear": _linear}
