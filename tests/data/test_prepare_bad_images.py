"""Images that cannot be used: one line before anything starts, or galaxies left out and counted."""

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.data.catalog import GROUP
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.data.readers.find import open_input
from support.bad_image_fixtures import KINDS
from support.commands import TINY, succeed, table
from support.datasets import TRAIN_IMAGES, Competition, draw_competition
from support.refusals import listing, one_line_refusal
from support.trained import run_command

SMALL = ImageConfig(crop_px=424, cache_px=32)

COMPETITION = draw_competition(n_train=24, n_test=4, seed=6)

IDS = [int(galaxy_id) for galaxy_id in COMPETITION.votes.index]


def spoilt(images: dict[int, bytes]) -> Competition:
    return Competition(COMPETITION.votes, COMPETITION.test_ids, {**COMPETITION.images, **images})


def refused(**arguments: object) -> str:
    return one_line_refusal(prepare, **arguments)


def test_ten_are_named_by_their_reason_and_the_rest_lies_in_a_file(root):
    bad = dict.fromkeys(IDS[:12], b"<html>")
    bad |= dict.fromkeys(IDS[1:12:2], b"")
    spoilt(bad).write_zips(root / "input")
    message = refused()
    assert f"{TRAIN_IMAGES}.zip: 12 of 24 images cannot be used" in message
    assert not list((root / "folds").glob("*/"))
    assert [str(i) in message for i in bad] == [True] * 10 + [False] * 2
    assert message.count("it is empty") == 1
    path = message.split("all are listed in ")[1].split(";")[0]
    noted = (root / path).read_text()
    assert all(f'"{i}": "it is' in noted for i in bad)


def test_what_to_do_depends_on_whether_a_split_was_made(root):
    bad = {IDS[0]: b""}
    with_bad = spoilt(bad)
    with_bad.write_zips(root / "input")
    drop = "on_bad_image=drop (src/prepare.py: --on-bad-image drop)"
    assert f": replace them, or continue without them: {drop}; first: " in refused()
    COMPETITION.write_zips(root / "input")
    data = prepare()
    with_bad.write_zips(root / "input")
    spoilt_data = replace(data, raw=open_input(None, {"gz37"}))
    message = one_line_refusal(spoilt_data.train_images, SMALL)
    folder = f"folds/{data.dataset}"
    assert f": replace them, or delete {folder} and split again with {drop}; first: " in message
    assert spoilt_data.test_images(SMALL).problems == {}


def test_a_repaired_file_of_the_same_size_is_read_again(root):
    folder = COMPETITION.write_unpacked(root / "input") / TRAIN_IMAGES
    path = folder / f"{IDS[3]}.jpg"
    good = path.read_bytes()
    path.write_bytes(bytes(len(good)))
    assert path.name in refused()
    path.write_bytes(good)
    about = path.stat()
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns + 10**9))
    assert len(prepare().ids) == 24


def drop(**arguments: object) -> Dataset:
    return prepare(drop_bad=True, **arguments)  # type: ignore[arg-type]


def test_the_split_is_that_of_the_others_alone(root, capsys):
    """All kinds at once; near-duplicates, of which one image is bad, among them."""
    votes = draw_competition(n_train=len(KINDS) + 20, n_test=4, seed=8)
    ids = [int(galaxy_id) for galaxy_id in votes.votes.index]
    images = dict(votes.images)
    good = ids[len(KINDS) :]
    for copy, original in ((good[0], good[1]), (good[2], ids[0])):  # 0 is bad, its copy then alone
        images[copy] = images[original]
    images.update({i: kind.data for i, kind in zip(ids, KINDS.values(), strict=False)})
    bad = {i for i, kind in zip(ids, KINDS.values(), strict=False) if kind.refusal}
    Competition(votes.votes, votes.test_ids, images).write_zips(root / "input")
    catalog = drop(n_folds=3)
    assert f"{len(bad)} of {len(ids)} images cannot be used" in capsys.readouterr().out
    assert set(catalog.ids) == set(ids) - bad
    assert set(map(int, catalog.about["dropped_images"])) == bad
    assert catalog.train.loc[good[0], GROUP] == catalog.train.loc[good[1], GROUP]
    for name in ("input", "folds"):
        shutil.rmtree(root / name)
        (root / name).mkdir()
    others = votes.votes.drop(index=list(bad))
    Competition(others, votes.test_ids, images).write_zips(root / "input" / catalog.dataset)
    assert prepare(n_folds=3).fingerprint == catalog.fingerprint


def test_a_split_that_was_made_stays_whatever_is_asked_later(root):
    spoilt({IDS[0]: b"", IDS[9]: b"<html>"}).write_zips(root / "input")
    first = drop()
    before = listing(root / "folds")
    for again in (prepare(), drop()):
        assert again.fingerprint == first.fingerprint
        assert again.train_images(SMALL).ids.tolist() == first.ids.tolist()
    COMPETITION.write_zips(root / "input")  # repaired: the split is still that of the others
    assert prepare().fingerprint == first.fingerprint
    assert listing(root / "folds") == before


@pytest.mark.parametrize(("left", "why"), [(0, "24 of 24 images"), (4, "make 2 to 4 folds")])
def test_where_too_few_are_left_there_is_one_error_and_no_split(root, left, why):
    spoilt(dict.fromkeys(IDS[left:], b"")).write_zips(root / "input")
    assert why in refused(drop_bad=True)
    assert not list((root / "folds").glob("*/"))


def test_training_stops_or_leaves_out(tmp_path, monkeypatch):
    """One bad training image, one bad test image: split, tables and submission agree."""
    monkeypatch.setenv("GALAXYZOO_ROOT", str(tmp_path))
    competition = draw_competition(n_train=24, n_test=4, seed=3)
    bad = int(competition.votes.index[4])
    unseen = int(competition.test_ids[2])
    images = competition.images | {bad: KINDS["JPEG cut off"].data, unseen: b"<html>"}
    Competition(competition.votes, competition.test_ids, images).write_zips(tmp_path / "input")
    words = ["gz37/cnn", *TINY, "train.epochs=1", "tta.dihedral=false", "--folds", "2"]
    refusal = one_line_refusal(run_command, monkeypatch, "train", *words)
    assert f"{bad}.jpg: it is truncated" in refusal
    assert not list((tmp_path / "folds").glob("*/"))
    result = succeed(tmp_path, "train.py", *words, "on_bad_image=drop", "--ensemble")
    assert "1 of 24 images cannot be used" in result.stdout
    reported = f"test images: 1 (GalaxyID {unseen}); their rows contain the training means"
    assert result.stdout.count(reported) == 2  # of the run, and of the ensemble
    kept = [i for i in competition.votes.index if i != bad]
    split = table(tmp_path, "folds", "train.csv")
    oof = table(tmp_path, "oof")
    assert split.index.tolist() == oof.index.tolist() == kept
    assert oof["fold"].tolist() == split["fold"].tolist()
    mean = competition.votes.loc[kept].mean()
    for name in ("gz37/cnn.csv", "gz37/all/predictions.csv"):
        rows = table(tmp_path, "submissions", name)
        assert rows.index.tolist() == competition.test_ids.tolist()
        np.testing.assert_allclose(rows.loc[unseen], mean, atol=2e-6)  # the votes' own rounding
