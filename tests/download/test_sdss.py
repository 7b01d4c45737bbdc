"""Downloads from the sky survey: tried again where it helps, limited in rate, never half."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.stores.opening import open_by_galaxy_id
from galaxyzoo.download.sdss import (
    Cutout,
    Downloader,
    DownloadError,
    DownloadPolicy,
    check_url,
    download_cutouts,
    retry_after_s,
)
from support.cutout_server import (
    CutoutServer,
    blank,
    cut_off,
    cut_off_unseen,
    dripping,
    of_size,
    silent,
    status,
    words,
)

QUICK = DownloadPolicy(rate=1000, max_attempts=2, first_pause_s=0.01)

RA = 10.0


class Clock:
    """In the place of an event: notes each wait, and waits none."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return False

    def is_set(self) -> bool:
        return False


def fetch(
    server: CutoutServer,
    policy: DownloadPolicy = QUICK,
    stopped: Any = None,
    check: Callable[[bytes], None] = lambda data: None,
    limit: int = 10_000_000,
    times: int = 1,
) -> bytes:
    url = f"{server.base}/cut?ra={RA}&width=64"
    downloader = Downloader(policy, stopped)
    return [downloader.fetch(url, check, limit) for _ in range(times)][-1]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (status(429), "HTTP 429"),
        (status(502), "HTTP 502"),
        (cut_off, "cut off after "),
        (silent, "timed out"),
        (dripping, "not whole after 0.4 s"),
    ],
)
def test_what_may_pass_is_tried_again_and_in_the_end_the_last_reason_is_named(server, bad, reason):
    server.plans[RA] = [bad] * 2
    limits: dict[str, Any] = {silent: {"timeout_s": 0.3}, dripping: {"deadline_s": 0.4}}.get(
        bad, {}
    )
    with pytest.raises(DownloadError, match=reason) as caught:
        fetch(server, replace(QUICK, **limits))
    assert not caught.value.is_refusal
    assert server.asked[RA] == 2
    assert fetch(server) == server.picture(RA)
    assert server.asked[RA] == 3


@pytest.mark.parametrize("code", [400, 403, 404, 410])
def test_a_refusal_is_taken_at_once(server, code):
    server.plans[RA] = [status(code)]
    with pytest.raises(DownloadError, match=f"HTTP {code}") as caught:
        fetch(server)
    assert caught.value.is_refusal
    assert server.asked[RA] == 1


def test_what_fails_the_check_is_tried_again(server):
    seen = []

    def check(data: bytes) -> None:
        seen.append(data)
        if len(seen) < 2:
            raise ValueError("blurred")

    assert fetch(server, check=check) == server.picture(RA)
    assert len(seen) == 2


def test_no_more_is_read_than_agreed(server):
    with pytest.raises(DownloadError, match="larger than 100 bytes"):
        fetch(server, limit=100)


def test_pauses_double_and_the_server_may_ask_for_longer_ones_up_to_two_minutes(server):
    policy = DownloadPolicy(rate=1e9, max_attempts=6, first_pause_s=1.0)
    asking = [status(503, Retry_After="40"), status(429, Retry_After="86400")]
    server.plans[RA] = [status(500)] * 3 + asking
    clock = Clock()
    fetch(server, policy, clock)
    pauses = [wait for wait in clock.waits if wait > 0.1]
    for pause, expected in zip(pauses[:3], (1, 2, 4), strict=True):
        assert 0.75 * expected <= pause <= 1.25 * expected
    assert pauses[3:] == [40.0, 120.0]


def test_a_server_may_ask_for_a_pause_by_seconds_or_by_a_date():
    later = datetime.now(UTC) + timedelta(hours=1)
    assert retry_after_s(format_datetime(later, usegmt=True)) == pytest.approx(3600, abs=60)
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after_s(" 40 ") == 40
    for nothing in ("", "soon", "-3", "inf", "nan"):
        assert retry_after_s(nothing) is None


def test_turns_are_as_far_apart_as_the_rate_says(server):
    clock = Clock()
    fetch(server, DownloadPolicy(rate=0.01), clock, times=3)
    turns = [wait for wait in clock.waits if wait > 1]
    assert turns == pytest.approx([100, 200], abs=30)  # s from now, which has gone on a little


def test_who_has_been_stopped_asks_no_more(server):
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(DownloadError, match="stopped"):
        fetch(server, stopped=stopped)
    assert server.asked[RA] == 0


def test_no_connection_is_said():
    with pytest.raises(DownloadError, match=r"^no connection: .*refused"):
        Downloader(QUICK).fetch("http://127.0.0.1:9/", lambda data: None, 100)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.b/c", "skyserver", "http://", ""])
def test_only_addresses_of_the_web_are_asked(url):
    with pytest.raises(InputError, match="begins with http://"):
        check_url(url)
    check_url("http://127.0.0.1:80/x")


FIRST = 587722982291472386

IDS = [FIRST + i for i in range(6)]


