"""From Kaggle: the real client's downloads against a stand-in, whatever goes wrong on the way."""

import importlib
from pathlib import Path

import pytest
import requests

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.readers import kaggle
from galaxyzoo.download import kaggle_api
from support.kaggle_connection import held
from support.kaggle_server import KEY, TOKEN
from support.refusals import one_line_refusal

TRAIN_ZIP = "images_training_rev1.zip"

RULES = "You must accept this competition's rules before you'll be able to download files."


def download(root: Path) -> list[str]:
    """In small chunks: the files have some 20,000 bytes."""
    return kaggle_api.download(root / "input", chunk_bytes=1000)


def refusal(root: Path) -> str:
    return one_line_refusal(download, root)


def test_all_files_arrive_and_a_second_call_asks_for_nothing(stand_in, rests, kaggle_zips, root):
    assert download(root) == list(kaggle_api.FILES)
    assert held(root / "input") == kaggle_zips
    assert not stand_in.store_saw_credentials
    asked = [request for name, request in stand_in.calls if name == "DownloadDataFile"]
    assert {request["competitionName"] for request in asked} == {kaggle_api.COMPETITION}
    stand_in.calls.clear()
    assert download(root) == []
    assert stand_in.calls == []
    kaggle.open_raw_dataset(root / "input")
    assert rests == []


def test_broken_connection_goes_on_from_the_byte_where_it_stopped(
    stand_in, rests, kaggle_zips, root
):
    whole, breaks = len(kaggle_zips[TRAIN_ZIP]), 2 * kaggle_api.MAX_ATTEMPTS
    # Each try but the first gives up a new answer for the rest of the old one.
    stand_in.cut_after[TRAIN_ZIP] = [1000, *[0, 1000] * (breaks - 1), 0]
    download(root)
    assert held(root / "input") == kaggle_zips
    assert stand_in.sent[TRAIN_ZIP] == [1000, *[0, 1000] * (breaks - 1), 0, whole - 1000 * breaks]
    assert rests == [2] * breaks  # whatever brings something is no try in vain
    assert not stand_in.store_saw_credentials


def test_expired_address_of_a_file_is_asked_for_anew(stand_in, rests, kaggle_zips, root):
    stand_in.faults["store"] = [(403, "", {})]
    download(root)
    assert held(root / "input") == kaggle_zips
    assert stand_in.count("DownloadDataFile") == 5


def test_address_that_expires_before_the_rest_costs_no_more_than_a_new_start(
    stand_in, rests, kaggle_zips, root
):
    """The client takes what the store answers for content; that must not stay."""
    stand_in.cut_after[TRAIN_ZIP] = [5000, 0]
    stand_in.expires_on_resume = 1
    download(root)
    assert held(root / "input") == kaggle_zips
    assert stand_in.sent[TRAIN_ZIP] == [5000, 0, len(kaggle_zips[TRAIN_ZIP])]


def test_stopped_download_goes_on_in_the_next_call(stand_in, rests, kaggle_zips, root):
    stand_in.cut_after[TRAIN_ZIP] = [5000, *[0] * 20]
    assert "connection broke" in refusal(root)
    assert TRAIN_ZIP not in held(root / "input")
    assert len(rests) == kaggle_api.MAX_ATTEMPTS - 1
    stand_in.cut_after.clear()
    stand_in.sent.clear()
    assert download(root) == [TRAIN_ZIP, "images_test_rev1.zip"]
    assert held(root / "input") == kaggle_zips
    assert stand_in.sent[TRAIN_ZIP][-1] == len(kaggle_zips[TRAIN_ZIP]) - 5000


def test_part_of_another_version_is_not_gone_on_with(stand_in, rests, kaggle_zips, root):
    stand_in.files[TRAIN_ZIP] = kaggle_zips["images_test_rev1.zip"]
    stand_in.cut_after[TRAIN_ZIP] = [5000, *[0] * 20]
    refusal(root)
    stand_in.files[TRAIN_ZIP] = kaggle_zips[TRAIN_ZIP]
    stand_in.cut_after.clear()
    stand_in.sent.clear()
    download(root)
    assert held(root / "input") == kaggle_zips
    assert stand_in.sent[TRAIN_ZIP] == [len(kaggle_zips[TRAIN_ZIP])]


