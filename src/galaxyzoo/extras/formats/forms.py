"""The forms of images that this extra adds: archives and lists, and FITS among any files."""

from galaxyzoo.data.stores import opening
from galaxyzoo.extras.formats import arrays, fits, tables

FILES = opening.ImageForm(
    {
        ".h5": arrays.open_hdf5,
        ".hdf5": arrays.open_hdf5,
        ".parquet": tables.open_parquet,
        ".csv": tables.open_csv,
        ".npz": arrays.open_npz,
    },
    find_list=tables.find_fits_list,
    is_catalog=tables.is_hats,
)

FITS = opening.ImageForm(options=fits.FitsSettings, wrap=fits.wrap)
