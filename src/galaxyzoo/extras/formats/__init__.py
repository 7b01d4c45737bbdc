"""Images in HDF5, Parquet, lists, `.npz` and FITS, and the labeled datasets Galaxy10 and `.npz`.

In: paths. Out: stores of images, datasets.
"""

from galaxyzoo.core.extras import Extra

FITS_SUFFIXES = tuple(
    f"{end}{packing}"
    for packing in ("", ".gz", ".bz2", ".xz", ".fz")
    for end in (".fits", ".fit", ".fts")
)
EXTRA = Extra(
    datasets=[
        "galaxyzoo.extras.formats.labeled_arrays:find_galaxy10",
        "galaxyzoo.extras.formats.labeled_arrays:find_npz",
    ],
    images=["galaxyzoo.extras.formats.forms:FILES", "galaxyzoo.extras.formats.forms:FITS"],
    pictures=FITS_SUFFIXES,
    help={
        "predict": "IMAGES may also be HDF5 or .npz files (arrays `images` and `ids`);\n"
        "Parquet files (columns `image` and `id`); or lists in CSV, Parquet or FITS\n"
        "tables (column `path`). Folders, zips and lists may also contain FITS cut-outs."
    },
    packages=("h5py", "astropy"),
)
