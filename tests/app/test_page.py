"""The page in this process, where its parts can be held up."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from galaxyzoo.app import service
from galaxyzoo.app.page import build_page
from galaxyzoo.app.service import LoadedRun, PredictedGalaxy
from galaxyzoo.data.prepare import Dataset
from support.app_fixtures import jpeg, loaded
from support.page_client import PageClient


@pytest.fixture
def address(prepared: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    run = loaded(prepared)
    known = (run.dataset, run.config.run)
    monkeypatch.setattr(service, "list_runs", lambda: [known])
    monkeypatch.setattr(service, "load_run", lambda *_: run)
    page = build_page(known)
    _, where, _ = page.queue().launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
    yield where
    page.close()


def test_a_slow_request_does_not_stop_the_others(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, begun, go_on = jpeg(40), threading.Event(), threading.Event()
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
            assert visitor.show(jpeg(60))["success"]
        assert not first.done()
        go_on.set()
        assert first.result()["success"]
