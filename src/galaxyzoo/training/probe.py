"""Try a run on random images: the seconds of a batch and the memory of a step."""

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from galaxyzoo.config.schema import Config
from galaxyzoo.core import devices, manifest, memory, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.inference.network import batch_size_for, predict
from galaxyzoo.results.fold_files import fold_name
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.parts import Part
from galaxyzoo.training.teacher import count_unlabeled
from galaxyzoo.training.trainer import Trainer

BATCHES = 8  # timed at most, after the first, which is slower
_KEPT_S = 3600.0  # that timings are used again
_CONTEXT_BYTES = 1e9  # of a GPU, that each process takes: CUDA's own, and predictions


@dataclass(frozen=True)
class Probe:
    """A run on random images."""

    batch_s: float  # seconds of a training step; 0 of a linear head
    predict_s: float  # seconds of predicting one image in all views
    cpu_share: float  # of the processor, that this thread had; 1 on a GPU
    weight_bytes: int
    gpu_bytes: int = 0  # the most reserved on a GPU


def random_fold(config: Config, train_images: int) -> FoldData:
    """A fold of random images, of which a batch is predicted."""
    rng = np.random.default_rng(0)
    predicted = batch_size_for(devices.get_device())
    count = max(train_images, predicted)
    side = config.image.cache_px
    images = rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    targets = rng.random((count, len(config.predicted_task.columns)))
    cache = ImageCache(np.arange(count), images, np.zeros(count, bool))
    part = Part(fold_name(0), np.arange(train_images), np.arange(predicted), stream=0)
    return FoldData(cache, targets, part)


def recall_or_probe(config: Config, seconds: float) -> Probe:
    """Probe a run as `probe` does, unless this machine has done so within the last hour."""
    path = paths.cache_dir() / "plan_timings.json"
    device = devices.get_device()
    machine = [devices.describe_machine(), devices.has_bf16(device), torch.get_num_threads()]
    key = manifest.digest_json([config.model_dump(mode="json"), *machine, torch.__version__])
    now = time.time()
    recent = {}
    for name, entry in _read_timings(path).items():
        if 0 <= now - entry["time"] < _KEPT_S:
            recent[name] = entry
    if key not in recent:
        recent[key] = {"time": now, "probe": asdict(probe(config, seconds))}
        manifest.write_sealed(path, {"probes": recent})
    return Probe(**recent[key]["probe"])


def _read_timings(path: Path) -> dict[str, Any]:
    """Probes by the digest of all that they depend on; none where the file cannot be used."""
    try:
        return manifest.read_sealed(path)["probes"]
    except InputError:
        return {}


def probe(config: Config, seconds: float) -> Probe:
    """Time batches in training and in prediction; memory that lacks splits them as in training.

    Args:
        config: of the run.
        seconds: that it may take; two batches of each kind are timed in any case.
    """
    data = random_fold(config, (1 + BATCHES) * config.train.batch_size)
    micro_batches = config.train.accumulation
    may_split = config.train.on_out_of_memory == "accumulate"
    is_gpu = devices.get_device().type == "cuda"
    while True:
        trainer = None  # that of the pass before
        memory.release()  # or what was reserved for other runs would count
        if is_gpu:
            torch.cuda.reset_peak_memory_stats()
        try:
            trainer = Trainer(config, data, initialize=False)
            trainer.micro_batches = micro_batches
            return _probe(trainer, seconds)
        except (RuntimeError, MemoryError) as error:
            if not memory.is_out_of_memory(error):
                raise
        micro_batches = memory.split_batch(
            config.train.batch_size, micro_batches, config.run, may_split
        )


def _probe(trainer: Trainer, seconds: float) -> Probe:
    batch_s = 0.0
    if trainer.config.train.optimizer != "linear":
        batch_s, _ = _time_batches(_train(trainer), seconds / 2)
    view_s, share = _time_batches(_predict(trainer), seconds / 2)
    gpu_bytes = 0
    if devices.get_device().type == "cuda":
        share = 1.0
        gpu_bytes = torch.cuda.max_memory_reserved()
    tensors = trainer.model.state_dict().values()
    return Probe(
        batch_s,
        predict_s=view_s / len(trainer.data.val_rows),
        cpu_share=share,
        weight_bytes=sum(tensor.numel() * tensor.element_size() for tensor in tensors),
        gpu_bytes=gpu_bytes,
    )


def _train(trainer: Trainer) -> Iterator[None]:
    """Train on one batch after another."""
    for number, batch in enumerate(trainer.batches()):
        trainer.step(number, batch).item()  # waits for a GPU
        yield


def _predict(trainer: Trainer) -> Iterator[None]:
    """Predict the same batch in all views, again and again."""
    for _ in range(1 + BATCHES):
        predict(trainer.model, trainer.data.cache, trainer.data.val_rows, trainer.config)
        yield


def _time_batches(batches: Iterator[None], seconds: float) -> tuple[float, float]:
    """Time batches after the first; returns seconds of one, and the share of the processor.

    The share is that of this thread, which takes part in all of the work of a prediction.
    """
    next(batches)
    started = time.perf_counter()
    cpu_started = time.thread_time()
    count = 0
    for _ in batches:
        count += 1
        elapsed = time.perf_counter() - started
        if elapsed > seconds:
            break
    return elapsed / count, (time.thread_time() - cpu_started) / elapsed


def gpu_bytes(config: Config, catalog: Catalog) -> float:
    """GPU memory of a fold, from a step on random images; infinite if it does not fit."""
    torch.cuda.reset_peak_memory_stats()
    try:
        data = random_fold(config, config.train.batch_size)
        list(_train(Trainer(config, data, initialize=False)))
    except (RuntimeError, MemoryError) as error:
        if not memory.is_out_of_memory(error):
            raise
        return math.inf
    finally:
        memory.release()
    return peak_of_fold(config, catalog, torch.cuda.max_memory_reserved())


def peak_of_fold(config: Config, catalog: Catalog, reserved: int) -> float:
    """GPU memory of a fold: that reserved for a few images, and all images."""
    count = len(catalog.ids) + count_unlabeled(config, catalog.dataset)
    images = count * config.image.cache_px**2 * 3
    return _CONTEXT_BYTES + reserved + images
