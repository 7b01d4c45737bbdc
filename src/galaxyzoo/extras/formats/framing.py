"""The square around a galaxy that becomes the picture of its cut-out."""

from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.decoding import MAX_OFFSET, is_trimmed
from galaxyzoo.extras.formats.fits_file import MIN_SIDE

Position = tuple[float, float]  # ra and dec, degrees
# Notes on an image
_TRIMMED = (
    "not square: if an edge was trimmed, the galaxy is not in the center; give ra and dec in a "
    "list, and cut-outs with a WCS are centered on them"
)
_OUTSIDE = (
    "ra and dec of the list are outside of the cut-out, by its WCS: it was used as if the galaxy "
    "were in its middle; check both"
)
_MOVED = "centered on ra and dec of the list, which are away from the cut-out's center"


@lru_cache(16)  # both the scale and a position need it; one for each thread
def _read_wcs(header: str) -> Any:
    """Coordinates on the sky, of no axes where the header has none."""
    from astropy.wcs import WCS, WCSSUB_CELESTIAL

    # At once: astropy refuses SIP distortions beside a third axis.
    return WCS(header, naxis=[WCSSUB_CELESTIAL])


def pixel_arcsec(header: Any) -> float:
    """Side of a pixel by the coordinates of the header."""
    from astropy.wcs.utils import proj_plane_pixel_scales

    try:
        scales = proj_plane_pixel_scales(_read_wcs(header.tostring()))
    except Exception as error:  # noqa: BLE001  wcslib has a dozen kinds
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"its WCS is damaged ({reason}): add --pixel-scale") from None
    # Degrees; none without axes on the sky, NaN, or astropy's 1 without CDELT and CD
    if len(scales) < 2 or not (scales < 1).all():
        raise InputError("its header has no pixel scale: add --pixel-scale")
    return float(np.mean(scales)) * 3600


def cut_square(
    bands: np.ndarray,
    header: Any,
    side: float | None,
    position: Position | None,
    notes: dict[str, str],
) -> tuple[np.ndarray, float]:
    """Cut the square around the galaxy.

    The galaxy is in the center unless the WCS has its position elsewhere, as in a cut-out that was
    trimmed at the survey's edge. Around that position, what was trimmed is NaN.

    Args:
        bands: (band, H, W) pixels.
        header: of the image.
        side: of the square in px; None: the whole cut-out.
        position: of the galaxy, where it is known.
        notes: of the image, to be added to.
    Returns:
        (band, side, side) pixels, and how many px its middle is from an edge of the cut-out.
    Raises:
        InputError: the square does not fit into the cut-out.
    """
    shape = np.array(bands.shape[1:])
    middle = (shape - 1) / 2
    pixel = _find_pixel(header, position)
    offset = abs(pixel - middle)  # NaN where it is not known
    is_inside = (offset <= middle).all()
    if (offset > middle + 0.5).any():  # beyond the outer pixels' edges
        notes[_OUTSIDE] = ""
    elif not is_inside and is_trimmed(*shape):
        notes[_TRIMMED] = f", {shape[1]} × {shape[0]}"
    if is_inside and offset.max() > shape.max() * MAX_OFFSET:
        notes[_MOVED] = f", {offset.max():.0f} px"
        reach = 2 * (middle + offset).max()  # between centers of pixels
        largest = round(reach + 1)
        size = round(side or reach)
    elif side is None:
        return bands, middle.min()
    else:
        pixel = middle
        offset = 0 * middle
        largest = shape.min()
        size = round(side)
    if not MIN_SIDE <= size <= largest:
        raise InputError(
            f"a field of {size:,} px does not fit into its {shape[1]} × {shape[0]} px, or is below "
            f"{MIN_SIDE} px: use a smaller --field or, if an edge was trimmed, a list's ra and dec"
        )
    from astropy.nddata import extract_array

    square = extract_array(bands, (len(bands), size, size), ((len(bands) - 1) / 2, *pixel))
    return square, (middle - offset).min()


def _find_pixel(header: Any, position: Position | None) -> np.ndarray:
    """(row, column) of a position by the WCS.

    It is NaN where there is no position or WCS, infinite on the other side of the sky.
    """
    if position is not None:
        from astropy.coordinates import SkyCoord

        with suppress(Exception):  # of a dozen kinds: there is no WCS, or it is damaged
            coordinates = _read_wcs(header.tostring())
            column, row = coordinates.world_to_pixel(SkyCoord(*position, unit="deg"))
            pixel = np.nan_to_num([row, column], nan=np.inf)
            return np.round(pixel, 1)  # at whole pixels, the last digits do not decide
    return np.full(2, np.nan)
