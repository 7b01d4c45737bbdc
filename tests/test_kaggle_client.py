"""From Kaggle and back: the real client against a stand-in for Kaggle, and the real scripts."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kaggle_fixtures import COLUMNS, PARTS, draw_competition, draw_votes
from kaggle_server import KEY, REF, TOKEN, USERNAME, KaggleServer, serving, without_credentials

from galaxyzoo import kaggle, kaggle_client, kaggle_downloads, kaggle_submission, paths
from galaxyzoo.errors import InputError
from galaxyzoo.submission import published_csv
from galaxyzoo.tables import format_predictions

COMPETITION = draw_competition(n_train=6, n_test=5, seed=8)
TRAIN_ZIP = "images_training_rev1.zip"
RULES = "You must accept this competition's rules before you'll be able to download files."
SCRIPTS = paths.CODE_ROOT / "scripts"


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = COMPETITION.write_zips(tmp_path_factory.mktemp("zips"))
    return {f"{part}.zip": (folder / f"{part}.zip").read_bytes() for part in PARTS}


@pytest.fixture
def server(zips: dict[str, bytes]) -> Iterator[KaggleServer]:
    with serving(dict(zips)) as running:
        yield running


@pytest.fixture
def rests(server: KaggleServer, root: Path, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses, noted and not made; the client of this process meets the stand-in with a key."""
    for name in set(os.environ) - set(without_credentials()):
        monkeypatch.delenv(name)
    for name, value in without_credentials().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KAGGLE_USERNAME", USERNAME)
    monkeypatch.setenv("KAGGLE_KEY", KEY)
    monkeypatch.setenv("HOME", str(root))
    from kagglesdk import kaggle_env

    known = kaggle_env._env_to_endpoint
    monkeypatch.setitem(known, kaggle_env.KaggleEnv.PROD, server.endpoint)
    monkeypatch.setattr(kaggle, "COMPETITION_SIZE", (6, 5))
    monkeypatch.setattr(kaggle_downloads, "CHUNK_BYTES", 1000)  # the files have some 20,000
    made: list[float] = []
    monkeypatch.setattr(kaggle_client, "rest", made.append)
    return made


