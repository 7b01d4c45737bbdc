"""Predictions of any number of images in parts that survive a crash, and rankings of them.

In: folders, archives and lists of images. Out: Parquet parts, one table, a page of the first.
"""

from pathlib import Path

from galaxyzoo.core.extras import Extra, Moved

# Options that `predict` had until surveys became a command
_MOVED = [
    "--part-size",
    "--with",
    "--keep",
    "--rank",
    "--top",
    "--table",
    "--names",
    "--jobs",
    "--backend",
]
JOB = "job.json"  # in the folder of a survey
EXTRA = Extra(
    commands={"survey": "galaxyzoo.extras.surveys.command:main"},
    outputs=dict.fromkeys((".fits", ".vot", ".ecsv", "/"), "survey"),
    moved={f"predict {option}": Moved("survey", "--output", "votes/") for option in _MOVED},
    help={
        "predict": "For millions of images, name a folder (--output votes/): the work is handed\n"
        "on to `python3 src/survey.py`."
    },
    packages=("pyarrow",),
    seals=(JOB,),
)
# Ends of the one table of a finished survey, by astropy's names of formats; names of its columns
TABLE_FORMATS = {".fits": "fits", ".vot": "votable", ".ecsv": "ascii.ecsv", ".parquet": "parquet"}
COLUMN_NAMES = "kaggle", "gz2", "words"
SPREAD, FEATURES, INTERVALS = "spread", "features", "intervals"  # extra columns
BOUNDS = "lower", "upper"  # of an interval
# Rankings besides those by an answer, and the extra columns that they need
DISAGREEMENT, WIDTH = "disagreement", "width"
RANK_NEEDS = {DISAGREEMENT: SPREAD, WIDTH: INTERVALS}


def table_format(path: Path) -> str:
    """Astropy's name of a table's format by its ending, in whatever case; empty of other files."""
    return TABLE_FORMATS.get(path.suffix.lower(), "")
