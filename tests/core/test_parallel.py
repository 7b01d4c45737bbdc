"""Calls in processes of their own."""

import os
import signal
import subprocess
import sys
import time
from threading import Event, get_ident

import joblib
import pytest
import torch

from galaxyzoo.core import launch, parallel
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.parallel import run_jobs
from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.core.prefetch import prefetch
from galaxyzoo.data.parallel_decoding import in_threads
from support.thoroughness import long_only


def describe_process(number: int) -> tuple[int, int, int, str | None, int]:
    decoding = len({*in_threads(lambda _: (Event().wait(0.0005), get_ident()), 512)})
    return number, os.getpid(), torch.get_num_threads(), os.environ.get("TQDM_DISABLE"), decoding


def refuse(number: int) -> None:
    raise InputError(f"no {number}")


def test_calls_are_made_elsewhere_and_come_back_in_order(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)
    results = run_jobs(describe_process, [(n,) for n in range(5)], 2)
    assert [number for number, *_ in results] == [0, 1, 2, 3, 4]
    assert os.getpid() not in {process for _, process, *_ in results}
    assert {result[2:] for result in results} == {(1, "1", 1)}
    assert not {"TQDM_DISABLE", "OMP_NUM_THREADS"} & {*os.environ}


def test_one_job_at_a_time_does_not_end_the_command(monkeypatch):
    ends: list[int] = []
    monkeypatch.setattr(os, "_exit", ends.append)
    run_jobs(time.sleep, [(0.2,), (0.2,)], 1)
    assert ends == []


def test_the_user_may_say_how_many_threads_each_job_has(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    set_to: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    run_jobs(abs, [(0,)], 1)
    assert set_to == [5]
    assert os.environ["OMP_NUM_THREADS"] == "5"


def test_in_a_log_the_lines_of_a_call_stand_before_what_comes_next(tmp_path):
    start = (
        "from galaxyzoo.core.parallel import run_jobs; run_jobs(print, [('fold',)] * 2, 2); "
        "print('all', flush=True)"
    )
    environment = {**os.environ, "PYTHONPATH": str(CODE_ROOT / "src"), "PYTHONUNBUFFERED": ""}
    log = tmp_path / "log"
    with open(log, "w", encoding="utf-8") as file:
        subprocess.run([sys.executable, "-c", start], stdout=file, check=True, env=environment)
    assert log.read_text(encoding="utf-8").split() == ["fold", "fold", "all"]


def test_the_first_mistake_comes_back_in_its_own_words(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as above: the same processes
    with pytest.raises(InputError, match=r"^no 2$"):
        run_jobs(refuse, [(n,) for n in range(2, 6)], 2)


def test_a_killed_process_is_a_sentence_and_the_next_results_are_made(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as above: the same processes
    with pytest.raises(InputError, match=r"a process was killed \(out of memory\?\)"):
        run_jobs(signal.raise_signal, [(signal.SIGKILL,)] * 2, 2)
    with pytest.raises(InputError, match=r"a process was killed \(out of memory\?\): rerun"):
        [*prefetch(signal.raise_signal, [signal.SIGKILL] * 3, 1, processes=2)]
    assert [*prefetch(abs, range(-9, 0), 1, processes=2)] == [*range(9, 0, -1)]


@long_only("ten seconds a cluster")
@pytest.mark.parametrize("backend", ["ray", "dask"])
def test_a_cluster_calls_in_order_and_gives_up_a_call_that_kills_each_process(backend, monkeypatch):
    """Through joblib, Dask waited forever."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert run_jobs(abs, [(n,) for n in range(-5, 0)], 2, backend) == [5, 4, 3, 2, 1]
    with pytest.raises(InputError, match=r"a process was killed \(out of memory\?\): rerun"):
        run_jobs(signal.raise_signal, [(signal.SIGKILL,)], 2, backend)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_process_ends_with_its_killed_parent():
    """The whole command with its two workers is killed with --long."""
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        parent = os.getpid()
        if os.fork() == 0:
            parallel.exit_with_parent(parent)
            os.write(writing, b"started")
        time.sleep(20)
        os.write(writing, b"still here")
        os._exit(0)
    os.close(writing)
    assert os.read(reading, 20) == b"started"
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert os.read(reading, 20) == b""  # nobody has the other end any more
    os.close(reading)


@pytest.mark.parametrize("is_project_venv", [True, False])
@pytest.mark.parametrize(("backend", "package"), [("ray", "ray"), ("dask", "distributed")])
def test_a_missing_cluster_package_is_named_with_its_cure(
    backend, package, is_project_venv, monkeypatch
):
    """In an environment of the user's own, what setup.sh installs would not be found."""
    prefix, cure = "/usr", rf"python -m pip install .*{package} numpy=="
    if is_project_venv:
        prefix, cure = str(launch.VENV_PYTHON.parents[1]), r"setup\.sh --cluster"
    monkeypatch.delenv("GALAXYZOO_PYTHON", raising=False)
    monkeypatch.setattr(sys, "prefix", prefix)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"--backend {backend} .*{cure}"):
        run_jobs(describe_process, [(0,)], 2, backend)