def held(folder: Path) -> dict[str, bytes]:
    """Files of a folder, locks aside."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and p.name != ".lock"}


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as refused:
        kaggle_downloads.download(folder)
    return str(refused.value)


# Downloads


def test_all_files_arrive_and_a_second_call_asks_for_nothing(
    server: KaggleServer, rests: list[float], zips: dict[str, bytes], root: Path
) -> None:
    assert kaggle_downloads.download(root / "input") == list(kaggle_downloads.FILES)
    assert held(root / "input") == zips
    assert not server.store_saw_credentials
    asked = [request for name, request in server.calls if name == "DownloadDataFile"]
    assert {request["competitionName"] for request in asked} == {kaggle_client.COMPETITION}
    server.calls.clear()
    assert kaggle_downloads.download(root / "input") == []
    assert server.calls == []
    kaggle.read_source(root / "input")
    assert rests == []


def test_broken_connection_goes_on_from_the_byte_where_it_stopped(
    server: KaggleServer, rests: list[float], zips: dict[str, bytes], root: Path
) -> None:
    whole, breaks = len(zips[TRAIN_ZIP]), 2 * kaggle_client.TRIES
    # Each try but the first gives up a new answer for the rest of the old one.
    server.cut_after[TRAIN_ZIP] = [1000, *[0, 1000] * (breaks - 1), 0]
    kaggle_downloads.download(root / "input")
    assert held(root / "input") == zips
    assert server.sent[TRAIN_ZIP] == [1000, *[0, 1000] * (breaks - 1), 0, whole - 1000 * breaks]
    assert rests == [2] * breaks  # whatever brings something is no try in vain
    assert not server.store_saw_credentials


def test_expired_address_of_a_file_is_asked_for_anew(
    server: KaggleServer, rests: list[float], zips: dict[str, bytes], root: Path
) -> None:
    server.faults["store"] = [(403, "", {})]
    kaggle_downloads.download(root / "input")
    assert held(root / "input") == zips
    assert server.count("DownloadDataFile") == 5


def test_stopped_download_goes_on_in_the_next_call(
    server: KaggleServer, rests: list[float], zips: dict[str, bytes], root: Path
) -> None:
    server.cut_after[TRAIN_ZIP] = [5000, *[0] * 20]
    assert "connection broke" in refusal(root / "input")
    assert TRAIN_ZIP not in held(root / "input")
    assert len(rests) == kaggle_client.TRIES - 1
    server.cut_after.clear()
    server.sent.clear()
    assert kaggle_downloads.download(root / "input") == [TRAIN_ZIP, "images_test_rev1.zip"]
    assert held(root / "input") == zips
    assert server.sent[TRAIN_ZIP][-1] == len(zips[TRAIN_ZIP]) - 5000


def test_part_of_another_version_is_not_gone_on_with(
    server: KaggleServer, rests: list[float], zips: dict[str, bytes], root: Path
) -> None:
    server.files[TRAIN_ZIP] = zips["images_test_rev1.zip"]
    server.cut_after[TRAIN_ZIP] = [5000, *[0] * 20]
    refusal(root / "input")
    server.files[TRAIN_ZIP] = zips[TRAIN_ZIP]
    server.cut_after.clear()
    server.sent.clear()
    kaggle_downloads.download(root / "input")
    assert held(root / "input") == zips
    assert server.sent[TRAIN_ZIP] == [len(zips[TRAIN_ZIP])]


def test_busy_server_is_asked_again_after_the_pause_that_it_names(
    server: KaggleServer, rests: list[float], zips: dict[str, bytes], root: Path
) -> None:
    server.faults["DownloadDataFile"] = [
        (429, "Too many requests", {"Retry-After": "7"}),
        (503, "", {}),
        None,
    ]
    kaggle_downloads.download(root / "input")
    assert held(root / "input") == zips
    assert rests == [7, 4, 8]


def test_server_that_stays_busy_ends_it_in_one_line(
    server: KaggleServer, rests: list[float], root: Path
) -> None:
    server.faults["DownloadDataFile"] = [(500, "", {})] * 50
    assert f"status 500, {kaggle_client.TRIES} times" in refusal(root / "input")
    assert rests == [2, 4, 8, 16, 32]
    assert held(root / "input") == {}


def test_rules_not_accepted_name_their_page(
    server: KaggleServer, rests: list[float], root: Path
) -> None:
    server.faults["DownloadDataFile"] = [(403, RULES, {})]
    said = refusal(root / "input")
    assert RULES in said
    assert kaggle_client.RULES_PAGE in said
    assert (rests, held(root / "input")) == ([], {})


def test_wrong_key_names_the_settings_page(
    server: KaggleServer, rests: list[float], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_KEY", "an old one")
    said = refusal(root / "input")
    assert "(401)" in said
    assert kaggle_client.SETTINGS_PAGE in said
    assert "an old one" not in said
    assert rests == []


@pytest.mark.parametrize("token", [TOKEN, "expired"])
def test_token_is_taken_or_refused(
    token: str,
    server: KaggleServer,
    rests: list[float],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    if token == TOKEN:
        assert len(kaggle_downloads.download(root / "input")) == 4
    else:
        assert kaggle_client.SETTINGS_PAGE in refusal(root / "input")
        assert server.count("DownloadDataFile") == 0


@pytest.mark.parametrize("times", [1, 9])
def test_file_that_arrives_damaged_is_got_once_more(
    times: int, server: KaggleServer, rests: list[float], zips: dict[str, bytes], root: Path
) -> None:
    server.damaged[TRAIN_ZIP] = times
    if times == 1:
        kaggle_downloads.download(root / "input")
        assert held(root / "input") == zips
    else:
        assert "arrived damaged twice" in refusal(root / "input")
        assert not [name for name in held(root / "input") if TRAIN_ZIP in name]
    assert len(server.sent[TRAIN_ZIP]) == 2


def test_broken_file_that_lay_there_is_replaced(
    server: KaggleServer, rests: list[float], zips: dict[str, bytes], root: Path
) -> None:
    (root / "input" / TRAIN_ZIP).write_bytes(zips[TRAIN_ZIP][:-500])
    kaggle_downloads.download(root / "input")
    assert held(root / "input") == zips


def test_disk_that_is_too_small_is_told_before_the_first_byte(
    server: KaggleServer, rests: list[float], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(kaggle_downloads.shutil, "disk_usage", lambda _: usage)
    assert "the disk of input/ has 10" in refusal(root / "input")
    assert held(root / "input") == {}


def test_silent_server_is_given_up(
    server: KaggleServer, rests: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = kaggle_client.connect()
    seen: list[float] = []

    def send(self: object, request: object, timeout: float | None = None, **_: object) -> object:
        seen.append(timeout or 0)
        raise requests.ReadTimeout

    import requests.adapters

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    with pytest.raises(InputError, match="no answer"):
        kaggle_client.patiently(lambda: api.competition_submissions("any"), "score")
    assert seen == [kaggle_client.TIMEOUT_S] * kaggle_client.TRIES


# Submissions


def write_submission(root: Path) -> Path:
    """Valid predictions of the small competition's test galaxies, and its sample in `input/`."""
    COMPETITION.write_zips(root / "input")
    votes = draw_votes(np.random.default_rng(0), COMPETITION.test_ids)
    frame = pd.DataFrame(
        kaggle_submission.get_task("gz37").make_valid(votes.to_numpy()), votes.index, COLUMNS
    )
    path = published_csv()
    path.write_text(format_predictions(frame))
    return path


