"""Sections of pages on a dataset: votes, class counts, galaxies of each class; leaks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.core.errors import one_line
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.folds import near_duplicates
from galaxyzoo.data.image_cache import describe_bad, open_cache
from galaxyzoo.data.parallel_decoding import decode_many
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.data.readers.side_tables import read_known_groups, sky_positions
from galaxyzoo.data.split import find_divided
from galaxyzoo.data.stores import opening
from galaxyzoo.extras.pages.answers import answer_label, readable
from galaxyzoo.extras.pages.charts import Chart, Line
from galaxyzoo.extras.pages.html import GalaxyCard, HtmlSection, sky_links
from galaxyzoo.io.tables import FOLD
from galaxyzoo.io.writing import write_table
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.kinds import CLASS, ClassTask

_ANSWERS = list(GALAXY_ZOO_2.columns)
_BINS = 19  # of a histogram
_RARE = 0.05  # smaller vote fractions are not counted: most galaxies'
GALAXIES_PER_CLASS = 5  # one row of the picture
_TOP_VOTES = 3  # largest votes shown above a galaxy
_LEAKS = 15  # groups of a check, on the page
_LEAKS_TEXT = f"A galaxy of each place, for at most {_LEAKS} groups; audit.csv lists all."


def explore_votes(catalog: Catalog) -> list[HtmlSection]:
    """The section on the votes, with its charts; none for a dataset of classes."""
    if not catalog.has_votes:
        return []
    text = (
        "The vote fraction of an answer is the share of the volunteers asked its question who "
        "chose it, times the vote fraction of the answer that leads to the question."
    )
    caption = f"How often each vote fraction above {_RARE} occurs"
    charts = [(caption, _plot_distributions(catalog.train[_ANSWERS]))]
    return [HtmlSection("Votes", text, charts=charts)]


def _plot_distributions(votes: pd.DataFrame) -> list[Chart]:
    """A chart per question, a line per answer: how often each vote fraction occurs."""
    edges = np.linspace(_RARE, 1, _BINS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    charts = []
    for question in GALAXY_ZOO_2.questions:
        lines = []
        highest = 0.0
        for i, (column, answer) in enumerate(zip(question.columns, question.answers, strict=True)):
            counts, _ = np.histogram(votes[column], edges)
            percent = 100 * counts / len(votes)
            highest = max(highest, percent.max())
            lines.append(Line(middles, percent, i, answer))
        chart = Chart(
            f"{question.number}. {question.text}",
            "vote fraction",
            "% of galaxies",
            lines,
            x_range=(_RARE, 1),
            y_range=(0, highest or 1.0),
        )
        charts.append(chart)
    return charts


def explore_classes(
    catalog: Catalog, tasks: Sequence[ClassTask], folder: Path
) -> list[HtmlSection]:
    """The section on class counts; none without a class task."""
    if not tasks:
        return []
    tables = [count_classes(catalog, task) for task in tasks]
    write_table(folder / "classes.csv", pd.concat(tables, ignore_index=True))
    text = "The classes come from a label file, so nothing is dropped."
    if catalog.has_votes:
        text = (
            "Kept: galaxies that the task's rule assigns to the class. Dropped: galaxies without a "
            "class, counted under the class with most of their votes. Before: kept and dropped."
        )
    sentences = [text]
    captioned = []
    for task, table in zip(tasks, tables, strict=True):
        captioned.append((task.name, table.drop(columns="task")))
        for name, count in zip(table[CLASS], table["kept"], strict=True):
            if count < catalog.n_folds:
                sentences.append(
                    f"{task.name}: class '{name}' has too few galaxies ({count}) for "
                    f"{catalog.n_folds} folds, so the task cannot be trained on this dataset."
                )
    return [HtmlSection("Classes of each task", "\n".join(sentences), captioned)]


def explore_samples(data: Dataset, tasks: Sequence[ClassTask]) -> list[HtmlSection]:
    """The section with a few random galaxies of every class, a gallery per task."""
    galleries = []
    positions = sky_positions(data.raw)
    for task in tasks:
        notes = _sample_notes(data, task)
        if notes.empty:
            continue
        images, _ = decode_many(data.raw.train_images.select(notes.index), data.raw.image)
        cards = []
        for (galaxy, texts), image in zip(notes.items(), images, strict=True):
            links = sky_links(*positions.get(galaxy, ()))
            cards.append(GalaxyCard(str(galaxy), image, texts, links=links))
        galleries.append((f"{task.name}: random galaxies of each class", cards))
    if not galleries:
        return []
    text = "Captions: the largest vote fractions." if data.has_votes else ""
    return [HtmlSection("Galaxies of each class", text, galleries=galleries)]


def explore_leaks(data: Dataset, others: Sequence[Path], folder: Path) -> list[HtmlSection]:
    """The sections on galaxies that belong together, but are in several places: errors, warnings.

    Prints a line for each check, by what decides which galaxies share a fold. `audit.csv` has a row
    for a galaxy of each place: `ids`, `fold` (the place), `number` of the group in its `check`.

    Args:
        data: the split and its images.
        others: images that may be copies of the dataset's, or of each other.
        folder: of the page.
    """
    config = data.raw.image
    settings = opening.read_settings_of(data.dataset)
    images = [*data.train_images(config).images, *data.test_images(config).images]
    ids = [*data.ids, *data.test_ids]
    places = [f"fold {fold}" for fold in data.folds] + ["the test set"] * len(data.test_ids)
    for path in others:
        more = opening.open_images(path, settings).stamped()
        cache = open_cache(more, more.ids, config)
        if cache.problems:
            print(describe_bad(more, cache, "they are not compared"))
        for name, reason in more.left_out:
            print(one_line(f"not compared: {name}: {reason}"))
        images += [*cache.images]
        ids += [*more.names]
        places += [str(path)] * len(more)
    near = near_duplicates(images)
    galaxies = pd.DataFrame({"number": near, "ids": ids, FOLD: places})

    checks = {}
    train = galaxies[: len(data.ids)]
    groupings = {
        # As the split finds them: another image may link two that are less alike.
        "near-duplicate": near_duplicates(images[: len(train)]),
        **read_known_groups(data.raw).of(data.ids),
    }
    for kind, groups in groupings.items():
        grouped = train.assign(number=groups)
        checks[f"{kind.capitalize()}s across folds", "error"] = find_divided(grouped, "number")
    for place in galaxies[FOLD][len(train) :].unique():
        numbers = near[galaxies[FOLD] == place]
        copied = galaxies[np.isin(near, numbers)]
        checks[f"Near-duplicates in {place}", "warning"] = find_divided(copied, "number")

    sections = []
    for (check, severity), leaks in checks.items():
        title = f"{check} ({severity}): {leaks['number'].nunique():,}"
        print(title)
        galleries = []
        for number, group in leaks.groupby("number"):
            cards = [GalaxyCard(str(ids[row]), images[row], [places[row]]) for row in group.index]
            galleries.append((f"group {number}", cards))
        text = _LEAKS_TEXT if galleries else "None."
        sections.append(HtmlSection(title, text, galleries=galleries[:_LEAKS]))
    table = pd.concat(checks, names=["check", "severity"])
    write_table(folder / "audit.csv", table.reset_index(["check", "severity"]))
    return sections


def count_classes(catalog: Catalog, task: ClassTask) -> pd.DataFrame:
    """Count a task's classes; a class may be empty, which training would refuse.

    Args:
        catalog: the whole dataset, not what `for_task` has left of it.
        task: a class task that it has labels for.
    Returns:
        One row per class in the task's order: `task`, `class`; `before`, the sum of the next two;
        `kept`, galaxies that the rule gives this class; `dropped`, those that it gives none, at
        the class with most of their votes (the first of equals); then `fold_0`, …, the kept ones of
        each fold. Over the classes, `before` adds up to the dataset.
    """
    labels = catalog.labels(task)
    labeled = labels.idxmax(axis=1)
    dropped = labeled.iloc[:0]
    if task.rule and catalog.has_votes:
        shares = task.rule.shares(catalog.train.drop(labeled.index))
        dropped = shares[list(task.columns)].idxmax(axis=1)
    folds = catalog.train.loc[labeled.index, FOLD]
    columns = {
        "before": pd.concat([labeled, dropped]).value_counts(),
        "kept": labeled.value_counts(),
        "dropped": dropped.value_counts(),
    }
    for fold in range(catalog.n_folds):
        columns[f"fold_{fold}"] = labeled[folds == fold].value_counts()
    names = pd.Index(task.columns, name=CLASS)
    counts = pd.DataFrame(columns).reindex(names).fillna(0).astype(int).reset_index()
    counts.insert(0, "task", task.name)
    return counts


def _sample_notes(catalog: Catalog, task: ClassTask) -> pd.Series:
    """Draw random galaxies of each class; class and largest votes of each, by GalaxyID."""
    classes = catalog.labels(task).idxmax(axis=1).sample(frac=1, random_state=0)
    drawn = classes.groupby(classes).head(GALAXIES_PER_CLASS).sort_index()
    drawn = drawn.sort_values(key=lambda names: names.map(task.columns.index), kind="stable")
    notes = {}
    for galaxy, name in drawn.items():
        notes[galaxy] = [readable(name)]
        if catalog.has_votes:
            notes[galaxy] += _top_votes(catalog.train.loc[galaxy])
    return pd.Series(notes)


def _top_votes(votes: pd.Series) -> list[str]:
    top = votes[_ANSWERS].nlargest(_TOP_VOTES)
    return [f"{answer_label(str(column))} {value:.2f}" for column, value in top.items()]
