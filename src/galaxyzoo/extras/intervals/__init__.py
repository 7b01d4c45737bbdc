"""Conformal intervals around the vote fractions of an ensemble or a run.

In: out-of-fold predictions. Out: intervals for any galaxies, and how often they hold.
"""

from galaxyzoo.core.extras import Extra, Moved

EXTRA = Extra(
    commands={"intervals": "galaxyzoo.extras.intervals.command:main"},
    moved={"ensemble --intervals": Moved("intervals", "--intervals")},
)
