"""Estimate the hours, disk and memory of runs before they are trained."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from galaxyzoo.config.schema import Config
from galaxyzoo.core import console, devices
from galaxyzoo.core.memory import memory_bytes
from galaxyzoo.data.catalog import Catalog, folds_dir
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.training.augmentation import check_transforms
from galaxyzoo.training.probe import peak_of_fold, recall_or_probe
from galaxyzoo.training.teacher import count_unlabeled

_PROBES_S = 60.0  # seconds of all probes together, where a batch of each run fits in
_BUSY = 0.8  # share of the processor below which others are at work


@dataclass(frozen=True)
class Cost:
    """Cost of a run with all its folds, or of several."""

    train_s: float = 0.0
    predict_s: float = 0.0
    disk_bytes: int = 0
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
        seconds: that the probe may take; two batches of each kind are timed in any case. Timings
            of the last hour are used again, and corrected by the share of the processor they had.
        copied: the weights are taken over from a run that has the same, not trained.
    """
    timed = recall_or_probe(config, seconds)
    batch_s = timed.batch_s
    predict_s = timed.predict_s
    if timed.cpu_share < _BUSY:  # what they take when nothing else runs
        batch_s *= timed.cpu_share
        predict_s *= timed.cpu_share
    epochs = 0 if copied else config.train.epochs
    galaxies = len(catalog.ids)
    tests = len(catalog.test_ids)
    k = catalog.n_folds
    is_linear = config.train.optimizer == "linear"
    if is_linear:  # all galaxies' features, once; the regression itself takes seconds
        train_s = galaxies * epochs * predict_s
        predicted = 0.0
    else:
        learned = galaxies * (k - 1) + count_unlabeled(config, catalog.dataset) * k
        train_s = learned * epochs / config.train.batch_size * batch_s
        # Each fold's galaxies are also validated after every epoch, in one view.
        predicted = galaxies * epochs / config.tta.n_views
    if not config.is_earlier_stage:
        predicted += galaxies + k * tests
    tables = (galaxies + tests) * len(config.predicted_task.columns) * 12 * 2
    disk_bytes = (timed.weight_bytes + tables) * k
    if not is_linear:
        # The checkpoint of a fold in training: weights, average, the optimizer's two moments.
        disk_bytes += 4 * timed.weight_bytes
    gpu_bytes = 0.0
    if _on_gpu():
        gpu_bytes = peak_of_fold(config, catalog, timed.gpu_bytes)
    return Cost(
        train_s,
        predict_s=predicted * predict_s,
        disk_bytes=disk_bytes,
        batch_s=batch_s,
        gpu_bytes=gpu_bytes,
        cpu_share=timed.cpu_share,
    )


def _on_gpu() -> bool:
    return devices.get_device().type == "cuda"


def print_plan(configs: list[Config], datasets: Mapping[str | None, Dataset]) -> None:
    """Print each run's hours and disk, the caches' disk, memory and free disk."""
    for config in configs:
        check_transforms(config)
    print("timing the networks (about a minute, unless timed within the last hour)", flush=True)
    costs: list[Cost] = []
    trained: set[str] = set()  # digests of weights
    for config in console.ProgressBar(configs, "probing", unit="run", leave=False):
        catalog = datasets[config.dataset].for_task(config.predicted_task)
        weights = config.digest("weights")
        seconds = _PROBES_S / len(configs)
        costs.append(estimate(config, catalog, seconds, copied=weights in trained))
        trained.add(weights)
    total = Cost(
        train_s=sum(cost.train_s for cost in costs),
        predict_s=sum(cost.predict_s for cost in costs),
        disk_bytes=sum(cost.disk_bytes for cost in costs),
    )
    data = datasets[None]
    title = f"plan for {data.dataset}: {data.n_folds} folds, one after another"
    console.print_table(title, _tabulate(configs, costs, total))
    if _on_gpu():
        _print_gpu_costs(configs, costs)
    cached = _cache_bytes(configs, datasets)
    folds_dir().mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folds_dir()).free
    print(
        f"decoded images: {_gigabytes(cached)} on disk (memory-mapped); free disk space: "
        f"{_gigabytes(free)}; memory: {_gigabytes(memory_bytes())}"
    )
    if any(config.teacher for config in configs):
        print("not counted: the teachers' predictions")
    share = min(cost.cpu_share for cost in costs)
    if share < _BUSY:
        print(
            f"other processes left only {share:.0%} of the CPU for this test; the times above are "
            "corrected for this"
        )
    if total.disk_bytes + cached > free:
        print("warning: this plan needs more disk space than is free")


def _tabulate(configs: list[Config], costs: list[Cost], total: Cost) -> pd.DataFrame:
    """One row a run, and the last for all."""
    names = [config.title for config in configs]
    rows = []
    for name, cost in zip([*names, "all runs"], [*costs, total], strict=True):
        row = {
            "run": name,
            "training": _hours(cost.train_s, total.train_s),
            "prediction": _hours(cost.predict_s, total.predict_s),
            "disk": _gigabytes(cost.disk_bytes),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def _print_gpu_costs(configs: list[Config], costs: list[Cost]) -> None:
    for config, cost in zip(configs, costs, strict=True):
        if config.train.optimizer == "linear":
            continue
        batch = f"a batch of {config.train.batch_size} takes {1000 * cost.batch_s:.1f} ms"
        memory = f"a fold needs {_gigabytes(cost.gpu_bytes)} of GPU memory"
        print(f"{config.title}: {batch}, {memory}")


def _cache_bytes(configs: list[Config], datasets: Mapping[str | None, Dataset]) -> int:
    """Size of the decoded images; runs on the same dataset with the same crop share them."""
    caches = {(c.dataset, c.image.crop_px, c.image.cache_px) for c in configs}
    size = 0
    for dataset, _, cache_px in caches:
        data = datasets[dataset]
        size += (len(data.ids) + len(data.test_ids)) * cache_px**2 * 3
    for config in configs:
        dataset = datasets[config.dataset].dataset
        size += count_unlabeled(config, dataset) * config.image.cache_px**2 * 3
    return size


def _hours(seconds: float, total: float) -> str:
    """Hours, or minutes where the total of the column is short."""
    if total >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min"


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.2f} GB"
