# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "astropy==8.0.2", "ccdproc==2.5.1", "fitsio==1.4.2", "galsim==2.8.5", "multicolorfits==3.1.0",
#     "photutils==3.0.0", "reproject==0.21.0",
# ]
# ///
"""FITS images, by the tools that calibrate, cut out, combine and simulate them."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from recording import PLANES, Galaxies, Written, add, write_all

SCALE = 0.4  # arcsec a pixel
FIELD = ("--field", str(SCALE * 64))
THREE = ("--hdu", "0,1,2")


def make_wcs(side: int = 64, distorted: bool = False) -> Any:
    """Coordinates of an image around ra 150, dec 2."""
    from astropy.wcs import WCS, Sip

    wcs = WCS(naxis=2)
    wcs.wcs.crpix = (side + 1) / 2, (side + 1) / 2
    wcs.wcs.cdelt = -SCALE / 3600, SCALE / 3600
    wcs.wcs.crval = 150, 2
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    if distorted:
        wcs.wcs.ctype = "RA---TAN-SIP", "DEC--TAN-SIP"
        terms = np.zeros((3, 3))
        terms[2, 0] = 1e-6
        wcs.sip = Sip(terms, terms, None, None, wcs.wcs.crpix)
    return wcs


def write_fitsio(galaxies: Galaxies, folder: Path, kind: str, options: dict) -> Written:
    import fitsio

    path = folder / "a.fits"
    image = galaxies.bands if kind == "f4" else galaxies.counts(kind)
    fitsio.write(path, image, **options)
    with fitsio.FITS(path) as hdus:
        with_data = [hdu for hdu in hdus if hdu.has_data()]
        return Written(path, {PLANES: with_data[0].read()})


def write_fitsio_bands(galaxies: Galaxies, folder: Path, options: tuple = ()) -> Written:
    import fitsio

    with fitsio.FITS(folder / "a.fits", "rw") as hdus:
        for band in galaxies.bands:
            hdus.write(band)
    return Written(folder / "a.fits", {PLANES: galaxies.bands}, options)


def write_fpack(galaxies: Galaxies, folder: Path, kind: str) -> Written:
    import fitsio

    if not shutil.which("fpack"):
        raise ImportError("fpack")
    image = galaxies.gappy_bands if kind == "f4" else galaxies.counts(kind)
    fitsio.write(folder / "a.fits", image)
    subprocess.run(["fpack", folder / "a.fits"], check=True)
    packed = folder / "a.fits.fz"
    return Written(packed, {PLANES: fitsio.read(packed)})


for form, kind, options in (
    ("float32", "f4", {}),
    ("RICE", "f4", {"compress": "RICE"}),
    ("RICE dithered", "f4", {"compress": "RICE", "qmethod": "SUBTRACTIVE_DITHER_2"}),
    ("GZIP_2", "f4", {"compress": "GZIP_2", "qlevel": 0}),
    ("int8", "i1", {}),
    ("uint16", "u2", {}),
    ("uint32", "u4", {}),
    ("uint16 in RICE", "u2", {"compress": "RICE"}),
    ("BLANK above floats", "f4", {"header": {"BLANK": 0}}),
):
    add("fitsio", form, write_fitsio, kind, options)
add("fitsio", "a band an HDU, `--hdu 0,1,2`", write_fitsio_bands, THREE)
add("fitsio", "a band an HDU", write_fitsio_bands)
add("fpack", "floats with NaN", write_fpack, "f4")
add("fpack", "uint16", write_fpack, "u2")


def write_hdus(folder: Path, *hdus: Any) -> Written:
    """Write a FITS file, and read its first image by astropy."""
    from astropy.io import fits

    path = folder / "a.fits"
    fits.HDUList(list(hdus)).writeto(path)
    with fits.open(path) as opened:
        with_data = [hdu for hdu in opened if hdu.data is not None]
        return Written(path, {PLANES: np.array(with_data[0].data)})


def write_compressed(galaxies: Galaxies, folder: Path, image: str, options: dict) -> Written:
    from astropy.io import fits

    pixels = galaxies.counts("u2") if image == "u2" else getattr(galaxies, image)
    return write_hdus(folder, fits.PrimaryHDU(), fits.CompImageHDU(pixels, **options))


def write_scaled(galaxies: Galaxies, folder: Path) -> Written:
    from astropy.io import fits

    hdu = fits.PrimaryHDU(galaxies.bands.astype(float))
    hdu.scale("int16", "minmax")
    return write_hdus(folder, hdu)


def write_blank(galaxies: Galaxies, folder: Path, compressed: bool) -> Written:
    from astropy.io import fits

    image = galaxies.counts("i2")
    image[:, :4, :9] = -32768
    hdu = fits.CompImageHDU(image) if compressed else fits.ImageHDU(image)
    hdu.header["BLANK"] = -32768
    return write_hdus(folder, fits.PrimaryHDU(), hdu)


def write_science(galaxies: Galaxies, folder: Path) -> Written:
    from astropy.io import fits

    return write_hdus(
        folder,
        fits.PrimaryHDU(),
        fits.ImageHDU(galaxies.bands, name="SCI"),
        fits.ImageHDU(abs(galaxies.bands), name="ERR"),
        fits.ImageHDU(np.zeros((3, 64, 64), "u1"), name="DQ"),
    )


def write_cutout(galaxies: Galaxies, folder: Path, mode: str, distorted: bool) -> Written:
    from astropy.io import fits
    from astropy.nddata import Cutout2D

    wcs = make_wcs(64, distorted)
    cutouts = [Cutout2D(band, (20, 31.5), 60, wcs, mode=mode) for band in galaxies.bands]
    bands = np.stack([cutout.data for cutout in cutouts])
    fits.writeto(folder / "a.fits", bands, cutouts[0].wcs.to_header(relax=True))
    return Written(folder / "a.fits", {PLANES: bands}, ("--field", str(SCALE * 40)))


add("astropy", "`CompImageHDU` by RICE", write_compressed, "bands", {})
add("astropy", "with NaN", write_compressed, "gappy_bands", {})
gzip = {"compression_type": "GZIP_2", "quantize_level": 0}
add("astropy", "by GZIP", write_compressed, "bands", gzip)
hcompress = {"compression_type": "HCOMPRESS_1", "tile_shape": (1, 64, 64)}
add("astropy", "by HCOMPRESS", write_compressed, "bands", hcompress)
add("astropy", "uint16 by RICE", write_compressed, "u2", {})
add("astropy", "int16 with BSCALE", write_scaled)
add("astropy", "int16 with BLANK", write_blank, False)
add("astropy", "the same compressed", write_blank, True)
add("astropy", "SCI, ERR and DQ", write_science)
add("astropy", "`Cutout2D`, trimmed", write_cutout, "trim", False)
add("astropy", "`Cutout2D` with SIP", write_cutout, "trim", True)


def write_ccd(galaxies: Galaxies, folder: Path, kind: str, options: dict) -> Written:
    from astropy.nddata import StdDevUncertainty
    from ccdproc import CCDData

    image = galaxies.bands[1] if kind == "f4" else galaxies.counts(kind)[1]
    mask = np.zeros(image.shape, bool)
    mask[3:6, 3:6] = True
    error = StdDevUncertainty(abs(image))
    ccd = CCDData(image, unit="adu", mask=mask, uncertainty=error, wcs=make_wcs())
    ccd.write(folder / "a.fits", **options)
    read = CCDData.read(folder / "a.fits")
    return Written(folder / "a.fits", {PLANES: read.data})


add("ccdproc", "`CCDData` with a unit, a mask² and errors", write_ccd, "f4", {})
add("ccdproc", "of int16", write_ccd, "i2", {})
add("ccdproc", "with `as_image_hdu`", write_ccd, "f4", {"as_image_hdu": True})


def write_galsim(
    galaxies: Galaxies, folder: Path, kind: str, is_tan: bool, writing: dict, options: tuple = ()
) -> Written:
    import galsim

    image = galaxies.bands[1] if kind == "f4" else galaxies.counts(kind)[1]
    wcs = galsim.PixelScale(SCALE)
    if is_tan:
        center = galsim.CelestialCoord(150 * galsim.degrees, 2 * galsim.degrees)
        middle = galsim.PositionD(32.5, 32.5)
        wcs = galsim.TanWCS(galsim.AffineTransform(-SCALE, 0, 0, SCALE, origin=middle), center)
    path = str(folder / "a.fits")
    galsim.Image(image, wcs=wcs).write(path, **writing)
    return Written(Path(path), {PLANES: galsim.fits.read(path, **writing).array}, options)


def write_galsim_bands(galaxies: Galaxies, folder: Path, form: str, options: tuple = ()) -> Written:
    import galsim

    path = str(folder / "a.fits")
    images = [galsim.Image(band, scale=SCALE) for band in galaxies.bands]
    getattr(galsim.fits, f"write{form}")(images, path)
    read = getattr(galsim.fits, f"read{form}")(path)
    return Written(Path(path), {PLANES: np.stack([image.array for image in read])}, options)


add("galsim", "`Image`", write_galsim, "f4", False, {})
add("galsim", "of uint16", write_galsim, "u2", False, {})
add("galsim", "compressed", write_galsim, "f4", False, {"compression": "rice"})
add("galsim", "with `TanWCS`, `--field`", write_galsim, "f4", True, {}, FIELD)
add("galsim", "`writeCube`", write_galsim_bands, "Cube")
add("galsim", "`writeMulti`, `--hdu 0,1,2`", write_galsim_bands, "Multi", THREE)
add("galsim", "`writeMulti`", write_galsim_bands, "Multi")
add("galsim", "`PixelScale`, `--field`", write_galsim, "f4", False, {}, FIELD)


def write_photutils(galaxies: Galaxies, folder: Path, mode: str) -> Written:
    from astropy.io import fits
    from photutils.utils import CutoutImage

    cutout = CutoutImage(galaxies.bands[1], (28, 32), (64, 64), mode=mode)
    fits.writeto(folder / "a.fits", cutout.data)
    return Written(folder / "a.fits", {PLANES: cutout.data})


add("photutils", "`CutoutImage`, partial", write_photutils, "partial")
add("photutils", "trimmed", write_photutils, "trim")


def write_reproject(galaxies: Galaxies, folder: Path) -> Written:
    from astropy.io import fits
    from reproject import reproject_interp

    target = make_wcs()
    turned = make_wcs()
    turned.wcs.pc = [[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]]
    bands = []
    for band in galaxies.bands:
        image, _ = reproject_interp((band, turned), target, shape_out=band.shape)
        bands.append(image)
    fits.writeto(folder / "a.fits", np.stack(bands), target.to_header())
    return Written(folder / "a.fits", {PLANES: np.stack(bands)}, FIELD)


def write_multicolorfits(galaxies: Galaxies, folder: Path) -> Written:
    import multicolorfits
    from astropy.io import fits

    path = folder / "a.fits"
    multicolorfits.saveRGBfits(str(path), galaxies.pictures[0] / 255, make_wcs().to_header())
    return Written(path, {PLANES: fits.getdata(path)}, ("--bands", "0,1,2"))


add("reproject", "`reproject_interp`, NaN outside", write_reproject)
add("multicolorfits", "`saveRGBfits`³, `--bands 0,1,2`", write_multicolorfits)

if __name__ == "__main__":
    write_all()
