"""Open images of any form, by a path or by all paths that a user names."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.stores import arrays, base, tables
from galaxyzoo.data.stores.files import FolderStore, make_store, open_files
from galaxyzoo.data.stores.fits import DEFAULT, FitsSettings, FitsStore

# Forms in one file. To add one: a function that opens it, here.
FORMS: dict[str, Callable[[Path], base.ImageStore]] = {
    ".h5": arrays.open_hdf5,
    ".hdf5": arrays.open_hdf5,
    ".parquet": tables.open_parquet,
    ".csv": tables.open_csv,
    ".npz": arrays.open_npz,
}


def open_store(path: Path, fits: FitsSettings = DEFAULT) -> base.ImageStore:
    """Open the images of a folder, zip, or file of `FORMS`.

    Args:
        path: its ending tells its form.
        fits: how FITS cut-outs become pictures.
    Returns:
        Images numbered from 0, in the order of the file, or of the names in a folder.
    Raises:
        InputError: it cannot be opened, or holds no image.
    """
    form = _form_of(path)
    return _with_fits((form or open_files)(path), fits)


def open_whole_store(path: Path) -> base.ImageStore:
    """Open a store as `open_store` does; refuse it where one of its pictures is of no form read."""
    store = open_store(path)
    for name, why in store.left_out:
        raise InputError(f"{shown(path)}: '{name}': {why}")
    return store


def _form_of(path: Path) -> Callable[[Path], base.ImageStore] | None:
    return None if path.is_dir() else FORMS.get(path.suffix.lower())


def is_archive(path: Path) -> bool:
    """Check whether a path is of a form that holds images and their ids in one."""
    return path.suffix.lower() != ".csv" and _form_of(path) is not None


def _with_fits(store: base.ImageStore, settings: FitsSettings) -> base.ImageStore:
    """Wrap a store whose FITS cut-outs become pictures, if it has any."""
    files, radii = store.names, cast(Mapping[int, float], {})
    if isinstance(store, tables.ListStore):
        files, radii = store.places, store.radii
    if not any(name.lower().endswith(base.FITS_SUFFIXES) for name in files.values()):
        return store
    arguments, lost = (store.path, store.names, store.stamps), store.left_out
    return FitsStore(*arguments, left_out=lost, inner=store, settings=settings, radii=radii)


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


def open_stores(paths: list[Path], fits: FitsSettings = DEFAULT) -> list[base.ImageStore]:
    """Open a user's paths: folders and zips, then single pictures in one store, then others."""
    stores, pictures, others = [], [], []
    for path in paths:
        if path.is_dir() or path.suffix.lower() == ".zip":
            stores.append(open_store(path, fits))
        elif not path.is_file():
            raise InputError(f"{shown(path)} is missing")
        elif _form_of(path):
            others.append(open_store(path, fits))
        elif base.is_picture(path.name):
            pictures.append((str(path.resolve()), base.stamp_of(path.stat())))
        else:
            raise InputError(
                f"{shown(path)}: IMAGES are folders, .zip files, images "
                f"({', '.join(base.READ_SUFFIXES)}) and archives or lists ({', '.join(FORMS)})"
            )
    if pictures:
        stores.append(_with_fits(make_store(FolderStore, Path.cwd(), pictures), fits))
    return [store for store in (*stores, *others) if store.names or store.left_out]
