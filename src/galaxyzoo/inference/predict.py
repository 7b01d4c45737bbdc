"""Predict decoded images with a network, and any folders, zips and files with trained networks.

Out-of-fold, test and users' predictions are made by the same function.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Self, cast

import numpy as np
import pandas as pd
import torch
from timm.utils import reparameterize_model
from torch import Tensor

from galaxyzoo.config import loading, schema
from galaxyzoo.core import devices, parallel
from galaxyzoo.core.console import ProgressBar
from galaxyzoo.core.errors import FoldError, InputError, one_line
from galaxyzoo.core.manifest import Provenance, digest
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.geometry import iterate_views
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.parallel_decoding import count_processes
from galaxyzoo.data.stores.base import Images
from galaxyzoo.data.stores.opening import open_all
from galaxyzoo.inference.images import (
    CHUNK,
    Chunk,
    IdColumn,
    add_checks,
    decode_chunk,
    describe_checks,
)
from galaxyzoo.io.writing import plain_cell
from galaxyzoo.models.build import GalaxyNet, load_network
from galaxyzoo.results import fold_files, layout
from galaxyzoo.tasks.kinds import Task

# Images per forward pass; on processors so few that activations stay in their caches (at 80 px
# twice as fast as 256). It depends on nothing else of the machine: the last bits of results depend
# on it.
_BATCH, _BATCH_CPU = 256, 32
_AHEAD = 2  # chunks: one's last images are decoded beside the next one's first


# Gives some images as a config wants them, (n, cache_px, cache_px, 3) uint8
Decode = Callable[[schema.ImageConfig], np.ndarray]


def batch_size_for(device: torch.device) -> int:
    """Images per forward pass on a device, where they fit."""
    return _BATCH_CPU if device.type == "cpu" else _BATCH


def predict(
    model: GalaxyNet,
    cache: ImageCache,
    rows: np.ndarray,
    config: schema.Config,
    tta: schema.TTAConfig | None = None,
) -> np.ndarray:
    """Mean of a network's predictions over the views of each image.

    Args:
        model: on the device where it is to run; put into eval mode here.
        rows: (n,) rows of the cache.
        tta: views; default the config's.
    Returns:
        (n, column) float32, in the order of `rows`.
    """
    fused = fuse_for_inference(model)
    return _predict_ready([fused], cache.images, rows, config, tta or config.tta)[0]


def _predict_ready(
    models: Sequence[GalaxyNet],
    images: np.ndarray,
    rows: np.ndarray,
    config: schema.Config,
    tta: schema.TTAConfig,
) -> np.ndarray:
    """Predict with fused networks on one device: (network, n, column)."""
    device = models[0].mean.device
    # They stay on the device until the end: fetching each would let a GPU wait.
    means = [torch.empty((len(models), 0, len(config.predicted_task.columns)), device=device)]

    def predict_some(part: slice) -> Tensor:
        return _predict_batch(models, images[rows[part]], config, tta)

    means.extend(_in_batches(predict_some, len(rows), batch_size_for(device), config.run))
    return torch.cat(means, dim=1).cpu().numpy()


def _in_batches(
    compute: Callable[[slice], Tensor], count: int, size: int, run: str
) -> Iterator[Tensor]:
    """Compute `count` images in batches of `size`, of half as many where memory runs out."""
    start = 0
    while start < count:
        size, done = min(size, count - start), None
        try:
            done = compute(slice(start, start + size))
        except (RuntimeError, MemoryError) as error:
            if not devices.is_out_of_memory(error):
                raise
        if done is not None:
            start += size
            yield done
            continue
        if size == 1:
            raise FoldError(
                f"{run}: out of memory while predicting one image: free some memory, or set "
                "GALAXYZOO_DEVICE=cpu"
            )
        size //= 2
        devices.release()


def fuse_for_inference(model: GalaxyNet) -> GalaxyNet:
    """Return a copy in eval mode, with fused layers where the network has `fuse`."""
    return cast(GalaxyNet, reparameterize_model(model.eval()))


@torch.inference_mode()
def _predict_batch(
    models: Sequence[GalaxyNet], images: np.ndarray, config: schema.Config, tta: schema.TTAConfig
) -> Tensor:
    """(B, cache_px, cache_px, 3) uint8 images -> (network, B, column) means over the views."""
    device = models[0].mean.device
    totals = [torch.zeros((), device=device) for _ in models]
    with devices.autocast(config.train.amp, device):
        for view in iterate_views(images, config.image, tta, device):
            for i, model in enumerate(models):
                totals[i] = totals[i] + model(view).float()
    return torch.stack(totals) / tta.n_views


@torch.inference_mode()
def compute_features(
    model: GalaxyNet, images: np.ndarray, config: schema.Config, tta: schema.TTAConfig
) -> np.ndarray:
    """Features before the head, averaged over views.

    Args:
        model: a network.
        images: (n, cache_px, cache_px, 3) uint8.
        config: of its run.
        tta: the views.
    Returns:
        (n, feature) float32.
    """
    model.eval()
    device, count = model.mean.device, len(images) or 1

    def compute(part: slice) -> Tensor:
        with devices.autocast(config.train.amp, device):
            views = iterate_views(images[part], config.image, tta, device)
            return torch.stack([model.features(view).float() for view in views]).mean(dim=0)

    parts = _in_batches(compute, count, batch_size_for(device), config.run)
    return np.concatenate([features.cpu().numpy() for features in parts])


class Predictor(ABC):
    """Predictor of images: a trained run, or an ensemble of runs."""

    @property
    @abstractmethod
    def task(self) -> Task:
        """Task of the predictions."""

    @property
    @abstractmethod
    def runs(self) -> "list[RunNetworks]":
        """The runs whose networks predict."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """Digest of all that predictions depend on: weights, views, and the blend."""

    @abstractmethod
    def restrict(self, folds: Sequence[int] | None, tta: schema.TTAConfig | None) -> Self:
        """Return a copy limited to some folds' networks or other views; None: as it is."""

    @abstractmethod
    def combine(self, parts: list[np.ndarray]) -> np.ndarray:
        """Make each run's (n, column) predictions one, valid as in a submission."""

    @abstractmethod
    def features(self, decode: Decode) -> np.ndarray:
        """(n, feature) input of the head of the first fold's network, mean over views."""

    def predict(self, decode: Decode, fold: int | None = None) -> np.ndarray:
        """Predict some images.

        Args:
            decode: the images as a config wants them, (n, cache_px, cache_px, 3) uint8.
            fold: whose networks alone predict, where they are trained; by default all.
        Returns:
            (n, column), valid as in a submission.
        """
        return self.combine([each.mean(axis=0) for each in run_networks(self.runs, decode, fold)])

    def predict_with_spread(self, decode: Decode) -> tuple[np.ndarray, np.ndarray]:
        """Predict, with the standard deviation between the folds' networks, of the same shape."""
        by_run = run_networks(self.runs, decode)
        by_fold = [self.combine(list(parts)) for parts in zip(*by_run, strict=True)]
        return self.combine([each.mean(axis=0) for each in by_run]), np.std(by_fold, axis=0)


