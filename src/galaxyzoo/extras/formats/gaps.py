"""Pixels of FITS cut-outs that have no value, and bands that have only one.

Mosaics end within cut-outs, chips have gaps, saturated stars are masked: such pixels are NaN or
infinite. Away from the galaxy we fill them with sky; near it nothing could replace them.
"""

from collections.abc import Sequence

import numpy as np

from galaxyzoo.core.console import count
from galaxyzoo.core.errors import InputError

_GALAXY_RADIUS = 1 / 8  # of the side, about petroR90_r, which holds 90 % of a galaxy's light


def fill_gaps(bands: np.ndarray, numbers: Sequence[int], edge: float) -> int:
    """Fill pixels without a value in place; check that each band has several values.

    Args:
        bands: (band, H, W) float32, of which some pixels may be NaN or infinite.
        numbers: (band,) numbers of the planes, for messages.
        edge: px from the center, beyond which pixels may be off the edge of the cut-out.
    Returns:
        Number of pixels that were filled in any band.
    Raises:
        InputError: a pixel near the center has no value, or a band has no sky, or one value alone.
    """
    gaps = ~np.isfinite(bands)
    for number, band, is_gap in zip(numbers, bands, gaps, strict=True):
        if is_gap.any():
            _fill_band(band, is_gap, number, edge)
        if band.min() == band.max():
            raise InputError(
                f"all pixels of band {number} have the same value ({band[0, 0]:g}): choose other "
                "bands with --bands"
            )
    return int(gaps.any(axis=0).sum())


def _fill_band(band: np.ndarray, is_gap: np.ndarray, number: int, edge: float) -> None:
    """Fill gaps of a band with the sky's level and noise; arguments as of `fill_gaps`."""
    rows, columns = np.indices(band.shape)
    height, width = band.shape
    distances = np.hypot(rows - (height - 1) / 2, columns - (width - 1) / 2)
    radius = min(height, width) * _GALAXY_RADIUS
    n_near = is_gap[distances < min(radius, edge)].sum()
    sky = band[~is_gap & (distances > 2 * radius)]
    if n_near or not len(sky):
        problem = f"{count(n_near, 'pixel')} near its center" if n_near else "all its sky"
        raise InputError(
            f"band {number} has no value (NaN) in {problem}: choose other bands with --bands, or "
            "crop with --field"
        )
    from astropy.stats import mad_std  # here: few cut-outs need it

    rng = np.random.default_rng(number)  # equal files give equal pictures
    band[is_gap] = rng.normal(np.median(sky), mad_std(sky), is_gap.sum())
