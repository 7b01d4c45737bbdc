"""The plan of a run, by a clock on which each image takes a second."""

import math
from types import SimpleNamespace

import pytest
import torch

from galaxyzoo.core import devices
from galaxyzoo.training import planning
from galaxyzoo.training.loader import Batch
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

    clocks = {"perf_counter": lambda: now[0], "thread_time": lambda: now[0] * 0.4}
    monkeypatch.setattr(planning, "time", SimpleNamespace(**clocks))
    monkeypatch.setattr(planning, "predict", predict)
    monkeypatch.setattr(Trainer, "step", step)
    return now


@pytest.mark.parametrize("copied", [False, True], ids=["trained", "weights taken over"])
def test_a_plan_is_of_all_folds_images_and_takes_no_longer_than_it_may(copied, clock, prepared):
    config, catalog = small_config(), prepared
    cost = planning.estimate(config, catalog, 100, copied=copied)
    galaxies, epochs = len(catalog.ids), 0 if copied else config.train.epochs
    views = galaxies + catalog.n_folds * len(catalog.test_ids)
    assert cost.train_s == galaxies * (catalog.n_folds - 1) * epochs
    assert cost.predict_s == views + galaxies * epochs / config.tta.n_views
    assert cost.cpu_share == pytest.approx(0.4)
    batches = [config.train.batch_size, planning.batch_size_for(torch.device("cpu"))]
    assert clock[0] <= 100 + 2 * sum(batches)


def test_a_logistic_regression_takes_no_steps_but_features_once(clock, prepared, monkeypatch):
    config, catalog = small_config(), prepared
    linear = config.model_copy(
        update={"train": config.train.model_copy(update={"optimizer": "linear", "epochs": 1})}
    )
    network = planning.estimate(config, catalog, 100)
    monkeypatch.setattr(Trainer, "step", None)
    cost = planning.estimate(linear, catalog, 100)
    galaxies = len(catalog.ids)
    assert (cost.train_s, cost.batch_s) == (galaxies, 0)
    assert cost.predict_s == galaxies + catalog.n_folds * len(catalog.test_ids)
    assert cost.disk_bytes < network.disk_bytes  # no checkpoint
    assert planning.estimate(linear, catalog, 100, copied=True).train_s == 0


@pytest.mark.parametrize(("limits", "expected"), [((3000, None), 3000), (("max", 2000), 2000)])
def test_memory_is_the_containers(limits, expected, monkeypatch, tmp_path):
    paths = (tmp_path / "v2", tmp_path / "v1")
    for path, limit in zip(paths, limits, strict=True):
        if limit is not None:
            path.write_text(f"{limit}\n")
    monkeypatch.setattr(planning, "_CONTAINER_LIMITS", paths)
    assert planning.memory_bytes() == expected


def equip(patch: pytest.MonkeyPatch, device: str, cores: int, gpus: int = 1) -> None:
    """A machine with GPUs of 80 GB each."""
    patch.setattr(devices, "get_device", lambda: torch.device(device))
    patch.setattr(planning.joblib, "cpu_count", lambda: cores)
    patch.setattr(planning.torch.cuda, "device_count", lambda: gpus)
    patch.setattr(planning.torch.cuda, "mem_get_info", lambda: (80e9, 80e9))


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
    monkeypatch.setattr(planning, "memory_bytes", lambda: gigabytes * 10**9)
    monkeypatch.setattr(planning, "_gpu_bytes", lambda config, catalog: 20e9)
    config = small_config(train={"epochs": epochs})
    assert planning.choose_jobs([config], {None: prepared}) == expected


@pytest.mark.parametrize(
    ("count", "needs", "expected"), [(1, 30e9, 2), (2, 50e9, 2), (1, math.inf, 1)]
)
def test_as_many_folds_as_fit_on_the_gpus(count, needs, expected, prepared, monkeypatch):
    """What the most demanding run takes."""
    small, large = small_config(), small_config(train={"batch_size": 128, "epochs": 1000})
    equip(monkeypatch, "cuda", 64, count)
    need = {small.train.batch_size: 1e9, large.train.batch_size: needs}
    monkeypatch.setattr(planning, "_gpu_bytes", lambda one, catalog: need[one.train.batch_size])
    assert planning.choose_jobs([large, small], {None: prepared}) == expected