def test_submission_arrives_and_its_own_score_is_shown(
    server: KaggleServer, rests: list[float], root: Path
) -> None:
    path = write_submission(root)
    kaggle_submission.check_file(path)
    api = kaggle_client.connect()
    ref = kaggle_submission.send(api, path, "three networks")
    assert server.uploads == [path.read_bytes()]
    assert server.submissions[0]["submissionDescription"] == "three networks"
    assert server.submissions[0]["competitionName"] == kaggle_client.COMPETITION
    server.polls_before_score = 3
    entry = kaggle_submission.wait_for_score(api, ref, 100)
    assert entry.ref == REF
    assert rests == [2, 3, 4.5]
    shown = kaggle_submission.describe(entry)
    assert "public 0.07512, private 0.07498" in shown


def test_score_that_takes_too_long_is_waited_for_no_longer(
    server: KaggleServer, rests: list[float]
) -> None:
    server.polls_before_score = 1000
    assert kaggle_submission.wait_for_score(kaggle_client.connect(), REF, 10) is None
    assert sum(rests) >= 10
    assert len(rests) < 6


def test_file_that_kaggle_cannot_score_is_told(server: KaggleServer, rests: list[float]) -> None:
    server.error_description = "Evaluation Exception: row 3"
    with pytest.raises(InputError, match="Evaluation Exception: row 3"):
        kaggle_submission.wait_for_score(kaggle_client.connect(), REF, 10)


def test_upload_that_fails_is_tried_again_and_submitted_once(
    server: KaggleServer, rests: list[float], root: Path
) -> None:
    path = write_submission(root)
    server.faults["upload"] = [(500, "", {})]
    server.faults["CreateSubmission"] = [(429, "", {})]
    kaggle_submission.send(kaggle_client.connect(), path, "m")
    assert len(server.submissions) == 1
    assert len(rests) == 2


@pytest.mark.parametrize("fault", [None, (502, "", {})])
def test_submission_that_may_have_arrived_is_not_sent_again(
    fault: tuple[int, str, dict[str, str]] | None,
    server: KaggleServer,
    rests: list[float],
    root: Path,
) -> None:
    path = write_submission(root)
    server.faults["CreateSubmission"] = [fault]
    with pytest.raises(InputError, match=kaggle_client.SUBMISSIONS_PAGE):
        kaggle_submission.send(kaggle_client.connect(), path, "m")
    assert (server.count("CreateSubmission"), rests) == (1, [])


