"""From Galaxy Zoo 2's votes and the survey's server to a balanced labeled dataset."""

import gzip
import itertools
import os
import signal
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pandas as pd
import pytest

from galaxyzoo.data.readers.find import open_input
from galaxyzoo.extras.download.gz2_dataset import Gz2Options, make_balanced_set
from galaxyzoo.extras.download.sdss import FOLDER
from support import cutout_server as answers
from support.commands import call, complaint, succeed
from support.cutout_server import CutoutServer
from support.gz2_fixtures import SMALLEST, TABLE, draw_published, labels, ra_of, refusal
from support.refusals import listing


@pytest.fixture(autouse=True)
def quick(server: CutoutServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small images, no pauses, the table from the stand-in."""
    monkeypatch.setattr("galaxyzoo.extras.download.sdss.SIZE_PX", 64)
    monkeypatch.setattr("galaxyzoo.extras.download.sdss._RETRIES", 0)
    monkeypatch.setattr("galaxyzoo.extras.download.gz2_dataset.TABLE_URL", f"{server.base}/t.gz")


def ordered(server: CutoutServer, **changes: object) -> Gz2Options:
    order = Gz2Options(download=True, base_url=f"{server.base}/cut")
    return replace(order, **changes)  # type: ignore[arg-type]


def write_votes(root: Path) -> pd.Series:
    """The vote table alone in `input/gz2/`; returns each galaxy's class."""
    table, classes = draw_published()
    path = root / "input" / "gz2" / TABLE
    path.parent.mkdir(parents=True)
    table.to_csv(path, index=False)
    return classes


def test_only_what_was_drawn_is_downloaded(root, server):
    classes = write_votes(root)
    made = labels(make_balanced_set(ordered(server)))
    assert set(made.value_counts()) == {SMALLEST}
    assert (made == classes[made.index]).all()
    assert dict(server.asked) == {ra_of(galaxy): 1 for galaxy in made.index}
    source = open_input("gz2-hubble10", {"hubble10"})
    for galaxy in made.index:
        assert source.train_images.read(galaxy) == server.picture(ra_of(galaxy))
    server.asked.clear()
    make_balanced_set(ordered(server, name="again"))
    assert not server.asked


def test_a_missing_table_is_downloaded_first(root, server):
    table, _ = draw_published()
    server.files["/t.gz"] = gzip.compress(table.to_csv(index=False).encode())
    assert len(labels(make_balanced_set(ordered(server)))) == 40
    assert (root / "input" / "gz2" / f"{TABLE}.gz").read_bytes() == server.files["/t.gz"]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-9], "it is not a complete gzip file"),
        (lambda data: b"<html>sorry</html>", "it is not a complete gzip file"),
        (lambda data: gzip.compress(b"a,b\n1,2\n"), "its first line has no column 'dr7objid'"),
    ],
)
def test_a_table_that_is_not_whole_is_not_kept(root, server, damage, reason):
    table, _ = draw_published()
    server.files["/t.gz"] = damage(gzip.compress(table.to_csv(index=False).encode()))
    message = refusal(ordered(server))
    assert reason in message
    assert "yourself, and put it into input/gz2/" in message
    assert listing(root / "input") == {}


def test_images_that_fail_stop_it_or_their_galaxies_are_left_out(root, server, capsys):
    write_votes(root)
    drawn = labels(make_balanced_set(ordered(server, name="first")))
    lost = drawn.index[drawn == "merger"][0]
    (root / "input" / "gz2" / FOLDER / f"{lost}.jpg").unlink()
    server.plans[ra_of(lost)] = [answers.status(404)] * 2
    message = refusal(ordered(server))
    assert message.startswith("1 of 40 images could not be downloaded (first: GalaxyID")
    assert f"{lost}: HTTP 404): rerun the command to try again, or skip them with" in message
    assert not (root / "input" / "gz2-hubble10").exists()
    capsys.readouterr()
    kept = labels(make_balanced_set(ordered(server, on_bad_image="drop")))
    assert lost not in kept.index
    assert set(kept.value_counts()) == {SMALLEST - 1}
    assert "); dropped their galaxies\n" in capsys.readouterr().out
    assert (labels(make_balanced_set(ordered(server, name="later"))) == drawn).all()


def test_the_command_stops_in_one_line_and_goes_on_where_it_was(tmp_path, server):
    classes = write_votes(tmp_path)
    words = ["gz2", "--download", "--base-url", f"{server.base}/cut"]
    for galaxy in classes.index[classes == "SB"]:
        server.plans[ra_of(galaxy)] = [answers.status(404)]
    first = call(tmp_path, "prepare.py", *words)
    assert "4 of 40 images could not be downloaded" in complaint(first)
    assert [p.name for p in (tmp_path / "input").iterdir()] == ["gz2"]
    server.asked.clear()
    second = succeed(tmp_path, "prepare.py", *words)
    assert "input/gz2-hubble10/\nnext: bash scripts/train_folds.sh hubble10" in second.stdout
    assert len(server.asked) == 4
    assert len(list((tmp_path / "input" / "gz2" / FOLDER).iterdir())) == 40


@pytest.mark.usefixtures("heeded_ctrl_c")
def test_who_presses_ctrl_c_keeps_what_is_there(root, server):
    write_votes(root)
    numbers = itertools.count(1)

    def interrupted(handler: BaseHTTPRequestHandler, data: bytes) -> None:
        number = next(numbers)
        if number == 6:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2 * (number > 6))  # so that the others are not through before it comes
        answers.good(handler, data)

    server.always = interrupted
    with pytest.raises(KeyboardInterrupt):
        make_balanced_set(ordered(server))
    folder = root / "input" / "gz2" / FOLDER
    there = {p.name for p in folder.iterdir()}
    assert 2 <= len(there) < 40  # four ask at a time: two are through when the sixth is asked for
    assert all(name.endswith(".jpg") and name[0] != "." for name in there)
    server.asked.clear()
    server.always = None
    make_balanced_set(ordered(server))
    assert len(server.asked) == 40 - len(there)
