"""Estimate time, memory and disk of runs; smoke test."""

import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import torch

from galaxyzoo.config.schema import Config
from galaxyzoo.core import console, devices
from galaxyzoo.data import image_cache, prepare
from galaxyzoo.data.catalog import Catalog, folds_dir
from galaxyzoo.inference.predict import batch_size_for, predict
from galaxyzoo.models.build import load_network
from galaxyzoo.results.fold_files import WEIGHTS, fold_name
from galaxyzoo.training.fold import train_fold
from galaxyzoo.training.fold_data import FoldData, make_fold_data
from galaxyzoo.training.parts import Part, part_named
from galaxyzoo.training.trainer import Trainer

_BATCHES = 8  # of a probe, at most, after the first, which is slower
_PROBES_S = 60.0  # seconds of all probes together, where a batch of each run fits in
_BUSY = 0.8  # share of the processor below which others are at work
_FOLD_BYTES = 3e9  # memory of a fold in training: its process, network and batches
_CONTEXT_BYTES = 1e9  # of a GPU, that each process takes: CUDA's own, and predictions
_FEW_IMAGES = 20_000  # are trained before the processes for several folds have started
# of memory, in a container by cgroup v2 and v1
_CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
SMOKE_GALAXIES = 256


@dataclass(frozen=True)
class Cost:
    """Cost of a run with all its folds."""

    train_s: float
    predict_s: float
    disk_bytes: int
    batch_s: float = 0.0
    gpu_bytes: float = 0.0  # of a fold
    cpu_share: float = 1.0  # of the processor, that the probe had


def estimate(
    config: Config, catalog: Catalog, seconds: float = _PROBES_S, *, copied: bool = False
) -> Cost:
    """Time whole batches in training and in all views, and scale to all folds of the run.

    Decoding, once for all runs, and set-up are not counted.

    Args:
        config: of the run.
        catalog: its galaxies.
        seconds: that the probe may take; two batches of each kind are timed in any case.
        copied: the weights are taken over from a run that has the same, not trained.
    """
    epochs = 0 if copied else config.train.epochs
    data = random_fold(config, (1 + _BATCHES) * config.train.batch_size)
    parts, may_split = config.train.accumulation, config.train.on_out_of_memory == "accumulate"
    is_gpu = devices.get_device().type == "cuda"
    is_linear = config.train.optimizer == "linear"
    batch_s = 0.0
    while True:
        if is_gpu:
            torch.cuda.reset_peak_memory_stats()
        try:
            trainer = Trainer(config, data, initialize=False)
            trainer.parts = parts
            if not is_linear:
                batch_s, _ = _time_batches(_train(trainer), seconds / 2)
            view_s, share = _time_batches(_predict(trainer), seconds / 2)
            break
        except (RuntimeError, MemoryError) as error:
            if not devices.is_out_of_memory(error):
                raise
        devices.release()
        parts = devices.split_batch(config.train.batch_size, parts, config.run, may_split)
    galaxies, tests, k = len(catalog.ids), len(catalog.test_ids), catalog.n_folds
    train_s = galaxies * (k - 1) * epochs / config.train.batch_size * batch_s
    # Each fold's galaxies are also validated after every epoch, in one view.
    viewed = galaxies * epochs / config.tta.n_views
    if is_linear:  # all galaxies' features, once; the regression itself takes seconds
        train_s = galaxies * epochs / len(data.val_rows) * view_s
        viewed = 0
    if not config.is_earlier_stage:
        viewed += galaxies + k * tests
    viewed /= len(data.val_rows)
    weights = sum(t.numel() * t.element_size() for t in trainer.model.state_dict().values())
    tables = (galaxies + tests) * len(config.predicted_task.columns) * 12 * 2
    # While a fold trains, its checkpoint holds weights, average and the optimizer's two moments.
    checkpoint = 0 if is_linear else 4 * weights
    disk = weights * k + checkpoint + tables * k
    gpu_bytes = _peak_of_fold(config, catalog) if is_gpu else 0.0
    share = 1.0 if is_gpu else share
    return Cost(train_s, viewed * view_s, disk, batch_s, gpu_bytes, share)


