"""Predictions of any number of images in parts that survive a crash, and rankings of them.

In: folders, archives and lists of images. Out: Parquet parts, one table, a page of the first.
"""

from galaxyzoo.core.extras import Extra

EXTRA = Extra(predictions={"predict": "galaxyzoo.extras.surveys.command:SURVEY_USE"})
# Ends of the one table of a finished survey, by astropy's names of formats; names of its columns
TABLE_FORMATS = {".fits": "fits", ".vot": "votable", ".ecsv": "ascii.ecsv", ".parquet": "parquet"}
COLUMN_NAMES = "kaggle", "gz2", "words"
SPREAD, FEATURES, INTERVALS = "spread", "features", "intervals"  # extra columns
