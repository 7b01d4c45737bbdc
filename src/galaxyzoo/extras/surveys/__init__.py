"""Predictions of any number of images in parts that survive a crash, and rankings of them.

In: folders, archives and lists of images. Out: Parquet parts, one table, a page of the first.
"""

from galaxyzoo.core.extras import Extra

EXTRA = Extra(predictions=["galaxyzoo.extras.surveys.command:USE"])
