"""Put known bugs into a copy of the project, one at a time, and see that tests fail.

  bash scripts/test.sh --mutations                all of mutants.yaml
  bash scripts/test.sh --mutations NAME…          these alone (a part of a name is enough)
  bash scripts/test.sh --mutations --jobs 4       four at a time, each in a copy of its own

Exits with 1 unless every mutant is killed. Where a mutant's old text is gone or stands twice, mend
mutants.yaml.
"""

import argparse
import multiprocessing
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 300  # of a mutant's tests; one that makes them hang is killed, too
OK, FAILED = 0, 1  # pytest's exit statuses; the others mean that it could not run these tests
# Tests run in forks of a process that has imported these: it takes seconds, and they are not ours.
LIBRARIES = ["pytest", "timm", "lightgbm", "sklearn.metrics", "pyarrow.parquet"]
FORKS = multiprocessing.get_context("forkserver")


def main() -> int:
    """Run the mutants asked for; 0 if all are killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of a mutant's name")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time (default: 1)")
    args = parser.parse_args()
    listed = yaml.safe_load(Path(__file__).with_name("mutants.yaml").read_text(encoding="utf-8"))
    mutants = [m for m in listed if not args.names or any(n in m["name"] for n in args.names)]
    if not mutants:
        sys.exit(f"error: no mutant in mutants.yaml has {' or '.join(args.names)} in its name")
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # mutants of one second look alike to caches
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.warnoptions.append("ignore:resource_tracker")  # of forks that end without a word to it
    FORKS.set_forkserver_preload(LIBRARIES)
    started, copies = time.monotonic(), queue.SimpleQueue[Path]()
    with tempfile.TemporaryDirectory(prefix="mutations_") as folder:
        for number in range(args.jobs):
            copies.put(copy_project(Path(folder) / str(number)))

        def check(mutant: dict[str, Any]) -> str:
            copy = copies.get()
            try:
                return check_mutant(mutant, copy)
            finally:
                copies.put(copy)

        tests = list(dict.fromkeys(test for m in mutants for test in m["tests"].split()))
        print(f"{len(mutants)} mutants; first their tests without them", flush=True)
        copy = copies.get()
        status, failed, output = run_tests(copy, tests, limit_s=20 * LIMIT_S)
        copies.put(copy)
        if status != OK:
            sys.exit(f"{output}\nerror: tests fail without a mutant: {failed}")
        with ThreadPoolExecutor(args.jobs) as pool:
            outcomes = Counter(pool.map(check, mutants))
    minutes = (time.monotonic() - started) / 60
    print(", ".join(f"{n} {outcome}" for outcome, n in outcomes.items()), f"({minutes:.1f} min)")
    return int(set(outcomes) != {"killed"})


def copy_project(copy: Path) -> Path:
    """Copy the files that git has or would take, with a link to .venv."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listing, cwd=ROOT, text=True).split("\0")[:-1]:
        if (source := ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy / name)
    (copy / ".venv").symlink_to(Path(sys.executable).parents[1])
    return copy


def check_mutant(mutant: dict[str, Any], copy: Path) -> str:
    """Put a mutant into the copy, run its tests, take it out; print and return what became of it.

    Args:
        mutant: `name`, `file` in src/galaxyzoo/, `old` and `new` text, `tests`.
    """
    path, started = copy / "src/galaxyzoo" / mutant["file"], time.monotonic()
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    count = text.count(mutant["old"])
    if count != 1:
        outcome, detail = "not applicable", f"{mutant['file']} has its old text {count} times"
    else:
        path.write_text(text.replace(mutant["old"], mutant["new"]), encoding="utf-8")
        status, detail, output = run_tests(copy, mutant["tests"].split())
        path.write_text(text, encoding="utf-8")
        outcome = {OK: "survived", FAILED: "killed"}.get(status, "not applicable")
        if outcome == "not applicable":
            detail = f"pytest ended with status {status}\n{output}"
    seconds = time.monotonic() - started
    print(f"{outcome:<14} {mutant['name']:<34} {seconds:3.0f} s  {detail}", flush=True)
    return outcome


def run_tests(copy: Path, tests: list[str], limit_s: int = LIMIT_S) -> tuple[int, str, str]:
    """Run tests in a copy until one fails; pytest's exit status, the failed test, the output."""
    log = copy.with_suffix(".log")
    process = FORKS.Process(target=_run_pytest, args=(copy, tests, log))
    process.start()
    try:
        process.join(limit_s)
    finally:  # also at Ctrl-C, for it is in a session of its own
        if process.exitcode is None:
            os.killpg(process.pid or 0, signal.SIGKILL)
            process.join()
    output = log.read_text(encoding="utf-8", errors="replace")
    if process.exitcode == -signal.SIGKILL:
        return FAILED, f"no end within {limit_s} s", output
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
    return process.exitcode or OK, failed[1] if failed else "", output


def _run_pytest(copy: Path, tests: list[str], log: Path) -> None:
    """Run them in this process, which has the libraries, but none of the project's modules."""
    os.setsid()
    os.chdir(copy)
    sys.path.insert(0, str(copy))  # as `python -m pytest` does, for processes that tests start
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    status = pytest.main(["-q", "-x", "-p", "no:cacheprovider", *tests])
    sys.stdout.flush()
    os._exit(int(status))


if __name__ == "__main__":
    sys.exit(main())
