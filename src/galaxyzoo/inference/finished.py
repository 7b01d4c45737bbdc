"""Read a finished survey with features: ids, features and pictures of its galaxies."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyarrow import parquet

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.manifest import read_sealed
from galaxyzoo.core.paths import shown
from galaxyzoo.data.stores.fits import FitsSettings
from galaxyzoo.inference.columns import FEATURES, features_of
from galaxyzoo.inference.images import SurveyImages

MANIFEST, PARTS = "manifest.json", "parts"


@dataclass(frozen=True, eq=False)
class SurveyFeatures:
    """Galaxies of a finished survey, in the order of its parts."""

    folder: Path
    images: SurveyImages
    ids: np.ndarray  # (galaxy,) int64 or object, as in the parts
    parts: np.ndarray  # (galaxy,) numbers of the parts that hold them
    features: np.ndarray  # (galaxy, feature) float32


def read_features(folder: Path) -> SurveyFeatures:
    """Read all features into memory: 4 bytes each.

    Raises:
        InputError: the survey is not finished, has no features, or its images are gone.
    """
    if not (folder / MANIFEST).exists():
        raise InputError(
            f"{shown(folder)} is not a finished survey: type `python3 src/predict.py IMAGES "
            f"--output {shown(folder)}/ --with features` first"
        )
    content = read_sealed(folder / MANIFEST, "predict the images again, into a new folder")
    made_by, notes = content["made_by"], content["notes"]
    if FEATURES not in made_by["extras"].split(", "):
        raise InputError(
            f"{shown(folder)} has no features: predict the images again, into a new folder, with "
            "`--with features`"
        )
    settings = FitsSettings(**notes.get("fits", {}))
    images = SurveyImages(tuple(map(Path, notes["inputs"])), made_by["part_size"], settings)
    label = images.labels.column
    paths = sorted((folder / PARTS).glob("part-*.parquet"))
    tables = [parquet.read_table(path, columns=[label, FEATURES]) for path in paths]
    if len(paths) != len(images.parts) or sum(map(len, tables)) != notes["rows"]:
        raise InputError(f"{shown(folder)} is of other images than {', '.join(notes['inputs'])}")
    return SurveyFeatures(
        folder,
        images,
        np.concatenate([table[label].to_numpy() for table in tables]),
        np.repeat(range(len(tables)), [len(table) for table in tables]),
        np.concatenate([features_of(table) for table in tables if len(table)]),
    )
