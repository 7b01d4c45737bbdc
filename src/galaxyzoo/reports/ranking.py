"""Rank the galaxies of a survey: a page with pictures of the first ones, and a table."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from galaxyzoo.config.schema import ORIGINAL_PX, ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.inference.columns import features_of
from galaxyzoo.inference.survey import BOUNDS, FEATURES, SPREAD, Survey
from galaxyzoo.io.tables import write_predictions
from galaxyzoo.reports.figures import draw_galaxies, save_figure
from galaxyzoo.reports.html import HtmlSection, write_page
from galaxyzoo.tasks.kinds import Task

DISAGREEMENT, WIDTH, LIKE = "disagreement", "width", "like:"
PAGE, TABLE = "ranking.html", "ranking.csv"
_SCORE, _PART = "score", "part"
_IN_PICTURE = 50  # galaxies
_ANSWERS = 2  # below a galaxy
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
    label, columns = job.images.labels.column, list(job.predictor.task.columns)
    needed, score = _scorer(job, by)
    best = pd.DataFrame()
    for part in job.images.parts:
        wanted = [*dict.fromkeys([label, *columns, *needed])]
        rows = parquet.read_table(job.part_path(part), columns=wanted)
        galaxies = rows.select([label, *columns]).to_pandas()
        scored = galaxies.assign(**{_SCORE: score(rows), _PART: part.number})
        best = pd.concat([best, scored]).nlargest(top, _SCORE, keep="first")
    if best.empty:
        raise InputError("--rank: none of the images can be read")
    table = best.set_index(label)[[_SCORE, *columns]]
    write_predictions(job.folder / TABLE, table)
    order = f"nearest to {by.removeprefix(LIKE)}" if by.startswith(LIKE) else f"by {by}"
    title = f"{len(best):,} galaxies {order}"
    with TemporaryDirectory() as folder:
        sections = []
        for start in range(0, len(best), _IN_PICTURE):
            section_rows = best.iloc[start : start + _IN_PICTURE]
            figure = draw_galaxies(
                section_rows[label].to_numpy(),
                job.images.pictures(
                    section_rows[_PART].to_numpy(), section_rows[label].to_numpy(), _PICTURE
                ),
                _notes(section_rows, job.predictor.task),
                "",
                label=label,
            )
            path = save_figure(figure, Path(folder, f"{start}.png"))
            name = f"{start + 1} to {start + len(section_rows)}"
            sections.append(HtmlSection(name, pictures=[(f"{title}: {name}", path)]))
        intro = f"By {job.name}, the highest first; below each its largest answers. All: {TABLE}."
        write_page(job.folder / PAGE, title, intro, sections)
    return job.folder / PAGE


def _scorer(job: Survey, by: str) -> tuple[list[str], Callable[[pa.Table], np.ndarray]]:
    """Columns that the score needs, and the (galaxy,) scores of the rows of a part."""
    if by.startswith(LIKE):
        example = _find_features(job, by.removeprefix(LIKE))
        return [FEATURES], lambda rows: _unit_features(rows) @ example
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
            return _unit_features(rows)[names.index(wanted)]
    raise InputError(f"--rank {LIKE}{wanted}: {shown(job.folder)} has no predictions of that id")


def _unit_features(rows: pa.Table) -> np.ndarray:
    """(row, feature) features, each row of length 1."""
    values = features_of(rows)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def _notes(galaxies: pd.DataFrame, task: Task) -> list[str]:
    """Score and largest answers of each galaxy."""
    notes = []
    for score, values in zip(
        galaxies[_SCORE], galaxies[list(task.columns)].to_numpy(), strict=True
    ):
        largest = np.argsort(-values, kind="stable")[:_ANSWERS]
        answers = [f"{task.labels[i]} {values[i]:.2f}" for i in largest]
        notes.append("\n".join([f"{score:.3f}", *answers]))
    return notes
