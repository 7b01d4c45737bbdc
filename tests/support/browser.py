"""The page in a process of its own, and a real browser."""

import os
import shutil
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.commands import SRC, environment, new_fork_server
from support.forked_commands import Job

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENCE_MS = 120_000
# Gradio's own script changes the colors, with a transition.
HAS_COLORS = """scheme =>
    document.body.classList.contains("dark") ===
        (scheme === "dark" && Boolean(document.querySelector("gradio-app"))) &&
    document.getAnimations().every(each => !(each instanceof CSSTransition))
"""
# Rules of axe-core that look at colors; the others find the same in any.
OF_COLORS = ["color-contrast", "link-in-text-block"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)  # where Chromium is installed


class PageProcess:
    """The page in a process of its own, a fork that has its imports done; made once it answers.

    Args:
        root: project folder, in which it logs.
        script: entry script in `src`.
        words: its arguments.
    """

    def __init__(self, root: Path, script: str, *words: str) -> None:
        port = find_port()
        log = root / "app.log"
        command = [str(SRC / script), *words, "--port", str(port)]
        self.address = f"http://127.0.0.1:{port}"
        self._server = new_fork_server()
        job = Job(command, str(root), environment(root), str(log), str(log))
        (self._pid,) = self._server.start(job)
        self._has_ended = False
        while not is_answering(self.address):
            os.kill(self._pid, 0)  # fails where the process has ended
            time.sleep(0.1)

    def end(self, how: signal.Signals) -> int:
        """End it, such as by Ctrl-C; its exit status, negative for a signal."""
        os.kill(self._pid, how)
        (status,) = self._server.finish()
        self._has_ended = True
        return status

    def kill(self) -> None:
        """End it as kill -9 does, unless that was done."""
        if not self._has_ended:
            self.end(signal.SIGKILL)


def find_port() -> int:
    """A port that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def is_answering(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright: windows of one profile, as each other one costs a second."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if BROWSER is None:
        pytest.skip("no browser: `apt-get install chromium`, and these tests run")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened.new_context()
        opened.close()


def open_window(browser: Any, width: int, address: str) -> "Page":
    """The page in a window of that width."""
    window = browser.new_page()
    window.set_viewport_size({"width": width, "height": 844 if width < 1000 else 900})
    window.set_default_timeout(PATIENCE_MS)
    window.goto(address)
    return window


def check_accessibility(page: "Page") -> None:
    """Assert that axe-core finds no serious fault, in light colors and in dark ones."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(HAS_COLORS, arg=scheme)
        options = {"resultTypes": ["violations"]}
        if scheme == "dark":
            options["runOnly"] = OF_COLORS
        violations = axe.Axe().run(page, options=options).response["violations"]
        serious = [each for each in violations if each["impact"] in ("serious", "critical")]
        faults = [
            (scheme, each["id"], node["html"][:200], node["failureSummary"])
            for each in serious
            for node in each["nodes"][:3]
        ]
        assert not faults, faults
