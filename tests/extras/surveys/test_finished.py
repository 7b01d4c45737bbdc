"""Finished surveys as the label page opens them."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from pyarrow import parquet

from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.parallel_decoding import decode_many
from galaxyzoo.extras.formats.fits import FitsSettings
from galaxyzoo.extras.labels.label_loop import LabelLoop
from galaxyzoo.extras.surveys.finished import read_features, read_finished, read_parts
from galaxyzoo.extras.surveys.images import Part, SurveyImages
from galaxyzoo.extras.surveys.survey import Survey, add_features
from galaxyzoo.inference.load_model import load_predictor
from support.forms import write_fits
from support.fuzz_fixtures import flip_a_bit
from support.pictures import draw_image
from support.refusals import one_line_refusal
from support.surveys import Brightness, Darkness, draw_survey, make_job


def test_what_is_no_finished_survey_with_features_is_one_line(votes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    unfinished = {"new": "new/", "my new": "'my new'/", "survey": "NEW_FOLDER/", ".": "NEW_FOLDER/"}
    unfinished["survey/105.png"] = "NEW_FOLDER/"
    for name, target in unfinished.items():
        line = f"is not a finished survey: type `python3 src/survey.py IMAGES {target}` first"
        assert line in one_line_refusal(read_features, Path(name))
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "job.json").touch()
    assert "survey.py IMAGES begun/` first" in one_line_refusal(read_features, Path("begun"))
    make_job(tmp_path / "none", tmp_path / "survey/105.png", extras=("features",)).run()
    assert "none has no galaxies: none of" in one_line_refusal(read_features, tmp_path / "none")
    (tmp_path / "survey").rename(tmp_path / "moved")
    assert "survey is missing" in one_line_refusal(read_features, votes)


def test_features_that_a_survey_lacks_are_computed_once(votes, monkeypatch, capsys):
    """By a bundled network; an interrupted computation goes on, and labels lie in the survey."""
    bare = votes.parent / "bare"
    make_job(bare, votes.parent / "survey", size=5).run()
    add_features(bare)
    part = bare / "features" / "parts" / "part-000001.parquet"
    content = part.read_bytes()
    part.unlink()
    (bare / "features" / "manifest.json").unlink()
    add_features(bare)
    assert part.read_bytes() == content
    survey = read_features(bare)
    assert survey.ids.tolist() == read_features(votes).ids.tolist()
    network = load_predictor(BUNDLED, "gz37/d4cnn_transfer", views=1, by_student=True)
    first = survey.images.parts[0]
    expected = network.features(lambda image: decode_many(first.images, image)[0])
    np.testing.assert_allclose(survey.features[:5], expected, atol=0.02)
    LabelLoop(survey).add_class("bright")
    assert (bare / "classes.txt").exists()
    monkeypatch.setattr(Survey, "run", None)
    capsys.readouterr()
    for folder in (bare, votes):
        add_features(folder)
    assert capsys.readouterr().out == ""
    assert not (votes / "features").exists()


def test_features_that_an_earlier_version_began_go_on_as_they_were(votes):
    """By the first fold's network, which it took."""
    bare = votes.parent / "bare"
    make_job(bare, votes.parent / "survey", size=5).run()
    images = read_finished(bare).images
    run = "gz37/d4cnn_transfer"
    load = partial(load_predictor, BUNDLED, run, [0], 1)
    Survey(bare / "features", run, load, images, np.empty(0), ("features",)).run()
    (bare / "features" / "parts" / "part-000000.parquet").unlink()
    (bare / "features" / "manifest.json").unlink()
    add_features(bare)
    survey = read_features(bare)
    first = survey.images.parts[0]
    expected = load().features(lambda image: decode_many(first.images, image)[0])
    np.testing.assert_allclose(survey.features[:5], expected, atol=0.02)


def test_features_stay_in_half_precision_and_rows_are_those_of_the_images(tmp_path):
    """Of readable ones; of the first part none is."""
    grays: dict[str, int | bytes] = {f"{100 + k}.png": 20 * k + 1 for k in range(12)}
    broken = dict.fromkeys(["100.png", "101.png", "102.png", "103.png", "106.png"], b"broken")
    images = draw_survey(tmp_path / "survey", grays | broken)
    make_job(tmp_path / "votes", images, extras=("features",)).run()
    survey = read_features(tmp_path / "votes")
    assert survey.features.dtype == np.float16
    assert survey.ids.tolist() == [104, 105, 107, 108, 109, 110, 111]
    assert survey.parts.tolist() == [1, 1, 1, 2, 2, 2, 2]
    assert survey.rows.tolist() == [0, 1, 3, 0, 1, 2, 3]


def rewrite(path: Path, name: str, values: Any) -> None:
    table = parquet.read_table(path)
    column = pa.array(values, table[name].type)
    parquet.write_table(table.set_column(table.column_names.index(name), name, column), path)


def record(part: Path) -> Path:
    return part.with_name(f"_{part.stem}.json")


def take_another_jobs(path: Path) -> None:
    root = path.parents[2]
    extras = ("features",)
    make_job(root / "b", root / "survey", size=5, predictor=Darkness, extras=extras).run()
    for name in (path.name, record(path).name):
        shutil.copy(root / "b" / "parts" / name, path.parent)


