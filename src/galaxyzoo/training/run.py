"""Train runs: every fold of a config on a prepared dataset, then its tables and score card.

Several runs are trained in the order of their dependencies, one fold after another or several folds
in parallel.
"""

import contextlib
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tqdm import tqdm

from galaxyzoo.config import base, loading, schema
from galaxyzoo.core import files
from galaxyzoo.core.errors import FoldError, InputError
from galaxyzoo.core.manifest import Artifact, code_version, package_versions
from galaxyzoo.core.parallel import progress_of_files, run_jobs
from galaxyzoo.core.paths import shown
from galaxyzoo.data.catalog import Catalog, folds_dir
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.inference.predict import predict
from galaxyzoo.models.build import GalaxyNet, build_model, load_network
from galaxyzoo.results import card, layout, oof, table
from galaxyzoo.training import fold_data, loader
from galaxyzoo.training.fold import copy_training, note_timing, read_timings, train_fold
from galaxyzoo.training.planning import FoldProgress

_OLD_LABELS = "old_labels"  # folder of runs that were trained before own labels changed
_FILES = (layout.WEIGHTS, layout.HISTORY, layout.VAL_TABLE, layout.TEST_TABLE)  # of a finished fold


@dataclass
class Run:
    """Training of a config on a prepared dataset."""

    config: schema.Config
    data: Dataset
    stopped: list[str] = field(default_factory=list)  # reasons why folds are not finished

    @cached_property
    def catalog(self) -> Catalog:
        """The galaxies of the dataset that belong to the run's task."""
        return self.data.catalog.for_task(self.config.predicted_task)

    def __getstate__(self) -> dict[str, Any]:
        """State for another process, which has its own reasons to stop folds."""
        return {**self.__dict__, "stopped": []}

    @property
    def _tables(self) -> oof.FoldTables:
        return oof.FoldTables(self.config, self.catalog)

    @property
    def folder(self) -> Path:
        """Folder of the run's config and folds."""
        return self._tables.folder.path

    def check(self) -> None:
        """Refuse, before anything starts, mistakes that would fail later, and other settings."""
        for stage in self.config.stages[:-1]:
            is_own = stage.dataset == self.config.dataset
            if is_own and not self.data.catalog.has_labels(stage.predicted_task):
                raise InputError(
                    f"stage '{stage.stage}' of {self.config.run} learns task {stage.task}, but "
                    f"dataset '{self.catalog.dataset}' has no labels for it: add stages=null"
                )
        self._set_aside()
        loader.check_transforms(self.config.augment.transforms, self.config.image.size_px)
        build_model(self.config, initialize=False)
        fold_data.resolve_start(self.config.stages[0], self.data.catalog, 0)
        allowed = fold_data.may_learn_from(self.config, self.catalog)
        for fold in range(self.catalog.n_folds):
            rows = np.flatnonzero((self.catalog.folds != fold) & allowed)
            fold_data.check_train_rows(self.config, rows, fold)
        fold_data.check_dataset_before(self.config, self.data.catalog)
        if (self.folder / loading.CONFIG).exists():
            self._check_saved()
        elif begun := self._tables.folder.folds:
            where, config = shown(self.fold_dir(begun[0])), shown(self.folder / loading.CONFIG)
            raise InputError(
                f"{where} exists, but its settings file {config} is missing: restore it, or delete "
                f"{shown(self.folder)} to retrain"
            )
        for fold in (*self._tables.folder.folds, *self._tables.folder.refits):
            self._tables.files(fold).check()

    def _check_saved(self) -> None:
        """Refuse a folder that was begun with other settings, or on another split."""
        where = shown(self.folder)
        saved = loading.load_run_config(self.folder)
        if not self._is_of_catalog(saved):
            raise InputError(
                f"{where} was trained on other images or folds of '{self.catalog.dataset}': "
                "delete it to retrain"
            )
        if saved.config.digest() != self.config.digest():
            raise InputError(
                f"{where} was trained with other settings "
                f"({base.changed_settings(saved.config, self.config)}): delete it to retrain, or "
                "put the new settings into a new config"
            )

    def _is_of_catalog(self, saved: loading.SavedConfig) -> bool:
        """Check whether a run was begun on this split of these images."""
        images = self.catalog.about.get("images")
        return (saved.fingerprint, saved.images) == (self.catalog.fingerprint, images)

    @property
    def _old(self) -> Path:
        """Folder of this run as trained on earlier labels, until it is trained on these."""
        return folds_dir() / self.catalog.dataset / _OLD_LABELS / self.config.run

    def _set_aside(self) -> None:
        """Move away a run of the user's own labels before they were changed."""
        is_begun = self.data.raw.task is not None and (self.folder / loading.CONFIG).exists()
        if not is_begun or self._is_of_catalog(loading.load_run_config(self.folder)):
            return
        if self._old.exists():  # the finished one; between them labels changed again
            shutil.rmtree(self.folder)
            return
        files.make_folder(self._old.parent)
        self.folder.rename(self._old)
        files.sync_folder(self._old.parent)
        tqdm.write(
            f"{self.config.title} was trained on other labels: kept as {shown(self._old)} until it "
            "is retrained"
        )

    def train(
        self, folds: Sequence[int] | None = None, after_fold: Callable[[], object] = lambda: None
    ) -> card.RunCard | None:
        """Train the folds that are not finished; write tables and card of all finished folds.

        A fold that fails, by a loss that is not finite or for lack of memory, stops alone and is
        noted in `stopped`; the next call goes on with it from its last whole epoch.

        Args:
            folds: default all.
            after_fold: called after each of them.
        Returns:
            The score card; None while no fold is finished.
        """
        self.begin()
        for fold in range(self.catalog.n_folds) if folds is None else folds:
            self.train_one(fold)
            after_fold()
        return self.collect()

    def unfinished_folds(self, folds: Sequence[int] | None = None) -> list[int]:
        """List the unfinished folds among the given ones (default: all)."""
        asked = range(self.catalog.n_folds) if folds is None else folds
        return [fold for fold in asked if not self._tables.files(fold).is_finished]

    def begin(self) -> None:
        """Check the run and save its config."""
        self._set_aside()  # before its folder's lock is held
        with self.locked():
            self.check()
            self._save_config()

    def train_one(self, fold: int) -> None:
        """Train a fold that is not finished, predict, and write its summary last.

        It waits if another process trains the fold.
        """
        folder, fold_files = self.fold_dir(fold), self._tables.files(fold)
        name = f"{self.config.title}, {layout.fold_name(fold)}"
        with files.hold_lock(folder / files.LOCK, f"training {name}"):
            self._check_saved()  # the folder may have been deleted, and begun again
            if not fold_files.is_finished:
                # Temporary files of a killed process; nothing else removes them.
                files.remove_left_over(folder)
                try:
                    if twin := self._find_reusable_fold(fold):
                        tqdm.write(f"{name}: reusing the weights of {shown(twin.folder)}")
                        summary = self._copy_fold(twin, fold)
                    else:
                        data = fold_data.make_fold_data(self.config, self.data, fold)
                        summary = train_fold(self.config, data, folder, name)
                    if not self.config.is_earlier_stage:
                        summary = self._predict_fold(fold, summary)
                    fold_files.finish(_FILES, asdict(summary))
                except FoldError as error:
                    # the error itself would keep the network in memory
                    self.stopped.append(str(error))
                    tqdm.write(f"stopped: {error}")
            if fold_files.is_finished:
                # Here, because a kill may have come after the summary.
                (folder / layout.CHECKPOINT).unlink(missing_ok=True)

    def collect(self) -> card.RunCard | None:
        """Write tables and card of the finished folds; returns the card.

        None without a fold, and of an earlier stage.
        """
        if self._old.exists() and not self.unfinished_folds():
            shutil.rmtree(self._old)
            tqdm.write(f"{self.config.title}: removed {shown(self._old)}, trained on other labels")
        finished = self._tables.folder.folds or self._tables.folder.refits
        if self.config.is_earlier_stage or not finished:
            return None
        with self.locked():
            return self._tables.collect(self.data.test_images(self.config.image))

    def minutes(self) -> float:
        """Minutes that its folds have taken so far, all stages together."""
        dataset, stages = self.catalog.dataset, self.config.stages
        folders = [layout.RunFolder(stage.dataset or dataset, stage.run) for stage in stages]
        folds = range(self.catalog.n_folds)
        timings = [folder.fold(k) / layout.TIMINGS for folder in folders for k in folds]
        return sum(sum(read_timings(path).values()) for path in timings) / 60

    def _predict_fold(self, fold: int, summary: oof.FoldSummary) -> oof.FoldSummary:
        """Predict a trained fold and the test galaxies; returns the summary with notes on these."""
        started, folder = time.perf_counter(), self.fold_dir(fold)
        model = load_network(self.config, folder / layout.WEIGHTS)
        image = self.config.image
        cache, test = self.data.train_images(image), self.data.test_images(image)
        rows = np.searchsorted(cache.ids, self.catalog.ids[self.catalog.folds == fold])
        if len(rows):
            self.predict(model, cache, rows, folder / layout.VAL_TABLE)
        self.predict(model, test, np.arange(len(test.ids)), folder / layout.TEST_TABLE)
        note_timing(folder / layout.TIMINGS, 0, time.perf_counter() - started)
        return replace(
            summary,
            selected_on_validation=any(s.train.checkpoint == "best" for s in self.config.stages),
            unreadable_test_images=test.ids[test.unreadable].tolist(),
        )

    def _find_reusable_fold(self, fold: int) -> Artifact | None:
        """Find a finished fold of another run with the same weights digest."""
        weights = self.config.digest("weights")
        for path in sorted(self.folder.parent.glob(f"*/{loading.CONFIG}")):
            with contextlib.suppress(InputError):  # damaged, which is for its own commands to say
                saved = loading.load_run_config(path.parent)
                if self._is_of_catalog(saved) and saved.config.digest("weights") == weights:
                    twin = oof.FoldTables(saved.config, self.catalog).files(fold)
                    twin.check()
                    return twin
        return None

    def _copy_fold(self, twin: Artifact, fold: int) -> oof.FoldSummary:
        """Take over the training of a twin's fold, under the names of this run's stages."""
        copy_training(twin, self.fold_dir(fold), self.config)
        start = twin.notes["start"]
        if self.config.earlier:
            start = fold_data.resolve_start(self.config, self.data.catalog, fold).provenance
        of_run = {"selected_on_validation": False, "unreadable_test_images": ()}
        return oof.FoldSummary(**{**twin.notes, **of_run, "start": start})

    def fold_dir(self, fold: int) -> Path:
        """Folder of one fold."""
        return self._tables.folder.fold(fold)

    def predict(self, model: GalaxyNet, cache: ImageCache, rows: np.ndarray, path: Path) -> None:
        """Write predictions of some rows."""
        predictions = predict(model, cache, rows, self.config)
        table.PredictionTable(self.config.predicted_task, cache.ids[rows], predictions).write(path)

    def _save_config(self) -> None:
        """Save the config, once; later only how the classes of own labels are judged may change."""
        path = self.folder / loading.CONFIG
        if path.exists():
            values = base.read_yaml(path)
            if values.get("labels") == self.config.labels:
                return
            values["labels"] = self.config.labels
        else:
            values = {
                "data_fingerprint": self.catalog.fingerprint,
                "data_images": self.catalog.about.get("images"),
                "code_version": code_version(),
                "packages": package_versions(),
                **self.config.model_dump(mode="json"),
            }
        files.write_text(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Hold the run's lock; wait, with a message, if another process holds it."""
        return files.hold_lock(self.folder / files.LOCK, f"training {self.config.title}")


def train_runs(
    runs: Sequence[Run], folds: Sequence[int] | None, jobs: int, backend: str
) -> Iterator[card.RunCard]:
    """Train runs as `Run.train` does, several folds in parallel.

    The bytes that are written depend on the number of threads of each process, but not on the
    number of processes.

    Args:
        runs: each after the runs among them that it needs.
        folds: of each run; default all.
        jobs: number of processes; 1: this one.
        backend: of joblib, as in `run_jobs`.
    Yields:
        The score cards of runs with a finished fold; reasons of stopped folds are in the runs.
    """
    left = FoldProgress([(run._tables, k) for run in runs for k in run.unfinished_folds(folds)])
    if jobs == 1:
        yield from filter(None, (run.train(folds, left.look) for run in runs))
        return
    for run in runs:
        run.begin()
        run.data.train_images(run.config.image)  # decoded here, by all processors
        run.data.test_images(run.config.image)
        if run.unfinished_folds(folds) and not run.config.earlier:
            build_model(run.config)  # weights are downloaded here, or missed, once
    chains = order_by_dependency(runs)
    calls = [(chain, fold) for chain in chains for fold in chain[-1].unfinished_folds(folds)]
    with progress_of_files(left.look, left.epochs, "all folds", "epoch"):
        reasons = run_jobs(_train_one, calls, jobs, backend)
    left.look()
    for (chain, _), stopped in zip(calls, reasons, strict=True):
        chain[-1].stopped += stopped
    yield from filter(None, (run.collect() for run in runs))


def order_by_dependency(runs: Sequence[Run]) -> list[list[Run]]:
    """List each run behind the runs that it needs, those first that most others need.

    A run needs the stage before it, the first run with the same weights, and what these need.

    Args:
        runs: in any order, with all their stages.
    """
    by_name = {run.config.run: run for run in runs}
    first: dict[str, str] = {}  # name of the first run, by the digest of the weights
    needs: dict[str, list[str]] = {}
    for name, run in by_name.items():
        needs[name] = [stage.run for stage in run.config.earlier[-1:]]
        twin = first.setdefault(run.config.digest("weights"), name)
        if twin != name:
            needs[name].append(twin)

    chains: dict[str, dict[str, Run]] = {}
    uses: Counter[str] = Counter()
    for name in TopologicalSorter(needs).static_order():
        chain: dict[str, Run] = {}
        for needed in needs[name]:
            chain |= chains[needed]
        chain[name] = by_name[name]
        uses.update(chain.keys())
        chains[name] = chain
    most_used_first = sorted(by_name, key=lambda name: -uses[name])
    return [list(chains[name].values()) for name in most_used_first]


def _train_one(chain: Sequence[Run], fold: int) -> list[str]:
    """Train one fold of the last run in a process of its own; returns the reason if it stopped.

    The runs that it needs come first in the chain; if another process trains them, it waits.
    """
    for run in chain:
        run.train_one(fold)
    return chain[-1].stopped
