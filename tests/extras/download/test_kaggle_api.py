"""From Kaggle: the real client's downloads against a stand-in, whatever goes wrong on the way."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.data.readers import kaggle
from galaxyzoo.extras.download import kaggle_api
from support.kaggle_server import KEY, TOKEN, KaggleServer
from support.refusals import one_line_refusal

TRAIN_ZIP = "images_training_rev1.zip"
CHUNK = 1 << 20  # bytes, which the client writes at a time
RULES = "You must accept this competition's rules before you'll be able to download files."


def held(folder: Path) -> dict[str, bytes]:
    """Files of a folder, locks aside."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and p.name != ".lock"}


def download(root: Path) -> list[str]:
    return kaggle_api.download(root / "input")


def refusal(root: Path) -> str:
    return one_line_refusal(download, root)


def test_all_files_arrive_and_a_second_call_asks_for_nothing(stand_in, rests, kaggle_zips, root):
    assert download(root) == list(kaggle_api.ZIPS)
    assert held(root / "input") == kaggle_zips
    assert not stand_in.store_saw_credentials
    asked = [request for name, request in stand_in.calls if name == "DownloadDataFile"]
    assert {request["competitionName"] for request in asked} == {kaggle_api.COMPETITION}
    stand_in.calls.clear()
    assert download(root) == []
    assert stand_in.calls == []
    kaggle.open_dataset_files(root / "input")
    assert rests == []


@pytest.fixture
def large_zip(stand_in: KaggleServer) -> bytes:
    """The training images' zip with a member of three chunks more."""
    content = io.BytesIO(stand_in.files[TRAIN_ZIP])
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("noise", np.random.default_rng(0).bytes(3 * CHUNK))
    stand_in.files[TRAIN_ZIP] = content.getvalue()
    return content.getvalue()


def test_broken_connection_goes_on_from_the_byte_where_it_stopped(stand_in, rests, large_zip, root):
    stand_in.cut_after[TRAIN_ZIP] = [CHUNK, CHUNK]
    download(root)
    assert held(root / "input") == stand_in.files
    assert stand_in.sent[TRAIN_ZIP] == [CHUNK, CHUNK, len(large_zip) - 2 * CHUNK]
    assert not stand_in.store_saw_credentials


def test_stopped_download_goes_on_in_the_next_call(stand_in, rests, large_zip, root):
    stand_in.cut_after[TRAIN_ZIP] = [CHUNK, *[0] * 20]
    assert "rerun the command, which resumes" in refusal(root)
    assert TRAIN_ZIP not in held(root / "input")
    stand_in.cut_after.clear()
    stand_in.sent.clear()
    assert download(root) == [TRAIN_ZIP, "images_test_rev1.zip"]
    assert held(root / "input") == stand_in.files
    assert stand_in.sent[TRAIN_ZIP][-1] == len(large_zip) - CHUNK


def test_nothing_is_left_of_the_answer_of_an_expired_address(stand_in, rests, kaggle_zips, root):
    """The client takes what the store answers for content."""
    stand_in.cut_after[TRAIN_ZIP] = [5000]
    stand_in.expires_on_resume = 1
    assert "signature" not in refusal(root)
    download(root)
    assert held(root / "input") == kaggle_zips
    assert stand_in.sent[TRAIN_ZIP] == [5000, len(kaggle_zips[TRAIN_ZIP])]


@pytest.mark.parametrize(
    ("key", "fault", "named"),
    [
        (KEY, (403, RULES, {}), ("status 403: " + RULES, f"{kaggle_api.PAGE}/rules")),
        (KEY, (503, "", {}), ("status 503", "rerun the command")),
        (KEY, (404, "Not found", {}), ("status 404: Not found", f"{kaggle_api.PAGE}/data")),
        ("an old one", None, ("status 401", "kaggle.com/settings")),
    ],
)
def test_refusals_are_final_and_name_a_page(stand_in, rests, root, monkeypatch, key, fault, named):
    monkeypatch.setenv("KAGGLE_KEY", key)
    stand_in.faults["DownloadDataFile"] = [fault] if fault else []
    said = refusal(root)
    assert all(part in said for part in named)
    assert "an old one" not in said
    assert (rests, held(root / "input")) == ([], {})


@pytest.mark.parametrize("token", [TOKEN, "expired", None])
def test_token_is_taken_or_refused(token, stand_in, rests, root, monkeypatch):
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    if token:
        monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    if token == TOKEN:
        assert len(download(root)) == 4
    else:
        assert "kaggle.com/settings" in refusal(root)
        assert stand_in.count("DownloadDataFile") == 0


def test_damaged_file_gets_no_name_and_is_downloaded_again(stand_in, rests, kaggle_zips, root):
    (root / "input" / TRAIN_ZIP).write_bytes(kaggle_zips[TRAIN_ZIP][:-500])
    stand_in.damaged[TRAIN_ZIP] = 1
    assert "was damaged in transit" in refusal(root)
    assert held(root / "input")[TRAIN_ZIP] == kaggle_zips[TRAIN_ZIP][:-500]
    download(root)
    assert held(root / "input") == kaggle_zips
