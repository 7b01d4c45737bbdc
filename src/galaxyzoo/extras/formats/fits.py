"""FITS cut-outs as pictures.

An image is one extension (HDU) of the file, (band, H, W) or (H, W), or several that `--hdu` names.

The networks learned from SDSS's color pictures of g, r and i, stretched as by Lupton et al., 8.48
Petrosian radii wide (424 px of 0.02 petroR90_r: Willett et al. 2013, section 2).
"""

from argparse import ArgumentTypeError
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import cv2
import numpy as np

from galaxyzoo.core.errors import InputError, reason_of
from galaxyzoo.core.options import option
from galaxyzoo.data.decoding import Picture, over_black
from galaxyzoo.data.stores import base
from galaxyzoo.data.stores.columns import FILE, POSITION
from galaxyzoo.extras.formats import FITS_SUFFIXES
from galaxyzoo.extras.formats.fits_file import MAGIC, has_colors, read_planes
from galaxyzoo.extras.formats.framing import Position, cut_square, pixel_arcsec
from galaxyzoo.extras.formats.gaps import fill_gaps
from galaxyzoo.extras.formats.stretches import STRETCHES

RADIUS = "petroR90_r"  # column of a list: arcsec
WIDTH_IN_RADII = 8.48  # of a training image
_BANDS = (2, 1, 0)  # planes for red, green and blue of cut-outs in the order of wavelength


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
        "FITS: planes for red, green and blue, counted from 0 (default: i or z, r and g if the "
        "header's BANDS names the planes, else 2,1,0)",
        (),
        type=_bands,
        metavar="R,G,B",
    )
    hdu: tuple[str, ...] = option(
        "FITS: extension with the image, such as SCI, 1 or SCI,2 (EXTNAME,EXTVER), or one per "
        "band, such as 1,2,3 (default: SCI, SCIENCE or IMAGE, else the first or only image)",
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
    files = images.names
    if FILE in table:  # of lists alone
        files = table[FILE].fillna(files)
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
    if POSITION[0] in table and table[POSITION[0]].isna().all():
        notes.append("The list's ra and dec are not used: no dec from -90 to 90 has an ra")
    identity = []
    readers = []
    listed = table.reindex(columns=[RADIUS, *POSITION]).to_numpy(float)  # NaN: not known
    for name, read, (radius, ra, dec) in zip(images.names, table["reader"], listed, strict=True):
        width_arcsec = field_arcsec
        if radius > 0 or (radius == 0 and field_arcsec is None):
            width_arcsec = WIDTH_IN_RADII * radius
        position = (ra, dec) if np.isfinite(ra) else None
        identity.append(f"{name} {settings} {radius} {position}")
        readers.append(partial(_read_image, read, settings, width_arcsec, position))
    return replace(images, table=table.assign(reader=readers, identity=identity), notes=notes)


def _read_image(
    read: base.Reader,
    settings: FitsSettings,
    width_arcsec: float | None,
    position: Position | None,
    row: int | str,
) -> bytes | np.ndarray:
    """Read an image, a FITS file as a picture."""
    data = base.encode(read(row))
    if data.startswith(MAGIC):
        return to_rgb(data, settings, width_arcsec, position)
    return data


def to_rgb(
    data: bytes,
    settings: FitsSettings,
    width_arcsec: float | None = None,
    position: Position | None = None,
) -> Picture:
    """Draw the picture of a FITS file.

    Args:
        data: the file's content.
        settings: all but its `field_arcsec` is used.
        width_arcsec: side of the square around the galaxy; None: the whole. A side of 0 is that
            of a galaxy whose radius is missing in its list, which is refused.
        position: of the galaxy, on which `cut_square` centers.
    Returns:
        (H, W, 3) uint8 RGB, the file's last row first; one band is gray, RGB(A) bytes stay as is.
    Raises:
        InputError: it is damaged, too large, of another shape, has no such extension or band, is
            smaller than the square, has pixels without a value near its center, or a band of one
            value.
    """
    if width_arcsec == 0:
        raise InputError(f"its {RADIUS} is missing in the list, or not above 0: set --field")
    notes: dict[str, str] = {}
    try:
        bands, header = read_planes(data, settings.hdu)
        is_ready = has_colors(header) and len(bands) in (3, 4)
        numbers = list(range(len(bands)))
        if len(bands) > 1 and not is_ready:
            numbers = _choose_bands(header, settings.bands, len(bands), notes)
            bands = bands[numbers]
        side = None
        if width_arcsec is not None:
            side = width_arcsec / (settings.pixel_arcsec or pixel_arcsec(header))
        bands, edge = cut_square(bands, header, side, position, notes)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001  astropy raises a dozen kinds for damaged files
        raise InputError(f"its FITS file is damaged ({reason_of(error)})") from None
    if is_ready:
        colors = np.nan_to_num(bands).astype(np.uint8)
    else:
        n_filled = fill_gaps(bands, numbers, edge)
        if n_filled:
            notes["pixels without a value, filled with sky"] = f", {n_filled:,} px"
        if len(bands) == 1:
            bands = np.repeat(bands, 3, axis=0)  # gray
        colors = STRETCHES[settings.stretch](bands)
    colors = colors[:, ::-1]  # FITS counts rows upwards
    pixels = cv2.merge(list(colors[:3]))
    if len(colors) == 4:
        pixels = over_black(pixels, colors[3])
    picture = pixels.view(Picture)
    picture.notes = notes
    return picture


def _choose_bands(
    header: Any, chosen: tuple[int, ...], count: int, notes: dict[str, str]
) -> list[int]:
    """Choose the planes for red, green and blue; note a header whose bands cannot be used.

    Legacy Surveys' cut-outs name their planes, `BANDS = 'grz'`.

    Args:
        header: of the image.
        chosen: by the user, who may have left it to the header.
        count: of planes.
        notes: of the image.
    """
    names = header.get("BANDS")
    if isinstance(names, str) and not chosen:
        letters = names.lower().replace(",", "").replace(" ", "")
        red = "i" if "i" in letters else "z"
        chosen = tuple(map(letters.find, (red, "r", "g")))
        if len(letters) != count or min(chosen) < 0:
            chosen = _BANDS
            kind = "BANDS in the header does not name g, r and i or z: we use --bands 2,1,0"
            notes[kind] = f", '{names}'"
    chosen = chosen or _BANDS
    if max(chosen) >= count:
        raise InputError(f"it has only bands 0 to {count - 1}: set --bands R,G,B")
    return list(chosen)
