"""FITS cut-outs as pictures: the bands to red, green and blue, the sky's range to 8 bits.

An image is the first part of the file that has pixels: (band, H, W) or (H, W). The networks learned
from SDSS's colour pictures of g, r and i, stretched as by Lupton et al., 8.48 Petrosian radii wide
(424 px of 0.02 petroR90_r: Willett et al. 2013, section 2).

Source of the stretches: Lupton et al. 2004 (PASP 116, 133) and IRAF's zscale, both by astropy.
"""

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from galaxyzoo.core.errors import InputError
from galaxyzoo.io.archives import ImageStore

Stretch = Literal["lupton", "zscale", "linear"]
STRETCHES: tuple[str, ...] = get_args(Stretch)
RADIUS = "petroR90_r"  # column of a list: arcsec
WIDTH_IN_RADII = 8.48  # of a training image
_LARGEST_SIDE = 8192  # px
_LARGEST_BYTES = 500_000_000  # of all bands, unpacked
_MAGIC = b"SIMPLE  ="
_SKY_NOISES = 20  # at so many, Lupton's stretch turns from linear to logarithmic
_SKY_SAMPLE = 100  # pixels along each side, at least, of which the sky is measured
_SOFTENING = 8  # its Q


@dataclass(frozen=True)
class FitsSettings:
    """How cut-outs become pictures.

    Args:
        stretch: lupton: asinh of the mean over the bands, above the sky; zscale, linear: from a
            lowest to a highest value, by the mean over the bands and by all.
        bands: numbers of the planes that are red, green and blue, from 0.
        field_arcsec: side of the centre square that is shown; None: the whole cut-out.
        pixel_arcsec: side of a pixel; None: by the file's own coordinates.
    """

    stretch: Stretch = "lupton"
    bands: tuple[int, int, int] = (2, 1, 0)
    field_arcsec: float | None = None
    pixel_arcsec: float | None = None


@dataclass
class FitsStore(ImageStore):
    """Images of another store, the FITS files among them as PNG."""

    inner: ImageStore = field(kw_only=True)
    settings: FitsSettings = field(kw_only=True)
    radii: Mapping[int, float] = field(kw_only=True, repr=False)  # arcsec, by id

    @staticmethod
    def of(inner: ImageStore, settings: FitsSettings, radii: Mapping[int, float]) -> "FitsStore":
        """The same images by the same ids."""
        about = (inner.path, inner.names, inner.stamps)
        return FitsStore(*about, inner=inner, settings=settings, radii=radii)

    @property
    def notes(self) -> list[str]:
        """What is unlike the pictures that the networks learned from, a sentence each."""
        said = []
        if self.settings.stretch != "lupton":
            said.append(
                f"FITS cut-outs are stretched by {self.settings.stretch}; the networks learned "
                "from Lupton's asinh"
            )
        if not self.radii:
            field_arcsec = self.settings.field_arcsec
            part = "all" if field_arcsec is None else f'the middle {field_arcsec:g}"'
            said.append(
                f"of each FITS cut-out {part} is seen; the networks learned from pictures "
                f"{WIDTH_IN_RADII} Petrosian radii wide (a list's column {RADIUS} gives them)"
            )
        return said

    def digest_of(self, galaxy_id: int) -> tuple[int, str, int]:
        """As the other store's, and of what makes it a picture."""
        number, name, stamp = self.inner.digest_of(galaxy_id)
        return number, f"{name} {self.settings} {self.radii.get(galaxy_id)}", stamp

    def read(self, galaxy_id: int) -> bytes:
        """Encoded bytes of one image, FITS or other."""
        return self.inner.read(galaxy_id)

    def load(self, galaxy_id: int) -> bytes | np.ndarray:
        """The picture of a FITS file; others as they are."""
        data = self.read(galaxy_id)
        if not data.startswith(_MAGIC):
            return data
        radius = self.radii.get(galaxy_id)
        width = self.settings.field_arcsec if radius is None else WIDTH_IN_RADII * radius
        return draw(data, self.settings, width)


