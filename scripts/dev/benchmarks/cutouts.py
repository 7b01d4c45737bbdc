"""How many of 1,000 good FITS cut-outs get a warning, or are not read.

galsim (`pip install galsim`) draws them as SDSS would see galaxies of Galaxy Zoo 2: r from 14 to
17, a bulge and a disk, seeing of 1.2 arcsec, pixels of 0.396 arcsec, 8.48 petroR90_r across.
"""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from astropy.io import fits
from measuring import Table

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.data.stores.base import Images
from galaxyzoo.data.stores.opening import open_images
from galaxyzoo.inference.chunks import Chunk

_GALAXIES = 1000
_SCALE = 0.396  # arcsec a pixel
_NOISE = 0.03  # nanomaggies, standard deviation of a pixel's sky
_SEEING = 1.2  # arcsec, full width at half maximum
_STARS = 6  # in a cut-out
_IMAGE = ImageConfig(crop_px=424, cache_px=212)  # of the bundled networks


def draw_galaxy(rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Draw a galaxy in g, r and i.

    Returns:
        (3, side, side) float32 nanomaggies; and its radius of 90 % of the light in r, arcsec.
    """
    import galsim

    flux = 10 ** ((22.5 - rng.uniform(14, 17)) / 2.5)  # of r
    bulge_share = rng.uniform(0, 0.8)
    half_light = rng.uniform(2, 6)  # arcsec
    stretched = {"q": rng.uniform(0.25, 1), "beta": rng.uniform(0, 180) * galsim.degrees}
    bulge = galsim.DeVaucouleurs(half_light_radius=half_light / 2, trunc=5 * half_light)
    disk = galsim.Exponential(half_light_radius=half_light).shear(**stretched)
    seeing = galsim.Moffat(beta=3, fwhm=_SEEING)

    def draw(side: int, red: float, blue: float) -> np.ndarray:
        light = bulge * (bulge_share * red) + disk * ((1 - bulge_share) * blue)
        seen = galsim.Convolve(light * flux, seeing)
        return seen.drawImage(nx=side, ny=side, scale=_SCALE).array

    radius = _radius_of_90_percent(draw(256, 1, 1))
    side = round(8.48 * radius / _SCALE)
    bands = np.stack([draw(side, *color) for color in ((0.4, 0.6), (1, 1), (1.5, 1.2))])
    star = galsim.DeltaFunction(flux=1)
    for _ in range(_STARS):
        place = rng.uniform(-side / 2, side / 2, 2) * _SCALE
        light = galsim.Convolve(star.shift(*place), seeing)
        picture = light.drawImage(nx=side, ny=side, scale=_SCALE).array
        bands += picture * rng.uniform(1, 50) * rng.uniform(0.5, 1.5, (3, 1, 1))
    return (bands + rng.normal(0, _NOISE, bands.shape)).astype(np.float32), radius


def _radius_of_90_percent(picture: np.ndarray) -> float:
    """Radius around the middle that holds 90 % of the light, in arcsec."""
    rows, columns = np.indices(picture.shape) - (np.array(picture.shape)[:, None, None] - 1) / 2
    distances = np.hypot(rows, columns).ravel()
    order = np.argsort(distances)
    light = np.cumsum(picture.ravel()[order])
    return float(distances[order][np.searchsorted(light, 0.9 * light[-1])]) * _SCALE


def write_cutouts(folder: Path) -> Path:
    """Write cut-outs with their WCS, and a list of their positions and radii; its path."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(_GALAXIES):
        bands, radius = draw_galaxy(rng)
        center = (bands.shape[1] + 1) / 2
        ra, dec = rng.uniform(120, 240), rng.uniform(0, 60)
        header: dict[str, Any] = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": ra}
        header |= {"CRVAL2": dec, "CRPIX1": center, "CRPIX2": center}
        header |= {"CDELT1": -_SCALE / 3600, "CDELT2": _SCALE / 3600, "BANDS": "gri"}
        fits.PrimaryHDU(bands, fits.Header(header)).writeto(folder / f"{number}.fits")
        # Of surveys' catalogs: positions to a pixel, radii to 5 %
        ra += rng.normal(0, _SCALE / 3600)
        rows.append((f"{number}.fits", ra, dec, radius * rng.uniform(0.95, 1)))
    table = pd.DataFrame(rows, columns=["path", "ra", "dec", "petroR90_r"])
    table.to_csv(folder / "list.csv", index=False)
    return folder / "list.csv"


def count_warnings(images: Images) -> Counter[str]:
    """Count the images that get each warning, those with any, and those that are not read."""
    counts = Counter[str]()
    for row in range(len(images)):
        chunk = Chunk(images.take([row]))
        chunk.decode(_IMAGE)
        counts.update(["not read"] * len(chunk.problems))
        counts.update(chunk.oddities.keys())
        counts["any"] += bool(chunk.oddities or chunk.problems)
    return counts


def measure(_data: Dataset, _repeats: int) -> list[Table]:
    """Count warnings."""
    with TemporaryDirectory() as folder:
        images = open_images(write_cutouts(Path(folder)))
        counts = count_warnings(images)
    rows = [(kind, f"{count:,}", f"{count / _GALAXIES:.1%}") for kind, count in counts.items()]
    title = f"{_GALAXIES:,} good cut-outs, with {len(images.notes)} notes on all"
    return [Table(title, ("warning", "cut-outs", "share"), rows)]
