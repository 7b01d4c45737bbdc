"""Downloads: asked for again where it helps, never more often than agreed, and never half."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.download.sdss import (
    Downloader,
    DownloadError,
    DownloadPolicy,
    asked_pause_s,
    check_url,
)
from support.cutout_server import CutoutServer, cut_off, dripping, serving, silent, status

QUICK = DownloadPolicy(rate=1000, tries=2, first_pause_s=0.01, timeout_s=1.0, deadline_s=1.5)

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


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CutoutServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as running:
        yield running


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


@pytest.mark.parametrize("bad", [status(500), status(503), status(429), cut_off, silent, dripping])
def test_what_may_pass_is_tried_again(server, bad):
    server.plans[RA] = [bad]
    assert fetch(server) == server.picture(RA)
    assert server.asked[RA] == 2


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (status(502), "HTTP 502"),
        (cut_off, "cut off after "),
        (silent, "timed out"),
        (dripping, "not whole after 1.5 s"),
    ],
)
def test_in_the_end_the_last_reason_is_said(server, bad, reason):
    server.plans[RA] = [bad] * 2
    with pytest.raises(DownloadError, match=reason) as caught:
        fetch(server)
    assert not caught.value.is_refusal
    assert server.asked[RA] == 2


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


def test_pauses_double_and_the_server_may_ask_for_longer_ones(server):
    policy = DownloadPolicy(rate=1e9, tries=5, first_pause_s=1.0)
    server.plans[RA] = [status(500)] * 3 + [status(503, Retry_After="40")]
    clock = Clock()
    fetch(server, policy, clock)
    pauses = [wait for wait in clock.waits if wait > 0.1]
    for pause, expected in zip(pauses[:3], (1, 2, 4), strict=True):
        assert 0.75 * expected <= pause <= 1.25 * expected
    assert pauses[3:] == [40.0]


def test_a_server_that_asks_for_a_day_gets_two_minutes(server):
    server.plans[RA] = [status(429, Retry_After="86400")]
    clock = Clock()
    fetch(server, stopped=clock)
    assert max(clock.waits) == 120


def test_a_server_may_ask_for_a_pause_by_seconds_or_by_a_date():
    later = datetime.now(UTC) + timedelta(hours=1)
    assert asked_pause_s(format_datetime(later, usegmt=True)) == pytest.approx(3600, abs=60)
    assert asked_pause_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert asked_pause_s(" 40 ") == 40
    for nothing in ("", "soon", "-3", "inf", "nan"):
        assert asked_pause_s(nothing) is None


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
