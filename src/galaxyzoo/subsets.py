"""Known subsets of the competition, rebuilt by the id lists in `configs/subsets/<name>/`."""

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo import atomic, kaggle
from galaxyzoo.archives import ImageStore
from galaxyzoo.errors import InputError
from galaxyzoo.kaggle import SAMPLES, SOLUTIONS, TEST_IMAGES, TRAIN_IMAGES
from galaxyzoo.paths import CONFIGS, INPUT, shown
from galaxyzoo.tables import ID

_DATE = (2013, 12, 20, 0, 0, 0)  # of every member, so that the same subset has the same bytes


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
    with _making_folder(target) as folder:
        _write_images(folder / f"{TRAIN_IMAGES}.zip", train_ids, [source.train_images])
        test_stores = [source.test_images, source.train_images]
        _write_images(folder / f"{TEST_IMAGES}.zip", test_ids, test_stores)
        _write_table(folder / f"{SAMPLES[0]}.zip", zeros)
        _write_table(folder / f"{SOLUTIONS}.zip", source.targets.loc[train_ids])
    return target


@contextmanager
def _making_folder(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder beside `folder`; on a clean exit it becomes `folder`, else it goes."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as made:
            whole = Path(made) / folder.name
            whole.mkdir()
            yield whole
            whole.replace(folder)
    except OSError as error:
        raise InputError(f"cannot write {shown(folder)}: {error.strerror or error}") from error


def _write_images(path: Path, ids: np.ndarray, stores: list[ImageStore]) -> None:
    with (
        atomic.writing(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        for galaxy_id in map(int, ids):
            store = next((s for s in stores if galaxy_id in s.names), None)
            if store is None:
                raise InputError(
                    f"the competition's images lack GalaxyID {galaxy_id}: it must be the "
                    "whole competition"
                )
            archive.writestr(
                zipfile.ZipInfo(f"{path.stem}/{galaxy_id}.jpg", _DATE), store.read(galaxy_id)
            )


def _write_table(path: Path, frame: pd.DataFrame) -> None:
    text = frame.to_csv(index_label=ID, lineterminator="\n")
    with (
        atomic.writing(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr(zipfile.ZipInfo(f"{path.stem}.csv", _DATE), text, zipfile.ZIP_DEFLATED)
