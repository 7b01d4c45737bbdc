"""Sections of the exploration page on classes and images; their tables and pictures.

Sections of the exploration page on the volunteers' votes; their tables and pictures.

How many galaxies each class of a task has, before and after its rule, and in each fold.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import ORIGINAL_PX, ImageConfig
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.image_cache import decode_many
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.io.tables import CLASS, FOLD, write_table
from galaxyzoo.reports import explore_figures, explore_stats
from galaxyzoo.reports.explore_stats import (
    ANSWERS,
    ImageSample,
    answer_label,
    light_radii,
    radial_profiles,
    sample_images,
    summarise_images,
)
from galaxyzoo.reports.html import HtmlSection
from galaxyzoo.tasks.registry import CLASS_TASKS, ClassTask

SAMPLED_IMAGES = 500
GALAXIES_PER_CLASS = 6
_TOP_VOTES = 3


def explore_classes(
    catalog: Catalog, tasks: Sequence[ClassTask], folder: Path
) -> list[HtmlSection]:
    """The section on class counts; none without a class task.

    Raises:
        InputError: the dataset has neither labels nor votes for one of the tasks.
    """
    if not tasks:
        return []
    tables = [count_classes(catalog, task) for task in tasks]
    write_table(folder / "classes.csv", pd.concat(tables, ignore_index=True))
    explore_figures.plot_counts(folder / "classes.png", tables)
    few = [
        f"{row['task']}: class '{row[CLASS]}' has {row['kept']} galaxies, too few for "
        f"{catalog.n_folds} folds, so the task cannot be trained on this dataset."
        for table in tables
        for _, row in table[table["kept"] < catalog.n_folds].iterrows()
    ]
    text = (
        "Before: galaxies that have more votes for this class than for any other. Kept: those that "
        "the task's rule gives the class. Dropped: those of 'before' that the rule gives none."
        if catalog.has_votes
        else "The classes come from a label file, so nothing is dropped."
    )
    section = HtmlSection(
        "Classes of each task",
        "\n".join([text, *few]),
        [(table["task"].iloc[0], table.drop(columns="task")) for table in tables],
        [("Galaxies of each class", folder / "classes.png")],
    )
    return [section]


def explore_images(data: Dataset, seed: int, folder: Path) -> list[HtmlSection]:
    """The section on a random sample of the training images, beside one of the test images."""
    source, catalog = data.raw, data.catalog
    samples = {"train": sample_images(source.train_images, catalog.ids, SAMPLED_IMAGES, seed)}
    if len(catalog.test_ids):
        samples["test"] = sample_images(source.test_images, catalog.test_ids, SAMPLED_IMAGES, seed)
    table = pd.DataFrame({name: summarise_images(s) for name, s in samples.items()}, dtype=object)
    table = table.rename_axis("measure").reset_index()
    write_table(folder / "images.csv", table)
    near = catalog.about.get("galaxies_with_a_near_duplicate", "not counted")
    lines = [
        f"Training galaxies with a near-duplicate, which share a fold with it: {near}.",
        *_unreadable(samples),
    ]
    pictures = []
    if len(samples["train"].frames):
        lines.append(_light_text(samples["train"], source.image))
        explore_figures.plot_images(folder / "images.png", samples["train"], _squares(source.image))
        pictures = [("Sampled training images", folder / "images.png")]
    caption = f"Measured on the originals of {SAMPLED_IMAGES} or fewer random images"
    return [HtmlSection("Images", "\n".join(lines), [(caption, table)], pictures)]


def explore_samples(
    data: Dataset, tasks: Sequence[ClassTask], seed: int, folder: Path
) -> list[HtmlSection]:
    """The section with a few random galaxies of every class, one picture per task."""
    pictures = []
    for task in tasks:
        galaxies = _draw_galaxies(data.catalog, task, seed)
        images, _ = decode_many(data.raw.train_images, galaxies.index.to_numpy(), data.raw.image)
        path = folder / f"samples_{task.name}.png"
        title = f"{task.name}: random galaxies of each class, with their GalaxyID"
        explore_figures.plot_samples(path, title, task.columns, galaxies, images)
        pictures.append((title, path))
    text = "Below each image its largest vote fractions." if data.catalog.has_votes else ""
    return [HtmlSection("Galaxies of each class", text, pictures=pictures)] if pictures else []


def _unreadable(samples: dict[str, ImageSample]) -> list[str]:
    """Lines that name the first unreadable images of each sample."""
    return [
        f"GalaxyID {galaxy_id} ({name}) cannot be read: {why}."
        for name, sample in samples.items()
        for galaxy_id, why in list(sample.problems.items())[:5]
    ]


def _light_text(sample: ImageSample, image: ImageConfig) -> str:
    """How far out the galaxies shine, against what is kept of the frame."""
    profiles = radial_profiles(sample.frames)
    half, most = light_radii(profiles, 0.5), light_radii(profiles, 0.9)
    if np.isnan(most).all():
        return "No image has anything brighter than its rim."
    inside = [
        f"; in {np.mean(most[~np.isnan(most)] <= side):.1%} of the images those 90 % lie inside "
        f"{name}"
        for name, side in _squares(image).items()
    ]
    return (
        f"Half of a galaxy's brightness lies within {np.nanmedian(half):.2f}, 90 % of it within "
        f"{np.nanmedian(most):.2f} of half the frame's side (medians){''.join(inside)}."
    )


def _squares(image: ImageConfig) -> dict[str, float]:
    """Side, as part of the frame's, of what is cut out of whole originals; {} for cut-outs."""
    if image.crop_px == ORIGINAL_PX:
        return {}
    return {
        f"the network's view ({image.field_px:g} px)": image.field_px / ORIGINAL_PX,
        f"the decoded square ({image.crop_px} px)": image.crop_px / ORIGINAL_PX,
    }