@pytest.fixture
def folder(root: Path) -> Path:
    return root / "input" / "gz2" / "sky"


def positions(ids: list[int] = IDS) -> pd.DataFrame:
    ra = [ra_of(galaxy) for galaxy in ids]
    return pd.DataFrame({"ra": ra, "dec": -0.5}, index=pd.Index(ids, name="GalaxyID"))


def ra_of(galaxy: int) -> float:
    return 10.0 + (galaxy - FIRST)


def download(server: CutoutServer, folder: Path, ids: list[int] = IDS) -> pd.Series:
    cutout = Cutout(0.2, 64, f"{server.base}/cut")
    return download_cutouts(positions(ids), folder, cutout, QUICK)


def manifest(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "manifest.csv", index_col="GalaxyID", keep_default_na=False)


def test_each_galaxy_gets_the_image_of_its_place_and_a_row(server, folder):
    statuses = download(server, folder, IDS[::-1])
    assert statuses.to_dict() == dict.fromkeys(IDS, "ok")
    assert statuses.index.tolist() == IDS[::-1]
    store = open_by_galaxy_id(folder)
    assert store.ids.tolist() == IDS
    rows = manifest(folder)
    assert rows.index.tolist() == IDS
    for galaxy in IDS:
        data = store.read(galaxy)
        assert data == server.picture(ra_of(galaxy))
        row = rows.loc[galaxy]
        assert (row["ra"], row["dec"], row["status"]) == (ra_of(galaxy), -0.5, "ok")
        assert (row["bytes"], row["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert row["url"] == (
            f"{server.base}/cut?ra={ra_of(galaxy):.6f}&dec=-0.500000&scale=0.2&width=64&height=64"
        )


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (status(404), "HTTP 404"),
        (cut_off, "cut off after "),
        (cut_off_unseen, "it is cut off or damaged"),
        (words, "it is neither JPEG nor PNG"),
        (of_size(48), "its size is 48 × 48 px, not 64"),
        (blank, "it shows nothing"),
    ],
)
def test_a_failure_is_in_the_manifest_and_leaves_no_file(server, folder, bad, reason):
    server.plans[ra_of(IDS[2])] = [bad] * 2
    statuses = download(server, folder, IDS[:4])
    assert reason in statuses[IDS[2]]
    assert (statuses.drop(IDS[2]) == "ok").all()
    row = manifest(folder).loc[IDS[2]]
    assert (row["bytes"], row["sha256"], row["status"]) == (0, "", statuses[IDS[2]])
    assert sorted(p.stem for p in folder.glob("*.jpg")) == [str(IDS[i]) for i in (0, 1, 3)]
    assert list(folder.glob(".*")) == []


def test_the_same_again_asks_only_for_what_failed_or_is_not_whole(server, folder):
    server.plans[ra_of(IDS[0])] = [status(404)]
    download(server, folder, IDS[:5])
    cut = folder / f"{IDS[1]}.jpg"
    cut.write_bytes(cut.read_bytes()[:500])
    other_size = folder / f"{IDS[2]}.jpg"
    other_size.write_bytes(server.picture(1.0, 48))
    server.asked.clear()
    statuses = download(server, folder, IDS[:4])
    assert (statuses == "ok").all()
    assert dict(server.asked) == {ra_of(galaxy): 1 for galaxy in IDS[:3]}
    assert cut.read_bytes() == server.picture(ra_of(IDS[1]))
    assert manifest(folder).index.tolist() == IDS[:5]  # those of other runs stay
    assert (manifest(folder)["status"] == "ok").all()


def test_a_server_that_is_down_is_asked_no_further_and_what_there_is_stays(server, folder):
    download(server, folder, IDS)
    server.always = status(503)
    more = [FIRST + i for i in range(200)]
    with pytest.raises(InputError, match=r"gives no image, of 20 galaxies in a row \(last: HTTP 5"):
        download(server, folder, more)
    assert len(server.asked) < 60
    rows = manifest(folder)
    assert (rows.loc[IDS, "status"] == "ok").all()
    assert 20 <= len(rows) < 60
    server.always = None
    assert (download(server, folder, more[:40]) == "ok").all()


def test_refusals_do_not_count_as_a_server_that_is_down(server, folder):
    server.always = status(404)
    ids = [FIRST + i for i in range(30)]
    assert (download(server, folder, ids) == "HTTP 404").all()


def test_a_full_disk_stops_it_in_one_line(server, folder, monkeypatch):
    def refuse(path: Path, data: bytes) -> None:
        raise InputError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr("galaxyzoo.download.sdss.files.write_bytes", refuse)
    with pytest.raises(InputError, match="No space left"):
        download(server, folder)


def test_a_manifest_of_something_else_is_refused_before_anything_is_asked(server, folder):
    folder.mkdir(parents=True)
    (folder / "manifest.csv").write_text("GalaxyID,class\n1,a\n")
    with pytest.raises(InputError, match=r"manifest\.csv has no column 'ra': delete it"):
        download(server, folder)
    assert not server.asked
