"""Pixels of FITS cut-outs that have no value, and bands that have only one.

Mosaics end within cut-outs, chips have gaps, saturated stars are masked: such pixels are NaN or
infinite. Away from the galaxy we fill them with sky; near it nothing could replace them.
"""

from collections.abc import Sequence

import numpy as np

from galaxyzoo.core.console import count
from galaxyzoo.core.errors import InputError

_GALAXY_RADIUS = 1 / 8  # of the side, about petroR90_r, which holds 90 % of a galaxy's light
_SD_OF_MAD = 1.4826  # standard deviation of normal noise, by its median absolute deviation


def fill_gaps(bands: np.ndarray, numbers: Sequence[int], edge: float) -> int:
    """Fill pixels without a value in place, by the sky of their band with its noise.

    Args:
        bands: (band, H, W) float32, of which some pixels may be NaN or infinite.
        numbers: (band,) numbers of the planes, for messages.
        edge: px from the center, beyond which pixels may be off the edge of the cut-out.
    Returns:
        Number of pixels that were filled in any band.
    Raises:
        InputError: such a pixel is near the center, or there is no sky.
    """
    if np.isfinite(np.ptp(bands, axis=(1, 2))).all():  # in a tenth of the time
        return 0
    gaps = ~np.isfinite(bands)
    height, width = bands.shape[1:]
    rows, columns = np.ogrid[:height, :width]
    distances = np.hypot(rows - (height - 1) / 2, columns - (width - 1) / 2)
    radius = min(height, width) * _GALAXY_RADIUS
    is_near = distances < min(radius, edge)
    n_near = gaps[:, is_near].sum(axis=1)
    if n_near.any():
        pixels = count(n_near.sum(), "pixel")
        planes = np.unique(np.asarray(numbers)[n_near > 0])
        other = "other bands with --bands" if len(bands) > 1 else "another image with --hdu"
        raise InputError(
            f"it has {pixels} near its center without a value (NaN; band "
            f"{', '.join(map(str, planes))}): choose {other}, or crop with --field"
        )
    rng = np.random.default_rng(0)  # equal files give equal pictures
    for band, is_gap in zip(bands, gaps, strict=True):
        sky = band[~is_gap & (distances > 2 * radius)]
        if not len(sky):
            raise InputError("it has no sky, only pixels without a value (NaN): crop with --field")
        level = np.median(sky)
        noise = _SD_OF_MAD * np.median(abs(sky - level))
        band[is_gap] = rng.normal(level, noise, is_gap.sum())
    return int(gaps.any(axis=0).sum())


def check_bands(bands: np.ndarray, numbers: Sequence[int], is_ready: bool) -> None:
    """Refuse bands that have the same value in all pixels.

    Args:
        bands: (band, H, W) finite.
        numbers: (band,) numbers of the planes, for messages.
        is_ready: whether they are the colors of a picture, of which one may be empty.
    Raises:
        InputError: one band has a single value, or all have.
    """
    flat = np.flatnonzero(np.ptp(bands, axis=(1, 2)) == 0)
    if len(flat) == len(bands):
        raise InputError(f"all its pixels have the same value ({bands.flat[0]:g})")
    if len(flat) and not is_ready:
        band = flat[0]
        raise InputError(
            f"all pixels of band {numbers[band]} have the same value ({bands[band, 0, 0]:g}): "
            "choose other bands with --bands"
        )
