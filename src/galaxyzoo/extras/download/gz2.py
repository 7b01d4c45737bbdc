"""Galaxy Zoo 2 as published: one table of votes, one of image numbers, and the images.

`gz2_hart16.csv` (or `.csv.gz`) holds for each galaxy (`dr7objid`) the share of volunteers who gave
each answer, `gz2_filename_mapping.csv` the number (`asset_id`) of each galaxy's image (`objid`),
`images_gz2.zip` (or a folder) the images, `<asset_id>.jpg`. They become the competition's 37 vote
fractions, so that every task on votes works with them.

Source: Willett et al. 2013 (MNRAS 435, 2835) and Hart et al. 2016 (MNRAS 461, 3663) for the table.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import input_dir, shown
from galaxyzoo.data.readers.dataset_files import DatasetCandidate, DatasetFiles
from galaxyzoo.data.stores.opening import open_by_galaxy_id
from galaxyzoo.extras.download import sdss
from galaxyzoo.io.tables import read_csv, read_table, select_numbers, whole_numbers
from galaxyzoo.io.vote_checks import check_range
from galaxyzoo.tasks import decision_tree, registry

TABLES = ("gz2_hart16.csv", "gz2_hart16.csv.gz")
MAPPINGS = ("gz2_filename_mapping.csv", "gz2_filename_mapping.csv.gz")
IMAGE_PATHS = ("images_gz2.zip", "images_gz2", "images", "images.zip")
GALAXY, OBJECT, ASSET = "dr7objid", "objid", "asset_id"
SKY = ("ra", "dec")  # degrees
DEBIASED, WEIGHTED = "_debiased", "_weighted_fraction"
_NUMBER_LIMIT = 2**63  # objects of other data releases, which have no votes here, have 19 digits


def find_galaxy_zoo_2(folder: Path) -> DatasetCandidate | None:
    """The dataset of a folder with the vote table, for all tasks on votes; None of any other."""
    if not find_part(folder, TABLES):
        return None
    has_images = find_part(folder, MAPPINGS) or find_part(folder, IMAGE_PATHS)
    if (folder / sdss.FOLDER).exists() and not has_images:
        return None  # what `prepare.py gz2 --download` reads and writes
    return DatasetCandidate(folder, registry.VOTE_TASKS, partial(open_galaxy_zoo_2, folder))


def find_part(folder: Path, names: Sequence[str]) -> Path | None:
    """Find the table, mapping or images in a folder, by their possible names; None: not there."""
    for name in names:
        path = folder / name
        if path.exists():
            return path
    return None


def get_part(folder: Path, names: Sequence[str]) -> Path:
    """Find the table, mapping or images in a folder; an `InputError` where it has none."""
    path = find_part(folder, names)
    if path is None:
        raise InputError(f"{shown(folder)}/ lacks {names[0]} (or {names[1]})")
    return path


def read_positions(path: Path) -> pd.DataFrame:
    """Read the sky positions of the vote table's galaxies.

    Returns:
        (galaxy, 2) `ra` and `dec` in degrees (J2000), by GalaxyID, rows in the file's order.
    Raises:
        InputError: the table lacks them, or has others than 0 to 360 and -90 to 90.
    """
    frame = read_csv(path, key=GALAXY, wanted=(GALAXY, *SKY).__contains__)
    if not set(SKY) <= set(frame.columns):
        raise InputError(
            f"{shown(path)} lacks column 'ra' or 'dec', which --download needs: use the "
            "published table"
        )
    sky = select_numbers(frame, SKY, path)
    wrong = sky.index[~(sky["ra"].between(0, 360) & sky["dec"].between(-90, 90))]
    if len(wrong):
        raise InputError(
            f"{shown(path)}: impossible coordinates of {GALAXY} {wrong[0]} (such rows: "
            f"{len(wrong)}): ra must be 0 to 360 and dec -90 to 90 degrees"
        )
    return sky


def open_galaxy_zoo_2(folder: Path) -> DatasetFiles:
    """Read votes and list images; galaxies without an image are left out, and counted on screen.

    Raises:
        InputError: a file is missing or damaged, or no galaxy has both votes and an image.
    """
    table = get_part(folder, TABLES)
    mapping = get_part(folder, MAPPINGS)
    votes = read_votes(table).sort_index()
    assets = _read_assets(mapping)
    images = open_by_galaxy_id(get_part(folder, IMAGE_PATHS))
    assets = assets[assets.isin(images.ids)]
    has_votes = assets.index.isin(votes.index)
    if not has_votes.all():
        left_out = int((~has_votes).sum())
        print(f"{shown(folder)}: skipped images of galaxies without votes: {left_out:,}")
    assets = assets[has_votes]
    assets = assets[~assets.index.duplicated()]  # of two images of a galaxy, the one listed first
    with_images = votes[votes.index.isin(assets.index)]
    if with_images.empty:
        raise InputError(
            f"{shown(mapping)} maps no galaxy of the vote table to an image in "
            f"{shown(images.path)}: are the files from the same release?"
        )
    if len(with_images) < len(votes):
        left_out = len(votes) - len(with_images)
        print(f"{shown(folder)}: skipped galaxies without an image: {left_out:,} of {len(votes):,}")
    images = images.select(assets.to_numpy()).relabel(assets.index)
    dataset = folder.absolute().name
    if folder.resolve() == input_dir().resolve():
        dataset = "gz2"
    return DatasetFiles(dataset, folder, with_images, images, images, galaxy_ids=False, table=table)


def read_votes(path: Path) -> pd.DataFrame:
    """The table's votes: debiased where it has such columns.

    Returns:
        (galaxy, 37) vote fractions by GalaxyID, rows in the file's order.
    Raises:
        InputError: the table is damaged, lacks columns or galaxies, or has shares beyond 0 to 1.
    """
    endings = (GALAXY, DEBIASED, WEIGHTED)
    frame = read_csv(path, key=GALAXY, wanted=lambda column: column.endswith(endings))
    if not len(frame):
        raise InputError(f"{shown(path)} has no galaxies")
    is_debiased = any(column.endswith(DEBIASED) for column in frame.columns)
    shares = _read_shares(frame, DEBIASED if is_debiased else WEIGHTED, path)
    weighted = shares
    if {answer + WEIGHTED for answer in decision_tree.PUBLISHED_NAMES} <= set(frame.columns):
        weighted = _read_shares(frame, WEIGHTED, path)
    votes = decision_tree.GALAXY_ZOO_2.to_vote_fractions(shares, weighted)
    return pd.DataFrame(votes, index=frame.index, columns=list(decision_tree.GALAXY_ZOO_2.columns))


def _read_shares(frame: pd.DataFrame, ending: str, path: Path) -> np.ndarray:
    """(galaxy, answer) shares in the columns with that ending; 0 to 1, else an `InputError`."""
    columns = [answer + ending for answer in decision_tree.PUBLISHED_NAMES]
    shares = select_numbers(frame, columns, path)
    check_range(shares, path, GALAXY)
    return shares.to_numpy().clip(0.0, 1.0)


def _read_assets(path: Path) -> pd.Series:
    """Image numbers by galaxy, rows in the file's order; a galaxy may stand there twice.

    Raises:
        InputError: a column is missing, or a cell is no whole number.
    """
    frame = read_table(path, texts={OBJECT, ASSET})
    for name in (OBJECT, ASSET):
        if name not in frame.columns:
            listed = ", ".join(map(repr, frame.columns[:4]))
            raise InputError(f"{shown(path)} has no column '{name}' (found {listed})")
        numbers, wrong = whole_numbers(frame[name], _NUMBER_LIMIT)
        if len(wrong):
            raise InputError(
                f"{shown(path)}, data row {wrong[0] + 1}: '{frame[name].iloc[wrong[0]]}' is not a "
                f"{name} (such rows: {len(wrong)})"
            )
        frame[name] = numbers
    return frame.set_index(OBJECT)[ASSET]