@dataclass(frozen=True, eq=False)
class RunNetworks(Predictor):
    """A trained run's networks."""

    config: schema.Config
    models: Mapping[int, GalaxyNet]  # by fold

    @cached_property
    def _fused(self) -> dict[int, GalaxyNet]:
        """Networks fused for inference, once: that takes as long as 30 images."""
        if next(iter(self.models.values())).mean.device.type == "cpu":
            devices.keep_freed_memory()  # a quarter faster
        return {fold: fuse_for_inference(model) for fold, model in self.models.items()}

    @classmethod
    def load_exported(cls, folder: Path, provenance: Provenance | None = None) -> "RunNetworks":
        """An exported run in its folder; refused where a file of it has changed."""
        files = layout.exported_files(folder, provenance)
        files.check()
        config = loading.load_run_config(folder).config
        networks = {}
        for fold in fold_files.exported_folds(files):
            path = folder / fold_files.fold_name(fold) / fold_files.WEIGHTS
            networks[fold] = load_network(config, path)
        return cls(config, networks)

    def choose(self, fold: int | None) -> list[GalaxyNet]:
        """Choose the networks that predict: all, or one fold's."""
        ready = self._fused
        return [ready[fold]] if fold in ready else [*ready.values()]

    def can_share_views(self, other: "RunNetworks") -> bool:
        """Check whether its networks can share the other run's views and answer in its form."""
        ways = [(c.task, c.image, c.tta, c.train.amp) for c in (self.config, other.config)]
        return ways[0] == ways[1]

    @property
    def task(self) -> Task:
        """The run's."""
        return self.config.predicted_task

    @property
    def runs(self) -> list["RunNetworks"]:
        """This one."""
        return [self]

    @property
    def digest(self) -> str:
        """See `Predictor.digest`."""
        return digest(self._all())[:16]

    def _all(self) -> Iterator[str | bytes]:
        """Everything that predictions depend on."""
        yield self.config.digest()
        for fold, model in self.models.items():
            yield str(fold)
            for name, value in model.state_dict().items():
                yield name.encode() + value.cpu().numpy().tobytes()

    def restrict(self, folds: Sequence[int] | None, tta: schema.TTAConfig | None) -> Self:
        """See `Predictor.restrict`."""
        config = self.config if tta is None else self.config.model_copy(update={"tta": tta})
        lacking = sorted({*folds} - {*self.models}) if folds is not None else []
        if lacking:
            raise InputError(f"--folds: {config.run} has no finished fold {lacking[0]}")
        numbers = [k for k in self.models if folds is None or k in folds]
        return replace(self, config=config, models={k: self.models[k] for k in numbers})

    def combine(self, parts: list[np.ndarray]) -> np.ndarray:
        """See `Predictor.combine`."""
        return self.task.project(parts[0])

    def features(self, decode: Decode) -> np.ndarray:
        """See `Predictor.features`."""
        images = decode(self.config.image)
        return compute_features(self.choose(None)[0], images, self.config, self.config.tta)


