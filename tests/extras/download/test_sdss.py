"""Downloads from the sky survey: tried again where it helps, never half."""

import gc
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.stores.opening import open_by_galaxy_id
from galaxyzoo.extras.download import sdss
from support.cutout_server import Answer, CutoutServer, good, send_head, status, words
from support.pictures import draw_image, encode


def cut_off(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    """Say the whole length, and close after half of it."""
    send_head(handler, 200, len(data))
    handler.wfile.write(data[: len(data) // 2])


def cut_off_unseen(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    """Half of the image, in an answer that is whole by its own words."""
    good(handler, data[: len(data) // 2])


def silent(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    """Let the other end wait longer than it will."""
    time.sleep(1)
    good(handler, data)


def of_size(side_px: int) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, data: bytes) -> None:
        good(handler, encode(draw_image(np.random.default_rng(0), side_px)))

    return answer


def blank(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    """What lies outside the survey."""
    good(handler, encode(np.full((64, 64, 3), 128, np.uint8)))


FIRST = 587722982291472386
IDS = [FIRST + i for i in range(6)]


@pytest.fixture
def folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The images' folder, in a process with small images and short pauses."""
    monkeypatch.setattr(sdss, "SIZE_PX", 64)
    monkeypatch.setattr(sdss, "_TIMEOUT_S", 0.3)
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda _: None))
    return root / "input" / "gz2" / "sky"


def ra_of(galaxy: int) -> float:
    return 10.0 + (galaxy - FIRST)


def download(server: CutoutServer, folder: Path, ids: list[int] = IDS) -> dict[int, str]:
    positions = pd.DataFrame({"ra": map(ra_of, ids), "dec": -0.5}, index=ids)
    return sdss.download_cutouts(positions, folder, f"{server.base}/cut")


def test_each_galaxy_gets_the_image_of_its_place(server, folder):
    assert download(server, folder, IDS[::-1]) == {}
    store = open_by_galaxy_id(folder)
    assert store.ids.tolist() == IDS
    assert [store.read(galaxy) for galaxy in IDS] == [server.picture(ra_of(i)) for i in IDS]
    assert sdss.cutout_url("http://a/cut?", 10.0, -0.5) == (
        "http://a/cut?ra=10.000000&dec=-0.500000&scale=0.15&width=64&height=64"
    )


@pytest.mark.parametrize(
    ("bad", "tries", "reason"),
    [
        (status(404), 1, "HTTP 404"),
        (status(403), 1, "HTTP 403"),
        (status(429), 5, "HTTP 429"),
        (status(502), 5, "HTTP 502"),
        (silent, 5, "no connection: "),
        (cut_off, 5, "no connection: "),
        (cut_off_unseen, 5, "it is truncated or damaged"),
        (words, 5, "it is neither JPEG nor PNG"),
        (of_size(48), 5, "its size is 48 × 48 px, not 64"),
        (blank, 5, "it is blank"),
    ],
)
@pytest.mark.filterwarnings("error::ResourceWarning")
def test_a_failure_is_tried_again_and_leaves_no_file_open(server, folder, bad, tries, reason):
    lost, good = IDS[:2]
    server.plans[ra_of(lost)] = [bad] * tries
    failed = download(server, folder, IDS[:2])
    assert list(failed) == [lost]
    assert reason in failed[lost]
    assert server.asked[ra_of(lost)] == tries
    assert [path.name for path in folder.iterdir()] == [f"{good}.jpg"]
    assert download(server, folder, IDS[:2]) == {}
    assert server.asked[ra_of(lost)] == tries + 1
    gc.collect()


def test_the_same_again_asks_only_for_what_is_not_whole(server, folder):
    download(server, folder)
    cut, other_size = (folder / f"{galaxy}.jpg" for galaxy in IDS[:2])
    cut.write_bytes(cut.read_bytes()[:500])
    other_size.write_bytes(server.picture(1.0, 48))
    server.asked.clear()
    assert download(server, folder) == {}
    assert dict(server.asked) == {ra_of(galaxy): 1 for galaxy in IDS[:2]}
    assert cut.read_bytes() == server.picture(ra_of(IDS[0]))


def test_a_server_that_is_down_is_asked_no_further_and_what_there_is_stays(server, folder):
    download(server, folder)
    server.always = status(503)
    more = [FIRST + i for i in range(200)]
    with pytest.raises(InputError, match=r"no image for 20 galaxies in a row \(last: HTTP 5"):
        download(server, folder, more)
    assert len(server.asked) < 60
    assert {path.name for path in folder.iterdir()} == {f"{galaxy}.jpg" for galaxy in IDS}


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.b/c", "skyserver", "http://", ""])
def test_only_addresses_of_the_web_are_asked(url, folder):
    with pytest.raises(InputError, match="must be an http:// or"):
        sdss.download_cutouts(pd.DataFrame(columns=["ra", "dec"]), folder, url)
