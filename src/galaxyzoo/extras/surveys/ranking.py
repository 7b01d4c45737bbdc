"""Rank the galaxies of a survey: a page with pictures of the first ones, and a table."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from galaxyzoo.config.schema import ORIGINAL_PX, ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.extras.pages.html import (
    GalaxyCard,
    HtmlSection,
    describe_origin,
    sky_links,
    write_page,
)
from galaxyzoo.extras.surveys import BOUNDS, DISAGREEMENT, INTERVALS, SPREAD, WIDTH
from galaxyzoo.extras.surveys.columns import without_features
from galaxyzoo.extras.surveys.survey import Survey
from galaxyzoo.io.writing import write_predictions
from galaxyzoo.tasks.kinds import Task

_PAGE, TABLE = "ranking.html", "ranking.csv"
_SCORE, _PART = "score", "part"
_ANSWERS = 3  # below a galaxy
_MEANINGS = {  # of scores that are no answer
    DISAGREEMENT: "Score: SD between networks, mean over the answers.",
    WIDTH: "Score: width of the 90 % interval, mean over the answers.",
}
_RANGES = {SPREAD: "± SD between networks", INTERVALS: "90 % intervals in brackets"}
_PICTURE = ImageConfig(crop_px=ORIGINAL_PX, cache_px=160)


def write_ranking(job: Survey, by: str, top: int) -> Path:
    """Write the page and the table into the job's folder; returns the page's path.

    Args:
        job: finished.
        by: column of an answer or class, the galaxies with most of it first; or, both as means over
            the answers, `DISAGREEMENT`, the standard deviation between the folds' networks, and
            `WIDTH`, of the intervals.
        top: number of galaxies.
    Raises:
        InputError: none of the images could be read.
    """
    task = job.predictor.task
    label = job.images.labels.column
    columns = list(task.columns)
    best = pd.DataFrame()
    total = 0
    for part in job.images.parts:
        path = job.part_path(part)
        read = without_features(parquet.read_schema(path).names)
        galaxies = parquet.read_table(path, columns=read).to_pandas()
        total += len(galaxies)
        scored = galaxies.assign(**{_SCORE: _score(galaxies, columns, by), _PART: part.number})
        best = pd.concat([best, scored]).nlargest(top, _SCORE, keep="first")
    if best.empty:
        raise InputError("--rank: none of the images can be read")
    write_predictions(job.folder / TABLE, best.set_index(label)[[_SCORE, *columns]])
    ranked_by = by
    if by in columns:
        ranked_by = task.labels[columns.index(by)]
    title = f"{len(best):,} galaxies by {ranked_by}"
    ranges = [text for extra, text in _RANGES.items() if extra in job.extras]
    scores = best[_SCORE]
    summary = {
        "Galaxies": f"{len(best):,} of {total:,}, scores {scores.max():.3f} to {scores.min():.3f}",
        "Networks": job.name,
        "Shown": ", ".join(["largest answers", *ranges]),
        "Made": describe_origin(),
    }
    images = job.images
    rows = best.groupby(_PART)[label].transform(
        lambda ids: images.rows_of(images.parts[ids.name], ids)
    )
    pictures, _ = images.pictures(best[_PART].to_numpy(), rows.to_numpy(int), _PICTURE)
    cards = []
    for galaxy, picture in zip(best.to_dict("records"), pictures, strict=True):
        notes = _notes(galaxy, by, task)
        sky = sky_links(galaxy.get("ra"), galaxy.get("dec"))
        cards.append(GalaxyCard(str(galaxy[label]), picture, notes, links=sky))
    links = [(TABLE, TABLE, "the score and all answers of these galaxies")]
    galleries = [("Highest scores first", cards)]
    section = HtmlSection("Galaxies", _MEANINGS.get(by, ""), galleries=galleries, links=links)
    write_page(job.folder / _PAGE, title, summary, [section])
    return job.folder / _PAGE


def score_rows(columns: list[str], by: str, rows: pa.Table) -> np.ndarray:
    """(row,) scores of rows of a survey, by which they are ranked."""
    galaxies = rows.select(without_features(rows.column_names)).to_pandas()
    return _score(galaxies, columns, by).to_numpy()


def _score(galaxies: pd.DataFrame, columns: list[str], by: str) -> pd.Series:
    """The score of each galaxy of a part."""
    if by == DISAGREEMENT:
        return _mean_of(galaxies, columns, SPREAD)
    if by == WIDTH:
        lower, upper = BOUNDS
        return _mean_of(galaxies, columns, upper) - _mean_of(galaxies, columns, lower)
    return galaxies[by]


def _mean_of(galaxies: pd.DataFrame, columns: list[str], ending: str) -> pd.Series:
    """Mean over the answers of their spread, or of a bound of their intervals."""
    return galaxies[[f"{column}_{ending}" for column in columns]].mean(axis=1)


def _notes(galaxy: dict[str, Any], by: str, task: Task) -> list[str]:
    """The score and the largest answers, each with its spread and interval, of a galaxy."""
    answers = sorted(task.columns, key=lambda answer: -galaxy[answer])
    notes = []
    if by in answers:  # it comes first, and is not counted
        answers.remove(by)
        answers = [by, *answers[:_ANSWERS]]
    else:
        notes.append(f"score {galaxy[_SCORE]:.3f}")
        answers = answers[:_ANSWERS]
    for answer in answers:
        note = f"{task.text(task.columns.index(answer))} {galaxy[answer]:.2f}"
        spread = galaxy.get(f"{answer}_{SPREAD}")
        if spread is not None:
            note += f"\u00a0±\u00a0{spread:.2f}"
        lower, upper = (galaxy.get(f"{answer}_{bound}") for bound in BOUNDS)
        if lower is not None:
            note += f" ({lower:.2f}\u00a0to\u00a0{upper:.2f})"
        notes.append(note)
    return notes