def run_networks(
    runs: Sequence[RunNetworks], decode: Decode, fold: int | None = None
) -> list[np.ndarray]:
    """Run each network of some runs; a view is made once for all that share it.

    Args:
        runs: on one device.
        decode: as of `Predictor.predict`, like the fold.
    Returns:
        Each run's (network, n, column), as the run's tables hold it.
    """
    chosen = [run.choose(fold) for run in runs]
    each: dict[int, np.ndarray] = {}
    for number, run in enumerate(runs):
        if number not in each:
            alike = [i for i, other in enumerate(runs) if other.can_share_views(run)]
            models = [model for i in alike for model in chosen[i]]
            images, config = decode(run.config.image), run.config
            predictions = _predict_ready(models, images, np.arange(len(images)), config, config.tta)
            ends = np.cumsum([len(chosen[i]) for i in alike])
            each |= zip(alike, np.split(predictions, ends[:-1]), strict=True)
    return [each[number] for number in range(len(runs))]


def load_run(dataset: str, run: str) -> RunNetworks:
    """The networks of a run's finished folds; those of a bundled run."""
    if dataset == BUNDLED:
        return RunNetworks.load_exported(layout.RunFolder(dataset, run).path)
    folder = layout.RunFolder(dataset, run)
    if not folder.folds:
        known = [*layout.bundled_runs(), *(other.run for other in layout.list_trained(dataset))]
        raise InputError(
            f"run '{run}' has no finished fold on '{dataset}': choose from {', '.join(known)}"
        )
    saved = loading.load_run_config(folder.path)
    config = saved.config
    models = {}
    for fold in folder.folds:
        name = fold_files.fold_name(fold)
        files = layout.trained_files(config, dataset, saved.fingerprint, name)
        models[fold] = load_network(config, files.path(fold_files.WEIGHTS))
    return RunNetworks(config, models)


def decode_ahead(predictor: Predictor, images: Images) -> Iterator[Chunk]:
    """Images in chunks, decoded for a predictor; `_AHEAD` wait while one is predicted.

    The predictor's runs say how to decode; another size is decoded when it is asked for.
    """
    decode = partial(decode_chunk, [run.config.image for run in predictor.runs])
    parts = images.in_parts(CHUNK)
    return parallel.prefetch(decode, parts, _AHEAD, count_processes(images))


def predict_stores(
    predictor: Predictor, paths: list[Path], settings: object = None
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Predict all images of some folders, zips and files.

    Args:
        predictor: such as `RunNetworks`.
        paths: folders, zips, archives, lists or single images.
        settings: of forms of images, as of `open_all`.
    Returns:
        Table of the task's columns, made valid as a submission is, indexed by GalaxyID where every
        file is named by one, else by `id` (name of the file, or what a list has); and (name,
        reason) of each image that could not be read. Prints how images differ from those that the
        networks learned from.
    """
    inputs = open_all(paths, settings)
    unreadable = [pair for images in inputs for pair in images.left_out]
    labels = IdColumn.of(inputs)
    checks: dict[str, tuple[int, str]] = {}
    tables = []
    for images in inputs:
        chunks, count = decode_ahead(predictor, images), -(-len(images) // CHUNK)
        name = one_line(images.path.name)
        for chunk in ProgressBar(chunks, total=count, desc=name, leave=False):
            tables.append(chunk.table(predictor.predict(chunk.decode), predictor.task))
            unreadable += chunk.problems
            add_checks(checks, chunk.checks)
    predictions = pd.concat(tables) if tables else pd.DataFrame()
    if predictions.empty:
        name, why = unreadable[0]
        raise InputError(f"no image can be read (first of {len(unreadable)}: {name}: {why})")
    notes = dict.fromkeys(note for images in inputs for note in images.notes)
    for note in [*notes, *describe_checks(checks, len(predictions), predictor.task)]:
        ProgressBar.write(one_line(note))
    ids = [plain_cell(labels[name]) for name in predictions.index]  # as every table writes them
    predictions.index = pd.Index(ids, name=labels.column)
    return predictions, unreadable