def draw(data: bytes, settings: FitsSettings, width_arcsec: float | None = None) -> np.ndarray:
    """The picture of a FITS file.

    Args:
        data: the file's content.
        settings: all but its `field_arcsec` is used.
        width_arcsec: side of the centre square; None: the whole.
    Returns:
        (H, W, 3) uint8 RGB, the file's last row first; one band is grey.
    Raises:
        InputError: damaged, cut off, of another shape, too large, with pixels without a value.
    """
    try:
        bands, header = _read(data)
        if width_arcsec is not None:
            scale = settings.pixel_arcsec or _pixel_arcsec(header)
            bands = _cut(bands, width_arcsec / scale)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001  astropy raises a dozen kinds for damaged files
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"it is damaged FITS ({why})") from None
    if missing := int((~np.isfinite(bands)).sum()):
        raise InputError(f"{missing:,} of its pixels have no value (NaN)")
    if len(bands) == 1:
        bands = np.repeat(bands, 3, axis=0)
    else:
        if max(settings.bands) >= len(bands):
            raise InputError(f"it has {len(bands)} bands, and --bands names {max(settings.bands)}")
        bands = bands[list(settings.bands)]
    return np.ascontiguousarray(_STRETCHES[settings.stretch](bands)[::-1])  # FITS counts upwards


def _read(data: bytes) -> tuple[np.ndarray, Any]:
    """(band, H, W) float32 pixels of the first part that has some, and its header."""
    fits = _astropy()
    with fits.open(io.BytesIO(data), memmap=False, lazy_load_hdus=True) as parts:
        part = next((part for part in parts if part.is_image and part.shape), None)
        if part is None:
            raise InputError("it is FITS without an image")
        shape = (1, *part.shape) if len(part.shape) == 2 else part.shape
        if len(shape) != 3 or min(shape) < 1:
            raise InputError(f"its shape is {part.shape}, expected (band, H, W) or (H, W)")
        if max(shape[1:]) > _LARGEST_SIDE or 4 * math.prod(shape) > _LARGEST_BYTES:
            raise InputError(f"its shape {part.shape} is too large for a cut-out")
        return np.asarray(part.data, np.float32).reshape(shape), part.header


def _pixel_arcsec(header: Any) -> float:
    """Side of a pixel by the coordinates of the header."""
    from astropy.wcs import WCS
    from astropy.wcs.utils import proj_plane_pixel_scales

    coordinates = WCS(header).celestial
    if coordinates.naxis != 2 or not coordinates.has_celestial:
        raise InputError("its header has no coordinates: give --pixel-scale")
    return float(np.mean(proj_plane_pixel_scales(coordinates))) * 3600


def _cut(bands: np.ndarray, side: float) -> np.ndarray:
    """The centre square of a side in px."""
    height, width = bands.shape[1:]
    keep = round(side)
    if not 1 <= keep <= min(height, width):
        raise InputError(
            f"it is {width} × {height} px, and the field that is wanted has {side:,.1f}"
        )
    top, left = (height - keep) // 2, (width - keep) // 2
    return bands[:, top : top + keep, left : left + keep]


def _lupton(bands: np.ndarray) -> np.ndarray:
    from astropy.stats import mad_std
    from astropy.visualization import make_lupton_rgb

    step = max(1, min(bands.shape[1:]) // _SKY_SAMPLE)
    some = bands[:, ::step, ::step]
    sky = np.median(some, axis=(1, 2), keepdims=True)
    noise = float(mad_std(some - sky)) or float(np.ptp(bands)) or 1.0
    with np.errstate(all="ignore"):  # it divides 0 by 0 in pixels that it then leaves black
        return make_lupton_rgb(*(bands - sky), minimum=0, stretch=_SKY_NOISES * noise, Q=_SOFTENING)


def _zscale(bands: np.ndarray) -> np.ndarray:
    from astropy.visualization import ZScaleInterval

    return _scale(bands, *ZScaleInterval().get_limits(bands.mean(axis=0)))


def _linear(bands: np.ndarray) -> np.ndarray:
    return _scale(bands, float(bands.min()), float(bands.max()))


def _scale(bands: np.ndarray, low: float, high: float) -> np.ndarray:
    share = (bands - low) / ((high - low) or 1.0)
    return np.round(255 * share.clip(0, 1)).astype(np.uint8).transpose(1, 2, 0)


def _astropy() -> Any:
    """The library, loaded only where there is such a file; its warnings are checked for here."""
    import warnings

    from astropy.io import fits
    from astropy.utils.exceptions import AstropyWarning

    warnings.filterwarnings("ignore", category=AstropyWarning)
    return fits


_STRETCHES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "lupton": _lupton,
    "zscale": _zscale,
    "linear": _linear,
}
