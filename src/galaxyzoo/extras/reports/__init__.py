"""Reports on runs and ensembles, and on a dataset before training.

In: score cards, out-of-fold tables, a prepared dataset. Out: pages in `reports/`, tables as CSV.
"""

from galaxyzoo.core.extras import Extra

EXTRA = Extra(
    commands={
        "evaluate": "galaxyzoo.extras.reports.command:main",
        "explore": "galaxyzoo.extras.reports.explore_command:main",
    },
    next={"train": "evaluate", "ensemble": "evaluate"},
    packages=("matplotlib",),
)
