"""Reports on runs and ensembles, and on a dataset before training.

In: score cards, out-of-fold tables, a prepared dataset. Out: pages in `reports/`, tables as CSV.
"""

from galaxyzoo.core.extras import Extra

EXTRA = Extra(
    commands={
        "evaluate": "galaxyzoo.extras.reports.command:main",
        "explore": "galaxyzoo.extras.reports.explore_command:main",
        "prepare --audit": "galaxyzoo.extras.reports.explore_command:main",
    },
    help={"prepare": "python3 src/prepare.py --audit               finds leaks (--audit --help)"},
    next={"train": "evaluate", "ensemble": "evaluate"},
    packages=("matplotlib",),
)
