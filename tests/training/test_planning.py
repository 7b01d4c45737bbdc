"""The plan of a run, by a clock on which each image takes a second."""

import math
from types import SimpleNamespace

import pytest
import torch

from galaxyzoo.data.prepare import Dataset
from galaxyzoo.training import planning
from galaxyzoo.training.device_input import Batch
from galaxyzoo.training.trainer import Trainer
from support.small_models import small_config


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]

    def step(trainer: Trainer, number: int, batch: Batch) -> torch.Tensor:
        now[0] += len(batch.rows)
        return torch.zeros(())

    def predict(model: object, cache: object, rows: list[int], config: object) -> None:
        now[0] += len(rows)

    monkeypatch.setattr(planning, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(planning, "predict", predict)
    monkeypatch.setattr(Trainer, "step", step)
    return now


@pytest.mark.parametrize("copied", [False, True], ids=["trained", "weights taken over"])
def test_a_plan_is_of_all_folds_images_and_takes_about_a_minute(
    copied: bool, clock: list[float], prepared: Dataset
) -> None:
    config, catalog = small_config(), prepared.catalog
    cost = planning.estimate(config, catalog, copied=copied)
    galaxies, epochs = len(catalog.ids), 0 if copied else config.train.epochs
    views = galaxies + catalog.n_folds * len(catalog.test_ids)
    assert cost.train_s == galaxies * (catalog.n_folds - 1) * epochs
    assert cost.predict_s == views + galaxies * epochs / config.tta.n_views
    assert clock[0] <= 75


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
    device: str,
    epochs: int,
    cores: int,
    gigabytes: int,
    expected: int,
    prepared: Dataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pages = {"SC_PAGE_SIZE": 1000, "SC_PHYS_PAGES": gigabytes * 10**6}
    monkeypatch.setattr(planning, "get_device", lambda: torch.device(device))
    monkeypatch.setattr(planning.joblib, "cpu_count", lambda: cores)
    monkeypatch.setattr(planning.os, "sysconf", pages.get)
    monkeypatch.setattr(planning.torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(planning.torch.cuda, "mem_get_info", lambda: (80e9, 80e9))
    monkeypatch.setattr(planning, "_gpu_bytes", lambda config, catalog: 20e9)
    config = small_config(train={"epochs": epochs})
    assert planning.choose_jobs([config], {None: prepared}) == expected


@pytest.mark.parametrize(
    ("count", "needs", "expected"), [(1, 30e9, 2), (2, 50e9, 2), (1, math.inf, 1)]
)
def test_as_many_folds_as_fit_on_the_gpus(
    count: int, needs: float, expected: int, prepared: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the most demanding run takes."""
    small, large = small_config(), small_config(train={"batch_size": 128, "epochs": 1000})
    monkeypatch.setattr(planning, "get_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(planning.joblib, "cpu_count", lambda: 64)
    monkeypatch.setattr(planning.torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(planning.torch.cuda, "mem_get_info", lambda: (80e9, 80e9))
    need = {small.train.batch_size: 1e9, large.train.batch_size: needs}
    monkeypatch.setattr(planning, "_gpu_bytes", lambda one, catalog: need[one.train.batch_size])
    assert planning.choose_jobs([large, small], {None: prepared}) == expected