def choose_jobs(configs: Sequence[Config], datasets: Mapping[str | None, prepare.Dataset]) -> int:
    """Choose how many folds to train at a time: as many as have a core and memory.

    Two on a core each train 1.1 to 1.6 times as fast as one after the other on both cores
    (docs/lab/performance.md). On a GPU each has two cores, and the memory of a step, which is
    tried. It does not depend on what is finished: a fold's bytes depend on its threads.

    Args:
        configs: of all runs, stages too.
        datasets: by the configs' `dataset`.
    """
    images = 0
    for config in configs:
        catalog = datasets[config.dataset]  # whole: about as many as the task's
        images += len(catalog.ids) * (catalog.n_folds - 1) * config.train.epochs
    is_gpu = devices.get_device().type != "cpu"
    if images < _FEW_IMAGES or not (is_gpu or all(not config.needs_gpu for config in configs)):
        return 1
    cores, fit = joblib.cpu_count(), int(memory_bytes() / _FOLD_BYTES)
    if is_gpu:
        unlike = {(c.model.model_dump_json(), c.image, c.train.batch_size): c for c in configs}
        need = max(_gpu_bytes(c, datasets[c.dataset]) for c in unlike.values())
        on_gpus = torch.cuda.device_count() * int(torch.cuda.mem_get_info()[0] / need)
        cores, fit = cores // 2, min(fit, on_gpus)
    return max(1, min(datasets[None].n_folds, cores, fit))


def _gpu_bytes(config: Config, catalog: Catalog) -> float:
    """GPU memory of a fold, from a step on random images; infinite if it does not fit."""
    torch.cuda.reset_peak_memory_stats()
    try:
        data = random_fold(config, config.train.batch_size)
        list(_train(Trainer(config, data, initialize=False)))
    except (RuntimeError, MemoryError) as error:
        if not devices.is_out_of_memory(error):
            raise
        return math.inf
    finally:
        devices.release()
    return _peak_of_fold(config, catalog)


def _peak_of_fold(config: Config, catalog: Catalog) -> float:
    """GPU memory of a fold: the peak reserved for a few images."""
    images = len(catalog.ids) * config.image.cache_px**2 * 3
    return _CONTEXT_BYTES + torch.cuda.max_memory_reserved() + images


