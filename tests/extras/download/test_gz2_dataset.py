"""From Galaxy Zoo 2's published files to a balanced labeled dataset."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.readers.find import open_input
from galaxyzoo.extras.download import gz2
from galaxyzoo.extras.download.gz2_dataset import Gz2Options, draw_balanced, make_balanced_set
from support.gz2_fixtures import (
    COUNTS,
    IMAGES,
    MAPPING,
    SMALLEST,
    TABLE,
    draw_published,
    labels,
    refusal,
)
from support.pictures import draw_image, encode, write_zip
from support.refusals import listing


def write_published(folder: Path, counts: dict[str, int] | None = None) -> pd.Series:
    """The three published files; returns each galaxy's class."""
    table, classes = draw_published(counts)
    ids = classes.index.tolist()
    images = {
        f"images/{row}.jpg": encode(draw_image(np.random.default_rng(row), 64))
        for row in range(len(ids))
    }
    write_zip(folder / IMAGES, images)
    table.to_csv(folder / TABLE, index=False)
    mapping = pd.DataFrame({"objid": ids, "sample": "original", "asset_id": range(len(ids))})
    mapping.to_csv(folder / MAPPING, index=False)
    return classes


@pytest.fixture
def published(root: Path) -> pd.Series:
    """Class by GalaxyID of what lies in `input/gz2/`."""
    return write_published(root / "input" / "gz2")


def test_votes_become_balanced_classes_with_their_images(root, published, capsys):
    folder = make_balanced_set(Gz2Options())
    assert folder == root / "input" / "gz2-hubble10"
    made = labels(folder)
    assert set(made.value_counts()) == {SMALLEST}
    assert (made == published[made.index]).all()
    assert set(made) == set(published) - {"unclear"}
    source = open_input("gz2-hubble10", {"hubble10"})
    before = gz2.open_galaxy_zoo_2(root / "input" / "gz2").train_images
    assert list(source.train_images.ids) == sorted(made.index)
    for galaxy in made.index:
        assert source.train_images.read(galaxy) == before.read(galaxy)
    assert source.dataset == "gz2-hubble10"
    lines = capsys.readouterr().out.splitlines()
    assert f"assigns a class to 49 of {len(published)} galaxies" in lines[0]
    rows = [line.replace("│", " ").split() for line in lines]
    for name, count in COUNTS.items():
        if name != "unclear":
            assert [name, str(count), str(SMALLEST)] in rows
    assert ["all", "49", "40"] in rows


def test_the_same_command_gives_the_same_bytes_and_another_seed_others(root, published):
    orders = [Gz2Options(name=name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    made = [make_balanced_set(order) for order in orders]
    files = [[p.read_bytes() for p in sorted(folder.iterdir())] for folder in made]
    assert files[0] == files[1]
    assert not labels(made[0]).index.equals(labels(made[2]).index)


def test_what_is_there_already_is_left_alone(root, published):
    make_balanced_set(Gz2Options())
    before = listing(root / "input")
    assert refusal(Gz2Options(seed=1)) == (
        "input/gz2-hubble10 already exists: move it, or choose another --name"
    )
    assert listing(root / "input") == before


def test_a_damaged_image_leaves_nothing_half_written(root, published, monkeypatch):
    before = listing(root / "input")

    def refuse(self: object, galaxy_id: int) -> bytes:
        raise InputError("images/7.jpg cannot be read")

    monkeypatch.setattr("galaxyzoo.data.stores.opening.ZipReader.__call__", refuse)
    assert refusal(Gz2Options()) == "images/7.jpg cannot be read"
    assert listing(root / "input") == before
    assert sorted(p.name for p in (root / "input").iterdir()) == ["cache", "gz2"]


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (Gz2Options(task="galaxy10"), "task 'galaxy10' has no label rule: choose from "),
        (Gz2Options(task="typo"), "unknown task 'typo'"),
        (Gz2Options(name="../x"), "'../x' cannot name a dataset"),
        (Gz2Options(name="demo"), "'demo' cannot name a dataset"),
        (Gz2Options(data="nowhere"), "nowhere has no gz2_hart16.csv"),
    ],
)
def test_mistakes_are_named(root, published, order, message):
    assert refusal(order).startswith(message)


def test_without_the_files_it_says_what_to_put_where(root):
    assert "put it into input/gz2/, or add --download" in refusal(Gz2Options())
    write_published(root / "input" / "gz2")
    (root / "input" / "gz2" / "images_gz2.zip").unlink()
    assert refusal(Gz2Options()).startswith("input/gz2/ lacks images_gz2.zip: put it there, or add")


def test_two_folders_of_published_files_must_be_told_apart(root, published):
    write_published(root / "input" / "more")
    assert refusal(Gz2Options()).endswith("add --data with one of input/gz2, input/more")
    assert make_balanced_set(Gz2Options(data="more")).exists()


def test_one_class_alone_is_refused(root):
    write_published(root / "input" / "gz2", {"E_round": 5, "unclear": 3})
    assert "needs at least two classes, but has 1" in refusal(Gz2Options())


def draw_classes(n: int = 60) -> pd.Series:
    rng = np.random.default_rng(1)
    return pd.Series(rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]), index=1000 + np.arange(n))


def test_as_many_of_each_class_as_the_smallest_has():
    classes = draw_classes()
    drawn = draw_balanced(classes, None, 0)
    assert set(drawn.value_counts()) == {classes.value_counts().min()}
    assert drawn.index.is_monotonic_increasing
    assert drawn.index.is_unique
    assert (drawn == classes[drawn.index]).all()
    capped = draw_balanced(classes, 12, 0).value_counts()
    assert capped.to_dict() == classes.value_counts().clip(upper=12).to_dict()


def test_the_draw_is_random_by_the_seed_alone():
    classes = draw_classes()
    drawn = draw_balanced(classes, 5, 0)
    assert drawn.equals(draw_balanced(classes.sample(frac=1, random_state=3), 5, 0))
    assert not drawn.index.equals(draw_balanced(classes, 5, 1).index)
    first = pd.concat([classes[classes == name].iloc[:5] for name in "abc"]).sort_index()
    assert not drawn.index.equals(first.index)
    assert drawn.index.isin(draw_balanced(classes, 9, 0).index).all()


def test_every_galaxy_is_drawn_as_often():
    classes = pd.Series(["a"] * 20 + ["b"] * 5, index=np.arange(25))
    times = np.zeros(25)
    for seed in range(400):
        times[draw_balanced(classes, None, seed).index] += 1
    assert (times[20:] == 400).all()
    assert times[:20].min() > 60  # 100 expected, sd 8.7
    assert times[:20].max() < 140