def _draw_galaxies(catalog: Catalog, task: ClassTask, seed: int) -> pd.DataFrame:
    """A few random galaxies of each class: `class`, and `votes` as text or ''."""
    classes = catalog.labels(task).idxmax(axis=1).sample(frac=1, random_state=seed)
    drawn = classes.groupby(classes).head(GALAXIES_PER_CLASS).sort_index()
    texts = [_top_votes(catalog.train.loc[i]) if catalog.has_votes else "" for i in drawn.index]
    return pd.DataFrame({CLASS: drawn, "votes": texts}, index=drawn.index)


def _top_votes(votes: pd.Series) -> str:
    top = votes[ANSWERS].nlargest(_TOP_VOTES)
    return "\n".join(f"{answer_label(str(c))} {value:.2f}" for c, value in top.items())


_WORST, _PAIRS = 10, 10


def explore_votes(catalog: Catalog, folder: Path) -> list[HtmlSection]:
    """Sections on the votes; none where the dataset has classes instead."""
    if not catalog.has_votes:
        return []
    votes = catalog.train
    answers = explore_stats.summarise_answers(votes)
    correlations = explore_stats.correlate_answers(votes)
    pairs = explore_stats.strongest_pairs(correlations, _PAIRS)
    write_table(folder / "answers.csv", answers)
    write_table(folder / "correlations.csv", correlations.rename_axis("answer").reset_index())
    explore_figures.plot_distributions(folder / "distributions.png", votes)
    explore_figures.plot_means(folder / "means.png", votes)
    explore_figures.plot_correlations(folder / "correlations.png", correlations)
    for column in ("answer", "other"):
        pairs[column] = pairs[column].map(answer_label)
    votes_section = HtmlSection(
        "Votes",
        "A vote fraction is the part of all volunteers that gave the answer; it already carries "
        "the fraction of the answer that leads there.",
        [("Answers of different questions that go together or exclude each other most", pairs)],
        [
            ("How often each vote fraction occurs, 20 bins", folder / "distributions.png"),
            ("Mean vote fraction of each answer", folder / "means.png"),
            ("Correlations of all answers", folder / "correlations.png"),
        ],
    )
    return [votes_section, _clarity(catalog, folder), _consistency(catalog, folder)]


def _clarity(catalog: Catalog, folder: Path) -> HtmlSection:
    clarity = explore_stats.count_clarity(explore_stats.entropies(catalog.train))
    write_table(folder / "clarity.csv", clarity)
    explore_figures.plot_clarity(folder / "clarity.png", clarity)
    return HtmlSection(
        "How clear the answers are",
        f"Entropy of the shares that a question's answers got, over that of equal shares: up to "
        f"{explore_stats.CLEAR:g} a galaxy is clear, from {explore_stats.AMBIGUOUS:g} on "
        "ambiguous. "
        f"Hardly asked: below {explore_stats.ASKED:g} of the volunteers came to the question.",
        [("Galaxies per question", clarity)],
        [("Clear and ambiguous galaxies of each question", folder / "clarity.png")],
    )


def _consistency(catalog: Catalog, folder: Path) -> HtmlSection:
    missed = explore_stats.residuals(catalog.train)
    summary = explore_stats.summarise_residuals(missed)
    worst = explore_stats.worst_galaxies(missed, _WORST)
    write_table(folder / "consistency.csv", summary)
    write_table(folder / "worst_galaxies.csv", worst)
    explore_figures.plot_residuals(folder / "consistency.png", missed)
    for table, columns in ((summary, ["largest", "mean"]), (worst, ["residual"])):
        table[columns] = table[columns].map("{:.1e}".format)
    return HtmlSection(
        "Do the votes add up?",
        "The answers of a question add up to the vote of the answer that leads to it. A table "
        "that misses this by more than 1e-5 is refused.",
        [("Misses per question", summary), ("Galaxies that miss the tree most", worst)],
        [("The largest miss of each galaxy", folder / "consistency.png")],
    )


def labelled_tasks(catalog: Catalog) -> list[ClassTask]:
    """The class tasks that the catalog has labels for, or votes and the task a rule."""
    return [
        task
        for task in CLASS_TASKS.values()
        if (set(task.columns) <= set(catalog.train.columns) or (task.rule and catalog.has_votes))
    ]


def count_classes(catalog: Catalog, task: ClassTask) -> pd.DataFrame:
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
