"""The plan of a run, by a clock on which each image takes a second."""

import weakref
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from galaxyzoo.commands import train as commands
from galaxyzoo.config.schema import TTAConfig
from galaxyzoo.core import devices, paths
from galaxyzoo.core.errors import FoldError, InputError
from galaxyzoo.training import jobs, planning, probe, run, smoke, trainer
from galaxyzoo.training.loader import Batch
from galaxyzoo.training.run import Run
from galaxyzoo.training.trainer import Trainer
from support.small_models import SIZES, small_config


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]

    def step(trainer: Trainer, number: int, batch: Batch) -> torch.Tensor:
        now[0] += len(batch.rows)
        return torch.zeros(())

    def predict(model: object, cache: object, rows: list[int], config: object) -> None:
        now[0] += len(rows)

    clocks = {"perf_counter": lambda: now[0], "thread_time": lambda: now[0] * 0.4}
    clocks["time"] = lambda: 1e9 + now[0]
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
    images = galaxies * (catalog.n_folds - 1) * epochs
    assert cost.train_s == pytest.approx(0.4 * images)  # the rest of the time went to others
    images = views + galaxies * epochs / config.tta.n_views
    assert cost.predict_s == pytest.approx(0.4 * images)
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
    assert cost.train_s == pytest.approx(0.4 * galaxies)
    assert cost.batch_s == 0
    images = galaxies + catalog.n_folds * len(catalog.test_ids)
    assert cost.predict_s == pytest.approx(0.4 * images)
    assert cost.disk_bytes < network.disk_bytes  # no checkpoint
    assert planning.estimate(linear, catalog, 100, copied=True).train_s == 0


def test_timings_are_kept_for_an_hour_for_the_same_run_on_the_same_machine(
    clock, prepared, monkeypatch
):
    config = small_config()
    first = planning.estimate(config, prepared, 10)
    took = clock[0]
    assert planning.estimate(config, prepared, 10) == first
    assert clock[0] == took  # nothing was timed
    other = small_config(train={"batch_size": 4})
    assert planning.estimate(other, prepared, 10).batch_s < first.batch_s
    has_units = devices.has_bf16(torch.device("cpu"))
    monkeypatch.setattr(devices, "has_bf16", lambda device: not has_units)
    before = clock[0]
    planning.estimate(config, prepared, 10)
    assert clock[0] > before


@pytest.mark.parametrize("fault", ["an hour later", "changed", "cut off"])
def test_timings_that_cannot_be_used_are_taken_again(fault, clock, prepared):
    config = small_config()
    planning.estimate(config, prepared, 10)
    path = paths.cache_dir() / "plan_timings.json"
    if fault == "an hour later":
        clock[0] += 3600
    elif fault == "changed":
        path.write_text(path.read_text().replace('"batch_s": ', '"batch_s": 1'))
    else:
        path.write_text(path.read_text()[:-20])
    before = clock[0]
    planning.estimate(config, prepared, 10)
    assert clock[0] > before


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Count the images that a training trains on, and those that it predicts in all views."""
    done = {"trained": 0.0, "predicted": 0.0}
    step, predict = Trainer.step, trainer.predict

    def counted_step(self: Trainer, number: int, batch: Batch) -> torch.Tensor:
        done["trained"] += len(batch.rows)
        return step(self, number, batch)

    def counted_predict(
        model: Any, cache: Any, rows: Any, config: Any, tta: TTAConfig | None = None
    ) -> Any:
        views = (tta or config.tta).n_views
        done["predicted"] += len(rows) * views / config.tta.n_views
        return predict(model, cache, rows, config, tta)

    monkeypatch.setattr(Trainer, "step", counted_step)
    monkeypatch.setattr(trainer, "predict", counted_predict)
    monkeypatch.setattr(run, "predict", counted_predict)
    return done


@pytest.mark.parametrize("settings", [{"epochs": 1}, {"epochs": 2, "batch_size": 8}])
def test_a_plan_counts_the_images_that_training_takes(settings, prepared, work, monkeypatch):
    config = small_config(image=SIZES, train=settings, tta={"dihedral": False, "angles": 2})
    Run(config, prepared).train()
    timed = probe.Probe(config.train.batch_size, predict_s=1, cpu_share=1, weight_bytes=0)
    monkeypatch.setattr(planning, "recall_or_probe", lambda *_: timed)
    cost = planning.estimate(config, prepared)
    assert cost.train_s == pytest.approx(
        work["trained"], rel=0.05
    )  # of last batches, which fill up
    assert cost.predict_s == work["predicted"]


def test_only_the_probed_networks_memory_counts(monkeypatch):
    """Nothing of an earlier run, or of a larger batch that did not fit, is reserved by then."""
    alive = weakref.WeakSet[Any]()
    events = []

    class SmallTrainer:
        def __init__(self, *_: object, **__: object) -> None:
            alive.add(self)

    def run_out(trainer: SmallTrainer, seconds: float) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(devices, "get_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(probe, "random_fold", lambda *_: None)
    monkeypatch.setattr(probe, "Trainer", SmallTrainer)
    monkeypatch.setattr(probe, "_probe", run_out)
    monkeypatch.setattr(probe.memory, "release", lambda: events.append(f"{len(alive)} alive"))
    cuda = probe.torch.cuda
    monkeypatch.setattr(cuda, "reset_peak_memory_stats", lambda: events.append("reset"))
    with pytest.raises(FoldError):
        probe.probe(small_config(train={"batch_size": 8, "on_out_of_memory": "accumulate"}), 0)
    assert events == ["0 alive", "reset"] * 3  # of 8, 4 and 2 images


@pytest.mark.parametrize(
    ("transform", "named"),
    [
        ({"p": 0.5}, "no transform"),
        ({"name": "GaussNoise", "foo": 1}, "GaussNoise.*foo"),
        ({"name": "RandomBrightnessContrast", "contrast_limit": "x"}, "RandomBrightnessContrast"),
    ],
)
def test_every_way_of_training_refuses_a_wrong_transform_first(
    transform, named, prepared, monkeypatch
):
    """Before any network is tried on a GPU, which makes some transforms itself."""
    for module, name in ((jobs, "choose_jobs"), (planning, "estimate"), (smoke, "make_fold_data")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("tried before the check"))
    config = small_config(image=SIZES, augment={"transforms": [transform]})
    datasets: Any = {None: prepared}
    typed: Any = SimpleNamespace(configs=[config], jobs=None)
    for train in (
        lambda: commands.train(typed, datasets, typed),
        lambda: planning.print_plan([small_config(), config], datasets),
        lambda: smoke.smoke(config, prepared),
    ):
        with pytest.raises(InputError, match=rf"augment\.transforms: .*{named}"):
            train()
