"""Groups and positions of galaxies, from the tables beside a dataset.

The table of votes or labels, and `groups.csv` beside the images, may have a column `group` and
columns of positions, in any letter case and as catalogs name them. Galaxies of one group or place
belong together. A table that cannot be used is refused, never passed over.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.launch import require
from galaxyzoo.core.paths import shown
from galaxyzoo.data.catalog import GROUP
from galaxyzoo.data.folds import connect, connect_members, join_groups
from galaxyzoo.data.readers.dataset_files import DatasetFiles, find_file
from galaxyzoo.data.stores.columns import (
    NAMES,
    POSITION,
    POSITION_NAMES,
    find_position,
    pick_columns,
    read_ids,
)
from galaxyzoo.data.stores.matching import find_rows
from galaxyzoo.io.tables import NO_VALUE, GalaxyId, read_table

GROUPS = "groups.csv"
GROUP_FORMS = GROUPS, "groups.csv.gz", "groups.parquet"
ANGLE_UNITS = {"ra": "hourangle", "dec": "deg"}  # astropy's, of texts that name no unit
PLACE = "position"  # what galaxies share, beside a group
KEYS = ("dr7objid", *NAMES)  # columns that name images
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?"
_NO_SKY = pd.DataFrame(columns=list(POSITION))
_ARCSEC = np.radians(1 / 3600)
_MANY = 8  # galaxies at one position; a galaxy in all its orientations has as many pictures


@dataclass(frozen=True)
class SideTable:
    """The rows of a table that name images of a dataset; an image may have several."""

    path: Path
    groups: pd.DataFrame  # by id: names of groups, of each column of groups
    sky: pd.DataFrame  # by id: `ra` and `dec` in degrees, of rows that have a position
    position: str  # the names of these columns in the file; empty: it has none
    unknown: int  # rows of other images


@dataclass(frozen=True)
class KnownGroups:
    """Numbers of the groups and places of a dataset's images, by the tables beside it."""

    numbers: pd.DataFrame  # by id; columns of `GROUP` and `PLACE`, -1: none
    sky: pd.DataFrame  # by id: `ra` and `dec` in degrees, of rows that have a position
    sources: dict[str, list[str]]  # columns and files of each
    notes: list[str]  # lines for the user

    def of(self, ids: np.ndarray | pd.Index) -> dict[str, np.ndarray]:
        """(galaxy,) numbers of galaxies by what they share, in order of appearance; -1: none."""
        numbers = self.numbers.reindex(ids, fill_value=-1)
        numbers = numbers.where(numbers >= 0)
        return {name: pd.factorize(numbers[name])[0] for name in numbers}

    def joined(self, ids: np.ndarray | pd.Index) -> np.ndarray:
        """(galaxy,) numbers of groups of galaxies that share anything, also by other images.

        A galaxy that shares nothing is a group of its own; in `of` it has -1.
        """
        images = self.numbers.index.union(ids)
        numbers = join_groups([np.arange(len(images)), *self.of(images).values()])
        return pd.factorize(numbers[images.get_indexer(ids)])[0]


def read_known_groups(raw: DatasetFiles) -> KnownGroups:
    """Find which galaxies of a dataset belong together by the tables beside it.

    Galaxies that share any of their groups, in whatever table, are one group. Positions within an
    arcsecond are one place, and so are chains of them; see `match_places`.

    Raises:
        InputError: a table is broken, `groups.csv` has no usable column or names no image, or a
            cell of a position is not an angle.
    """
    ids = pd.Index(raw.train_images.ids)
    memberships = []
    positions = []
    notes: list[str] = []
    sources: dict[str, list[str]] = {}
    for table in _read_side_tables(raw):
        notes.extend(_describe(table, raw.targets.index))
        for column in table.groups:
            memberships.append(table.groups[column])
            sources.setdefault(GROUP, []).append(f"{column} of {table.path.name}")
        if table.position:
            positions.append(table.sky)
            sources.setdefault(PLACE, []).append(f"{table.position} of {table.path.name}")
    numbers = pd.DataFrame(index=ids)
    sky = _NO_SKY
    if memberships:
        members = pd.concat(memberships)
        rows = ids.get_indexer(members.index)
        numbers[GROUP] = connect_members(rows, pd.factorize(members)[0], len(ids))
    if positions:
        sky, lines = _drop_placeholders(pd.concat(positions))
        notes.extend(lines)
        rows = ids.get_indexer(sky.index)
        numbers[PLACE] = connect_members(rows, match_places(sky), len(ids))
    return KnownGroups(numbers, sky, sources, notes)