# Change of a part or its record -> complaint; whether a job makes the part again unasked
DAMAGES: dict[str, tuple[Callable[[Path], object], str, bool]] = {
    "values": (lambda path: rewrite(path, "elliptical", [0.3] * 5), "does not match", False),
    "ids": (lambda path: rewrite(path, "GalaxyID", range(104, 99, -1)), "does not match", False),
    "features": (lambda path: rewrite(path, "features", [[0.0, 1.0]] * 5), "does not match", False),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-9]), "does not match", False),
    "a bit": (flip_a_bit, "does not match", False),
    "a bit of the record": (lambda path: flip_a_bit(record(path)), "_part-000000.json", False),
    "an empty record": (lambda path: record(path).write_text("{}"), "_part-000000.json", False),
    "no part": (lambda path: path.unlink(), "part-000000.parquet is missing", True),
    "no record": (lambda path: record(path).unlink(), "_part-000000.json is missing", True),
    "another job's": (take_another_jobs, "json has other networks ('darkness', not 'bright", False),
}


@pytest.mark.parametrize(("damage", "complaint", "is_made"), DAMAGES.values(), ids=DAMAGES)
def test_a_part_not_as_it_was_written_is_named_and_made_again_once_deleted(
    votes, damage, complaint, is_made
):
    """By the label page and by a job that goes on."""
    before = {path: path.read_bytes() for path in votes.rglob("*.parquet")}
    path = votes / "parts" / "part-000000.parquet"
    damage(path)
    job = make_job(votes, votes.parent / "survey", size=5, extras=("features",))
    for refuse in [read_features] if is_made else [read_features, lambda _: job.run()]:
        message = one_line_refusal(refuse, votes)
        assert complaint in message
        assert f"delete {path} and rerun the command" in message
    path.unlink(missing_ok=True)
    job.run()
    assert {path: path.read_bytes() for path in votes.rglob("*.parquet")} == before


def test_exchanged_parts_are_refused(votes):
    path = votes / "parts" / "part-000000.parquet"
    other = path.with_name("part-000001.parquet")
    for paths in ((path, other), (record(path), record(other))):
        contents = [each.read_bytes() for each in paths[::-1]]
        for each, content in zip(paths, contents, strict=True):
            each.write_bytes(content)
    message = one_line_refusal(read_features, votes)
    assert f"{path} is missing: restore it, or delete {path} and rerun" in message


@pytest.mark.parametrize("has_features", [True, False])
@pytest.mark.parametrize("change", ["content", "a name", "all names", "fewer", "more"])
def test_no_pictures_of_other_galaxies_are_shown(votes, change, has_features):
    """Nor used for the features that a survey lacks."""
    read: Callable[[Path], object] = read_features
    if not has_features:
        shutil.rmtree(votes)
        make_job(votes, votes.parent / "survey", size=5).run()
        read = add_features
    folder = votes.parent / "survey"
    paths = sorted(folder.iterdir())
    if change == "content":
        shutil.copy(paths[0], paths[8])
    for path in {"a name": paths[11:], "all names": paths}.get(change, []):
        path.rename(path.with_name(f"z{path.name}"))
    for path in paths[:3] if change == "fewer" else []:
        path.unlink()
    if change == "more":
        shutil.copy(paths[0], folder / "112.png")
    expected = f"images in {folder} are not those predicted in {votes}: put them back"
    assert expected in one_line_refusal(read, votes)
    assert not (votes / "features").exists()


def test_a_parent_folder_is_that_of_the_links_target(tmp_path):
    (tmp_path / "far" / "there").mkdir(parents=True)
    draw_survey(tmp_path / "far" / "survey", {f"{k}.png": 60 + k for k in range(5)})
    (tmp_path / "link").symlink_to("far/there")
    images = tmp_path / "link" / ".." / "survey"
    make_job(tmp_path / "votes", images, extras=("features",)).run()
    assert read_features(tmp_path / "votes").images.paths == (tmp_path / "far" / "survey",)


def test_a_survey_is_read_from_any_folder_and_moves_with_its_images(votes, tmp_path, monkeypatch):
    before = read_features(votes).features
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    monkeypatch.chdir(moved)
    after = read_features(Path("votes"))
    np.testing.assert_array_equal(after.features, before)
    assert after.images.paths == (moved / "survey",)


@pytest.mark.parametrize(
    "settings", [{}, {"bands": (2, 1, 0)}, {"hdu": ("SCI",), "stretch": "zscale"}]
)
def test_cutouts_that_have_not_changed_are_not_read_again(tmp_path, monkeypatch, settings):
    """To read and draw a million takes an hour."""
    pixels = [draw_image(np.random.default_rng(k), 40) for k in range(5)]
    write_fits(tmp_path / "cutouts", pixels, [*range(5)])
    for path in (tmp_path / "cutouts").iterdir():
        fits.setval(path, "EXTNAME", value="SCI")
    found = SurveyImages((tmp_path / "cutouts",), 4, FitsSettings(**settings))
    votes = tmp_path / "votes"
    Survey(votes, "elliptical_spiral/x", Brightness, found, np.zeros(2)).run()
    monkeypatch.setattr(Part, "read_content", lambda part: pytest.fail("read again"))
    assert sum(len(rows) for _, rows in read_parts(votes, read_finished(votes))) == 5