def memory_bytes() -> int:
    """Memory of this machine, or of the container where that has less."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in _CONTAINER_LIMITS:
        if path.exists() and (text := path.read_text().strip()).isdecimal():  # or "max"
            memory = min(memory, int(text))
    return memory


def _train(trainer: Trainer) -> Iterator[None]:
    """Train on one batch after another."""
    for number, batch in enumerate(trainer.batches()):
        trainer.step(number, batch).item()  # waits for a GPU
        yield


def _predict(trainer: Trainer) -> Iterator[None]:
    """Predict the same batch in all views, again and again."""
    for _ in range(1 + _BATCHES):
        predict(trainer.model, trainer.data.cache, trainer.data.val_rows, trainer.config)
        yield


def _time_batches(batches: Iterator[None], seconds: float) -> tuple[float, float]:
    """Time batches after the first; returns seconds of one, and the share of the processor.

    The share is that of this thread, which takes part in all of the work of a prediction.
    """
    next(batches)
    count, started, cpu_started = 0, time.perf_counter(), time.thread_time()
    for _ in batches:
        count += 1
        elapsed = time.perf_counter() - started
        if elapsed > seconds:
            break
    return elapsed / count, (time.thread_time() - cpu_started) / elapsed


def random_fold(config: Config, train_images: int) -> FoldData:
    """A fold of random images, of which a batch is predicted."""
    rng = np.random.default_rng(0)
    predicted = batch_size_for(devices.get_device())
    count, side = max(train_images, predicted), config.image.cache_px
    images = rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    targets = rng.random((count, len(config.predicted_task.columns)))
    cache = image_cache.ImageCache(np.arange(count), images, np.zeros(count, bool))
    part = Part(fold_name(0), np.arange(train_images), np.arange(predicted), stream=0)
    return FoldData(cache, targets, part)


def print_plan(configs: list[Config], datasets: Mapping[str | None, prepare.Dataset]) -> None:
    """Print each run's hours and disk, the caches' disk, memory and free disk."""
    print("timing the networks (about a minute, longer for GPU networks)", flush=True)
    costs: list[Cost] = []
    for config in console.ProgressBar(configs, "probing", unit="run", leave=False):
        catalog = datasets[config.dataset].for_task(config.predicted_task)
        trained = {earlier.digest("weights") for earlier in configs[: len(costs)]}
        copied = config.digest("weights") in trained
        costs.append(estimate(config, catalog, _PROBES_S / len(configs), copied=copied))
    data = datasets[None]
    total = Cost(*(sum(values) for values in zip(*map(astuple, costs), strict=True)))
    names = [*(config.title for config in configs), "all runs"]
    rows = {
        "run": names,
        "training": [_hours(cost.train_s, total.train_s) for cost in [*costs, total]],
        "prediction": [_hours(cost.predict_s, total.predict_s) for cost in [*costs, total]],
        "disk": [_gigabytes(cost.disk_bytes) for cost in [*costs, total]],
    }
    title = f"plan for {data.dataset}: {data.n_folds} folds, one after another"
    console.print_table(title, pd.DataFrame(rows))
    if devices.get_device().type == "cuda":
        for name, config, cost in zip(names, configs, costs, strict=False):
            if config.train.optimizer == "linear":
                continue
            batch = f"a batch of {config.train.batch_size} takes {1000 * cost.batch_s:.1f} ms"
            print(f"{name}: {batch}, a fold needs {_gigabytes(cost.gpu_bytes)} of GPU memory")
    cached = _cache_bytes(configs, datasets)
    folds_dir().mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folds_dir()).free
    print(
        f"decoded images: {_gigabytes(cached)} on disk (memory-mapped); free disk space: "
        f"{_gigabytes(free)}; memory: {_gigabytes(memory_bytes())}"
    )
    share = min(cost.cpu_share for cost in costs)
    if share < _BUSY:
        print(
            f"warning: other processes left only {share:.0%} of the CPU for this test; without "
            "them, training will be faster"
        )
    if total.disk_bytes + cached > free:
        print("warning: this plan needs more disk space than is free")


def smoke(config: Config, data: prepare.Dataset) -> None:
    """Train one short fold on a few galaxies, predict, print what was checked; keep nothing."""
    train = config.train.model_copy(update={"epochs": 2, "checkpoint": "last"})
    # Alone: the stages before may not be trained yet.
    short = config.model_copy(update={"train": train, "earlier": ()})
    whole = part_named(short, data, fold_name(0))
    train_rows, val_rows = _some(whole.train_rows, SMOKE_GALAXIES), _some(whole.val_rows, 64)
    part = replace(whole, train_rows=train_rows, val_rows=val_rows)
    fold = make_fold_data(short, data, part, before=None)
    with tempfile.TemporaryDirectory() as folder:
        train_fold(short, fold, Path(folder), f"{short.run} smoke")
        model = load_network(short, Path(folder) / WEIGHTS)
        predict(model, fold.cache, fold.val_rows, short)
    trained = f"trained on {len(train_rows)} galaxies for 2 epochs"
    if short.train.optimizer == "linear":
        trained = f"fitted to {len(train_rows)} galaxies (logistic regression)"
    print(
        f"smoke test passed: {short.run} was {trained}, saved and reloaded; it predicted "
        f"{len(val_rows)} others"
    )


def _some(rows: np.ndarray, count: int) -> np.ndarray:
    """Draw at most `count` rows at random, ascending."""
    return np.sort(np.random.default_rng(0).permutation(rows)[:count])


def _cache_bytes(configs: list[Config], datasets: Mapping[str | None, prepare.Dataset]) -> int:
    """Size of the decoded images; runs on the same dataset with the same crop share them."""
    kinds = {(c.dataset, c.image.crop_px, c.image.cache_px) for c in configs}
    images = {name: len(d.ids) + len(d.test_ids) for name, d in datasets.items()}
    return sum(images[dataset] * cache_px**2 * 3 for dataset, _, cache_px in kinds)


def _hours(seconds: float, total: float) -> str:
    """Hours, or minutes where the total of the column is short."""
    return f"{seconds / 3600:.1f} h" if total >= 5400 else f"{seconds / 60:.1f} min"


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.2f} GB"
