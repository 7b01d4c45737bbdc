"""Files from elsewhere: the competition from Kaggle, Galaxy Zoo 2, images from the sky survey.

In: names of files, positions on the sky. Out: whole, checked files in `input/`; submissions sent.
"""

from galaxyzoo.core.extras import Extra

EXTRA = Extra(
    commands={
        "download_data": "galaxyzoo.extras.download.command:main",
        "submit": "galaxyzoo.extras.download.submit:main",
        "prepare gz2": "galaxyzoo.extras.download.gz2_dataset:main",
    },
    datasets=["galaxyzoo.extras.download.gz2:find_galaxy_zoo_2"],
    help={"prepare": "python3 src/prepare.py gz2                   balanced classes (gz2 --help)"},
    next={"data": "download_data"},
    packages=("kaggle", "matplotlib", "pooch", "six"),
)
