"""Time and memory of `src/ensemble.py` on made-up runs of the whole competition's size.

Not a test: what it prints depends on the machine. Other work on the same cores lengthens the time
by the clock, not that of the processor.

    .venv/bin/python tests/benchmark_ensemble.py --candidates mean,best,greedy,bagged,nnls,ridge
    .venv/bin/python tests/benchmark_ensemble.py            # every candidate
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).resolve().parents[1] / "src"
sys.path.insert(0, str(SOURCE))

TRAIN, TEST = 61_578, 79_975  # galaxies of the competition


def main() -> None:
    """Write the runs' tables, combine them in a process of its own, print what that took."""
    options = parse()
    with tempfile.TemporaryDirectory() as root:
        write_project(Path(root), options.galaxies, options.runs)
        command = [sys.executable, str(SOURCE / "ensemble.py"), "--candidates", options.candidates]
        started = time.perf_counter()
        subprocess.run(command, env={**os.environ, "GALAXYZOO_ROOT": root}, check=True)
        seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{options.galaxies:,} galaxies, {options.runs} runs, {os.cpu_count()} cores: "
        f"{seconds:.0f} s by the clock, {used.ru_utime + used.ru_stime:.0f} s of the processor, "
        f"{used.ru_maxrss / 2**20:.2f} GiB at most"
    )


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--galaxies", type=int, default=TRAIN, help="default: %(default)s")
    parser.add_argument("--runs", type=int, default=20, help="default: %(default)s")
    parser.add_argument("--candidates", default="", help="as of src/ensemble.py")
    return parser.parse_args()


def write_project(root: Path, n: int, n_runs: int) -> None:
    """A dataset of five folds, and runs that err partly alike, each a little more than the last."""
    os.environ["GALAXYZOO_ROOT"] = str(root)  # read when the package is imported
    from ensemble_fixtures import make_catalog, save_run

    from galaxyzoo import catalogs

    rng = np.random.default_rng(0)
    catalog, test_votes = make_catalog(rng, n, 5, "made-up", n * TEST // TRAIN)
    catalogs.save(catalog)
    votes = catalog.targets("gz37")
    shared = rng.normal(scale=0.07, size=votes.shape)
    for i in range(n_runs):
        noise = 0.04 + 0.002 * i
        oof = votes + shared + rng.normal(scale=noise, size=votes.shape)
        test = test_votes + rng.normal(scale=noise + 0.07, size=test_votes.shape)
        save_run(catalog, f"gz37/run{i:02}", np.clip(oof, 0, 1), np.clip(test, 0, 1))


if __name__ == "__main__":
    main()
