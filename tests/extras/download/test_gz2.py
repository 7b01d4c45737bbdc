"""Galaxy Zoo 2's own tables become the competition's vote fractions; every defect is named."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.data.readers.find import open_input
from galaxyzoo.data.readers.side_tables import sky_positions
from galaxyzoo.extras.download import sdss
from galaxyzoo.extras.download.gz2 import find_galaxy_zoo_2
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, PUBLISHED_NAMES, READ_TOLERANCE
from support.gz2_fixtures import FIRST_ID, IMAGES, MAPPING, TABLE
from support.pictures import draw_image, encode, write_zip
from support.real_data import GZ2, needs_data
from support.refusals import one_line_refusal


def draw_shares(count: int = 30) -> pd.DataFrame:
    """Shares of each question, weighted ones add up to 1, debiased ones to anything."""
    rng = np.random.default_rng(0)
    columns = {"dr7objid": FIRST_ID + rng.permutation(count) * 7, "gz2_class": "Ei"}
    for question in GALAXY_ZOO_2.questions:
        shares = rng.dirichlet(np.full(len(question.answers), 0.7), count)
        scale = rng.uniform(0.4, 1.0, (count, 1))
        for i, answer in enumerate(PUBLISHED_NAMES[GALAXY_ZOO_2.span(question)]):
            columns[f"{answer}_weighted_fraction"] = shares[:, i]
            columns[f"{answer}_debiased"] = (shares**1.5 * scale)[:, i]
    return pd.DataFrame(columns)


def write(folder: Path, shares: pd.DataFrame) -> dict[int, bytes]:
    """The three files; returns each galaxy's image. Asset ids run against the galaxies' order."""
    rng = np.random.default_rng(1)
    ids = shares["dr7objid"].tolist()
    assets = {galaxy: 900 - row for row, galaxy in enumerate(ids)}
    images = {galaxy: encode(draw_image(rng)) for galaxy in ids}
    stray = {"images/7.jpg": encode(draw_image(rng))}
    write_zip(folder / IMAGES, stray | {f"images/{assets[g]}.jpg": images[g] for g in ids})
    shares.to_csv(folder / TABLE, index=False)
    mapping = pd.DataFrame({"objid": ids[::-1], "sample": "original"})
    mapping["asset_id"] = mapping["objid"].map(assets)
    coadd = pd.DataFrame({"objid": [8647474690312309780], "sample": "coadd", "asset_id": [7]})
    pd.concat([coadd, mapping]).to_csv(folder / MAPPING, index=False)
    return images


@pytest.fixture
def folder(root: Path) -> Path:
    write(root / "input" / "zoo", draw_shares())
    return root / "input" / "zoo"


def edit(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(pd.read_csv(path)).to_csv(path, index=False)


def refusal() -> str:
    return one_line_refusal(open_input, "zoo", {"gz37"})


def test_votes_are_shares_times_the_votes_of_what_leads_there(root, folder):
    """Against a slow, plain version."""
    raw = open_input("zoo", {"gz37"})
    shares = draw_shares().set_index("dr7objid")
    for galaxy in shares.index[:10]:
        votes: dict[str, float] = {}
        for question in GALAXY_ZOO_2.top_down:
            names = PUBLISHED_NAMES[GALAXY_ZOO_2.span(question)]
            own = [shares.loc[galaxy, f"{name}_debiased"] for name in names]
            reached = 1.0 if question.parent is None else votes[question.parent]
            for column, value in zip(question.columns, own, strict=True):
                votes[column] = value / sum(own) * reached
        for column in GALAXY_ZOO_2.columns:
            assert raw.targets.loc[galaxy, column] == pytest.approx(votes[column], abs=1e-8)
    assert GALAXY_ZOO_2.residuals(raw.targets.to_numpy()).max() < 1e-7
    assert raw.targets.index.is_monotonic_increasing
    assert (raw.dataset, raw.galaxy_ids, len(raw.test_ids)) == ("zoo", False, 0)


def test_positions_are_those_of_the_vote_table(root, folder):
    edit(folder / TABLE, lambda table: table.assign(ra=table["dr7objid"] % 359, dec=-1.5))
    positions = sky_positions(open_input("zoo", {"gz37"}))
    assert positions == {i: (i % 359, -1.5) for i in draw_shares()["dr7objid"]}


def test_every_answer_stands_in_its_column():
    """Names such as t01_smooth_or_features_a01_smooth, beside Class1.1: smooth."""
    for name, column in zip(PUBLISHED_NAMES, GALAXY_ZOO_2.columns, strict=True):
        question = GALAXY_ZOO_2.question_of(column)
        assert int(name[1:3]) == question.number
        if question.number not in (2, 4, 6):
            text = GALAXY_ZOO_2.answer_text(column).replace("'", "").replace("-", " ")
            assert text.split()[-1] in name.split("_", 1)[1].replace("_", " "), (name, column)
    two = [name[4:] for name in PUBLISHED_NAMES if name.startswith(("t02", "t04", "t06"))]
    assert two[:3] == ["edgeon_a04_yes", "edgeon_a05_no", "spiral_a08_spiral"]
    assert two[3:] == ["spiral_a09_no_spiral", "odd_a14_yes", "odd_a15_no"]


def test_a_question_without_debiased_votes_takes_the_weighted_ones_else_all_alike():
    shares = np.zeros((2, 37))
    shares[0, :3] = 0.6, 0.2, 0.0
    shares[1, :3] = 0.0, 0.5, 0.5
    weighted = np.zeros((2, 37))
    weighted[0, GALAXY_ZOO_2.columns.index("Class7.2")] = 0.9
    fractions = GALAXY_ZOO_2.to_vote_fractions(shares, weighted)
    votes = pd.DataFrame(fractions, columns=list(GALAXY_ZOO_2.columns))
    roundness = votes[["Class7.1", "Class7.2", "Class7.3"]]
    assert votes.loc[0, ["Class1.1", "Class1.2"]].tolist() == pytest.approx([0.75, 0.25])
    assert roundness.loc[0].tolist() == pytest.approx([0, 0.75, 0])
    assert votes.loc[0, ["Class2.1", "Class2.2"]].tolist() == pytest.approx([0.125, 0.125])
    assert roundness.loc[1].tolist() == [0, 0, 0]


def packed_tables(folder: Path) -> None:
    for name in (TABLE, MAPPING):
        data = (folder / name).read_bytes()
        (folder / f"{name}.gz").write_bytes(gzip.compress(data))
        (folder / name).unlink()


def unpacked_images(folder: Path) -> None:
    """As the zip unpacks, into a folder `images`."""
    shutil.unpack_archive(folder / IMAGES, folder)
    (folder / IMAGES).unlink()


@pytest.mark.parametrize("lay_out", [lambda folder: None, packed_tables, unpacked_images])
def test_every_layout_reads_the_same_and_each_galaxy_gets_its_image(root, lay_out):
    images = write(root / "input" / "zoo", draw_shares())
    lay_out(root / "input" / "zoo")
    raw = open_input(None, {"gz37"})
    assert raw.targets.index.tolist() == sorted(images)
    assert {galaxy: raw.train_images.read(galaxy) for galaxy in images} == images


def test_galaxies_without_an_image_are_left_out_and_counted(root, folder, capsys):
    edit(folder / MAPPING, lambda f: f.iloc[3:])  # the coadd's row and two galaxies'
    raw = open_input("zoo", {"gz37"})
    assert len(raw.targets) == 28
    assert capsys.readouterr().out == "input/zoo: skipped galaxies without an image: 2 of 30\n"
    assert list(raw.train_images.ids) == raw.targets.index.tolist()


RING, BAR = "t08_odd_feature_a19_ring_debiased", "t03_bar_a06_bar_debiased"


WRONG_TABLES = {
    "no answer": (TABLE, lambda f: f.drop(columns=RING), f"column '{RING}'"),
    "no ids": (TABLE, lambda f: f.drop(columns="dr7objid"), "column 'dr7objid'"),
    "counts alone": (TABLE, lambda f: f[["dr7objid", "gz2_class"]], "lacks column 't01_smooth_or_"),
    "a share above 1": (TABLE, lambda f: f.assign(**{BAR: 1.2}), f"{BAR}': 1.2 is outside [0, 1]"),
    "no object": (MAPPING, lambda f: f.drop(columns="objid"), "has no column 'objid' (found '"),
    "no image": (MAPPING, lambda f: f.drop(columns="asset_id"), "has no column 'asset_id' (found"),
    "other galaxies": (MAPPING, lambda f: f.assign(objid=f["objid"] + 1), "maps no galaxy of the"),
}


@pytest.mark.parametrize(("name", "change", "named"), WRONG_TABLES.values(), ids=WRONG_TABLES)
def test_what_is_wrong_with_a_table_is_named(root, folder, name, change, named):
    edit(folder / name, change)
    message = refusal()
    assert message.startswith(f"input/zoo/{name}")
    assert named in message


@pytest.mark.parametrize("name", [MAPPING, IMAGES])
def test_a_missing_file_is_named(root, folder, name):
    (folder / name).unlink()
    assert refusal().startswith(f"input/zoo/ lacks {name} (or ")


def test_what_the_download_reads_and_writes_is_no_dataset_of_its_own(root, folder):
    """`prepare.py gz2 --download` leaves the vote table and cut-outs in input/gz2/."""
    for name in (MAPPING, IMAGES):
        (folder / name).rename(root / name)
    assert find_galaxy_zoo_2(folder) is not None
    (folder / sdss.FOLDER).mkdir()
    assert find_galaxy_zoo_2(folder) is None
    (root / MAPPING).rename(folder / MAPPING)
    assert find_galaxy_zoo_2(folder) is not None


@needs_data(GZ2)
def test_the_real_files_are_read(root):
    raw = open_input(str(GZ2), {"gz37"})
    assert (raw.dataset, len(raw.targets)) == ("gz2-sample", 400)
    assert GALAXY_ZOO_2.residuals(raw.targets.to_numpy()).max() <= READ_TOLERANCE
    classes = pd.read_csv(GZ2 / TABLE, index_col="dr7objid")["gz2_class"].sort_index()
    smooth = raw.targets["Class1.1"] > 0.8
    assert classes[smooth].str.startswith("E").mean() > 0.95
    edge_on = raw.targets["Class2.1"] > 0.6
    assert classes[edge_on].str.startswith("Se").mean() > 0.9
    assert raw.train_images.read(FIRST_ID)[:2] == b"\xff\xd8"
