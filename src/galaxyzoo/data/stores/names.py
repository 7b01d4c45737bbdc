"""Names of image files: which of them are pictures, and which galaxies they name."""

import posixpath
import re
from functools import cache
from pathlib import Path

import pandas as pd

from galaxyzoo.core.extras import installed
from galaxyzoo.io.tables import ID_LIMIT

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
# Pictures that are not read: each decoder would need its own check for files that are cut off.
UNREAD_SUFFIXES = (".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif", ".avif", ".jfif",
                   ".jpe", ".jif", ".jp2", ".j2k", ".jxl", ".ppm", ".pgm", ".pnm", ".tga", ".exr",
                   ".psd", ".npy", ".npz", ".fits.z", ".fits.zst", ".fit.z", ".fit.zst", ".fts.z",
                   ".fts.zst", ".ftz")  # fmt: skip
# Folders with copies: hidden ones, Synology's and macOS's
HIDDEN = re.compile(r"(^|/)(\.(?!\.?/)[^/]*|@eaDir|__MACOSX)/")


@cache
def read_suffixes() -> tuple[str, ...]:
    """Endings of files with an image each that are read."""
    suffixes = list(IMAGE_SUFFIXES)
    for extra in installed().values():
        suffixes.extend(extra.pictures)
    return tuple(suffixes)


@cache
def picture_suffixes() -> tuple[str, ...]:
    """Endings of files with images, read or not."""
    return read_suffixes() + UNREAD_SUFFIXES


def split_ending(name: str) -> tuple[str, str]:
    """Split a name into path and ending; the ending is empty where it is no picture's."""
    lower = name.lower()
    for ending in picture_suffixes():
        if lower.endswith(ending):
            return name[: -len(ending)], name[-len(ending) :]
    return name, ""


def stem_of(name: str) -> str:
    """Name of a picture's file without folder and ending; any other name is an id, and stays."""
    path, ending = split_ending(name)
    return posixpath.basename(path) if ending else name


def file_names(places: pd.Series) -> pd.Series:
    """Names of files without folders, which differ between machines; the paths if two agree."""
    names = places.str.replace("(?s)^.*/", "", regex=True)
    return names if names.is_unique else places


def number_of(name: str) -> int | None:
    """GalaxyID of a picture's file, `<anything>/<GalaxyID>.jpg`; of other ids any int64."""
    stem = stem_of(name)
    is_id = stem == name  # an id 007 keeps its zeros
    form = "0|-?[1-9][0-9]{0,18}" if is_id else "[0-9]{1,18}"
    if not re.fullmatch(form, stem):
        return None
    number = int(stem)
    return number if abs(number) < 2**63 else None


def galaxy_id_of(name: str) -> int | None:
    """GalaxyID that an image is named by, `<anything>/<GalaxyID>.jpg`; None for other names."""
    number = number_of(name)
    if number is None or not 0 <= number < ID_LIMIT:
        return None
    return number


def why_not_read(name: str) -> str:
    """Explain why an image's form is not read."""
    ending = Path(name).suffix.lower()
    if not ending:
        return "its link is broken"
    return f"{ending} is not supported: convert it to JPEG or PNG"


def is_read(name: str) -> bool:
    """Check whether a picture is of a form which is read."""
    return name.lower().endswith(read_suffixes())


def is_picture(name: str) -> bool:
    """Check whether a name is a picture's, not a macOS `._` copy or in a hidden folder."""
    is_copy = posixpath.basename(name).startswith("._") or HIDDEN.search(name)
    return name.lower().endswith(picture_suffixes()) and not is_copy
