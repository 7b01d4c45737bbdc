"""Searches for settings.

In: a recipe and ranges of its settings. Out: scores of trials on the same fold.
"""

from galaxyzoo.core.extras import Extra

EXTRA = Extra(
    commands={"tune": "galaxyzoo.extras.tuning.command:main"},
    packages=("optuna",),
)
