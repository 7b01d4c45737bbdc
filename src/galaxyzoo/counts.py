"""How many galaxies each class of a task has, before and after its rule, and in each fold."""

import pandas as pd

from galaxyzoo.catalogs import Catalog
from galaxyzoo.tables import CLASS, FOLD
from galaxyzoo.tasks import TASKS, Task


def class_tasks(catalog: Catalog) -> list[Task]:
    """The class tasks that the catalog has labels for, or votes and the task a rule."""
    return [
        task
        for task in TASKS.values()
        if task.is_classes
        and (set(task.columns) <= set(catalog.train.columns) or (task.rule and catalog.has_votes))
    ]


def count_classes(catalog: Catalog, task: Task) -> pd.DataFrame:
    """Count a task's classes; a class may be empty, which training would refuse.

    Args:
        catalog: the whole dataset, not what `for_task` has left of it.
        task: a class task that it has labels for.
    Returns:
        One row per class in the task's order: `task`, `class`; `before`, galaxies whose votes say
        this class more than any other (the first of equal ones); `kept`, galaxies that the rule
        gives this class; `dropped`, those of `before` that the rule gives none; then `fold_0`, …,
        the kept ones of each fold. Over the classes, `kept` and `dropped` add up to the dataset.
    Raises:
        InputError: the catalog has neither labels nor votes for the task.
    """
    labels = catalog.labels(task)
    kept = labels.idxmax(axis=1)
    leaning = kept
    if task.rule and catalog.has_votes:
        leaning = task.rule.shares(catalog.train)[list(task.columns)].idxmax(axis=1)
    dropped = leaning.drop(kept.index)
    folds = catalog.train.loc[kept.index, FOLD]
    table = pd.DataFrame(
        {
            "before": leaning.value_counts(),
            "kept": kept.value_counts(),
            "dropped": dropped.value_counts(),
            **{f"fold_{k}": kept[folds == k].value_counts() for k in range(catalog.n_folds)},
        }
    )
    table = table.reindex(list(task.columns)).fillna(0).astype(int)
    table.insert(0, "task", task.name)
    return table.rename_axis(CLASS).reset_index()[["task", CLASS, *table.columns[1:]]]
