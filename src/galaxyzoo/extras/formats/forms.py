"""The forms of images that this extra adds: archives and lists, and FITS among any files."""

from collections.abc import Mapping
from typing import cast

from galaxyzoo.data.stores import base, opening
from galaxyzoo.extras.formats import arrays, fits, tables

FILES = opening.ImageForm(
    {
        ".h5": arrays.open_hdf5,
        ".hdf5": arrays.open_hdf5,
        ".parquet": tables.open_parquet,
        ".csv": tables.open_csv,
        ".npz": arrays.open_npz,
    }
)


def wrap_fits(store: base.ImageStore, settings: fits.FitsSettings) -> base.ImageStore:
    """Wrap a store whose FITS cut-outs become pictures, if it has any."""
    files, radii = store.names, cast(Mapping[int, float], {})
    if isinstance(store, tables.ListStore):
        files, radii = store.members, store.radii
    if not any(name.lower().endswith(base.FITS_SUFFIXES) for name in files.values()):
        return store
    arguments, lost = (store.path, store.names, store.stamps), store.left_out
    return fits.FitsStore(*arguments, left_out=lost, inner=store, settings=settings, radii=radii)


FITS = opening.ImageForm(title=fits.TITLE, options=fits.FitsSettings, wrap=wrap_fits)
