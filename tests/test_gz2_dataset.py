"""From Galaxy Zoo 2's published files, or the survey's server, to a balanced labelled dataset."""

import gzip
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cutout_server as answers
import numpy as np
import pandas as pd
import pytest
from cutout_server import CutoutServer, serving
from gz2_fixtures import COUNTS, FIRST_ID, TABLE, draw_published, ra_of, write_published
from kaggle_fixtures import listing
from test_commands import SRC, call, complaint, environment

from galaxyzoo import gz2, labelled
from galaxyzoo.balancing import draw_balanced
from galaxyzoo.cutouts import Cutout
from galaxyzoo.downloads import Manners
from galaxyzoo.errors import InputError
from galaxyzoo.gz2_dataset import Order, make_dataset
from galaxyzoo.inputs import open_input
from galaxyzoo.paths import CODE_ROOT

SAMPLE = CODE_ROOT.parent / "shared" / "data" / "gz2-sample"
QUICK = Manners(rate=1000, tries=2, first_pause_s=0.01)
SMALLEST = 4
IMAGES = "sdss_64px_0.15arcsec"


@pytest.fixture
def heeded_ctrl_c() -> Iterator[None]:
    """Ctrl-C reaches the commands that a test starts.

    A shell that runs the tests in the background has them ignore it, and what they start inherits
    that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CutoutServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as running:
        yield running


@pytest.fixture
def published(root: Path) -> pd.Series:
    """Class by GalaxyID of what lies in `input/gz2/`."""
    return write_published(root / "input" / "gz2")


def ordered(server: CutoutServer, **changes: object) -> Order:
    cutout = Cutout(size_px=64, service=f"{server.base}/cut")
    order = Order(download=True, table_url=f"{server.base}/t.gz", cutout=cutout, manners=QUICK)
    return replace(order, **changes)  # type: ignore[arg-type]


def labels(folder: Path) -> pd.Series:
    return pd.read_csv(folder / "train_labels.csv", index_col="GalaxyID")["class"]


def refusal(order: Order) -> str:
    with pytest.raises(InputError) as caught:
        make_dataset(order)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- the draw


def draw(n: int = 60) -> pd.Series:
    rng = np.random.default_rng(1)
    return pd.Series(rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]), index=1000 + np.arange(n))


def test_as_many_of_each_class_as_the_smallest_has():
    classes = draw()
    drawn = draw_balanced(classes, None, 0)
    assert set(drawn.value_counts()) == {classes.value_counts().min()}
    assert drawn.index.is_monotonic_increasing
    assert drawn.index.is_unique
    assert (drawn == classes[drawn.index]).all()
    capped = draw_balanced(classes, 12, 0).value_counts()
    assert capped.to_dict() == classes.value_counts().clip(upper=12).to_dict()


def test_the_draw_is_random_by_the_seed_alone():
    classes = draw()
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


# -- from local files


def test_votes_become_balanced_classes_with_their_images(root, published, capsys):
    folder = make_dataset(Order())
    assert folder == root / "input" / "gz2-hubble10"
    made = labels(folder)
    assert set(made.value_counts()) == {SMALLEST}
    assert (made == published[made.index]).all()
    assert set(made) == set(published) - {"unclear"}
    source = labelled.read_source(folder)
    before = gz2.read_source(root / "input" / "gz2").train_images
    assert list(source.train_images.ids) == sorted(made.index)
    for galaxy in made.index:
        assert source.train_images.read(galaxy) == before.read(galaxy)
    assert open_input("gz2-hubble10", {"hubble10"}).dataset == "gz2-hubble10"
    lines = capsys.readouterr().out.splitlines()
    assert f"{len(published)} galaxies, of which the rule of hubble10 keeps 49" in lines[0]
    rows = [line.replace("│", " ").split() for line in lines]
    for name, count in COUNTS.items():
        if name != "unclear":
            assert [name, str(count), str(SMALLEST)] in rows
    assert ["all", "49", "40"] in rows


def test_the_zip_unpacks_into_the_same_dataset(root, published):
    folder = make_dataset(Order())
    with zipfile.ZipFile(folder / "dataset_galaxies.zip") as archive:
        assert {member.date_time for member in archive.infolist()} == {(2013, 12, 20, 0, 0, 0)}
        archive.extractall(root / "input" / "elsewhere")
    there = root / "input" / "elsewhere"
    assert sorted(p.name for p in there.iterdir()) == ["images.zip", "train_labels.csv"]
    for path in there.iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes()
    assert len(open_input("elsewhere", {"hubble10"}).targets) == 40


def test_the_same_command_gives_the_same_bytes_and_another_seed_others(root, published):
    made = [make_dataset(Order(name=n, seed=s)) for n, s in (("a", 0), ("b", 0), ("c", 1))]
    files = [[p.read_bytes() for p in sorted(folder.iterdir())] for folder in made]
    assert files[0] == files[1]
    assert not labels(made[0]).index.equals(labels(made[2]).index)


def test_task_name_and_number_can_be_chosen(root, published):
    order = Order(task="elliptical_spiral", name="two", per_class=3)
    made = labels(make_dataset(order))
    assert made.value_counts().to_dict() == {"elliptical": 3, "spiral": 3}
    smooth = {"E_round", "E_intermediate", "E_cigar"}
    assert set(published[made.index[made == "elliptical"]]) <= smooth


def test_what_is_there_already_is_left_alone(root, published):
    make_dataset(Order())
    before = listing(root / "input")
    assert refusal(Order(seed=1)) == (
        "input/gz2-hubble10 exists already: move it away first, or add --name"
    )
    assert listing(root / "input") == before


def test_a_damaged_image_leaves_nothing_half_written(root, published, monkeypatch):
    before = listing(root / "input")

    def refuse(self: object, galaxy_id: int) -> bytes:
        raise InputError("images/7.jpg cannot be read")

    monkeypatch.setattr("galaxyzoo.archives.ImageStore.read", refuse)
    assert refusal(Order()) == "images/7.jpg cannot be read"
    assert listing(root / "input") == before
    assert sorted(p.name for p in (root / "input").iterdir()) == ["cache", "gz2"]


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (Order(task="galaxy10"), "no rule makes classes of 'galaxy10' from votes: known are "),
        (Order(task="gz37"), "no rule makes classes of 'gz37'"),
        (Order(task="typo"), "unknown task 'typo'"),
        (Order(name="../x"), "'../x' cannot be a dataset's name"),
        (Order(name="demo"), "'demo' cannot be a dataset's name"),
        (Order(data="nowhere"), "nowhere holds no gz2_hart16.csv"),
    ],
)
def test_mistakes_are_named(root, published, order, message):
    assert refusal(order).startswith(message)


def test_without_the_files_it_says_what_to_put_where(root):
    assert "put it into input/gz2/, or add --download" in refusal(Order())
    write_published(root / "input" / "gz2")
    (root / "input" / "gz2" / "images_gz2.zip").unlink()
    assert refusal(Order()).startswith("input/gz2/ lacks images_gz2.zip: put it there, or add --d")


def test_two_folders_of_published_files_must_be_told_apart(root, published):
    write_published(root / "input" / "more")
    assert refusal(Order()).endswith("add --data with one of input/gz2, input/more")
    assert make_dataset(Order(data="more")).exists()


def test_one_class_alone_is_refused(root):
    write_published(root / "input" / "gz2", {"E_round": 5, "unclear": 3})
    assert "the galaxies are of 1 classes" in refusal(Order())


# -- from the server


def test_only_what_was_drawn_is_downloaded(root, server):
    (root / "input" / "gz2").mkdir()
    table, classes = draw_published()
    table.to_csv(root / "input" / "gz2" / TABLE, index=False)
    made = labels(make_dataset(ordered(server)))
    assert set(made.value_counts()) == {SMALLEST}
    assert (made == classes[made.index]).all()
    assert dict(server.asked) == {ra_of(galaxy): 1 for galaxy in made.index}
    source = open_input("gz2-hubble10", {"hubble10"})
    for galaxy in made.index:
        assert source.train_images.read(galaxy) == server.picture(ra_of(galaxy))
    server.asked.clear()
    make_dataset(ordered(server, name="again"))
    assert not server.asked


def test_a_missing_table_is_downloaded_first(root, server):
    table, _ = draw_published()
    server.files["/t.gz"] = gzip.compress(table.to_csv(index=False).encode())
    assert len(labels(make_dataset(ordered(server)))) == 40
    assert (root / "input" / "gz2" / f"{TABLE}.gz").read_bytes() == server.files["/t.gz"]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-9], "it is no whole gzip file"),
        (lambda data: b"<html>sorry</html>", "it is no whole gzip file"),
        (lambda data: gzip.compress(b"a,b\n1,2\n"), "its first line has no column 'dr7objid'"),
    ],
)
def test_a_table_that_is_not_whole_is_not_kept(root, server, damage, reason, monkeypatch):
    table, _ = draw_published()
    server.files["/t.gz"] = damage(gzip.compress(table.to_csv(index=False).encode()))
    monkeypatch.setattr("galaxyzoo.downloads.random.uniform", lambda low, high: 0.0)
    message = refusal(ordered(server))
    assert reason in message
    assert "by hand, and put it into input/gz2/" in message
    assert listing(root / "input") == {}


def test_images_that_fail_stop_it_or_their_galaxies_are_left_out(root, server, capsys):
    (root / "input" / "gz2").mkdir()
    table, _ = draw_published()
    table.to_csv(root / "input" / "gz2" / TABLE, index=False)
    drawn = labels(make_dataset(ordered(server, name="first")))
    lost = drawn.index[drawn == "merger"][0]
    (root / "input" / "gz2" / IMAGES / f"{lost}.jpg").unlink()
    server.plans[ra_of(lost)] = [answers.status(404)] * 2
    message = refusal(ordered(server))
    assert message == (
        f"1 of 40 images could not be downloaded (first: GalaxyID {lost}: HTTP 404; all in "
        f"input/gz2/{IMAGES}/manifest.csv): the same command tries these again, "
        "--on-bad-image drop goes on without"
    )
    assert not (root / "input" / "gz2-hubble10").exists()
    capsys.readouterr()
    kept = labels(make_dataset(ordered(server, drop=True)))
    assert lost not in kept.index
    assert set(kept.value_counts()) == {SMALLEST - 1}
    assert "): left out\n" in capsys.readouterr().out
    assert (labels(make_dataset(ordered(server, name="later"))) == drawn).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="ra"), "has no columns 'ra' and 'dec'"),
        (lambda f: f.assign(dec=91.0), "is at no place in the sky"),
        (lambda f: f.assign(ra="x"), "column 'ra': 'x' is not a finite number"),
    ],
)
def test_a_table_without_places_is_named(root, server, change, message):
    (root / "input" / "gz2").mkdir()
    change(draw_published()[0]).to_csv(root / "input" / "gz2" / TABLE, index=False)
    assert message in refusal(ordered(server))
    assert not server.asked


# -- as a user types it


def test_the_command_stops_in_one_line_and_goes_on_where_it_was(tmp_path, server):
    (tmp_path / "input" / "gz2").mkdir(parents=True)
    draw_published()[0].to_csv(tmp_path / "input" / "gz2" / TABLE, index=False)
    words = ["gz2", "--download", "--base-url", f"{server.base}/cut", "--size-px", "64"]
    words += ["--rate", "1000", "--tries", "1"]
    _, classes = draw_published()
    for galaxy in classes.index[classes == "SB"]:
        server.plans[ra_of(galaxy)] = [answers.cut_off]
    first = call(tmp_path, "prepare.py", *words)
    assert "4 of 40 images could not be downloaded" in complaint(first)
    assert [p.name for p in (tmp_path / "input").iterdir()] == ["gz2"]
    server.asked.clear()
    second = call(tmp_path, "prepare.py", *words)
    assert second.returncode == 0, second.stderr
    assert "wrote input/gz2-hubble10/: train with --data gz2-hubble10" in second.stdout
    assert len(server.asked) == 4
    manifest = pd.read_csv(tmp_path / "input" / "gz2" / IMAGES / "manifest.csv")
    assert (manifest["status"] == "ok").all()
    assert len(manifest) == 40


@pytest.mark.usefixtures("heeded_ctrl_c")
def test_who_presses_ctrl_c_keeps_what_is_there(tmp_path, server):
    folder = tmp_path / "input" / "gz2"
    folder.mkdir(parents=True)
    draw_published()[0].to_csv(folder / TABLE, index=False)
    words = ["prepare.py", "gz2", "--download", "--base-url", f"{server.base}/cut"]
    words += ["--size-px", "64", "--rate", "1000", "--workers", "2"]
    gate = threading.Event()  # however late this test looks, the command has not ended
    server.always = answers.held_after(5, gate)
    process = subprocess.Popen(
        [sys.executable, str(SRC / words[0]), *words[1:]],
        env=environment(tmp_path),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until = time.monotonic() + 300
        while len(list(folder.glob("*/*.jpg"))) < 5 and time.monotonic() < until:
            time.sleep(0.02)
        assert len(list(folder.glob("*/*.jpg"))) >= 5, "the command has not come so far"
        process.send_signal(signal.SIGINT)
        time.sleep(1)
        gate.set()
        _, said = process.communicate(timeout=60)
    finally:
        gate.set()
        process.kill()
    assert said.endswith("\nstopped; the same command goes on from here\n")
    assert process.returncode == 130
    there = {p.name for p in (folder / IMAGES).iterdir()} - {"manifest.csv"}
    assert 5 <= len(there) < 40
    assert all(name.endswith(".jpg") and name[0] != "." for name in there)
    assert (pd.read_csv(folder / IMAGES / "manifest.csv")["status"] == "ok").all()
    server.asked.clear()
    server.always = None
    result = call(tmp_path, *words)
    assert result.returncode == 0, result.stderr
    assert len(server.asked) == 40 - len(there)


@pytest.mark.parametrize(
    "words", [["--task", "zoo5", "gz2"], ["gz2", "--rate", "0"], ["gz2", "--per-class", "0"]]
)
def test_words_that_mean_nothing_are_refused(tmp_path, words):
    result = call(tmp_path, "prepare.py", *words)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


@pytest.mark.slow
@pytest.mark.skipif(not SAMPLE.exists(), reason=f"no real Galaxy Zoo 2 files in {SAMPLE}")
def test_the_real_sample_becomes_a_dataset_that_trains(tmp_path):
    words = ["gz2", "--data", SAMPLE, "--per-class", "6", "--name", "real"]
    result = call(tmp_path, "prepare.py", *words)
    assert result.returncode == 0, result.stderr
    made = labels(tmp_path / "input" / "real")
    assert made.nunique() == 10
    assert made.value_counts().max() == 6
    assert made.index[0] >= FIRST_ID
    tiny = ["image.cache_px=32", "image.size_px=32", "train.epochs=1", "train.batch_size=8"]
    tiny += ["model.kwargs.layers=[conv4,pool,conv8,pool]", "head.hidden=8"]
    words = ["hubble10/source_cnn", *tiny, "--data", "real", "--folds", "2"]
    result = call(tmp_path, "train.py", *words)
    assert result.returncode == 0, result.stderr
    oof = pd.read_csv(tmp_path / "oof" / "real" / "hubble10" / "source_cnn.csv")
    assert sorted(oof["GalaxyID"]) == sorted(made.index)
