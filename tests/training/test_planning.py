"""The plan of a run, by a clock on which each image takes a second."""

from types import SimpleNamespace

import pytest
import torch

from galaxyzoo.training import planning, probe
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
    monkeypatch.setattr(probe, "time", SimpleNamespace(**clocks))
    monkeypatch.setattr(probe, "predict", predict)
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
    batches = [config.train.batch_size, probe.batch_size_for(torch.device("cpu"))]
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
