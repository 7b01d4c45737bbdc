"""What tables beside a dataset tell of its galaxies: groups and places on the sky."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.data.readers.dataset_files import DatasetFiles
from galaxyzoo.data.readers.side_tables import match_places, read_known_groups, sky_positions
from galaxyzoo.data.stores.base import Images
from support.refusals import one_line_refusal
from support.slow_groups import groups_by_all_pairs

ARCSEC = 1 / 3600


def dataset(folder: Path, count: int = 6, table: pd.DataFrame | None = None) -> DatasetFiles:
    """Images J0.png, J1.png, …, in this order, all of them labeled."""
    names = [f"J{number}.png" for number in range(count)]
    images = Images.of(folder, names, 0, str.encode)
    images.table.index = pd.Index(names)
    targets = pd.DataFrame({"a": 1.0}, index=names)
    path = None
    if table is not None:
        path = folder / "labels.csv"
        table.to_csv(path, index=False)
    return DatasetFiles("mine", folder, targets, images, images, galaxy_ids=False, table=path)


def beside(folder: Path, **columns: list) -> pd.DataFrame:
    """Write groups.csv of J0, J1, …, one row each."""
    count = len(next(iter(columns.values())))
    table = pd.DataFrame({"id": [f"J{number}" for number in range(count)], **columns})
    table.to_csv(folder / "groups.csv", index=False)
    return table


def numbers(raw: DatasetFiles, name: str) -> list[int]:
    return read_known_groups(raw).of(raw.targets.index)[name].tolist()


POSITIONS = [
    ("ra", "dec"),
    ("RA", "DEC"),
    ("Ra", "Dec"),
    ("RAJ2000", "DEJ2000"),
    ("RA_DEG", "DEC_DEG"),
    ("ra_deg", "dec_deg"),
    ("coord_ra", "coord_dec"),
    ("ALPHA_J2000", "DELTA_J2000"),
    ("_RAJ2000", "_DEJ2000"),
    ("TARGET_RA", "TARGET_DEC"),
    ("raMean", "decMean"),
    ("RA_1", "DEC_1"),
    ("raMean_1", "decMean_1"),
]


@pytest.mark.parametrize("columns", POSITIONS, ids=str)
def test_positions_are_found_as_catalogs_name_them(tmp_path, columns):
    beside(tmp_path, **{columns[0]: [150.1, 20, 150.1], columns[1]: [2.2, 2, 2.2]})
    raw = dataset(tmp_path)
    assert numbers(raw, "position") == [0, 1, 0, -1, -1, -1]
    assert sky_positions(raw) == {
        "J0.png": (150.1, 2.2),
        "J1.png": (20, 2),
        "J2.png": (150.1, 2.2),
    }
    known = read_known_groups(raw)
    assert known.sources == {"position": [f"{', '.join(columns)} of groups.csv"]}
    assert known.notes == [
        f"{tmp_path}/groups.csv: 3 of 6 training galaxies have {', '.join(columns)}"
    ]


@pytest.mark.parametrize("key", ["id", "ID", "Id", "FileName", "IMAGE", "galaxyid"])
@pytest.mark.parametrize("column", ["group", "Group", "GROUP", " Group "])
def test_groups_and_ids_are_found_in_any_letter_case(tmp_path, key, column):
    (tmp_path / "groups.csv").write_text(f"{key},{column}\nJ4.png,x\nJ1,x\n")
    assert numbers(dataset(tmp_path), "group") == [-1, 0, -1, -1, 0, -1]


@pytest.mark.parametrize("name", ["Groups.csv", "GROUPS.CSV", "groups.csv.gz", "groups.parquet"])
def test_a_table_of_groups_is_found_in_each_form(tmp_path, name):
    table = pd.DataFrame({"id": ["J4.png", "J1"], "group": ["x", "x"]})
    if name.endswith(".parquet"):
        table.to_parquet(tmp_path / name, index=False)
    else:
        table.to_csv(tmp_path / name, index=False)
    assert numbers(dataset(tmp_path), "group") == [-1, 0, -1, -1, 0, -1]


def test_an_image_without_a_label_joins_what_it_belongs_to(tmp_path):
    """J0 and J5 share a group, J5 and J1 a position; J5 alone has no label."""
    beside(
        tmp_path,
        group=["a", "b", "c", "d", "e", "a"],
        ra=[10.0, 20.0, 30.0, 40.0, 50.0, 20.0],
        dec=[0.0, 2.0, 0.0, 0.0, 0.0, 2.0],
    )
    raw = dataset(tmp_path)
    labeled = raw.targets.index[:5]
    assert read_known_groups(raw).joined(labeled).tolist() == [0, 0, 1, 2, 3]


CELLS = {  # names in pairs -> which pairs are one group
    "blanks": (["g0", "g0 ", " g0"], [0, 0, 0]),
    "numbers by value": (["1", "1.0", "01", "+1", "1.00 "], [0, 0, 0, 0, 0]),
    "zeros in front": (["007", "7", "7.", "70"], [0, 0, 0, 1]),
    "zero": (["0", "-0", "0.0", "00"], [0, 0, 0, 0]),
    "long numbers": (["1237648720693755918", "1237648720693755919"], [0, 1]),
    "numbers and names": (["1", "1a", "-1", "1.5"], [0, 1, 2, 3]),
    "composed and decomposed": (["é", "e\u0301"], [0, 0]),
    "none": (["g", "", " ", "NaN", "nan"], [0, -1, -1, -1, -1]),
    "none, too": (["null", "None", "NA", "N/A", "--", "NULL"], [-1] * 6),
}


@pytest.mark.parametrize(("cells", "expected"), CELLS.values(), ids=CELLS)
def test_names_of_groups_are_equal_by_what_they_mean(tmp_path, cells, expected):
    beside(tmp_path, group=cells)
    assert numbers(dataset(tmp_path, len(cells)), "group") == expected


def test_groups_of_all_rows_and_tables_and_columns_are_joined(tmp_path):
    labels = pd.DataFrame({"id": ["J0", "J1", "J1", "J5"], "group": ["a", "a", "b", ""]})
    rows = ["J2,b,", "J2,,c", "J3,,c", "J3.png,d,", "J9,d,"]  # J4 and J5 are in none
    (tmp_path / "groups.csv").write_text("\n".join(["id,Group,GROUP", *rows, ",d,", "J4,,"]))
    raw = dataset(tmp_path, 6, labels)
    assert numbers(raw, "group") == [0, 0, 0, 0, -1, -1]
    known = read_known_groups(raw)
    sources = ["group of labels.csv", "Group of groups.csv", "GROUP of groups.csv"]
    assert known.sources == {"group": sources}
    assert known.notes[-1] == f"{tmp_path}/groups.csv: rows of other images: 2"


def test_a_row_without_an_id_is_of_no_image(tmp_path):
    images = Images.of(tmp_path, ["0.jpg", "1.jpg", "2.jpg"], 0, str.encode)
    raw = DatasetFiles("mine", tmp_path, pd.DataFrame(index=range(3)), images, images)
    (tmp_path / "groups.csv").write_text("id,group\n,x\n0.jpg,y\n1,x\n2,y\n")
    assert numbers(raw, "group") == [0, 1, 0]


SAME = {  # two positions, whether they are one place
    "equal": ((150.1, 2.2), (150.1, 2.2), True),
    "0.7 mas": ((150.1, 2.2), (150.1 + 2e-7, 2.2), True),
    "on both sides of a rounded digit": ((10.0000049, 5), (10.0000051, 5), True),
    "0.9 arcsec in dec": ((10, 5), (10, 5 + 0.9 * ARCSEC), True),
    "1.1 arcsec in dec": ((10, 5), (10, 5 + 1.1 * ARCSEC), False),
    "0.9 arcsec in ra at dec 60": ((10, 60), (10 + 1.8 * ARCSEC, 60), True),
    "1.1 arcsec in ra at dec 60": ((10, 60), (10 + 2.2 * ARCSEC, 60), False),
    "ra 0 and 360": ((0, 5), (360, 5), True),
    "across ra 0": ((0.2 * ARCSEC, 5), (360 - 0.2 * ARCSEC, 5), True),
    "ra from -180 to 180": ((-10, 5), (350, 5), True),
    "a pole": ((10, 90), (200, 90), True),
    "near a pole": ((10, -90 + 0.2 * ARCSEC), (190, -90 + 0.2 * ARCSEC), True),
    "opposite poles": ((10, 90), (10, -90), False),
    "minus zero": ((10, 0.0), (10, -0.0), True),
    "dec missing": ((10, ""), (10, ""), False),
    "ra missing": (("NaN", 5), ("null", 5), False),
    "-99": ((-99, -99), (-99, -99), False),
    "-99 in dec": ((10, -99), (10, -99), False),
    "999": ((999, 999), (999, 999), False),
    "999 in ra": ((999, 5), (999, 5), False),
    "infinite": (("inf", 5), ("inf", 5), False),
    "0, 0": ((0, 0), (-0.0, 0), False),
    "-1, -1": ((-1, -1), ("-1.0", -1), False),
}


@pytest.mark.parametrize(("first", "second", "is_same"), SAME.values(), ids=SAME)
def test_positions_within_an_arcsecond_are_one_place(tmp_path, first, second, is_same):
    beside(tmp_path, ra=[first[0], second[0]], dec=[first[1], second[1]])
    places = numbers(dataset(tmp_path), "position")
    assert (places[0] == places[1] >= 0) == is_same


def are_within_an_arcsecond(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two (ra, dec) in degrees are one place, by the haversine formula."""
    ra, dec = np.radians(first)
    other_ra, other_dec = np.radians(second)
    in_dec = np.sin((other_dec - dec) / 2) ** 2
    in_ra = np.sin((other_ra - ra) / 2) ** 2
    haversine = in_dec + np.cos(dec) * np.cos(other_dec) * in_ra
    distance = 2 * np.arcsin(np.sqrt(haversine))
    return bool(np.degrees(distance) <= ARCSEC)


