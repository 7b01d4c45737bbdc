"""A run: one config trained on one prepared dataset, fold by fold, up to its tables and card.

Several runs trained, one after another or folds side by side, each after what it needs.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from tqdm import tqdm

from galaxyzoo.config.base import changed_settings
from galaxyzoo.config.loading import CONFIG, WITHOUT_IDS, is_selected_on_validation, load_run_config
from galaxyzoo.config.schema import Config
from galaxyzoo.core import distributed, files
from galaxyzoo.core.errors import FoldError, InputError
from galaxyzoo.core.parallel import run_jobs, watching
from galaxyzoo.core.paths import fold_dir, run_dir, shown
from galaxyzoo.core.version import code_version, package_versions
from galaxyzoo.data.catalog import Catalog, load_catalog
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.inference.artifacts import load_fold_model
from galaxyzoo.inference.oof import DONE, TEST_SPREAD, TEST_TABLE, VAL_SPREAD, VAL_TABLE, FoldTables
from galaxyzoo.inference.predict import predict_distributed
from galaxyzoo.inference.tta import count_views
from galaxyzoo.io.tables import write_predictions
from galaxyzoo.models.build import GalaxyNet, build_model
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training.augmentation import check_transforms
from galaxyzoo.training.fold import CHECKPOINT, TIMINGS, check_installed, read_timings, train_fold
from galaxyzoo.training.fold_data import (
    check_required_runs,
    choose_galaxies,
    find_start_weights,
    make_fold_data,
    may_learn_from,
)


@dataclass
class Run:
    """One config trained on one prepared dataset."""

    config: Config
    data: Dataset
    _caches: dict[str, ImageCache] = field(default_factory=dict, repr=False)
    stopped: list[str] = field(default_factory=list)  # why folds are not trained to their end

    @cached_property
    def catalog(self) -> Catalog:
        """The galaxies of the dataset that the run's task keeps."""
        return self.data.catalog.for_task(get_task(self.config.task))

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which opens the caches itself."""
        return {**self.__dict__, "_caches": {}, "stopped": []}

    @property
    def needs(self) -> set[str]:
        """Runs of the same dataset that have to be trained before."""
        dataset = self.catalog.dataset
        return {run for run, of in self.config.required_runs(dataset) if of == dataset}

    @property
    def folder(self) -> Path:
        """Where the run's config and folds are."""
        return run_dir(self.catalog.dataset, self.config.run)

    def check(self) -> None:
        """Refuse, before anything starts, what would fail later or mix with what is there.

        Raises:
            InputError: the run exists with other settings or data, augmentation is misspelt, or
                there are fewer galaxies than it is to learn from.
        """
        check_installed(self.config)
        check_transforms(self.config.augment.transforms)
        build_model(self.config, initialise=False)
        allowed = may_learn_from(self.config, self.catalog)
        for fold in range(self.catalog.n_folds):
            rows = np.flatnonzero((self.catalog.folds != fold) & allowed)
            choose_galaxies(self.config, rows, fold)
        if self.config.model.start_dataset or self.config.model.starts_without_labels:
            check_required_runs(self.config, self.data.catalog)
            find_start_weights(self.config, self.data.catalog, 0)
        if self.config.loss == "soft_cross_entropy":
            self.data.catalog.soft_targets(get_task(self.config.task))
        if not (self.folder / CONFIG).exists():
            return
        where = shown(self.folder)
        saved, fingerprint = load_run_config(self.folder)
        if fingerprint != self.catalog.fingerprint:
            raise InputError(
                f"{where} was trained on another split of '{self.catalog.dataset}': "
                "delete it to train again"
            )
        if saved.digest() != self.config.digest():
            raise InputError(
                f"{where} was trained with other settings "
                f"({changed_settings(saved, self.config)}): delete it to train again, or give the "
                "new settings a config file of their own"
            )

    def train(self, folds: list[int] | None = None) -> dict[str, Any] | None:
        """Train the folds that are not finished; write tables and card of all that are.

        A fold that fails, by its numbers or for lack of memory, stops alone and is noted in
        `stopped`; the next call goes on with it from its last whole epoch.

        Args:
            folds: which folds; default all.
        Returns:
            The score card; None while no fold is finished.
        Raises:
            InputError: the run exists with other settings or data, or something cannot be written.
        """
        self.begin()
        for fold in range(self.catalog.n_folds) if folds is None else folds:
            self.train_one(fold)
        return self.collect()

    def begin(self) -> None:
        """Check the run and save its config; errors as of `train`."""
        with distributed.main_first(), self.locked():
            self.check()
            if distributed.is_main():
                self._save_config()

    def train_one(self, fold: int) -> None:
        """Train a fold that is not finished, where another process does not, else wait for it."""
        folder, tables = self._fold_dir(fold), FoldTables(self.config, self.catalog)
        what = f"training {self.config.run}, fold {fold}"
        with _holding(folder / files.LOCK, what):
            distributed.wait()
            if not tables.is_done(fold):
                # Of a killed process; of a file that is not written again nothing else would.
                files.remove_left_over(folder)
                self._try_fold(fold)
            distributed.wait()
            if distributed.is_main() and tables.is_done(fold):
                # Here, for a kill may have come after the mark.
                (folder / CHECKPOINT).unlink(missing_ok=True)

    def collect(self) -> dict[str, Any] | None:
        """Write tables and card of the finished folds; returns the card, None without such folds.

        Raises:
            InputError: something cannot be read or written.
        """
        tables = FoldTables(self.config, self.catalog)
        if not tables.done:
            return None
        test_images = self.cache("test")  # which all processes open
        if not distributed.is_main():
            return None
        with self.locked():
            return tables.collect(test_images)

    def minutes(self) -> float:
        """Minutes that the epochs of all folds took, wherever they ran."""
        timings = [read_timings(path) for path in self.folder.glob(f"fold_*/{TIMINGS}")]
        return sum(sum(seconds.values()) for seconds in timings) / 60

    def _try_fold(self, fold: int) -> None:
        try:
            self._train_fold(fold)
        except FoldError as error:
            if distributed.count() > 1:  # the other processes may not know of it
                raise
            self.stopped.append(str(error))  # the error itself would keep the network in memory
            tqdm.write(f"stopped: {error}")

    def _train_fold(self, fold: int) -> None:
        """Train a fold, then predict it and the test galaxies, and mark it as done."""
        folder = self._fold_dir(fold)
        cache = self.cache("train")
        with distributed.main_first():
            data = make_fold_data(self.config, self.data, cache, fold)
        label = f"{self.config.run} fold {fold + 1}/{self.catalog.n_folds}"
        summary = train_fold(self.config, data, folder, label)
        model, test = load_fold_model(self.config, folder), self.cache("test")
        rows = np.searchsorted(cache.ids, self.catalog.ids[self.catalog.folds == fold])
        self._predict(model, cache, rows, folder / VAL_TABLE, folder / VAL_SPREAD)
        every = np.arange(len(test.ids))
        self._predict(model, test, every, folder / TEST_TABLE, folder / TEST_SPREAD)
        noted = replace(
            summary,
            selected_on_validation=is_selected_on_validation(self.config, self.catalog.dataset),
            unreadable_test_images=test.ids[test.unreadable].tolist(),
        )
        if distributed.is_main():
            files.write_json(folder / DONE, asdict(noted))

    def _fold_dir(self, fold: int) -> Path:
        return fold_dir(self.catalog.dataset, self.config.run, fold)

    def _predict(
        self, model: GalaxyNet, cache: ImageCache, rows: np.ndarray, path: Path, spread_path: Path
    ) -> None:
        """Write predictions and, of several views, how far they differ."""
        ids, columns = cache.ids[rows], list(get_task(self.config.task).columns)
        predictions, spread = predict_distributed(model, cache, rows, self.config)
        if not distributed.is_main():
            return
        write_predictions(path, pd.DataFrame(predictions, index=ids, columns=columns))
        if count_views(self.config.tta) > 1:
            write_predictions(spread_path, pd.DataFrame(spread, index=ids, columns=columns))

    def cache(self, which: str) -> ImageCache:
        """Decoded images of all "train" or all "test" galaxies of the dataset."""
        if which not in self._caches:
            opened = self.data.train_images if which == "train" else self.data.test_images
            with distributed.main_first():
                self._caches[which] = opened(self.config.image)
        return self._caches[which]

    def _save_config(self) -> None:
        """Save the config of a new run."""
        if (self.folder / CONFIG).exists():
            return
        without = self.config.train.without
        values = {
            "data_fingerprint": self.catalog.fingerprint,
            "code_version": code_version(),
            "packages": package_versions(),
            WITHOUT_IDS: {name: load_catalog(name).ids_fingerprint for name in without},
            **self.config.model_dump(mode="json"),
        }
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        files.write_text(self.folder / CONFIG, text)

    def locked(self) -> AbstractContextManager[None]:
        """Hold the run's lock, waiting with a word where another process holds it."""
        return _holding(self.folder / files.LOCK, f"at work on {self.config.run}")


