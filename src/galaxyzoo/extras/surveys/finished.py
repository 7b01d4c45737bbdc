"""Read a finished survey with features: ids, features and pictures of its galaxies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from os.path import normpath
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from galaxyzoo.core import launch, manifest, paths
from galaxyzoo.core.errors import InputError, advise
from galaxyzoo.data.stores.columns import POSITION
from galaxyzoo.extras.formats.fits import FitsSettings
from galaxyzoo.extras.surveys import FEATURES, JOB
from galaxyzoo.extras.surveys.columns import features_of, prediction_columns
from galaxyzoo.extras.surveys.images import SurveyImages
from galaxyzoo.extras.surveys.part_files import part_path, part_record

MANIFEST = "manifest.json"


@dataclass(frozen=True, eq=False)
class SurveyFeatures:
    """Galaxies of a finished survey, in the order of its parts."""

    folder: Path
    images: SurveyImages
    ids: np.ndarray  # (galaxy,) int64 or object, as in the parts
    parts: np.ndarray  # (galaxy,) numbers of the parts that hold them
    rows: np.ndarray  # (galaxy,) rows of their images in these
    features: np.ndarray  # (galaxy, feature), in the precision of the parts
    predictions: np.ndarray  # (galaxy, column) float32
    positions: np.ndarray  # (galaxy, 2) ra and dec in degrees, NaN where not known


def _survey_to_write(folder: Path) -> str:
    """The folder, as typed, if a survey can be written into it; else the name of a new one."""
    if not folder.exists() or (folder / JOB).exists():
        return f"{launch.quote(paths.shown(folder))}/"
    return "NEW_FOLDER/"  # `folder` may be a file or hold images


@dataclass(frozen=True)
class FinishedSurvey:
    """A survey all parts of which were read back."""

    provenance: dict[str, Any]  # of its files
    notes: dict[str, Any]  # of its manifest
    images: SurveyImages

    @property
    def has_features(self) -> bool:
        """Whether its parts have a column of features."""
        return FEATURES in self.provenance["extras"].split(", ")


def read_finished(folder: Path) -> FinishedSurvey:
    """Read the manifest of a finished survey and list its images.

    Raises:
        InputError: it is not finished, its manifest is damaged, or it has no galaxies.
    """
    if not (folder / MANIFEST).exists():
        command = f"{launch.typed('survey')} IMAGES {_survey_to_write(folder)}"
        raise InputError(f"{paths.shown(folder)} is not a finished survey: type `{command}` first")
    with advise("predict the images again, into a new folder"):
        content = manifest.read_sealed(folder / MANIFEST)
    provenance = content["made_by"]
    notes = content["notes"]
    if not notes["rows"]:
        raise InputError(f"{paths.shown(folder)} has no galaxies: none of its images could be read")
    # Stamps of images hold the settings as the survey spelled them, with tuples
    spelled = dict(notes.get("fits", {}))
    for name, value in spelled.items():
        if isinstance(value, list):
            spelled[name] = tuple(value)
    settings = FitsSettings(**spelled)
    inputs = tuple(Path(normpath(folder.resolve() / name)) for name in notes["inputs"])
    images = SurveyImages(inputs, provenance["part_size"], settings)
    return FinishedSurvey(provenance, notes, images)


def read_parts(folder: Path, survey: FinishedSurvey) -> Iterator[tuple[pa.Table, np.ndarray]]:
    """Read the parts of a survey, each with the rows of its images in the part's input.

    Raises:
        InputError: a part was changed, or the images are gone or others.
    """
    images = survey.images
    changed = (
        f"images in {', '.join(map(paths.shown, images.paths))} are not those predicted in "
        f"{paths.shown(folder)}: put them back, or predict again into a new folder"
    )
    if len(images.parts) != survey.notes["parts"]:
        raise InputError(changed)
    label = images.labels.column
    for part in images.parts:
        path = part_path(folder, part.number)
        record = part_record(path, survey.provenance)
        table = parquet.read_table(record.path(path.name))
        if label not in table.column_names:
            raise InputError(changed)
        rows = images.rows_of(part, table[label].to_numpy())
        if (rows < 0).any() or not part.is_of(record.notes):
            raise InputError(changed)
        yield table, rows


def read_features(folder: Path) -> SurveyFeatures:
    """Read all features into memory, in the precision of the parts.

    Raises:
        InputError: the survey is not finished, has no features, a part of it was changed, or its
            images are gone or others.
    """
    survey = read_finished(folder)
    if not survey.has_features:
        return replace(read_features(folder / FEATURES), folder=folder)
    tables = []
    rows = []
    for table, rows_of_part in read_parts(folder, survey):
        tables.append(table)
        rows.append(rows_of_part)
    galaxies = pa.concat_tables(tables)
    return SurveyFeatures(
        folder=folder,
        images=survey.images,
        ids=galaxies[survey.images.labels.column].to_numpy(),
        parts=np.repeat(range(len(tables)), [len(table) for table in tables]),
        rows=np.concatenate(rows),
        features=features_of(galaxies),
        predictions=_numbers(galaxies, prediction_columns(galaxies.schema)).astype(np.float32),
        positions=_numbers(galaxies, POSITION),
    )


def _numbers(table: pa.Table, columns: Sequence[str]) -> np.ndarray:
    """(row, column) float64, NaN where a table lacks a column or has no number there."""
    present = [column for column in columns if column in table.column_names]
    frame = table.select(present).to_pandas()
    return frame.reindex(columns=columns).apply(pd.to_numeric, errors="coerce").to_numpy(float)
