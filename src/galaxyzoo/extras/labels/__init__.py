"""Labels of one's own: tables of them, the page to label a survey, rankings by them.

In: `labels.csv`, or a finished survey and clicks. Out: a task, its recipes, labels, rankings.
"""

from galaxyzoo.core.extras import Extra, Moved

EXTRA = Extra(
    commands={"label": "galaxyzoo.extras.labels.command:main"},
    datasets=["galaxyzoo.extras.labels.label_table:find_label_table"],
    moved={"app --label": Moved("label", "--label")},
    packages=("fastapi", "uvicorn"),
)
