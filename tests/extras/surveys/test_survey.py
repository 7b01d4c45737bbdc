"""Surveys: parts are of one job, unchanged, and of images that did not change."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core import console, files
from galaxyzoo.core.errors import InputError
from galaxyzoo.data import parallel_decoding
from galaxyzoo.extras.surveys import survey as surveys
from galaxyzoo.io.archives import write_zip
from support.forms import FORMS
from support.pictures import draw_image, encode
from support.refusals import one_line_refusal
from support.surveys import Brightness, Darkness, make_job

COUNT = 11  # and one that is no image, in parts of four
PART = "part-000001.parquet"


@pytest.fixture
def survey(tmp_path: Path) -> Path:
    (tmp_path / "survey").mkdir()
    for number in range(COUNT):
        picture = draw_image(np.random.default_rng(number), 48)
        (tmp_path / "survey" / f"{100 + number}.png").write_bytes(encode(picture, end=".png"))
    (tmp_path / "survey" / "105a.png").write_bytes(b"no image")
    return tmp_path / "survey"


@pytest.fixture
def votes(tmp_path: Path, survey: Path) -> Path:
    make_job(tmp_path / "votes", survey).run()
    return tmp_path / "votes"


def read_all(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.rglob("*")) if p.suffix == ".parquet"}


def test_processes_decode_for_the_same_bytes(tmp_path, survey, votes, monkeypatch):
    for name, value in {"_cores": lambda: 8, "_MANY": 1, "in_threads": None}.items():
        monkeypatch.setattr(parallel_decoding, name, value)
    make_job(tmp_path / "again", survey).run()
    assert read_all(tmp_path / "again") == read_all(votes)


def test_a_job_does_not_go_on_with_images_that_changed_since(votes, survey):
    (votes / "parts" / PART).unlink()
    shutil.copy(survey / "101.png", survey / "109a.png")
    assert "job.json has other images" in one_line_refusal(make_job(votes, survey).run)


@pytest.mark.parametrize("name", ["mine.csv", "parts/part-000000.parquet", "manifest.json"])
def test_a_folder_with_other_files_is_left_as_it_is(tmp_path, survey, name):
    mine = tmp_path / "mine" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    refused = one_line_refusal(make_job(tmp_path / "mine", survey).run)
    assert "mine contains other files: choose a new folder" in refused
    assert [path for path in (tmp_path / "mine").rglob("*") if path.is_file()] == [mine]


def test_hidden_files_keep_no_survey_out(tmp_path, survey):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / ".DS_Store").touch()
    make_job(tmp_path / "new", survey).run()
    assert (tmp_path / "new" / "manifest.json").exists()


def test_no_advice_is_to_delete_a_folder_with_labels_in_it(votes, survey):
    (votes / "labels.csv").write_text("id,class\n101.png,bright\n")
    others = [make_job(votes, survey, size=9), make_job(votes, survey, predictor=Darkness)]
    others.append(make_job(votes, survey, extras=("features",)))
    for other in [*others, make_job(votes, survey / "101.png")]:
        assert " delete " not in one_line_refusal(other.run)


class Unasked(Brightness):
    """The same predictor, where there is nothing left to predict."""

    def predict(self, decode: Callable) -> np.ndarray:
        raise AssertionError


@pytest.mark.parametrize("form", FORMS)
def test_a_copy_of_images_is_the_same_input_and_a_part_of_changed_ones_is_named(tmp_path, form):
    pictures = [draw_image(np.random.default_rng(number), 48) for number in range(COUNT)]
    given, votes = tmp_path / "given", tmp_path / "votes"

    def write() -> Path:
        given.mkdir()
        return FORMS[form](given / "a", pictures, [100 + number for number in range(COUNT)])

    images = write()
    make_job(votes, images).run()
    before = read_all(votes)
    for path in given.rglob("*"):
        path.chmod(0o700)
        os.utime(path, (1e9, 1e9))
    make_job(votes, images, predictor=Unasked).run()
    assert read_all(votes) == before
    pictures[9] = pictures[0]
    shutil.rmtree(given)
    write()
    path = votes / "parts" / "part-000002.parquet"
    message = one_line_refusal(make_job(votes, images).run)
    assert f"{path} belongs to other images: delete {path} and rerun" in message
    path.unlink()
    make_job(votes, images).run()
    after = read_all(votes)
    assert [name for name in before if after[name] != before[name]] == [path.name]


def amid_a_job(happens: Callable[[], object]) -> type[Brightness]:
    """A predictor during whose second part something happens."""
    calls = []

    class Disturbed(Brightness):
        def predict(self, decode: Callable) -> np.ndarray:
            values = super().predict(decode)
            calls.append(1)
            if len(calls) == 2:
                happens()
            return values

    return Disturbed


def test_a_job_whose_folder_another_one_took_over_stops(tmp_path, survey):
    """Both ended well, with parts of both, where a folder was deleted amid a job."""

    def take_over() -> None:
        shutil.rmtree(tmp_path / "votes")
        make_job(tmp_path / "votes", survey, predictor=Darkness).run()

    make_job(tmp_path / "expected", survey, predictor=Darkness).run()
    job = make_job(tmp_path / "votes", survey, predictor=amid_a_job(take_over))
    message = one_line_refusal(job.run)
    assert "votes was deleted while this command was using it; stopping" in message
    assert read_all(tmp_path / "votes") == read_all(tmp_path / "expected")


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_images_that_change_amid_a_job_are_said_to(tmp_path, survey, form):
    names = [f"{100 + number}.png" for number in range(COUNT)]

    def pack() -> None:
        write_zip(tmp_path / "a.zip", [(n, (survey / n).read_bytes()) for n in names])

    def change() -> None:
        shutil.copy(survey / "101.png", survey / "110.png")
        pack()

    pack()
    images = survey if form == "folder" else tmp_path / "a.zip"
    job = make_job(tmp_path / "votes", images, predictor=amid_a_job(change))
    assert one_line_refusal(job.run) == "IMAGES changed during prediction: choose a new folder"
    assert not (tmp_path / "votes" / surveys.MANIFEST).exists()


def test_images_that_change_after_another_process_predicted_them_are_said_to(
    votes, survey, monkeypatch
):
    """As if those parts had been made while this command was at work."""
    monkeypatch.setattr(surveys.Survey, "begin", lambda job: None)
    assert make_job(votes, survey).run()["rows"] == COUNT
    shutil.copy(survey / "101.png", survey / "110.png")
    message = one_line_refusal(make_job(votes, survey).run)
    assert message == "IMAGES changed during prediction: choose a new folder"


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_files_that_a_list_names_and_that_cannot_be_found_are_errors_of_their_images(
    tmp_path, survey, ending
):
    names = ["100.png", "gone/101.png", "x" * 300 + ".png", str(survey / "102.png"), "no\0name"]
    table = pd.DataFrame({"id": [*"abcde"], "path": names})
    path = survey / f"list{ending}"
    if ending == ".csv":
        table[:4].to_csv(path, index=False)
    else:
        table.to_parquet(path)
    make_job(tmp_path / "votes", path).run()
    errors = pd.read_parquet(tmp_path / "votes" / surveys.ERRORS)
    assert errors["id"].tolist() == ["b", "c", "e"][: len(errors)]
    assert len(errors) == (2 if ending == ".csv" else 3)
    rows = pd.concat([pd.read_parquet(file) for file in (tmp_path / "votes/parts").glob("p*")])
    assert sorted(rows["id"]) == ["a", "d"]


def test_a_part_that_another_process_holds_is_left_to_it(tmp_path, survey, monkeypatch):
    def refuse_to_wait(path: Path, what: str) -> None:
        raise InputError(f"waits for {path.name}")

    job = make_job(tmp_path / "votes", survey)
    job.begin()
    monkeypatch.setattr(files, "hold_lock", refuse_to_wait)
    with (
        files.try_lock(job._record(job.images.parts[0]).lock),
        pytest.raises(InputError, match="waits for 000000"),
    ):
        job.make_parts()
    made = sorted(path.name for path in (tmp_path / "votes/parts").glob("*.parquet"))
    assert made == [PART, "part-000002.parquet"]


def test_the_bar_counts_images_also_of_parts_made_before(votes, survey, monkeypatch, capsys):
    (votes / "parts" / PART).unlink()
    capsys.readouterr()
    monkeypatch.setattr(console, "_MINUTE_S", 0.0)  # else so short a job has no line
    make_job(votes, survey).run()
    counts = re.findall(r"images: .* \((\d+/\d+)\)", capsys.readouterr().err)
    assert counts == ["0/12", "4/12", "8/12", "12/12", "12/12"]
