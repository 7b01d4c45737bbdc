"""Calls in processes of their own, and the GPUs that they share out."""

import os
import signal
import sys
from pathlib import Path

import joblib
import pytest
import torch

from galaxyzoo.core import devices
from galaxyzoo.core.devices import claiming_gpu, get_device
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.parallel import run_jobs


def describe_process(number: int) -> tuple[int, int, int, str | None]:
    return number, os.getpid(), torch.get_num_threads(), os.environ.get("TQDM_DISABLE")


def refuse_from(first: int, number: int) -> int:
    if number >= first:
        raise InputError(f"no {number}")
    return number


def be_killed(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_calls_are_made_elsewhere_and_come_back_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 7)
    results = run_jobs(describe_process, [(n,) for n in range(5)], 2)
    assert [number for number, *_ in results] == [0, 1, 2, 3, 4]
    assert os.getpid() not in {process for _, process, *_ in results}
    assert {rest for _, _, *some in results for rest in [tuple(some)]} == {(3, "1")}
    assert "TQDM_DISABLE" not in os.environ
    assert "OMP_NUM_THREADS" not in os.environ


def test_the_user_may_say_how_many_threads_each_job_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert run_jobs(describe_process, [(0,)], 2)[0][2] == 5
    assert os.environ["OMP_NUM_THREADS"] == "5"


def test_the_first_mistake_comes_back_in_its_own_words() -> None:
    with pytest.raises(InputError, match=r"^no 2$"):
        run_jobs(refuse_from, [(2, n) for n in range(4)], 2)


def test_a_killed_process_is_a_sentence() -> None:
    with pytest.raises(InputError, match=r"a process was killed \(is memory short\?\)"):
        run_jobs(be_killed, [(0,), (1,)], 2)


@pytest.mark.parametrize(("backend", "package"), [("ray", "ray"), ("dask", "distributed")])
def test_a_missing_cluster_package_is_named_with_its_cure(
    backend: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"--backend {backend} .*setup\.sh --cluster"):
        run_jobs(describe_process, [(0,)], 2, backend)


def test_each_process_claims_a_gpu_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GALAXYZOO_DEVICE", "")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    with claiming_gpu():
        assert get_device() == torch.device("cuda:0")
        os.environ.pop("GALAXYZOO_DEVICE")  # as another process finds it
        with claiming_gpu():
            assert get_device() == torch.device("cuda:1")
            os.environ.pop("GALAXYZOO_DEVICE")
            with claiming_gpu():  # one more than there are
                assert get_device() == torch.device(f"cuda:{os.getpid() % 2}")
        os.environ["GALAXYZOO_DEVICE"] = "cuda:0"
    assert "GALAXYZOO_DEVICE" not in os.environ
    with claiming_gpu():
        assert get_device() == torch.device("cuda:0")


@pytest.mark.parametrize(("count", "chosen"), [(1, None), (2, "cpu")])
def test_one_gpu_or_a_choice_of_the_user_is_left_alone(
    count: int, chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GALAXYZOO_DEVICE", raising=False)
    if chosen:
        monkeypatch.setenv("GALAXYZOO_DEVICE", chosen)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with claiming_gpu():
        assert os.environ.get("GALAXYZOO_DEVICE") == chosen