def _holding(path: Path, what: str) -> AbstractContextManager[None]:
    """As `locks.holding`, by the first of the processes that train a fold."""
    return files.holding(path, what) if distributed.is_main() else nullcontext()


@dataclass(frozen=True)
class Unit:
    """What one process trains at a time: one fold of a run."""

    run: Run
    fold: int

    def epochs_done(self) -> int:
        """Epochs that the fold has behind it, in whatever process."""
        folder = fold_dir(self.run.catalog.dataset, self.run.config.run, self.fold)
        timings = folder / TIMINGS
        return max(read_timings(timings), default=0) if timings.exists() else 0


def train_runs(
    runs: Sequence[Run], folds: list[int] | None, jobs: int, backend: str
) -> Iterator[dict[str, Any]]:
    """Train runs as `Run.train` does, so many folds at a time.

    However many at a time, the same bytes are written where each has the same number of threads.

    Args:
        runs: each after those that it needs, where these are among them.
        folds: which of each; default all.
        jobs: processes; 1: this one.
        backend: what starts them, as of `run_jobs`.
    Yields:
        The score cards of runs with a finished fold, as they are done; why folds stopped is in the
        runs.
    Raises:
        InputError: as of `Run.train` and `run_jobs`.
    """
    if jobs == 1:
        yield from filter(None, (run.train(folds) for run in runs))
        return
    for level in find_levels(runs):
        for run in level:
            run.begin()
            run.cache("train"), run.cache("test")  # decoded here, by all processors
        units = [unit for run in level for unit in _open_units(run, folds)]
        epochs = sum(unit.run.config.train.epochs for unit in units)
        with watching(partial(_epochs_done, units), epochs, f"{len(units)} folds", "epoch"):
            calls = [(unit.run, unit.fold) for unit in units]
            reasons = run_jobs(train_unit, calls, jobs, backend)
        for unit, stopped in zip(units, reasons, strict=True):
            unit.run.stopped += stopped
        yield from filter(None, (run.collect() for run in level))


def train_unit(run: Run, fold: int) -> list[str]:
    """Train one fold of a run that has begun; returns why it stopped, if it did."""
    run.train_one(fold)
    return run.stopped


def find_levels(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs in groups: each needs runs of earlier groups alone."""
    depth: dict[str, int] = {}
    for run in runs:
        before = [depth.get(name, -1) for name in run.needs]
        depth[run.config.run] = 1 + max(before, default=-1)
    count = 1 + max(depth.values(), default=-1)
    return [[run for run in runs if depth[run.config.run] == level] for level in range(count)]


def _open_units(run: Run, folds: list[int] | None) -> list[Unit]:
    """The folds of a run that are not finished."""
    done = FoldTables(run.config, run.catalog).done
    asked = range(run.catalog.n_folds) if folds is None else folds
    return [Unit(run, fold) for fold in asked if fold not in done]


def _epochs_done(units: Sequence[Unit]) -> int:
    return sum(unit.epochs_done() for unit in units)
