"""Sections of the exploration page on classes: their counts, and random galaxies of each."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.image_cache import decode_many
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.io.tables import FOLD, write_table
from galaxyzoo.reports.figures import BLUE, LIGHT_GREY, answer_label, clean, new_figure, save_figure
from galaxyzoo.reports.html import HtmlSection
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.kinds import CLASS, ClassTask
from galaxyzoo.tasks.registry import CLASS_TASKS

GALAXIES_PER_CLASS = 6
_TOP_VOTES = 3  # below the picture of a galaxy
_LONG = 16  # letters of a class name that fit beside a row of galaxies


def labelled_tasks(catalog: Catalog) -> list[ClassTask]:
    """The class tasks that the catalog has labels for, or votes and the task a rule."""
    return [task for task in CLASS_TASKS.values() if catalog.has_labels(task)]


def explore_classes(
    catalog: Catalog, tasks: Sequence[ClassTask], folder: Path
) -> list[HtmlSection]:
    """The section on class counts; none without a class task."""
    if not tasks:
        return []
    tables = [count_classes(catalog, task) for task in tasks]
    write_table(folder / "classes.csv", pd.concat(tables, ignore_index=True))
    few = [
        f"{row['task']}: class '{row[CLASS]}' has {row['kept']} galaxies, too few for "
        f"{catalog.n_folds} folds, so the task cannot be trained on this dataset."
        for table in tables
        for _, row in table[table["kept"] < catalog.n_folds].iterrows()
    ]
    text = (
        "Kept: galaxies that the task's rule gives the class. Dropped: those that it gives no "
        "class, counted at the class with most of their votes. Before: both."
        if catalog.has_votes
        else "The classes come from a label file, so nothing is dropped."
    )
    section = HtmlSection(
        "Classes of each task",
        "\n".join([text, *few]),
        [(table["task"].iloc[0], table.drop(columns="task")) for table in tables],
        [("Galaxies of each class", save_figure(_plot_counts(tables), folder / "classes.png"))],
    )
    return [section]


def explore_samples(
    data: Dataset, tasks: Sequence[ClassTask], seed: int, folder: Path
) -> list[HtmlSection]:
    """The section with a few random galaxies of every class, one picture per task."""
    pictures = []
    for task in tasks:
        galaxies = _draw_galaxies(data.catalog, task, seed)
        ids = galaxies.index.to_numpy()
        images, _ = decode_many(data.raw.train_images, ids, data.raw.image)
        title = f"{task.name}: random galaxies of each class, with their GalaxyID"
        figure = _plot_samples(title, task.columns, galaxies, images)
        pictures.append((title, save_figure(figure, folder / f"samples_{task.name}.png")))
    text = "Below each image its largest vote fractions." if data.catalog.has_votes else ""
    return [HtmlSection("Galaxies of each class", text, pictures=pictures)] if pictures else []


def count_classes(catalog: Catalog, task: ClassTask) -> pd.DataFrame:
    """Count a task's classes; a class may be empty, which training would refuse.

    Args:
        catalog: the whole dataset, not what `for_task` has left of it.
        task: a class task that it has labels for.
    Returns:
        One row per class in the task's order: `task`, `class`; `before`, the sum of the next two;
        `kept`, galaxies that the rule gives this class; `dropped`, those that it gives none and
        whose votes are most for this class (the first of equal ones); then `fold_0`, …, the kept
        ones of each fold. Over the classes, `before` adds up to the dataset.
    """
    labels = catalog.labels(task)
    kept = labels.idxmax(axis=1)
    dropped = kept.iloc[:0]
    if task.rule and catalog.has_votes:
        shares = task.rule.shares(catalog.train.drop(kept.index))
        dropped = shares[list(task.columns)].idxmax(axis=1)
    folds = catalog.train.loc[kept.index, FOLD]
    classes = {
        "before": pd.concat([kept, dropped]),
        "kept": kept,
        "dropped": dropped,
        **{f"fold_{k}": kept[folds == k] for k in range(catalog.n_folds)},
    }
    counts = pd.DataFrame({name: some.value_counts() for name, some in classes.items()})
    counts = counts.reindex(list(task.columns)).fillna(0).astype(int)
    counts.insert(0, CLASS, counts.index)
    counts.insert(0, "task", task.name)
    return counts.reset_index(drop=True)


def _draw_galaxies(catalog: Catalog, task: ClassTask, seed: int) -> pd.DataFrame:
    """A few random galaxies of each class: `class`, and `votes` as text or ''."""
    classes = catalog.labels(task).idxmax(axis=1).sample(frac=1, random_state=seed)
    drawn = classes.groupby(classes).head(GALAXIES_PER_CLASS).sort_index()
    texts = [_top_votes(catalog.train.loc[i]) if catalog.has_votes else "" for i in drawn.index]
    return pd.DataFrame({CLASS: drawn, "votes": texts}, index=drawn.index)


def _top_votes(votes: pd.Series) -> str:
    top = votes[list(GALAXY_ZOO_2.columns)].nlargest(_TOP_VOTES)
    return "\n".join(f"{answer_label(str(c))} {value:.2f}" for c, value in top.items())


def _plot_counts(tables: Sequence[pd.DataFrame]) -> Figure:
    """A panel per table of `count_classes`: galaxies of each class before and after its rule."""
    figure = new_figure(10, sum(0.42 * len(table) + 1.1 for table in tables))
    axes = figure.subplots(len(tables), squeeze=False, height_ratios=[len(t) + 2 for t in tables])
    for axis, table in zip(axes[:, 0], tables, strict=True):
        _draw_counts(axis, table)
    widest = max(axes[:, 0], key=lambda axis: len(axis.containers))
    if len(widest.containers) > 1:
        handles, labels = widest.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False)
    axes[-1, 0].set_xlabel("galaxies")
    return figure


def _draw_counts(axis: Axes, table: pd.DataFrame) -> None:
    """Bars of one task; of a label file, which drops nothing, one bar per class."""
    kept = int(table["kept"].sum())
    whole = kept + int(table["dropped"].sum())
    bars = {"kept": (BLUE, "kept by the rule")}
    if whole > kept:
        bars = {"before": (LIGHT_GREY, "before the rule"), **bars}
    places = np.arange(len(table))
    for i, (column, (color, label)) in enumerate(bars.items()):
        shift = 0.4 * (i - (len(bars) - 1) / 2)
        drawn = axis.barh(places + shift, table[column], 0.38, color=color, label=label)
        axis.bar_label(drawn, fmt="{:,.0f}", fontsize=7, padding=3)
    axis.set_yticks(places, table[CLASS], fontsize=9)
    axis.invert_yaxis()
    axis.margins(x=0.07)
    title = f"{table['task'].iloc[0]}: {kept:,} of {whole:,} galaxies kept"
    axis.set_title(title, fontsize=10, loc="left")
    clean(axis)


def _plot_samples(
    title: str, classes: Sequence[str], galaxies: pd.DataFrame, images: np.ndarray
) -> Figure:
    """A row of galaxies for every class.

    Args:
        title: above the grid.
        classes: in order, one row each; also those without galaxies.
        galaxies: indexed by GalaxyID; `class`, and `votes`, the text below an image.
        images: (galaxy, H, W, 3) uint8, rows as `galaxies`.
    """
    across = max(int(galaxies[CLASS].value_counts().max()), 1) if len(galaxies) else 1
    has_text = bool(galaxies["votes"].any())
    figure = new_figure(1.9 + 1.75 * across, (2.55 if has_text else 2.0) * len(classes) + 0.5)
    axes = figure.subplots(len(classes), across, squeeze=False)
    for row, name in enumerate(classes):
        rows = np.flatnonzero(galaxies[CLASS] == name)
        for axis in axes[row]:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        for axis, i in zip(axes[row], rows, strict=False):
            axis.imshow(images[i])
            axis.set_title(str(galaxies.index[i]), fontsize=8, pad=2)
            axis.set_xlabel(galaxies["votes"].iloc[i], fontsize=6.5, labelpad=2)
        label = name if len(name) <= _LONG else name.replace("_", "_\n")
        label += "" if len(rows) else "\n(no galaxy)"
        axes[row, 0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10, labelpad=8)
    figure.suptitle(title, fontsize=11)
    return figure
