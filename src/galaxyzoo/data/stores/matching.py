"""Match the names in a user's table with the names of images."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.paths import shown
from galaxyzoo.data.stores.base import Images
from galaxyzoo.data.stores.names import split_ending

_MARK = re.compile("^[0-9a-f]{8}-")  # that Label Studio puts before files' names
_SIGNATURE = re.compile(r"(?i)(://.*\.(jpe?g|png|fits?))\?.*")  # of a URL from a bucket


def match(names: Iterable[str], images: Images, table: Path) -> list[int]:
    """Rows of the images that a table names, as of `find_rows`; `table` is for messages.

    Raises:
        InputError: a name is of no image, or of several.
    """
    names = list(names)
    rows = list(find_rows(names, images.names))
    missing = [name for name, matching in zip(names, rows, strict=True) if not matching]
    if missing:
        raise InputError(
            f"{shown(table)}: no image is named '{missing[0]}' (such rows: {len(missing):,}): "
            "restore the images, or delete the rows"
        )
    for name, matching in zip(names, rows, strict=True):
        if len(matching) > 1:
            first, second = images.names.iloc[matching[:2]]
            raise InputError(
                f"{shown(table)}: both '{first}' and '{second}' are named '{name}': write more of "
                "their paths"
            )
    return [matching[0] for matching in rows]


class _ImageName(NamedTuple):
    path: tuple[str, ...]  # the stem, then folders from the last to the first
    ending: str


def find_rows(names: Iterable[str], image_names: Iterable[str]) -> Iterator[list[int]]:
    """Yield for each name the rows of the images' names that agree with it, from the end on.

    Paths may be relative to any folder, or absolute, with either slash and any Unicode form; the
    ending of an image may be missing, and Label Studio's mark and the query of a URL are left out.
    %20 is a space. A number may lack zeros before it, as in a spreadsheet, or have some. A name of
    no image has no rows.
    """
    images = [_parse(name) for name in image_names]
    by_tail: dict[tuple[str, ...], list[int]] = {}
    for row, image in enumerate(images):
        for tail in _tails(image.path):
            by_tail.setdefault(tail, []).append(row)
    for name in names:
        wanted = _parse(name)
        alike: list[int] = []  # that share the longest end of the path
        for tail in _tails(wanted.path):
            alike = by_tail.get(tail, [])
            if alike:
                break
        exact = [row for row in alike if images[row] == wanted]
        of_ending = [row for row in alike if images[row].ending == wanted.ending]
        yield exact or of_ending or alike


def _parse(name: str) -> _ImageName:
    # Without the ' of `plain_cell`: it has none before -5, but one before -5.jpg.
    name = unquote(_SIGNATURE.sub(r"\1", one_line(name).removeprefix("'")))
    path, ending = split_ending(unicodedata.normalize("NFC", name))
    folders = [folder for folder in re.split(r"[\\/]", path) if folder not in ("", ".")]
    stem = folders.pop() if folders else ""
    return _ImageName((_MARK.sub("", stem), *reversed(folders)), ending.lower())


def _tails(path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Stem with fewer and fewer folders; at last, a number without the zeros before it.

    The empty name has none: it is of no image.
    """
    stem = path[0]
    if not stem:
        return
    for count in range(len(path), 0, -1):
        yield path[:count]
    if stem.isdecimal():
        stem = stem.lstrip("0")
    yield "", stem
