"""How many folds are trained at a time."""

import math

import pytest
import torch

from galaxyzoo.core import devices
from galaxyzoo.training import jobs, probe
from support.small_models import small_config


def equip(patch: pytest.MonkeyPatch, device: str, cores: int, gpus: int = 1) -> None:
    """A machine with GPUs of 80 GB each."""
    patch.delenv("GALAXYZOO_DEVICE")
    patch.setattr(devices, "get_device", lambda: torch.device(device))
    patch.setattr(jobs.joblib, "cpu_count", lambda: cores)
    patch.setattr(jobs.torch.cuda, "device_count", lambda: gpus)
    patch.setattr(jobs.torch.cuda, "mem_get_info", lambda: (80e9, 80e9))


@pytest.mark.parametrize(
    ("device", "epochs", "cores", "gigabytes", "expected"),
    [
        ("cpu", 1000, 2, 16, 2),
        ("cpu", 1000, 16, 64, 3),  # folds
        ("cpu", 1000, 16, 7, 2),  # 3 GB each
        ("cpu", 1000, 16, 2, 1),
        ("cpu", 1, 16, 64, 1),  # too few images
        ("cuda", 1000, 16, 64, 3),
        ("cuda", 1000, 4, 64, 2),  # two cores each
        ("cuda", 1000, 16, 7, 2),
        ("cuda", 1, 16, 64, 1),
    ],
)
def test_as_many_folds_at_a_time_as_have_a_core_and_memory(
    device, epochs, cores, gigabytes, expected, prepared, monkeypatch
):
    equip(monkeypatch, device, cores)
    monkeypatch.setattr(jobs, "memory_bytes", lambda: gigabytes * 10**9)
    monkeypatch.setattr(probe, "gpu_bytes", lambda config, catalog: 20e9)
    config = small_config(train={"epochs": epochs})
    assert jobs.choose_jobs([config], {None: prepared}) == expected


@pytest.mark.parametrize(
    ("count", "chosen", "needs", "expected"),
    [
        (1, "", 30e9, 2),
        (2, "", 50e9, 2),
        (2, "cuda:1", 50e9, 1),
        (4, "cuda", 30e9, 2),
        (1, "", math.inf, 1),
    ],
)
def test_as_many_folds_as_fit_on_the_gpus(count, chosen, needs, expected, prepared, monkeypatch):
    """What the most demanding run takes; on the GPU that the user chose, if any."""
    small = small_config()
    large = small_config(train={"batch_size": 128, "epochs": 1000})
    equip(monkeypatch, "cuda", 64, count)
    monkeypatch.setenv("GALAXYZOO_DEVICE", chosen)
    need = {small.train.batch_size: 1e9, large.train.batch_size: needs}
    monkeypatch.setattr(probe, "gpu_bytes", lambda one, catalog: need[one.train.batch_size])
    assert jobs.choose_jobs([large, small], {None: prepared}) == expected
