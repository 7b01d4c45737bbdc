"""Sections of the exploration page on classes and images; their tables and pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo import catalog_plots
from galaxyzoo.catalogs import Catalog
from galaxyzoo.config import ORIGINAL_PX, ImageConfig
from galaxyzoo.counts import count_classes
from galaxyzoo.image_sample import (
    ImageSample,
    light_radii,
    radial_profiles,
    sample_images,
    summarise_images,
)
from galaxyzoo.images import decode_many
from galaxyzoo.page import Section
from galaxyzoo.preparation import Prepared
from galaxyzoo.tables import CLASS, write_table
from galaxyzoo.tasks import Task
from galaxyzoo.vote_tables import ANSWERS, answer_label

SAMPLED_IMAGES = 500
GALAXIES_PER_CLASS = 6
_TOP_VOTES = 3


def explore_classes(catalog: Catalog, tasks: Sequence[Task], folder: Path) -> list[Section]:
    """The section on class counts; none without a class task.

    Raises:
        InputError: the dataset has neither labels nor votes for one of the tasks.
    """
    if not tasks:
        return []
    tables = [count_classes(catalog, task) for task in tasks]
    write_table(folder / "classes.csv", pd.concat(tables, ignore_index=True))
    catalog_plots.plot_counts(folder / "classes.png", tables)
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
    section = Section(
        "Classes of each task",
        "\n".join([text, *few]),
        [(table["task"].iloc[0], table.drop(columns="task")) for table in tables],
        [("Galaxies of each class", folder / "classes.png")],
    )
    return [section]


def explore_images(data: Prepared, seed: int, folder: Path) -> list[Section]:
    """The section on a random sample of the training images, beside one of the test images."""
    source, catalog = data.source, data.catalog
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
        catalog_plots.plot_images(folder / "images.png", samples["train"], _squares(source.image))
        pictures = [("Sampled training images", folder / "images.png")]
    caption = f"Measured on the originals of {SAMPLED_IMAGES} or fewer random images"
    return [Section("Images", "\n".join(lines), [(caption, table)], pictures)]


def explore_samples(
    data: Prepared, tasks: Sequence[Task], seed: int, folder: Path
) -> list[Section]:
    """The section with a few random galaxies of every class, one picture per task."""
    pictures = []
    for task in tasks:
        galaxies = _draw_galaxies(data.catalog, task, seed)
        images, _ = decode_many(
            data.source.train_images, galaxies.index.to_numpy(), data.source.image
        )
        path = folder / f"samples_{task.name}.png"
        title = f"{task.name}: random galaxies of each class, with their GalaxyID"
        catalog_plots.plot_samples(path, title, task.columns, galaxies, images)
        pictures.append((title, path))
    text = "Below each image its largest vote fractions." if data.catalog.has_votes else ""
    return [Section("Galaxies of each class", text, pictures=pictures)] if pictures else []


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


def _draw_galaxies(catalog: Catalog, task: Task, seed: int) -> pd.DataFrame:
    """A few random galaxies of each class: `class`, and `votes` as text or ''."""
    classes = catalog.labels(task).idxmax(axis=1).sample(frac=1, random_state=seed)
    drawn = classes.groupby(classes).head(GALAXIES_PER_CLASS).sort_index()
    texts = [_top_votes(catalog.train.loc[i]) if catalog.has_votes else "" for i in drawn.index]
    return pd.DataFrame({CLASS: drawn, "votes": texts}, index=drawn.index)


def _top_votes(votes: pd.Series) -> str:
    top = votes[ANSWERS].nlargest(_TOP_VOTES)
    return "\n".join(f"{answer_label(str(c))} {value:.2f}" for c, value in top.items())
