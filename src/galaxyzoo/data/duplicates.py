"""Galaxies of one dataset that another has under other ids, found by their images."""

from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.core import manifest
from galaxyzoo.core.errors import advise
from galaxyzoo.data.catalog import GROUP, dataset_dir
from galaxyzoo.data.folds import near_duplicates
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.io.tables import GalaxyId

_REDO = "remove it and rerun the command, which writes it again"


def record_duplicates(data: Dataset, other: Dataset) -> None:
    """Record which galaxies of `other` are galaxies of `data` that their ids do not tell.

    They are found once, by their images, as near-duplicates within a dataset are. A stage on
    `other` leaves them out: they may be test galaxies, or belong to the fold to validate. Where the
    datasets share ids, a galaxy of the same id needs no record.
    """
    path = _copies_file(data.dataset, other.dataset)
    made_of = [data.about.get("images"), other.about.get("images")]
    with advise(_REDO):
        is_recorded = path.exists() and not manifest.is_unsealed(path)
        if is_recorded and manifest.read_sealed(path)["made_of"] == made_of:
            return
    print(f"checking which galaxies {data.dataset} and {path.parent.name} share")
    config = other.raw.image
    train = data.train_images(config)
    test = data.test_images(config)
    theirs = other.train_images(config)
    groups = near_duplicates(chain(train.images, test.images, theirs.images))
    own_ids = np.concatenate([train.ids, test.ids])
    own_groups = pd.DataFrame({"id": own_ids, GROUP: groups[: len(own_ids)]})
    their_groups = pd.DataFrame({"id": other.ids, GROUP: groups[len(own_ids) :]})
    pairs = their_groups.merge(own_groups, on=GROUP, suffixes=("", "_own"))
    if data.shares_ids(other):
        pairs = pairs[pairs["id"] != pairs["id_own"]]
    copies = pairs["id"].unique().tolist()
    manifest.write_sealed(path, {"made_of": made_of, "copies": copies})


@advise(_REDO)
def read_duplicates(dataset: str, other: str) -> list[GalaxyId]:
    """Ids in `other` that `record_duplicates` has written for these datasets."""
    return manifest.read_sealed(_copies_file(dataset, other))["copies"]


def _copies_file(dataset: str, other: str) -> Path:
    return dataset_dir(other) / f"copies_of_{dataset}.json"