def test_what_kaggle_says_of_a_submission_is_told(
    server: KaggleServer, rests: list[float], root: Path
) -> None:
    path = write_submission(root)
    server.faults["CreateSubmission"] = [(400, "No submissions left today", {})]
    with pytest.raises(InputError, match="No submissions left today"):
        kaggle_submission.send(kaggle_client.connect(), path, "m")


def test_sample_of_a_subset_is_not_taken_for_the_competitions(
    rests: list[float], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_submission(root)
    monkeypatch.setattr(kaggle, "COMPETITION_SIZE", (6, 79_975))
    with pytest.raises(InputError, match=r"79,975 .*download_data\.sh"):
        kaggle_submission.check_file(path)


# The scripts


def run_script(
    name: str, *words: str, root: Path, endpoint: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """A script as a user types it, in a home of its own and with the stand-in for Kaggle."""
    site = root / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(
        "import kaggle_server\n"
        f"kaggle_server.point_to({endpoint!r})\n"
        "from galaxyzoo import kaggle, kaggle_submission\n"
        "kaggle.COMPETITION_SIZE = (6, 5)\n"
        "kaggle_submission.FIRST_PAUSE_S = 0.01\n"
    )
    places = [site, paths.CODE_ROOT / "tests", paths.CODE_ROOT / "src"]
    path = os.pathsep.join([*map(str, places), os.environ.get("PYTHONPATH", "")])
    environment = {
        **without_credentials(),
        "HOME": str(root / "home"),
        "GALAXYZOO_ROOT": str(root),
        "GALAXYZOO_PYTHON": sys.executable,
        "PYTHONPATH": path,
        **more,
    }
    environment.pop("XDG_CONFIG_HOME", None)
    return subprocess.run(
        ["bash", str(SCRIPTS / name), *words],
        env=environment,
        cwd=root,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_scripts_fetch_and_submit_with_the_users_own_key_file(
    server: KaggleServer, root: Path
) -> None:
    (root / "home" / ".kaggle").mkdir(parents=True)
    key_file = root / "home" / ".kaggle" / "kaggle.json"
    key_file.write_text(f'{{"username": "{USERNAME}", "key": "{KEY}"}}')
    key_file.chmod(0o600)
    result = run_script("download_data.sh", root=root, endpoint=server.endpoint)
    assert (result.returncode, result.stderr) == (0, "")
    assert "input/ holds 4 of 4 files, 4 new" in result.stdout
    named = write_submission(root).rename(root / "mine.csv").name
    words = (named, "-m", "a test of it")
    result = run_script("submit.sh", *words, root=root, endpoint=server.endpoint)
    assert (result.returncode, result.stderr) == (0, "")
    assert "sent mine.csv" in result.stdout
    assert "public 0.07512, private 0.07498" in result.stdout
    assert [s["submissionDescription"] for s in server.submissions] == ["a test of it"]


def test_download_without_credentials_says_where_to_get_them(
    server: KaggleServer, root: Path
) -> None:
    result = run_script("download_data.sh", root=root, endpoint=server.endpoint)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert kaggle_client.SETTINGS_PAGE in result.stderr
    assert held(root / "input") == {}


@pytest.mark.parametrize("fault", ["order", "sum", "empty cell", "missing row"])
def test_invalid_file_is_refused_before_anything_is_sent(
    fault: str,
    server: KaggleServer,
    rests: list[float],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import submit

    path = write_submission(root)
    frame = pd.read_csv(path)
    if fault == "order":
        frame = frame.iloc[::-1]
    elif fault == "missing row":
        frame = frame.iloc[1:]
    else:
        frame.loc[2, "Class1.1"] = np.nan if fault == "empty cell" else 0.99
    frame.to_csv(path, index=False)
    monkeypatch.setattr(sys, "argv", ["submit.py", str(path), "-m", "m"])
    with pytest.raises(SystemExit) as stopped:
        submit.run_main(submit.main)
    said = capsys.readouterr().err
    assert stopped.value.code == 1
    assert said.startswith(f"error: {paths.shown(path)}")
    assert said.count("\n") == 1
    assert server.calls == []