def test_places_are_those_of_all_pairs_compared():
    rng = np.random.default_rng(0)
    ra = rng.uniform(0, 360, 40)
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, 40)))
    dec[:4] = 90, -90, 89.9999, -89.9999
    ra[4:8] = 0, 360, 359.99995, 0.00005
    ra_shift, dec_shift = rng.normal(0, 0.7 * ARCSEC, (2, 5, 40))  # each galaxy five times
    ra_shift /= np.cos(np.radians(dec)).clip(1e-5)
    sky = pd.DataFrame(
        {"ra": (ra + ra_shift).ravel() % 360, "dec": (dec + dec_shift).ravel().clip(-90, 90)}
    )
    expected = groups_by_all_pairs(sky.to_numpy(), are_within_an_arcsecond)
    assert 40 < len(set(expected)) < 150  # pairs, chains and strangers
    assert pd.factorize(match_places(sky))[0].tolist() == expected.tolist()


def test_the_whole_competition_is_matched_with_little_memory():
    rng = np.random.default_rng(1)
    ra = rng.uniform(0, 360, 61_578)
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, 61_578)))
    ra[30_000:60_000] = ra[:30_000]
    dec[30_000:60_000] = dec[:30_000] + 0.5 * ARCSEC
    places = match_places(pd.DataFrame({"ra": ra, "dec": dec.clip(-90, 90)}))
    assert (places[30_000:60_000] == places[:30_000]).all()
    assert places.max() + 1 == pytest.approx(31_578, abs=20)


