"""The page in this process, where its parts can be held up."""

import base64
import io
import re
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from galaxyzoo.data.prepare import prepare
from galaxyzoo.ensemble.model_listing import ModelEntry
from galaxyzoo.extras.app import command, service
from galaxyzoo.extras.app.service import LoadedRun, PredictedGalaxy
from galaxyzoo.extras.explain.galaxy import Galaxy
from galaxyzoo.extras.pages.hosts import own_hosts
from support.browser import PageProcess, find_port
from support.datasets import draw_competition
from support.page_client import FOREIGN, OWN, PageClient, close_page
from support.pictures import draw_image, encode
from support.small_models import small_config, untrained


def picture(side: int) -> bytes:
    return encode(draw_image(np.random.default_rng(0), side))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedRun]:
    """The only run that the page knows."""
    root = tmp_path_factory.mktemp("page")
    draw_competition(n_train=30, n_test=5).write_zips(root / "input")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GALAXYZOO_ROOT", str(root))
        dataset = prepare(n_folds=3).dataset
        run = LoadedRun(dataset, "gz37/small", untrained(small_config(), folds=2))
        known = ModelEntry(run.dataset, run.config.run, problem="not scored")
        patch.setattr(service, "list_runs", lambda: [known])
        patch.setattr(service, "load_cached_run", lambda *_: run)
        yield run


@pytest.fixture(scope="module")
def page(run: LoadedRun) -> Iterator[Any]:
    """The page, served."""
    from galaxyzoo.extras.app.page import build_page  # imports Gradio, which takes seconds

    page = build_page(service.list_runs()[0])
    settings = {"middleware": [own_hosts(["10.0.0.1", "Galaxies.example"])]}
    page.queue().launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, app_kwargs=settings)
    yield page
    close_page(page)


@pytest.fixture(scope="module")
def address(page: Any) -> str:
    return page.local_url


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Variables and the handler that the command may change, restored at the end."""
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.usefixtures("own_environment")
def test_the_command_serves_behind_a_proxy_and_beside_another_users_uploads(
    run, tmp_path, monkeypatch
):
    import gradio

    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    (tmp_path / "gradio").touch()  # like another user's, a folder in which nothing can be written
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    served = []
    launch = gradio.Blocks.launch

    def launch_beside(blocks: Any, **options: Any) -> None:
        served.append(blocks)
        launch(blocks, prevent_thread_lock=True, **options)

    port = find_port()
    monkeypatch.setattr(gradio.Blocks, "launch", launch_beside)
    monkeypatch.setattr(command, "pick_predictor", lambda *_: (run.dataset, run.config.run))
    monkeypatch.setattr(sys, "argv", ["app.py", "--port", str(port)])
    command.main()
    visitor = PageClient(f"http://127.0.0.1:{port}")
    try:
        assert visitor.show(picture(50))["success"]
        before = list_files(tmp_path)
        refused = visitor.upload(bytes(20_000_001), "large.jpg")
        assert refused.status_code == 413
        assert "20000000 bytes" in refused.text
        assert list_files(tmp_path) == before  # it is not kept, either
    finally:
        close_page(served[0])


def list_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_an_upload_is_deleted_after_an_hour(page, address, monkeypatch):
    from gradio import route_utils

    def clean_up(minutes_later: int) -> None:
        """What Gradio does each time that the page's settings say."""
        later = SimpleNamespace(
            now=lambda: datetime.now() + timedelta(minutes=minutes_later),
            fromtimestamp=datetime.fromtimestamp,
        )
        monkeypatch.setattr(route_utils, "datetime", later)
        route_utils.delete_files_created_by_app(page, age)

    pause, age = page.delete_cache
    assert pause <= 600  # s
    path = Path(PageClient(address).upload(picture(70), "mine.jpg").json()[0])
    clean_up(59)
    assert path.exists()
    clean_up(61)
    assert not path.exists()


@pytest.mark.slow
@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("own_folder", [False, True])
def test_uploads_are_deleted_when_the_command_ends(root, monkeypatch, how, status, own_folder):
    """By Ctrl-C, or as `kill`, systemd and `docker stop` end it."""
    temporary = root / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    if own_folder:
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(root / "own"))
    process = PageProcess(root, "app.py")
    path = Path(PageClient(process.address).upload(picture(70), "mine.jpg").json()[0])
    assert path.exists()
    assert path.is_relative_to(root / "own") == own_folder
    assert process.end(how) == status
    assert not path.exists()
    assert not list(temporary.glob("galaxyzoo_*"))


