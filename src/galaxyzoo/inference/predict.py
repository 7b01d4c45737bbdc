"""Predict images of any kind with trained runs, or with ensembles of them."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from galaxyzoo.config import loading, schema
from galaxyzoo.core import memory
from galaxyzoo.core.console import ProgressBar
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.manifest import Provenance, digest
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.core.prefetch import prefetch
from galaxyzoo.data.parallel_decoding import count_processes
from galaxyzoo.data.stores.base import Images
from galaxyzoo.data.stores.opening import open_all
from galaxyzoo.inference.chunks import CHUNK, Chunk, decode_chunk
from galaxyzoo.inference.id_column import IdColumn
from galaxyzoo.inference.network import (
    compute_features,
    fuse_for_inference,
    predict_each,
    predict_with_features,
)
from galaxyzoo.inference.oddities import Oddities, add_oddities, describe_oddities
from galaxyzoo.io.writing import plain_cell
from galaxyzoo.models.build import GalaxyNet, load_network
from galaxyzoo.results import fold_files, layout
from galaxyzoo.tasks.kinds import Task

_AHEAD = 2  # chunks: one's last images are decoded beside the next one's first
# Gives some images as a config wants them, (n, cache_px, cache_px, 3) uint8
Decode = Callable[[schema.ImageConfig], np.ndarray]


class Predictor(ABC):
    """Predictor of images: a trained run, or an ensemble of runs.

    Attributes:
        galaxies: GalaxyIDs that it learned from, where its folder lists them.
    """

    galaxies: Set[int] = frozenset()

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
        """Return a copy limited to some folds' networks or other views; None: as it is.

        A fold without a network is an InputError.
        """

    @abstractmethod
    def combine(self, predictions: list[np.ndarray]) -> np.ndarray:
        """Make each run's (n, column) predictions one, valid as in a submission."""

    @abstractmethod
    def features(self, decode: Decode) -> np.ndarray:
        """(n, feature) input of the head of the first fold's network, mean over views."""

    def predict_with_features(self, decode: Decode) -> tuple[np.ndarray, np.ndarray]:
        """Predict some images, (n, column), and compute their (n, feature) features."""
        return self.predict(decode), self.features(decode)

    def predict(self, decode: Decode, fold: int | None = None) -> np.ndarray:
        """Predict some images.

        Args:
            decode: the images as a config wants them, (n, cache_px, cache_px, 3) uint8.
            fold: whose networks alone predict, where they are trained; by default all.
        Returns:
            (n, column), valid as in a submission.
        """
        by_run = run_networks(self.runs, decode, fold)
        return self.combine([by_network.mean(axis=0) for by_network in by_run])

    def predict_with_spread(self, decode: Decode) -> tuple[np.ndarray, np.ndarray]:
        """Predict, with the standard deviation between the folds' networks, of the same shape."""
        by_run = run_networks(self.runs, decode)
        mean = self.combine([by_network.mean(axis=0) for by_network in by_run])
        by_fold = [self.combine(list(of_fold)) for of_fold in zip(*by_run, strict=True)]
        return mean, np.std(by_fold, axis=0)