def test_busy_server_is_asked_again_after_the_pause_that_it_names(
    stand_in, rests, kaggle_zips, root
):
    stand_in.faults["DownloadDataFile"] = [
        (429, "Too many requests", {"Retry-After": "7"}),
        (503, "", {}),
        None,
    ]
    download(root)
    assert held(root / "input") == kaggle_zips
    assert rests == [7, 4, 8]


def test_server_that_stays_busy_ends_it_in_one_line(stand_in, rests, root):
    stand_in.faults["DownloadDataFile"] = [(500, "", {})] * 50
    assert f"status 500, {kaggle_api.MAX_ATTEMPTS} times" in refusal(root)
    assert rests == [2, 4, 8, 16, 32]
    assert held(root / "input") == {}


@pytest.mark.parametrize(
    ("key", "fault", "named"),
    [
        (KEY, (403, RULES, {}), ("status 403: " + RULES, kaggle_api.RULES_PAGE)),
        (KEY, (404, "Not found", {}), ("status 404: Not found", f"{kaggle_api.PAGE}/data")),
        ("an old one", None, ("status 401", kaggle_api.SETTINGS_PAGE)),
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
        assert kaggle_api.SETTINGS_PAGE in refusal(root)
        assert stand_in.count("DownloadDataFile") == 0


@pytest.mark.parametrize(
    ("error", "named", "pauses"),
    [  # both are ValueErrors, and no file is there yet
        (requests.exceptions.InvalidURL("https://a/?signed"), "refuses it (InvalidURL): see", 0),
        (ValueError("another size"), "the connection broke, 6 times in a row", 5),
    ],
)
def test_a_size_that_is_wrong_may_pass_and_a_wrong_address_does_not(
    stand_in, rests, root, monkeypatch, error, named, pauses
):
    def fail(*_: object, **__: object) -> None:
        raise error

    api = importlib.import_module("kaggle.api.kaggle_api_extended").KaggleApi
    monkeypatch.setattr(api, "download_file", fail)
    assert named in (said := refusal(root))
    assert "signed" not in said
    assert len(rests) == pauses


@pytest.mark.parametrize("times", [1, 9])
def test_file_that_arrives_damaged_is_got_once_more(times, stand_in, rests, kaggle_zips, root):
    stand_in.damaged[TRAIN_ZIP] = times
    if times == 1:
        download(root)
        assert held(root / "input") == kaggle_zips
    else:
        assert "arrived damaged twice" in refusal(root)
        assert not [name for name in held(root / "input") if TRAIN_ZIP in name]
    assert len(stand_in.sent[TRAIN_ZIP]) == 2


def test_broken_file_that_lay_there_is_replaced(stand_in, rests, kaggle_zips, root):
    (root / "input" / TRAIN_ZIP).write_bytes(kaggle_zips[TRAIN_ZIP][:-500])
    download(root)
    assert held(root / "input") == kaggle_zips


def test_disk_that_is_too_small_is_told_before_the_first_byte(stand_in, rests, root, monkeypatch):
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(kaggle_api.shutil, "disk_usage", lambda _: usage)
    assert "the disk of input/ has 10" in refusal(root)
    assert held(root / "input") == {}


def test_part_that_cannot_be_written_is_named_at_once(stand_in, rests, root):
    (root / "input" / f".{kaggle_api.FILES[0]}.part").mkdir()
    assert refusal(root).startswith(f"cannot write input/.{kaggle_api.FILES[0]}.part: ")
    assert rests == []


def test_silent_server_is_given_up(stand_in, rests, monkeypatch):
    api = kaggle_api.connect()
    seen: list[float] = []

    def send(self: object, request: object, timeout: float | None = None, **_: object) -> object:
        seen.append(timeout or 0)
        raise requests.ReadTimeout

    import requests.adapters

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    with pytest.raises(InputError, match="no answer"):
        kaggle_api.retry(lambda: api.competition_submissions("any"), "score")
    assert seen == [kaggle_api.TIMEOUT_S] * kaggle_api.MAX_ATTEMPTS
