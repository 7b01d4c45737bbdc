"""A voted competition and a labelled set of some of its galaxies, for runs across datasets."""

from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.data.prepare import Dataset, prepare
from support.kaggle_fixtures import draw_competition, encode, write_zip

IMAGE = ImageConfig(crop_px=424, cache_px=32, field_px=424, size_px=32)


@pytest.fixture
def voted(root: Path) -> Dataset:
    """A competition where two galaxies of three are clearly smooth or clearly a disk."""
    competition = draw_competition(n_train=45, n_test=3)
    kind = np.arange(45) % 3
    competition.votes[:] = 0.0
    for column, value in (
        ("Class1.1", kind == 0),
        ("Class7.1", kind == 0),
        ("Class1.2", kind == 1),
    ):
        competition.votes[column] = value.astype(float)
    competition.votes.loc[kind == 1, ["Class2.1", "Class9.1"]] = 1.0
    competition.votes.loc[kind == 2, "Class1.3"] = 1.0
    competition.votes["Class6.2"] = 1.0
    competition.write_zips(root / "input" / "voted")
    return prepare("voted", n_folds=3)


def other_dataset(root: Path, ids: list[int], n_folds: int = 3) -> Dataset:
    """A labelled set of some of the galaxies."""
    folder = root / "input" / "labelled"
    names = ["elliptical", "spiral"]
    rows = "".join(f"{i},{names[k % 2]}\n" for k, i in enumerate(ids))
    folder.mkdir()
    (folder / "train_labels.csv").write_text("GalaxyID,class\n" + rows)
    rng = np.random.default_rng(0)
    images = {f"{i}.jpg": encode(rng.integers(0, 255, (48, 48, 3), np.uint8)) for i in ids}
    write_zip(folder / "images.zip", images)
    return prepare("labelled", n_folds=n_folds)
