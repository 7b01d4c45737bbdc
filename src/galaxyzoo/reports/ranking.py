"""Rank the galaxies of a survey: a page with pictures of the first ones, and a table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet
from sklearn.preprocessing import normalize

from galaxyzoo.config.schema import ORIGINAL_PX, ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.stores.columns import POSITION
from galaxyzoo.inference.columns import features_of
from galaxyzoo.inference.survey import BOUNDS, FEATURES, INTERVALS, SPREAD, Survey
from galaxyzoo.io.tables import write_predictions
from galaxyzoo.reports.html import GalaxyCard, HtmlSection, made, sky_links, write_page
from galaxyzoo.tasks.kinds import Task

DISAGREEMENT, WIDTH, LIKE = "disagreement", "width", "like:"
PAGE, TABLE = "ranking.html", "ranking.csv"
_SCORE, _PART = "score", "part"
_ANSWERS = 3  # below a galaxy
_RANGES = {SPREAD: "± the deviation between networks", INTERVALS: "a 90 % interval in brackets"}
_PICTURE = ImageConfig(crop_px=ORIGINAL_PX, cache_px=160)


def write_ranking(job: Survey, by: str, top: int) -> Path:
    """Write both into the job's folder; returns the page's path.

    Args:
        job: finished.
        by: column of an answer or class, the galaxies with most of it first; or, both as means over
            the answers, `DISAGREEMENT`, the standard deviation between the folds' networks, and
            `WIDTH`, of the intervals; or `LIKE` and an id, the galaxies first whose features have
            the highest cosine similarity with that one's, of all, without an index.
        top: number of galaxies.
    """
    task, label = job.predictor.task, job.images.labels.column
    columns = list(task.columns)
    needed, score = _scorer(job, by)
    ranges = [f"{name}_{end}" for name in columns for end in (SPREAD, *BOUNDS)]
    shown_columns = {label, *columns, *POSITION, *ranges}
    best, total = pd.DataFrame(), 0
    for part in job.images.parts:
        path = job.part_path(part)
        names = parquet.read_schema(path).names
        rows = parquet.read_table(
            path, columns=[n for n in names if n in shown_columns or n in needed]
        )
        galaxies = rows.select([n for n in rows.column_names if n in shown_columns]).to_pandas()
        total += len(galaxies)
        scored = galaxies.assign(**{_SCORE: score(rows), _PART: part.number})
        best = pd.concat([best, scored]).nlargest(top, _SCORE, keep="first")
    if best.empty:
        raise InputError("--rank: none of the images can be read")
    write_predictions(job.folder / TABLE, best.set_index(label)[[_SCORE, *columns]])
    title = f"{len(best):,} galaxies {_describe(by, task)}"
    summary = {
        "Galaxies": f"{len(best):,} of {total:,}, scores {best[_SCORE].max():.3f} to "
        f"{best[_SCORE].min():.3f}",
        "Networks": job.name,
        "Shown": ", ".join(
            ["its largest answers", *(text for key, text in _RANGES.items() if key in job.extras)]
        ),
        "Made": made(),
    }
    pictures = job.images.pictures(best[_PART].to_numpy(), best[label].to_numpy(), _PICTURE)
    rows_and_pictures = zip(best.to_dict("records"), pictures, strict=True)
    cards = [
        GalaxyCard(
            str(row[label]),
            picture,
            _notes(row, by, task),
            links=sky_links(*(row[name] for name in POSITION if name in row)),
        )
        for row, picture in rows_and_pictures
    ]
    links = [(TABLE, TABLE, "the score and all answers of these galaxies")]
    section = HtmlSection("Galaxies", galleries=[("the highest first", cards)], links=links)
    write_page(job.folder / PAGE, title, summary, [section])
    return job.folder / PAGE


def _scorer(job: Survey, by: str) -> tuple[list[str], Callable[[pa.Table], np.ndarray]]:
    """Columns that the score needs, and the (galaxy,) scores of the rows of a part."""
    if by.startswith(LIKE):
        example = _find_features(job, by.removeprefix(LIKE))
        return [FEATURES], lambda rows: normalize(features_of(rows)) @ example
    columns = job.predictor.task.columns
    suffixes = {DISAGREEMENT: (SPREAD,), WIDTH: BOUNDS}.get(by)
    groups = [[f"{name}_{end}" for name in columns] for end in suffixes] if suffixes else [[by]]

    def score(rows: pa.Table) -> np.ndarray:
        *lower, highest = (np.mean([rows[name] for name in group], axis=0) for group in groups)
        return highest - lower[0] if lower else highest

    return [name for group in groups for name in group], score


def _find_features(job: Survey, wanted: str) -> np.ndarray:
    """(feature,) features of the image of that id."""
    label = job.images.labels.column
    for part in job.images.parts:
        labels = parquet.read_table(job.part_path(part), columns=[label])[label].to_pylist()
        if wanted in (names := [str(name) for name in labels]):
            rows = parquet.read_table(job.part_path(part), columns=[FEATURES])
            return normalize(features_of(rows))[names.index(wanted)]
    raise InputError(f"--rank {LIKE}{wanted}: {shown(job.folder)} has no predictions of that id")


def _describe(by: str, task: Task) -> str:
    """A ranking in words."""
    if by.startswith(LIKE):
        return f"nearest to {by.removeprefix(LIKE)}"
    return f"by {task.labels[task.columns.index(by)] if by in task.columns else by}"


def _notes(galaxy: dict[str, Any], by: str, task: Task) -> list[str]:
    """The score and the largest answers, each with its spread and interval, of a galaxy."""
    others = sorted(set(task.columns) - {by}, key=lambda name: -galaxy[name])[:_ANSWERS]
    first = [] if by in task.columns else [f"score {galaxy[_SCORE]:.3f}"]
    notes = []
    for name in [by, *others] if by in task.columns else others:
        note = f"{task.text(task.columns.index(name))} {galaxy[name]:.2f}"
        if f"{name}_{SPREAD}" in galaxy:
            note += f"\u00a0±\u00a0{galaxy[f'{name}_{SPREAD}']:.2f}"
        if f"{name}_{BOUNDS[0]}" in galaxy:
            low, high = (galaxy[f"{name}_{bound}"] for bound in BOUNDS)
            note += f" ({low:.2f}\u00a0to\u00a0{high:.2f})"
        notes.append(note)
    return first + notes
