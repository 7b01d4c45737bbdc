"""The page of `src/app.py`: from its start to an answer, and under load."""

import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import numpy as np
import psutil
from measuring import Table

from galaxyzoo.core.paths import root
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.ensemble.predictors import choose_default
from support.browser import start
from support.page_client import PageClient

_UPLOADS, _AT_ONCE = 50, 8


def measure(data: Dataset, repeats: int) -> list[Table]:
    """Start, one visitor, many; with what answers by default."""
    store, ids = data.raw.train_images, data.catalog.ids
    some = np.random.default_rng(0).choice(ids, min(_UPLOADS, len(ids)), replace=False)
    pictures = [store.read(int(i)) for i in some]
    with tempfile.TemporaryDirectory() as logs:
        started = time.perf_counter()
        process, address = start(root(), log=Path(logs) / "log")
        try:
            visitor = PageClient(address)
            usable = time.perf_counter() - started
            alone = [timed(visitor, picture) for picture in pictures[: 4 * repeats]]
            rounds = [load(address, pictures, process.pid) for _ in range(max(repeats, 3))]
        finally:
            process.terminate()
            process.wait()
    rows = [
        ("start to usable page", f"{usable:.1f} s"),
        ("upload to answer, one visitor: median", f"{statistics.median(alone):.2f} s"),
        ("… longest", f"{max(alone):.2f} s"),
    ]
    times = [seconds for found, _ in rounds for seconds in found]
    memory = [megabytes for _, megabytes in rounds]
    rows += [
        (
            f"{_UPLOADS} uploads, {_AT_ONCE} at a time, {len(rounds)} rounds: answered",
            f"{len(times)}",
        ),
        ("… median", f"{statistics.median(times):.2f} s"),
        ("… longest", f"{max(times):.2f} s"),
        (
            "memory after the first round and after the last",
            f"{memory[0]:.0f} and {memory[-1]:.0f} MB",
        ),
    ]
    title = f"The page with {choose_default()[0].title}"
    return [Table(title, ("", ""), rows)]


def timed(visitor: PageClient, picture: bytes) -> float:
    """Seconds from an upload to its answer."""
    started = time.perf_counter()
    said = visitor.show(picture)
    assert said["success"], said
    return time.perf_counter() - started


def load(address: str, pictures: list[bytes], process: int) -> tuple[list[float], float]:
    """Seconds of each upload of a round, and the server's MB after it."""
    visitors: Queue[PageClient] = Queue()
    for _ in range(_AT_ONCE):
        visitors.put(PageClient(address))

    def upload(number: int) -> float:
        visitor = visitors.get()
        seconds = timed(visitor, pictures[number % len(pictures)])
        visitors.put(visitor)
        return seconds

    with ThreadPoolExecutor(_AT_ONCE) as at_once:
        seconds = [*at_once.map(upload, range(_UPLOADS))]
    return seconds, psutil.Process(process).memory_info().rss / 1e6
