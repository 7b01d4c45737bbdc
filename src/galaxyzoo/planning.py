"""Before anything long starts: what a run will cost, and whether it works at all."""

import resource
import shutil
import sys
import tempfile
import time
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import torch

from galaxyzoo.catalogs import Catalog
from galaxyzoo.config import Config, ImageConfig
from galaxyzoo.devices import autocast, get_device, place
from galaxyzoo.images import ImageCache
from galaxyzoo.losses import LOSSES
from galaxyzoo.models import GalaxyNet, build_model
from galaxyzoo.optimisation import build_optimizer
from galaxyzoo.paths import FOLDS
from galaxyzoo.prediction import BATCH, predict
from galaxyzoo.preparation import Prepared
from galaxyzoo.reports import print_table
from galaxyzoo.runs import Run, load_fold_model
from galaxyzoo.tasks import get_task
from galaxyzoo.training import FoldData, train_fold
from galaxyzoo.views import count_views

_WARM, _TIMED = 2, 5  # steps of the probe
SMOKE_GALAXIES = 320


@dataclass(frozen=True)
class Cost:
    """What one run costs; seconds for all its folds, disk in bytes."""

    train_s: float
    predict_s: float
    disk_bytes: int


def estimate(config: Config, catalog: Catalog) -> Cost:
    """Time a few steps on random images and scale to the whole run.

    Decoding, which happens once for all runs, and set-up are not counted.
    """
    device = get_device()
    model = place(build_model(config, initialise=False), device)
    train_rate, eval_rate = _train_rate(model, config, device), _eval_rate(model, config, device)
    galaxies, tests, k = len(catalog.ids), len(catalog.test_ids), catalog.n_folds
    trained = galaxies * (k - 1) * config.train.epochs
    viewed = (galaxies + k * tests) * count_views(config.tta) + galaxies * config.train.epochs
    weights = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    tables = (galaxies + tests) * 37 * 12 * 2
    # While a fold trains, its checkpoint holds the weights, their average and the optimizer's two
    # moments.
    return Cost(trained / train_rate, viewed / eval_rate, weights * k + 4 * weights + tables * k)


def print_plan(configs: list[Config], data: Prepared) -> None:
    """Print each run's hours and disk, the caches' disk, the probe's memory, the free disk."""
    costs = [estimate(config, data.catalog) for config in configs]
    total = Cost(*(sum(values) for values in zip(*map(astuple, costs), strict=True)))
    names = [*(config.run for config in configs), "all runs"]
    rows = [
        (name, _hours(c.train_s), _hours(c.predict_s), _gigabytes(c.disk_bytes))
        for name, c in zip(names, [*costs, total], strict=True)
    ]
    title = f"plan, {data.catalog.dataset}, {data.catalog.n_folds} folds"
    print_table(title, ("run", "training", "prediction", "disk"), rows, bold=[len(costs)])
    cached = _cache_bytes(configs, len(data.catalog.ids) + len(data.catalog.test_ids))
    FOLDS.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(FOLDS).free
    print(
        f"decoded images: {_gigabytes(cached)} on disk, read as a memory map; "
        f"peak memory of this probe {_gigabytes(_peak_memory())}; free disk {_gigabytes(free)}"
    )
    if total.disk_bytes + cached > free:
        print("warning: that does not fit on the disk")


def smoke(config: Config, data: Prepared) -> None:
    """Train one short fold on a few galaxies, predict, print the score; keeps nothing."""
    started = time.perf_counter()
    short = config.model_copy(
        update={"train": config.train.model_copy(update={"epochs": 2, "checkpoint": "last"})}
    )
    run = Run(short, data)
    rows = np.sort(np.random.default_rng(0).permutation(len(run.catalog.ids))[:SMOKE_GALAXIES])
    in_fold = run.catalog.folds[rows] == 0
    cache = data.train_images(short.image)
    targets = run.catalog.targets(short.task)
    fold = FoldData(cache, targets, rows[~in_fold], rows[in_fold], 0)
    with tempfile.TemporaryDirectory() as folder:
        train_fold(short, fold, Path(folder), f"{short.run} smoke")
        score = _smoke_score(short, cache, fold, Path(folder))
    print(
        f"smoke: {short.run}, {len(fold.train_rows)} galaxies, 2 epochs: {score} on "
        f"{len(fold.val_rows)} others in {time.perf_counter() - started:.0f} s; everything works"
    )


def _smoke_score(config: Config, cache: ImageCache, fold: FoldData, folder: Path) -> str:
    task = get_task(config.task)
    predictions = predict(load_fold_model(config, folder), cache, fold.val_rows, config)
    score = task.score(task.make_valid(predictions), fold.targets[fold.val_rows])
    mean = task.score(
        np.broadcast_to(fold.targets[fold.train_rows].mean(axis=0), predictions.shape),
        fold.targets[fold.val_rows],
    )
    return f"{task.metric} {score:.4f} (predicting the mean: {mean:.4f})"


def _cache_bytes(configs: list[Config], images: int) -> int:
    """Size of the decoded images; runs with the same crop share them."""
    sizes = {(c.image.crop_px, c.image.cache_px): c.image.cache_px**2 * 3 for c in configs}
    return images * sum(sizes.values())


def _train_rate(model: GalaxyNet, config: Config, device: torch.device) -> float:
    """Training images per second on one random batch."""
    optimizer = build_optimizer(model, config.train)
    images = _random_images(config.image, config.train.batch_size, device)
    targets = torch.rand(len(images), model.head[-1].out_features, device=device)  # type: ignore[call-overload]
    model.train()

    def step() -> None:
        with autocast(config.train, device):
            predictions = model(images)
        loss = LOSSES[config.loss](predictions.float(), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return len(images) * _rate(step, device)


def _eval_rate(model: GalaxyNet, config: Config, device: torch.device) -> float:
    """Images per second and view at prediction."""
    images = _random_images(config.image, BATCH, device)
    model.eval()
    with torch.inference_mode(), autocast(config.train, device):
        return len(images) * _rate(lambda: model(images), device)


def _rate(call: object, device: torch.device) -> float:
    """Calls per second after a warm-up."""
    for i in range(_WARM + _TIMED):
        if i == _WARM:
            _synchronise(device)
            started = time.perf_counter()
        call()  # type: ignore[operator]
    _synchronise(device)
    return _TIMED / (time.perf_counter() - started)


def _random_images(image: ImageConfig, count: int, device: torch.device) -> torch.Tensor:
    shape = (count, 3, image.size_px, image.size_px)
    return torch.randint(0, 256, shape, dtype=torch.uint8, device=device).contiguous(
        memory_format=torch.channels_last
    )


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _peak_memory() -> int:
    """Largest resident size of this process so far, bytes (Linux counts in kB, macOS in bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 5400 else f"{seconds / 60:.1f} min"


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.2f} GB"
