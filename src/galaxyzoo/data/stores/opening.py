"""Open images of any form, by a path or by all paths that a user names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.extras import load_all
from galaxyzoo.core.paths import shown
from galaxyzoo.data.stores import base
from galaxyzoo.data.stores.files import FolderStore, make_store, open_files

Settings = Mapping[str, Any]  # of forms that have some, by their titles


@dataclass(frozen=True)
class ImageForm:
    """Form of images that an extra adds (`Extra.images`)."""

    openers: Mapping[str, Callable[[Path], base.ImageStore]] = field(default_factory=dict)
    title: str = ""  # above its options in --help
    options: type | None = None  # their dataclass
    # wraps the images of any form, where its files are among them
    wrap: Callable[[base.ImageStore, Any], base.ImageStore] | None = None


@cache
def forms() -> list[ImageForm]:
    """The forms of images besides folders, zips and files of pictures."""
    return list(load_all("images"))


def openers() -> dict[str, Callable[[Path], base.ImageStore]]:
    """Function that opens a file of images or a list of them, by its ending."""
    return {ending: opener for form in forms() for ending, opener in form.openers.items()}


def open_store(path: Path, settings: Settings | None = None) -> base.ImageStore:
    """Open the images of a folder, zip, or file of `openers`.

    Args:
        path: its ending tells its form.
        settings: of forms; default their own.
    Returns:
        Images numbered from 0, in the order of the file, or of the names in a folder.
    Raises:
        InputError: it cannot be opened, or holds no image.
    """
    return _wrap((_opener_of(path) or open_files)(path), settings)


def open_whole_store(path: Path) -> base.ImageStore:
    """Open a store as `open_store` does; refuse it where one of its pictures is of no form read."""
    store = open_store(path)
    for name, why in store.left_out:
        raise InputError(f"{shown(path)}: '{name}': {why}")
    return store


def _opener_of(path: Path) -> Callable[[Path], base.ImageStore] | None:
    return None if path.is_dir() else openers().get(path.suffix.lower())


def is_archive(path: Path) -> bool:
    """Check whether a path is of a form that holds images and their ids in one."""
    return path.suffix.lower() != ".csv" and _opener_of(path) is not None


def _wrap(store: base.ImageStore, settings: Settings | None) -> base.ImageStore:
    for form in forms():
        if form.wrap and form.options:
            store = form.wrap(store, (settings or {}).get(form.title, form.options()))
    return store


def open_by_galaxy_id(*paths: Path) -> base.KeyedStore:
    """Open one or more paths as `open_store`; images are named by their GalaxyIDs."""
    places: dict[int, tuple[base.ImageStore, int]] = {}
    whole = paths[0] if len(paths) == 1 else paths[0].parent
    for path in paths:
        store = open_whole_store(path)
        for number, name in store.names.items():
            galaxy_id = base.galaxy_id_of(name)
            if galaxy_id is None:
                raise InputError(f"{shown(path)}: '{name}' is not named by a GalaxyID")
            if galaxy_id in places:
                first, there = places[galaxy_id]
                raise InputError(
                    f"{shown(whole)} holds GalaxyID {galaxy_id} twice: '{first.names[there]}' and "
                    f"'{name}'"
                )
            places[galaxy_id] = store, number
    return base.KeyedStore.of(whole, places)


def open_stores(paths: list[Path], settings: Settings | None = None) -> list[base.ImageStore]:
    """Open a user's paths: folders and zips, then single pictures in one store, then others."""
    stores, pictures, others = [], [], []
    for path in paths:
        if path.is_dir() or path.suffix.lower() == ".zip":
            stores.append(open_store(path, settings))
        elif not path.is_file():
            raise InputError(f"{shown(path)} is missing")
        elif _opener_of(path):
            others.append(open_store(path, settings))
        elif base.is_picture(path.name):
            pictures.append((str(path.resolve()), base.stamp_of(path.stat())))
        else:
            raise InputError(
                f"{shown(path)}: IMAGES are folders, .zip files, images "
                f"({', '.join(base.READ_SUFFIXES)}) and archives or lists ({', '.join(openers())})"
            )
    if pictures:
        stores.append(_wrap(make_store(FolderStore, Path.cwd(), pictures), settings))
    return [store for store in (*stores, *others) if store.names or store.left_out]
