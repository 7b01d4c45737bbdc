"""The page in a process of its own, and a real browser."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from support.commands import SRC, environment

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENCE_MS = 120_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


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


def find_browser() -> str | None:
    """Where Chromium is installed."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def show(page: "Page", galaxy_id: str) -> None:
    page.fill("#id textarea, #id input", galaxy_id)
    page.click("#show")