def test_a_slow_request_does_not_stop_the_others(address, monkeypatch):
    slow = picture(40)
    begun = threading.Event()
    go_on = threading.Event()
    original = LoadedRun.predict_upload

    def held(self: LoadedRun, encoded: bytes, name: str) -> PredictedGalaxy:
        if encoded == slow:
            begun.set()
            assert go_on.wait(120)
        return original(self, encoded, name)

    monkeypatch.setattr(LoadedRun, "predict_upload", held)
    visitors = [PageClient(address) for _ in range(4)]
    with ThreadPoolExecutor(1) as waiting:
        first = waiting.submit(visitors[0].show, slow)
        assert begun.wait(120)
        for visitor in visitors[1:]:
            assert visitor.show(picture(60))["success"]
        assert not first.done()
        go_on.set()
        assert first.result()["success"]


def test_several_images_are_answered_in_one_table(address, monkeypatch):
    visitor = PageClient(address)
    original = LoadedRun.predict_picture
    predicted = list[str]()

    def counted(self: LoadedRun, galaxy: Galaxy) -> PredictedGalaxy:
        predicted.append(galaxy.name)
        return original(self, galaxy)

    monkeypatch.setattr(LoadedRun, "predict_picture", counted)
    files = []
    for name, gray in (("a.jpg", 60), ("=b.jpg", 90)):
        path = visitor.upload(picture(gray), name).json()[0]
        files.append({"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}})
    facts = visitor.ask("upload", visitor.run, files)["output"]["data"][1]
    assert len(predicted) == 2  # each once
    assert "Other images (1)" in facts
    (encoded,) = re.findall(r'href="data:text/csv;base64,([^"]*)"', facts)
    table = pd.read_csv(io.BytesIO(base64.b64decode(encoded)), index_col="galaxy")
    assert len(table) == 2
    assert table.index[0] == "a.jpg"
    assert table.index[1].endswith("b.jpg")
    assert not table.index[1].startswith("=")  # no formula
    assert not table.iloc[0].equals(table.iloc[1])
    refused = visitor.ask("upload", visitor.run, files * 26)
    assert "at most 50 images at once, not 52" in refused["output"]["error"]


def test_an_image_that_cannot_be_used_is_named_beside_the_answers_of_the_others(address):
    visitor = PageClient(address)

    def file(name: str, encoded: bytes) -> dict[str, object]:
        path = visitor.upload(encoded, name).json()[0]
        return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    bad = [file("bad.jpg", b"hello"), file("worse.jpg", b"")]
    good = [file(name, picture(gray)) for name, gray in (("a.jpg", 60), ("b.jpg", 90))]
    output = visitor.ask("upload", visitor.run, [bad[0], *good, bad[1]])["output"]
    assert "bad.jpg cannot be used" in output["error"]
    assert "worse.jpg cannot be used" in output["error"]
    assert "a.jpg" in output["data"][1]
    assert "b.jpg" in output["data"][1]
    assert visitor.show(picture(60), "a.jpg")["output"]["data"][2] == output["data"][2]
    assert "bad.jpg cannot" in visitor.ask("upload", visitor.run, bad)["output"]["error"]


def test_the_page_opens_with_a_drawn_galaxy_and_draws_others(address):
    visitor = PageClient(address)
    first = visitor.ask("change", visitor.run, None)["output"]["data"]
    assert "simulated galaxy, no volunteer votes" in first[1]
    assert first[2].count('class="answer') == 37
    others = {str(visitor.ask("draw", visitor.run)["output"]["data"][1:3]) for _ in range(2)}
    assert len(others - {str(first[1:3])}) == 2


def test_the_page_answers_to_its_own_names_alone(address):
    own = ["localhost", "127.0.0.1:1", "[::1]:7860", "10.0.0.5", "galaxies.example:80"]
    foreign = ["evil.example", "127.0.0.1.evil.example:80", "x.galaxies.example", "[::", ""]
    foreign += ["[::1].evil", "evil.example@127.0.0.1", "127.0.0.1/evil", "127.0.0.1:80.evil"]
    expected = dict.fromkeys((*own, socket.gethostname()), 200) | dict.fromkeys(foreign, 400)
    answers = {host: httpx.get(f"{address}config", headers={"Host": host}) for host in expected}
    assert {host: answer.status_code for host, answer in answers.items()} == expected
    said = "unknown host name 'evil.example': start the page with --allow-host NAME"
    assert answers["evil.example"].text == said


def test_what_another_web_site_asks_for_is_not_done(address):
    def status(headers: dict[str, str]) -> int:
        where = f"{address}gradio_api/queue/join"
        return httpx.post(where, json={}, headers={"Host": "localhost", **headers}).status_code

    assert {status(headers) for headers in FOREIGN} == {400}
    assert {status(headers) for headers in OWN} == {422}  # it reached Gradio
    shown = httpx.get(address, headers={"Sec-Fetch-Site": "cross-site"})  # a link on another site
    assert shown.status_code == 200
    assert shown.headers["Content-Security-Policy"] == "frame-ancestors 'self'"
