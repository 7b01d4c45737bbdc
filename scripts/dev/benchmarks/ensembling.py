"""Time and memory of `src/ensemble.py` on made-up runs, up to the whole competition's size.

By blends and linear stackers, then once by all candidates: LightGBM takes many times as long as
the others together.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measuring import Table, growth
from tqdm import tqdm

from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.ensemble.selection import CANDIDATES

TRAIN, TEST = 61_578, 79_975  # galaxies of the competition
LINEAR = [name for name in CANDIDATES if name != "lightgbm"]
HEADER = ("galaxies", "runs", "seconds", "of the processors", "peak, GiB")
_SIZES = ((15_000, 20), (30_000, 20), (TRAIN, 5), (TRAIN, 10), (TRAIN, 20))


@dataclass(frozen=True)
class Cost:
    """Time and memory of one call of the ensembler."""

    clock_s: float
    processor_s: float
    peak_gib: float


def measure(data: Dataset, repeats: int) -> list[Table]:
    """Each size once, however many repeats are asked for; with LightGBM the largest alone."""
    costs = {
        (galaxies, runs): combine(galaxies, runs, LINEAR)
        for galaxies, runs in tqdm(_SIZES, "sizes", unit="size")
    }
    rows = [(*label(size), *show(cost)) for size, cost in costs.items()]
    notes = []
    for what, fixed in (("galaxies", 1), ("runs", 0)):
        some = {size: cost for size, cost in costs.items() if size[fixed] == (TRAIN, 20)[fixed]}
        sizes = [size[1 - fixed] for size in some]
        power = growth(sizes, [cost.clock_s for cost in some.values()])
        notes.append(f"Seconds grow with the number of {what} to the power of {power:.2f}.")
    row = (*label(_SIZES[-1]), *show(combine(*_SIZES[-1])))
    title = "Ensembling by {}, 37 columns, five folds"
    return [
        Table(title.format("blends and linear stackers"), HEADER, rows, notes),
        Table(title.format("all candidates"), HEADER, [row]),
    ]


def label(size: tuple[int, int]) -> tuple[str, str]:
    """Cells of a size."""
    return f"{size[0]:,}", str(size[1])


def show(cost: Cost) -> tuple[str, str, str]:
    """Cells of a cost."""
    return f"{cost.clock_s:.0f}", f"{cost.processor_s:.0f}", f"{cost.peak_gib:.2f}"


def combine(galaxies: int, runs: int, candidates: Sequence[str] = ()) -> Cost:
    """Write the runs' tables and combine them, in a process of its own; by default by all."""
    with tempfile.TemporaryDirectory() as root:
        environment = {**os.environ, "GALAXYZOO_ROOT": root}
        writer = [sys.executable, str(Path(__file__).resolve()), str(galaxies), str(runs)]
        subprocess.run(writer, env=environment, check=True)
        command = [sys.executable, str(CODE_ROOT / "src" / "ensemble.py")]
        command += ["--candidates", ",".join(candidates)] if candidates else []
        log = Path(root) / "log"
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        with log.open("w") as printed:
            process = subprocess.Popen(
                command, env=environment, stdout=printed, stderr=subprocess.STDOUT
            )
            peak = watch(process)
        seconds = time.perf_counter() - started
        if process.returncode:
            raise SystemExit(log.read_text())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, used, peak)


def watch(process: subprocess.Popen) -> float:
    """GiB that a process held at most, read until it ends: the children's maximum is over all."""
    status, peak = Path(f"/proc/{process.pid}/status"), 0
    while process.poll() is None:
        lines = status.read_text().splitlines()
        peak = max([peak, *(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))])
        time.sleep(0.05)
    return peak / 2**20


def write_project(n: int, n_runs: int) -> None:
    """A dataset of five folds, and runs that err partly alike, each a little more than the last."""
    from galaxyzoo.data.catalog import save_catalog
    from support.trained import make_catalog, save_run

    rng = np.random.default_rng(0)
    catalog, test_votes = make_catalog(rng, n, 5, "made-up", n * TEST // TRAIN)
    save_catalog(catalog)
    votes = catalog.targets("gz37")
    shared = rng.normal(scale=0.07, size=votes.shape)
    for i in range(n_runs):
        noise = 0.04 + 0.002 * i
        oof = votes + shared + rng.normal(scale=noise, size=votes.shape)
        test = test_votes + rng.normal(scale=noise + 0.07, size=test_votes.shape)
        save_run(catalog, f"gz37/run{i:02}", np.clip(oof, 0, 1), np.clip(test, 0, 1))


if __name__ == "__main__":
    write_project(int(sys.argv[1]), int(sys.argv[2]))