def test_positions_that_are_all_missing_are_no_place(tmp_path):
    beside(tmp_path, ra=["", "NaN"], dec=["", 5])
    assert numbers(dataset(tmp_path, 2), "position") == [-1, -1]
    assert sky_positions(dataset(tmp_path, 2)) == {}


def test_a_galaxy_between_two_others_joins_them(tmp_path):
    beside(tmp_path, ra=[10, 10, 10], dec=[5, 5 + 0.8 * ARCSEC, 5 + 1.6 * ARCSEC])
    assert numbers(dataset(tmp_path), "position")[:3] == [0, 0, 0]


REPEATED = {  # galaxies at each position -> how many galaxies have a position
    "a placeholder": ([200, *[2] * 50], 100),
    "copies of all": ([36] * 8, 288),
    "fields": ([60, 50, 40, 30], 180),
    "a galaxy in eight orientations": ([8, *[1] * 40], 48),
    "few of many": ([20, *[1] * 400], 420),
}


@pytest.mark.parametrize(("counts", "expected"), REPEATED.values(), ids=REPEATED)
def test_a_position_repeated_far_more_than_others_is_no_place(tmp_path, counts, expected):
    ra = np.repeat(10.5 + np.arange(len(counts)) / 2, counts)
    beside(tmp_path, ra=list(ra), dec=[5] * len(ra))
    raw = dataset(tmp_path, len(ra))
    assert (np.array(numbers(raw, "position")) >= 0).sum() == expected
    assert len(sky_positions(raw)) == expected
    lines = [line for line in read_known_groups(raw).notes if "placeholder" in line]
    assert len(lines) == (expected < len(ra))
    assert all(f"{counts[0]} galaxies have ra 10.5, dec 5.0: not used" in line for line in lines)


