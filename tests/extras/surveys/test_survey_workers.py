"""Surveys by several processes: each opens images and networks itself, and one may be killed."""

import os
import pickle
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.extras.surveys.survey import ERRORS, Survey
from support.forms import FORMS
from support.pictures import draw_image
from support.refusals import listing, one_line_refusal
from support.surveys import Brightness, Darkness, draw_survey, make_job
from support.thoroughness import long_only

TESTS = Path(__file__).parents[2]
COUNT = 41
BROKEN = "17.png"


class Mortal(Brightness):
    """The same predictor, whose first process to begin a second part is killed amid it.

    Args:
        folder: of a file for each process that predicts.
        deaths: how many processes are killed.
    """

    def __init__(self, folder: Path, deaths: int) -> None:
        self.folder = folder
        self.deaths = deaths

    def predict(self, decode: Callable) -> np.ndarray:
        time.sleep(0.05)  # so that others work as well
        own = self.folder / str(os.getpid())
        if own.exists() and len(list(self.folder.glob("killed*"))) < self.deaths:
            own.rename(self.folder / f"killed {os.getpid()}")
            os.kill(os.getpid(), signal.SIGKILL)
        own.touch()
        return super().predict(decode)


def write_list(folder: Path, count: int = COUNT) -> Path:
    """A list of images of one gray level each, with positions and columns to keep."""
    grays: dict[str, int | bytes] = {f"{k}.png": 3 * k + 9 for k in range(count)}
    draw_survey(folder, grays | {BROKEN: b"broken"})
    numbers = np.arange(count)
    table = pd.DataFrame({"id": numbers + 10**17, "path": list(grays), "ra": numbers / 7})
    kept = {"mag": numbers.astype(np.float32), "field": [f"f{k % 3}" for k in numbers]}
    table.assign(dec=-numbers / 9, **kept).to_parquet(folder / "list.parquet")
    return folder / "list.parquet"


def keeping(job: Survey) -> Survey:
    return replace(job, images=replace(job.images, keep=("mag", "field")))


def parts_and_records(folder: Path) -> dict[str, bytes]:
    paths = [folder / "job.json", folder / ERRORS, *(folder / "parts").iterdir()]
    return {path.name: path.read_bytes() for path in paths}


@long_only("ten seconds a cluster")
@pytest.mark.parametrize("backend", ["ray", "dask"])
def test_a_cluster_whose_process_is_killed_ends_with_the_parts_of_this_machine(
    backend, tmp_path, monkeypatch
):
    path = write_list(tmp_path / "survey")
    keeping(make_job(tmp_path / "expected", path)).run(2, "loky")
    (tmp_path / "workers").mkdir()
    load = partial(Mortal, tmp_path / "workers", deaths=1)
    monkeypatch.setenv("PYTHONPATH", str(TESTS))  # of Ray's processes
    notes = replace(keeping(make_job(tmp_path / "votes", path)), load=load).run(2, backend)
    killed = list((tmp_path / "workers").glob("killed*"))
    assert len(killed) == 1
    assert not (tmp_path / "workers" / str(os.getpid())).exists()
    assert (notes["rows"], notes["errors"]) == (COUNT - 1, 1)
    assert parts_and_records(tmp_path / "votes") == parts_and_records(tmp_path / "expected")
    ids = pd.concat([pd.read_parquet(tmp_path / "votes" / p) for p in ("parts", ERRORS)])
    assert sorted(ids.iloc[:, 0]) == [10**17 + k for k in range(COUNT)]


@pytest.mark.parametrize("form", FORMS)
def test_what_travels_to_another_process_does_not_grow_with_the_images(form, tmp_path):
    """Each opens the images itself, to the same parts."""
    picture = draw_image(np.random.default_rng(0), 48)
    lengths = []
    for count in (4, 40):
        ids = [100 + k for k in range(count)]
        path = FORMS[form](tmp_path / str(count + 50), [picture] * count, ids)
        job = make_job(tmp_path / f"{count + 50} votes", path)
        job.check()
        job.begin()
        lengths.append(len(pickle.dumps(job)))
    assert lengths[0] == lengths[1]
    assert pickle.loads(pickle.dumps(job)).make_parts() == count
    make_job(tmp_path / "expected", path).run()
    ours = [file.read_bytes() for file in sorted((tmp_path / "90 votes" / "parts").glob("*.p*"))]
    assert ours == [f.read_bytes() for f in sorted((tmp_path / "expected" / "parts").glob("*.p*"))]


def edit(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(pd.read_parquet(path)).to_parquet(path)


CHANGES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "a row less": lambda table: table[:-1],
    "another id": lambda table: table.replace({"id": {10**17 + 3: 5}}),
    "another order": lambda table: table[::-1],
    "another kept value": lambda table: table.replace({"field": {"f2": "f3"}}),
    "another position": lambda table: table.assign(ra=table["ra"] + 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_list_that_changed_before_another_process_opened_it_is_refused(change, tmp_path):
    path = write_list(tmp_path / "survey", 20)
    job = keeping(make_job(tmp_path / "votes", path))
    job.begin()
    state = pickle.dumps(job)
    edit(path, CHANGES[change])
    before = listing(tmp_path / "votes")
    message = one_line_refusal(pickle.loads(state).make_parts)
    assert "job.json has other images or columns: choose a new folder" in message
    assert listing(tmp_path / "votes") == before


def test_networks_that_changed_before_another_process_loaded_them_are_refused(tmp_path):
    job = make_job(tmp_path / "votes", write_list(tmp_path / "survey", 20))
    job.begin()
    other = pickle.loads(pickle.dumps(replace(job, load=Darkness)))
    assert "job.json has other networks" in one_line_refusal(other.make_parts)


def replace_picture(path: Path) -> None:
    shutil.copy(path.parent / "3.png", path.parent / "5.png")


def swap_paths(path: Path) -> None:
    edit(path, lambda table: table.replace({"path": {"3.png": "5.png", "5.png": "3.png"}}))


@pytest.mark.parametrize("change", [replace_picture, swap_paths])
def test_pictures_that_changed_before_another_process_opened_them_are_no_survey(change, tmp_path):
    """Their names are the same; the command that began notices when it reads back all parts."""
    path = write_list(tmp_path / "survey", 20)
    images = path.parent if change is replace_picture else path
    job = make_job(tmp_path / "votes", images)
    job.begin()
    state = pickle.dumps(job)
    change(path)
    assert pickle.loads(state).make_parts() == 20
    message = one_line_refusal(job._finish, 20, 1.0)
    assert message == "IMAGES changed during prediction: choose a new folder"
