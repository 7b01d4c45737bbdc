"""The page in a process of its own, and a real browser."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.commands import SRC, environment

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENCE_MS = 120_000
# Gradio's own script changes the colors, with a transition.
HAS_COLORS = """scheme =>
    document.body.classList.contains("dark") ===
        (scheme === "dark" && Boolean(document.querySelector("gradio-app"))) &&
    document.getAnimations().every(each => !(each instanceof CSSTransition))
"""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)  # where Chromium is installed


def start(root: Path, *words: str, log: Path | None = None) -> tuple[subprocess.Popen[str], str]:
    """The page's process, with words for `src/app.py`, and its address once it answers."""
    log = log or root / "app.log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(SRC / "app.py"), *words, "--port", str(port)]
    with log.open("w") as out:
        process = subprocess.Popen(
            command, env=environment(root), cwd=root, stdout=out, stderr=out, text=True
        )
    address = f"http://127.0.0.1:{port}"
    while True:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=5):
                return process, address
        except OSError:
            time.sleep(0.2)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if BROWSER is None:
        pytest.skip("no browser: `apt-get install chromium`, and these tests run")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


def open_window(browser: Any, width: int, address: str) -> "Page":
    """The page in a window of that width."""
    window = browser.new_page(viewport={"width": width, "height": 844 if width < 1000 else 900})
    window.set_default_timeout(PATIENCE_MS)
    window.goto(address)
    return window


def check_accessibility(page: "Page") -> None:
    """Assert that axe-core finds no serious fault, in dark and in light colors."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(HAS_COLORS, arg=scheme)
        violations = axe.Axe().run(page).response["violations"]
        serious = [each for each in violations if each["impact"] in ("serious", "critical")]
        faults = [
            (scheme, each["id"], node["html"][:200], node["failureSummary"])
            for each in serious
            for node in each["nodes"][:3]
        ]
        assert not faults, faults