def sky_positions(raw: DatasetFiles) -> dict[GalaxyId, tuple[float, float]]:
    """`ra` and `dec` in degrees by id, of labeled galaxies that have a position."""
    sky = read_known_groups(raw).sky
    sky = sky[sky.index.isin(raw.targets.index) & ~sky.index.duplicated()]
    return dict(zip(sky.index, sky.itertuples(index=False, name=None), strict=True))


def _read_side_tables(raw: DatasetFiles) -> Iterator[SideTable]:
    """Read the tables beside a dataset that have groups or positions."""
    folder = raw.folder if raw.folder.is_dir() else raw.folder.parent
    for path in (raw.table, find_file(folder, GROUP_FORMS)):
        if path is None or not path.exists():
            continue
        table = _read_side_table(path, raw)
        if table:
            yield table


def _read_side_table(path: Path, raw: DatasetFiles) -> SideTable | None:
    is_own = path == raw.table  # which has classes or votes, and need not have more
    cells = read_table(path, wanted=_is_of_use if is_own else None, texts=None)
    listed = ", ".join(cells.columns[:9])
    groups = []
    for column in pick_columns(cells, [GROUP]):
        is_class = is_own and cells[column].dropna().isin(raw.targets.columns).all()
        if not is_class:  # a column of classes may have that name
            groups.append(column)
    position = find_position(cells)
    if not groups and position is None:
        if is_own:
            return None
        raise InputError(
            f"{shown(path)} has no column {GROUP} (found {listed}): add it, or ra and dec"
        )
    if not pick_columns(cells, KEYS):
        raise InputError(f"{shown(path)} has no column of ids (found {listed}): call it id")
    images = _match_rows(cells, path, raw)
    of_images = cells.iloc[images.index].set_axis(raw.train_images.ids[images])
    group_names = of_images[groups].apply(compared_names)
    sky = _NO_SKY
    if position:
        sky = read_sky(of_images, position, path)
    unknown = len(cells) - len(of_images)
    return SideTable(path, group_names, sky, ", ".join(position or ()), unknown)


def _is_of_use(column: str) -> bool:
    positions = chain.from_iterable(POSITION_NAMES)
    return bool(pick_columns([column], [GROUP, *KEYS, *positions]))


def _match_rows(cells: pd.DataFrame, path: Path, raw: DatasetFiles) -> pd.Series:
    """Rows of images by the number of the table's row that names each, by its best column.

    Raises:
        InputError: no column names an image, or the best one has a name of two.
    """
    files = raw.train_images.names
    best = pd.Series(dtype=object)  # rows of images by the number of the row that names them
    problem = InputError(f"{shown(path)} has no rows")
    for column in pick_columns(cells, KEYS):
        texts = cells[column].dropna().str.strip()
        texts = texts[texts != ""]
        if texts.empty:
            continue
        try:
            matching = _match_column(texts, files, path)
        except InputError as error:
            problem = error
            continue
        if len(matching) > len(best):
            best = matching
    if best.empty:
        raise problem
    several = best[best.str.len() > 1]
    if len(several):
        first, second = files.iloc[several.iloc[0][:2]]
        name = one_line(cells.loc[several.index[0], best.name])
        raise InputError(f"{shown(path)}: both '{first}' and '{second}' are named '{name}'")
    return best.str[0].astype(int)


def _match_column(texts: pd.Series, files: pd.Series, path: Path) -> pd.Series:
    """Rows of images by the number of the table's row that names each, by one column.

    Images are named by their files or by their ids, whichever name more.

    Raises:
        InputError: the column names none.
    """
    ids = read_ids(texts.to_numpy(), path)
    best = pd.Series(dtype=object)
    for names in (files, files.index.astype(str)):
        matching = pd.Series(list(find_rows(ids, names)), texts.index, name=texts.name)
        matching = matching[matching.str.len() > 0]
        if len(matching) > len(best):
            best = matching
    if best.empty:
        raise InputError(
            f"{shown(path)} names none of the {len(files)} images: column '{texts.name}' has "
            f"'{one_line(ids[0])}', the first image is '{files.iloc[0]}'"
        )
    return best


def compared_names(cells: pd.Series) -> pd.Series:
    """Names of groups as they are compared: stripped texts, numbers by value; NaN: none.

    Examples:
        >>> compared_names(pd.Series(["007", "7.0", "g0 ", "null"])).tolist()
        [Decimal('7'), Decimal('7.0'), 'g0', nan]
    """
    texts = cells.fillna("").astype(str).str.strip().str.normalize("NFC")
    names = texts.astype(object)
    is_number = texts.str.fullmatch(_NUMBER)
    names[is_number] = texts[is_number].map(Decimal)
    return names.mask(texts.str.lower().isin(NO_VALUE), np.nan)