def test_hours_minutes_and_seconds_are_read(tmp_path):
    ra = ["10:08:00.1", "10h08m00.1s", "10 08 00.1", "152.00041667", "", "12.5d"]
    dec = ["+02:13:30", "2d13m30s", "2 13 30", "2.225", "-00:30:00", "−00:30:00"]
    beside(tmp_path, ra=ra, dec=dec)
    raw = dataset(tmp_path)
    assert numbers(raw, "position") == [0, 0, 0, 0, -1, 1]
    assert sky_positions(raw)["J0.png"] == pytest.approx((152.0004167, 2.225))
    assert sky_positions(raw)["J5.png"] == pytest.approx((12.5, -0.5))


def test_hours_need_astropy(tmp_path, monkeypatch):
    beside(tmp_path, ra=["10:08:00.1"], dec=["+02:13:30"])
    find_spec = importlib.util.find_spec

    def find_others(name: str) -> object:
        return None if name == "astropy" else find_spec(name)

    monkeypatch.setattr(importlib.util, "find_spec", find_others)
    line = one_line_refusal(read_known_groups, dataset(tmp_path))
    assert "groups.csv: reading '10:08:00.1' in column 'ra' needs astropy" in line


TABLES = {  # content of groups.csv -> the refusal
    "no column of groups": ("id,field\nJ0,x\n", "no column group (found id, field): add it, or ra"),
    "ra alone": ("id,ra\nJ0,1\n", "no column group (found id, ra): add it, or ra and dec"),
    "no ids": ("name,group\nJ0,x\n", "no column of ids (found name, group): call it id"),
    "other ids": ("id,group\n5000,x\n", "names none of the 6 images: column 'id' has '5000', the "),
    "numbers of rows": ("id,group\n0,x\n1,x\n2,y\n", "names none of the 6 images"),
    "no rows": ("id,group\n", "groups.csv has no rows"),
    "blank ids": ("id,group\n,x\n", "groups.csv has no rows"),
    "empty": ("", "groups.csv is empty"),
    "a web page": ("<html>", "is a web page"),
    "not CSV": ("id;group\nJ0;x\n", "columns separated by ';'"),
    "no angle": ("id,ra,dec\nJ0,1,2\nJ1,unknown,3\n", "'unknown' in column 'ra' is not an angle"),
    "no minute": ("id,ra,dec\nJ0,10:99:00,2\n", "'10:99:00' in column 'ra' is not an angle"),
    "dates": ("id,ra,Dec\nJ0,1,2014-13-99\n", "'2014-13-99' in column 'Dec' is not an angle"),
    "rounded ids": ("id,group\n1.5e+18,x\n", "1.5e+18, is a decimal number"),
}


@pytest.mark.parametrize(("content", "line"), TABLES.values(), ids=TABLES)
def test_a_table_that_cannot_be_used_is_one_line(tmp_path, content, line):
    (tmp_path / "groups.csv").write_text(content)
    assert line in one_line_refusal(read_known_groups, dataset(tmp_path))


def test_a_folder_in_place_of_a_table_is_one_line(tmp_path):
    (tmp_path / "groups.csv").mkdir()
    assert "groups.csv cannot be read: Is a dir" in one_line_refusal(
        read_known_groups, dataset(tmp_path)
    )


def test_an_id_of_two_images_is_refused(tmp_path):
    images = Images.of(tmp_path, ["a/1.png", "b/1.png", "b/2.png"], 0, str.encode)
    raw = DatasetFiles("mine", tmp_path, pd.DataFrame(index=range(3)), images, images)
    (tmp_path / "groups.csv").write_text("file,group\n1.png,x\n2.png,x\n")
    line = one_line_refusal(read_known_groups, raw)
    assert "groups.csv: both 'a/1.png' and 'b/1.png' are named '1.png'" in line


def test_a_column_of_classes_is_none_of_groups(tmp_path):
    table = pd.DataFrame({"id": ["J0", "J1", "J2"], "group": ["a", "a", None]})
    assert not read_known_groups(dataset(tmp_path, table=table)).of(range(6))


def test_labels_alone_need_neither_groups_nor_positions(tmp_path):
    raw = dataset(tmp_path, 2, pd.DataFrame({"id": ["J0", "J1"], "class": ["a", "b"]}))
    known = read_known_groups(raw)
    assert (known.of(raw.targets.index), known.notes) == ({}, [])
    assert known.joined(raw.targets.index).tolist() == [0, 1]
    assert sky_positions(raw) == {}
