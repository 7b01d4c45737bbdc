"""Images in HDF5, Parquet, lists, `.npz` and FITS, and the labeled datasets Galaxy10 and `.npz`.

In: paths. Out: stores of images, datasets.
"""

from galaxyzoo.core.extras import Extra

EXTRA = Extra(
    datasets=[
        "galaxyzoo.extras.formats.labeled_arrays:find_galaxy10",
        "galaxyzoo.extras.formats.labeled_arrays:find_npz",
    ],
    images=["galaxyzoo.extras.formats.forms:FILES", "galaxyzoo.extras.formats.forms:FITS"],
)
