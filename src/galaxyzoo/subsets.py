"""Known subsets of the competition, rebuilt by the id lists in `configs/subsets/<name>/`."""

from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo import atomic, kaggle
from galaxyzoo.archives import ImageStore
from galaxyzoo.errors import InputError
from galaxyzoo.kaggle import SAMPLES, SOLUTIONS, TEST_IMAGES, TRAIN_IMAGES
from galaxyzoo.paths import CONFIGS, INPUT, shown
from galaxyzoo.tables import ID
from galaxyzoo.zip_writing import write_zip


def write_subset(name: str, data: str | None) -> Path:
    """Write a subset's four zips into `input/<name>/`, images byte for byte.

    A subset's test galaxies may be training galaxies of the whole competition; their labels are
    left out.

    Raises:
        InputError: no such subset, the input lacks one of its galaxies, or `input/<name>` is there
            already (it may be a link to somebody's only copy).
    """
    lists = CONFIGS / "subsets" / name
    if not lists.is_dir():
        known = ", ".join(sorted(p.name for p in CONFIGS.glob("subsets/*")))
        raise InputError(f"no subset '{name}' in {shown(CONFIGS)}/subsets: known are {known}")
    train_ids, test_ids = (kaggle.read_ids(lists / f"{part}_ids.txt") for part in ("train", "test"))
    target = INPUT / name
    if target.exists() or target.is_symlink():
        raise InputError(f"{shown(target)} exists already: move it away first")
    source = kaggle.read_source(kaggle.find_source(data))
    missing = np.setdiff1d(train_ids, source.targets.index)
    if len(missing):
        raise InputError(
            f"{shown(source.folder)} has no labels for GalaxyID {missing[0]} ({len(missing)} "
            "of the subset missing): it must be the whole competition"
        )
    zeros = pd.DataFrame(0, index=test_ids, columns=source.targets.columns)
    with atomic.writing_folder(target) as folder:
        _write_images(folder / f"{TRAIN_IMAGES}.zip", train_ids, [source.train_images])
        test_stores = [source.test_images, source.train_images]
        _write_images(folder / f"{TEST_IMAGES}.zip", test_ids, test_stores)
        _write_table(folder / f"{SAMPLES[0]}.zip", zeros)
        _write_table(folder / f"{SOLUTIONS}.zip", source.targets.loc[train_ids])
    return target


def _write_images(path: Path, ids: np.ndarray, stores: list[ImageStore]) -> None:
    write_zip(path, ((f"{path.stem}/{name}.jpg", _read(name, stores)) for name in map(int, ids)))


def _read(galaxy_id: int, stores: list[ImageStore]) -> bytes:
    store = next((s for s in stores if galaxy_id in s.names), None)
    if store is None:
        raise InputError(
            f"the competition's images lack GalaxyID {galaxy_id}: it must be the whole competition"
        )
    return store.read(galaxy_id)


def _write_table(path: Path, frame: pd.DataFrame) -> None:
    text = frame.to_csv(index_label=ID, lineterminator="\n")
    write_zip(path, [(f"{path.stem}.csv", text.encode())])