@dataclass(frozen=True, eq=False)
class RunNetworks(Predictor):
    """A trained run's networks."""

    config: schema.Config
    models: Mapping[int, GalaxyNet]  # by number of the fold or refit
    galaxies: Set[int] = frozenset()

    @cached_property
    def _fused(self) -> dict[int, GalaxyNet]:
        """Networks fused for inference, once: that takes as long as 30 images."""
        first = next(iter(self.models.values()))
        if first.mean.device.type == "cpu":
            memory.keep_freed_memory()  # a quarter faster
        return {fold: fuse_for_inference(model) for fold, model in self.models.items()}

    @classmethod
    def load_exported(cls, folder: Path, provenance: Provenance | None = None) -> "RunNetworks":
        """An exported run in its folder; refused where a file of it has changed."""
        files = layout.exported_files(folder, provenance)
        files.check()
        config = loading.load_run_config(folder).config
        networks = {}
        for name in fold_files.exported_trainings(files):
            path = folder / name / fold_files.WEIGHTS
            networks[fold_files.training_number(name)] = load_network(config, path)
        galaxies: list[int] = []
        if fold_files.GALAXIES in files.names:
            galaxies = np.load(folder / fold_files.GALAXIES).tolist()
        return cls(config, networks, frozenset(galaxies))

    def choose(self, fold: int | None) -> list[GalaxyNet]:
        """Choose the networks that predict: that of a fold, or all where there is none of it."""
        if fold in self._fused:
            return [self._fused[fold]]
        return list(self._fused.values())

    def can_share_views(self, other: "RunNetworks") -> bool:
        """Check whether its networks can share the other run's views and answer in its form."""
        config = self.config
        if config.task != other.config.task or config.train.amp != other.config.train.amp:
            return False
        return config.image == other.config.image and config.tta == other.config.tta

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
        return digest(self._content())[:16]

    def _content(self) -> Iterator[str | bytes]:
        """Everything that predictions depend on."""
        yield self.config.digest()
        for fold, model in self.models.items():
            yield str(fold)
            for name, value in model.state_dict().items():
                yield name.encode() + value.cpu().numpy().tobytes()

    def restrict(self, folds: Sequence[int] | None, tta: schema.TTAConfig | None) -> Self:
        """See `Predictor.restrict`."""
        config = self.config
        if tta is not None:
            config = config.model_copy(update={"tta": tta})
        if folds is None:
            return replace(self, config=config)
        for fold in sorted(folds):
            if fold not in self.models:
                finished = ", ".join(map(str, self.models))
                raise InputError(
                    f"--folds: {config.run} has no finished fold {fold}: choose from {finished}"
                )
        models = {fold: model for fold, model in self.models.items() if fold in folds}
        return replace(self, config=config, models=models)

    def combine(self, predictions: list[np.ndarray]) -> np.ndarray:
        """See `Predictor.combine`."""
        return self.task.project(predictions[0])

    def features(self, decode: Decode) -> np.ndarray:
        """See `Predictor.features`."""
        images = decode(self.config.image)
        return compute_features(self.choose(None)[0], images, self.config, self.config.tta)

    def predict_with_features(self, decode: Decode) -> tuple[np.ndarray, np.ndarray]:
        """See `Predictor.predict_with_features`; one network does both in one pass."""
        if len(self.models) > 1:
            return super().predict_with_features(decode)
        images = decode(self.config.image)
        (network,) = self.choose(None)
        predictions, features = predict_with_features(network, images, self.config, self.config.tta)
        return self.combine([predictions]), features


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
    networks = [run.choose(fold) for run in runs]
    predictions: dict[int, np.ndarray] = {}
    for number, run in enumerate(runs):
        if number in predictions:
            continue
        alike = [i for i, other in enumerate(runs) if other.can_share_views(run)]
        models: list[GalaxyNet] = []
        for i in alike:
            models += networks[i]
        images = decode(run.config.image)
        rows = np.arange(len(images))
        by_network = predict_each(models, images, rows, run.config, run.config.tta)
        start = 0
        for i in alike:
            end = start + len(networks[i])
            predictions[i] = by_network[start:end]
            start = end
    return [predictions[number] for number in range(len(runs))]


def load_run(dataset: str, run: str) -> RunNetworks:
    """Load the networks of a run's finished folds, or those of a bundled run.

    An InputError lists the runs that can predict where this one has no finished fold.
    """
    if dataset == BUNDLED:
        return RunNetworks.load_exported(layout.RunFolder(dataset, run).path)
    folder = layout.RunFolder(dataset, run)
    if not folder.folds:
        choices = layout.bundled_runs()
        for trained in layout.list_trained(dataset):
            if not schema.is_stage(trained.run):
                choices.append(trained.run)
        raise InputError(
            f"run '{run}' has no finished fold on '{dataset}': choose from {', '.join(choices)}"
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
    return prefetch(decode, images.in_parts(CHUNK), _AHEAD, count_processes(images))


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
    Raises:
        InputError: no image can be read, or two have the same id.
    """
    inputs = open_all(paths, settings)
    unreadable: list[tuple[str, str]] = []
    for images in inputs:
        unreadable += images.left_out
    labels = IdColumn.of(inputs)
    oddities: Oddities = {}
    tables = []
    for images in inputs:
        chunks = decode_ahead(predictor, images)
        count = math.ceil(len(images) / CHUNK)
        title = one_line(images.path.name)
        for chunk in ProgressBar(chunks, total=count, desc=title, leave=False):
            tables.append(chunk.table(predictor.predict(chunk.decode), predictor.task))
            unreadable += chunk.problems
            add_oddities(oddities, chunk.count_oddities(predictor.galaxies))
    predictions = pd.concat(tables) if tables else pd.DataFrame()
    if predictions.empty:
        name, reason = unreadable[0]
        raise InputError(f"no image can be read (first of {len(unreadable)}: {name}: {reason})")
    notes: list[str] = []
    for images in inputs:
        notes += images.notes
    notes += describe_oddities(oddities, len(predictions), predictor.task)
    for note in dict.fromkeys(notes):
        ProgressBar.write(one_line(note))
    ids = [plain_cell(labels[name]) for name in predictions.index]  # as every table writes them
    predictions.index = pd.Index(ids, name=labels.column)
    return predictions, unreadable