def read_sky(cells: pd.DataFrame, position: tuple[str, str], path: Path) -> pd.DataFrame:
    """`ra` and `dec` in degrees of the rows that have a position.

    A row has none where either is missing, dec is outside ±90 or ra outside -180 to 360; nor where
    both are 0, or one whole negative number: catalogs write these in place of a missing position.
    """
    ra = read_angles(cells[position[0]], ANGLE_UNITS["ra"], path)
    dec = read_angles(cells[position[1]], ANGLE_UNITS["dec"], path)
    is_inside = dec.between(-90, 90) & ra.between(-180, 360)
    is_stand_in = (ra == dec) & ((ra == 0) | ((ra < 0) & (ra % 1 == 0)))
    return pd.DataFrame({"ra": ra, "dec": dec})[is_inside & ~is_stand_in]


def read_angles(cells: pd.Series, unit: str, path: Path) -> pd.Series:
    """Angles in degrees, NaN where a cell has none; arguments as of `parse_angles`.

    Raises:
        InputError: a cell is no angle.
    """
    degrees, wrong = parse_angles(cells, unit, path)
    if len(wrong):
        raise InputError(
            f"{shown(path)}: '{one_line(wrong.iloc[0])}' in column '{cells.name}' is not an angle: "
            "write degrees, or leave the cell empty"
        )
    return degrees


def parse_angles(cells: pd.Series, unit: str, path: Path) -> tuple[pd.Series, pd.Series]:
    """Angles in degrees, NaN where a cell has none; and cells that are no angles.

    Args:
        cells: numbers are degrees; other texts (`10:08:00.1`, `+2d13m`) are read by astropy.
        unit: astropy's, of texts that name none.
        path: of the table, for messages.
    """
    texts = cells.fillna("").str.strip().str.replace("−", "-")
    texts = texts.mask(texts.str.lower().isin(NO_VALUE), "")
    degrees = pd.to_numeric(texts, errors="coerce").astype(float)
    others = texts[degrees.isna() & (texts != "")]
    wrong = others[~others.str.contains(r"\d")]
    if wrong.empty and len(others):
        require(f"{shown(path)}: reading '{others.iloc[0]}' in column '{cells.name}'", "astropy")
        parsed = others.map(partial(_parse_angle, unit=unit))
        wrong = others[parsed.isna()]
        degrees = degrees.fillna(parsed)
    return degrees, wrong


def _parse_angle(text: str, unit: str) -> float:
    from astropy.coordinates import Angle  # here: half a second

    with suppress(ValueError):  # astropy's own errors are of this kind
        return Angle(text, unit).degree
    return np.nan


def _drop_placeholders(sky: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Drop a position that stands for a missing one, and say so.

    It has more than eight galaxies, more than 5 % of all, and more than five times as many as any
    other position.
    """
    galaxies = sky.rename_axis("galaxy").reset_index().drop_duplicates()
    counts = galaxies.value_counts(list(POSITION))
    most = counts.iloc[:1].sum()
    second = counts.iloc[1:2].sum()
    if most <= max(_MANY, 0.05 * sky.index.nunique(), 5 * second):
        return sky, []
    ra, dec = counts.index[0]
    line = f"{most:,} galaxies have ra {ra}, dec {dec}: not used, as a placeholder"
    is_placeholder = (sky["ra"] == ra) & (sky["dec"] == dec)
    return sky[~is_placeholder], [line]


def match_places(sky: pd.DataFrame) -> np.ndarray:
    """Number places on the sky: positions within an arcsecond of each other.

    Where a is near b, and b near c, all three are one place.

    Args:
        sky: (position,) `ra` and `dec` in degrees.
    Returns:
        (position,) numbers of places.
    """
    from scipy.spatial import cKDTree  # here: few datasets have positions

    ra, dec = np.radians(sky.to_numpy(float).T)
    equator = np.cos(dec)
    vectors = np.column_stack([equator * np.cos(ra), equator * np.sin(ra), np.sin(dec)])
    # Equal ones are compared once: their pairs alone could fill the memory.
    points, row = np.unique(vectors, axis=0, return_inverse=True)
    chord = 2 * np.sin(_ARCSEC / 2)
    pairs = cKDTree(points).query_pairs(chord * (1 + 1e-6), output_type="ndarray")
    places = connect([pairs.T], len(points))
    return places[row.ravel()]


def _describe(table: SideTable, labeled: pd.Index) -> Iterator[str]:
    """Say for how many galaxies a table has groups or positions."""
    used = {name: table.groups[name].dropna().index for name in table.groups}
    if table.position:
        used[table.position] = table.sky.index
    for name, galaxies in used.items():
        count = labeled.isin(galaxies).sum()
        yield f"{shown(table.path)}: {count:,} of {len(labeled):,} training galaxies have {name}"
    if table.unknown and table.path.name.lower() in GROUP_FORMS:
        yield f"{shown(table.path)}: rows of other images: {table.unknown:,}"
