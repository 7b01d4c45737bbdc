"""Train a run: every fold of a config on a prepared dataset, then its tables and score card."""

import contextlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tqdm import tqdm

from galaxyzoo.config import base, loading, schema
from galaxyzoo.core import files
from galaxyzoo.core.errors import FoldError, InputError
from galaxyzoo.core.paths import BUNDLED, shown
from galaxyzoo.core.versions import code_version, package_versions
from galaxyzoo.data.catalog import Catalog, folds_dir, load_catalog
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.inference.network import predict
from galaxyzoo.models.build import GalaxyNet, build_model, load_network
from galaxyzoo.models.weights import check_weights_file
from galaxyzoo.results import card, layout, oof, table
from galaxyzoo.results.fold_files import (
    TEST_TABLE,
    TIMINGS,
    VAL_TABLE,
    WEIGHTS,
    FoldFiles,
    FoldSummary,
    fold_name,
)
from galaxyzoo.tasks.registry import CLASS_TASKS
from galaxyzoo.training import fold_data, teacher
from galaxyzoo.training.augmentation import check_transforms
from galaxyzoo.training.fold import copy_training, note_timing, read_timings, train_fold
from galaxyzoo.training.parts import fold_parts, part_named

_OLD_LABELS = "old_labels"  # folder of runs that were trained before own labels changed


@dataclass
class Run:
    """Training of a config on a prepared dataset."""

    config: schema.Config
    data: Dataset
    stopped: list[str] = field(default_factory=list)  # reasons why folds are not finished
    _files: dict[str, FoldFiles] = field(default_factory=dict)  # by name, such as fold_3

    @cached_property
    def catalog(self) -> Catalog:
        """The galaxies of the dataset that belong to the run's task."""
        return self.data.for_task(self.config.predicted_task)

    def __getstate__(self) -> dict[str, Any]:
        """State for another process, which has its own reasons to stop folds."""
        return {**self.__dict__, "stopped": []}

    @property
    def folder(self) -> layout.RunFolder:
        """Folder of the run's config and folds, and its tables."""
        return layout.RunFolder(self.catalog.dataset, self.config.run)

    def files(self, name: str) -> FoldFiles:
        """Files of a fold or refit, such as fold_3."""
        if name not in self._files:
            fingerprint = self.catalog.fingerprint
            self._files[name] = FoldFiles.of(self.folder.path, name, self.config, fingerprint)
        return self._files[name]

    @property
    def every_fold(self) -> list[str]:
        """Names of all folds."""
        return [fold_name(fold) for fold in range(self.catalog.n_folds)]

    def finished_folds(self) -> list[FoldFiles]:
        """Files of the finished folds, ascending."""
        return [self.files(fold_name(fold)) for fold in self.folder.folds]

    def finished_refits(self) -> list[FoldFiles]:
        """Files of the finished trainings on all galaxies."""
        return [self.files(name) for name in self.folder.refits]

    def check(self) -> None:
        """Refuse, before anything starts, mistakes that would fail later, and other settings.

        It changes nothing: a run of earlier labels is set aside when its training begins.

        Raises:
            InputError: the recipe, its weights or its teacher cannot be trained on this dataset, or
                the run's folder has other settings or damaged files.
        """
        self._check_recipe()
        if not self._is_outdated():
            self._check_folder()
        self._check_weights()

    def _check_recipe(self) -> None:
        """Refuse a recipe that cannot be trained on the dataset."""
        for stage in self.config.stages[:-1]:
            is_own = stage.dataset == self.config.dataset
            if is_own and not self.data.has_labels(stage.predicted_task):
                advice = "add stages=null"
                if self.config.task in CLASS_TASKS:
                    advice = f"train {self.config.task}/head, or {advice}"
                raise InputError(
                    f"stage '{stage.stage}' of {self.config.run} learns task {stage.task}, but "
                    f"dataset '{self.catalog.dataset}' has no labels for it: {advice}"
                )
        settings = self.config.teacher
        if settings and self.unfinished():
            teacher.find_teacher(self.config, settings, self.data)
            teacher.open_unlabeled(settings, self.data.dataset)
        check_transforms(self.config)
        build_model(self.config, initialize=False)
        if self.config.stages[0].model.weights_file == BUNDLED:
            fold_data.find_bundled(self.config.stages[0])
        fold_parts(self.config, self.data, range(self.catalog.n_folds))
        fold_data.check_dataset_before(self.config, self.data)

    def _check_folder(self) -> None:
        """Refuse a folder of another run than this one, and damaged files of finished trainings."""
        finished = [*self.finished_folds(), *self.finished_refits()]
        config = self.folder.path / loading.CONFIG
        if config.exists():
            self._check_saved()
        elif finished:
            raise InputError(
                f"{shown(finished[0].folder)} exists, but its settings file {shown(config)} is "
                f"missing: restore it, or delete {shown(self.folder.path)} to retrain"
            )
        for trained in finished:
            trained.check()

    def _check_weights(self) -> None:
        """Refuse a file of first weights that is missing, while a training needs it."""
        if self.unfinished():
            check_weights_file(self.config.stages[0].model, self.config.title)

    def _check_saved(self) -> None:
        """Refuse a folder that was begun with other settings, or on another split."""
        folder = shown(self.folder.path)
        saved = loading.load_run_config(self.folder.path)
        if not self._is_of_catalog(saved):
            raise InputError(
                f"{folder} was trained on other images or folds of '{self.catalog.dataset}': "
                "delete it to retrain"
            )
        if saved.config.digest() != self.config.digest():
            raise InputError(
                f"{folder} was trained with other settings "
                f"({base.changed_settings(saved.config, self.config)}): delete it to retrain, or "
                "put the new settings into a new recipe"
            )
        changed = self._changed_elsewhere(saved)
        if changed:
            raise InputError(
                f"{folder} was trained on other labels of '{changed[0]}': delete it to retrain"
            )
        changed = self._changed_teachers(saved)
        if changed:
            raise InputError(f"{folder} learned from another {changed[0]}: delete it to retrain")

    def _is_of_catalog(self, saved: loading.SavedConfig) -> bool:
        """Check whether a run was begun on this split of these images."""
        if saved.fingerprint != self.catalog.fingerprint:
            return False
        return saved.images == self.catalog.about.get("images")

    def _fingerprints_elsewhere(self) -> dict[str, str]:
        """Fingerprints of the labels of other datasets that stages learn from, by their names."""
        fingerprints = {}
        of_run = self.catalog.dataset
        for stage in self.config.stages:
            dataset = self.config.dataset_of(stage, of_run)
            if dataset != of_run and dataset not in fingerprints:
                fingerprints[dataset] = load_catalog(dataset).fingerprint
        return fingerprints

    def _changed_elsewhere(self, saved: loading.SavedConfig) -> list[str]:
        """Name the other datasets whose labels have changed since stages learned from them."""
        now = self._fingerprints_elsewhere()
        return [dataset for dataset, then in saved.elsewhere.items() if now.get(dataset) != then]

    def _teachers(self) -> dict[str, str | None]:
        """Digests of the teachers of all stages, and of images without labels, by their names."""
        digests: dict[str, str | None] = {}
        for stage in self.config.stages:
            if stage.teacher:
                digests |= teacher.digest_teacher(stage, stage.teacher, self.data)
        return digests

    def _changed_teachers(self, saved: loading.SavedConfig) -> list[str]:
        """Name the teachers and images that have changed; those that are gone are not needed."""
        now = self._teachers()
        changed = []
        for name, then in saved.teachers.items():
            digest = now.get(name)
            if digest is not None and digest != then:
                changed.append(name)
        return changed

    def _is_current(self, saved: loading.SavedConfig) -> bool:
        """Check whether a run was begun on this split, and all labels are as they were then."""
        return self._is_of_catalog(saved) and not self._changed_elsewhere(saved)

    @property
    def _old(self) -> Path:
        """Folder of this run as trained on earlier labels, until it is trained on these."""
        return folds_dir() / self.catalog.dataset / _OLD_LABELS / self.config.run

    def _is_outdated(self) -> bool:
        """Check whether its folder has a run of the user's own labels before they were changed."""
        folder = self.folder.path
        if not self.data.raw.may_change or not (folder / loading.CONFIG).exists():
            return False
        return not self._is_current(loading.load_run_config(folder))

    def _set_aside(self) -> None:
        """Move an outdated run away, until its successor is trained."""
        if not self._is_outdated():
            return
        folder = self.folder.path
        if self._old.exists():  # the finished one; between them labels changed again
            shutil.rmtree(folder)
            return
        files.make_folder(self._old.parent)
        folder.rename(self._old)
        files.sync_folder(self._old.parent)
        tqdm.write(
            f"{self.config.title} was trained before its input changed: kept as "
            f"{shown(self._old)} until it is retrained"
        )

    def train(
        self,
        trainings: Sequence[str] | None = None,
        after_fold: Callable[[], object] = lambda: None,
    ) -> card.RunCard | None:
        """Train the folds that are not finished; write tables and card of all finished folds.

        A fold that fails, by a loss that is not finite or for lack of memory, stops alone and is
        noted in `stopped`; the next call goes on with it from its last whole epoch.

        Args:
            trainings: names of folds and refits, such as fold_3; default all folds.
            after_fold: called after each of them.
        Returns:
            The score card; None while no fold is finished.
        """
        self.begin()
        if trainings is None:
            trainings = self.every_fold
        for name in trainings:
            self.train_one(name)
            after_fold()
        return self.collect()

    def unfinished(self, trainings: Sequence[str] | None = None) -> list[str]:
        """List the unfinished ones among trainings, by their names (default: all folds)."""
        if trainings is None:
            trainings = self.every_fold
        return [name for name in trainings if self.files(name).state() != "finished"]

    def begin(self) -> None:
        """Check the run, set aside one of earlier labels, and save its config.

        Raises:
            InputError: see `check`.
        """
        self._check_recipe()
        self._set_aside()  # before its folder's lock is held
        with self.locked():
            self._check_folder()
            self._check_weights()
            self._save_config()

    def train_one(self, name: str) -> None:
        """Train a fold or refit that is not finished, predict, and write its summary last.

        It waits if another process trains the same.
        """
        trained = self.files(name)
        title = f"{self.config.title}, {trained.title}"
        try:
            with trained.make(f"training {title}") as filling:
                if filling:
                    self._check_saved()  # the folder may have been deleted, and begun again
                    filling.notes = asdict(self._fill(trained, title))
        except FoldError as error:
            # the error itself would keep the network in memory
            self.stopped.append(str(error))
            tqdm.write(f"stopped: {error}")
            return
        # Here, because a kill may have come after the summary.
        trained.checkpoint.unlink(missing_ok=True)

    def _fill(self, trained: FoldFiles, title: str) -> FoldSummary:
        """Write the files of a training: take over weights that are there, or train; predict."""
        twin = self._find_reusable_fold(trained.name)
        if twin:
            tqdm.write(f"{title}: reusing the weights of {shown(twin.folder)}")
            summary = self._copy_fold(twin, trained)
        else:
            data = self.load_data(trained.name)
            summary = train_fold(self.config, data, trained.folder)
        if self.config.is_earlier_stage:
            return summary
        return self._predict_fold(trained, summary)

    def load_data(self, name: str) -> fold_data.FoldData:
        """Images, targets and first weights of a fold or refit."""
        part = part_named(self.config, self.data, name)
        before = fold_data.find_stage_before(self.config, self.data, name)
        data = fold_data.make_fold_data(self.config, self.data, part, before)
        settings = self.config.teacher
        if settings is None:
            return data
        return teacher.teach(data, self.config, settings, self.data, self.files(name).folder)

    def collect(self) -> card.RunCard | None:
        """Write tables and card of the finished folds; returns the card.

        None without a fold, and of an earlier stage.
        """
        if self._old.exists() and not self.unfinished():
            shutil.rmtree(self._old)
            tqdm.write(f"{self.config.title}: removed {shown(self._old)} of the input before")
        if self.config.is_earlier_stage:
            return None
        with self.locked():  # another process may finish a fold while this one waits
            folds = self.finished_folds()
            refits = self.finished_refits()
            if not (folds or refits):
                return None
            test_images = self.data.test_images(self.config.image)
            return oof.collect(self.config, self.catalog, folds, refits, test_images)

    def minutes(self) -> float:
        """Minutes that its folds have taken so far, all stages together."""
        seconds = 0.0
        for stage in self.config.stages:
            dataset = self.config.dataset_of(stage, self.catalog.dataset)
            folder = layout.RunFolder(dataset, stage.run)
            for name in self.every_fold:
                seconds += sum(read_timings(folder.training(name) / TIMINGS).values())
        return seconds / 60

    def _predict_fold(self, trained: FoldFiles, summary: FoldSummary) -> FoldSummary:
        """Predict a trained fold and the test galaxies; returns the summary with notes on these."""
        started = time.perf_counter()
        folder = trained.folder
        model = load_network(self.config, folder / WEIGHTS)
        cache = self.data.train_images(self.config.image)
        test = self.data.test_images(self.config.image)
        held_out = self.catalog.ids[self.catalog.folds == trained.number]
        if len(held_out):  # a refit holds out none
            rows = np.searchsorted(cache.ids, held_out)
            self.predict(model, cache, rows, folder / VAL_TABLE)
        self.predict(model, test, np.arange(len(test.ids)), folder / TEST_TABLE)
        note_timing(trained.timings, 0, time.perf_counter() - started)
        checkpoints = [stage.train.checkpoint for stage in self.config.stages]
        return replace(
            summary,
            selected_on_validation="best" in checkpoints,
            unreadable_test_images=test.ids[test.unreadable].tolist(),
        )

    def _find_reusable_fold(self, name: str) -> FoldFiles | None:
        """Find a finished fold of another run with the same weights digest."""
        weights = self.config.digest("weights")
        fingerprint = self.catalog.fingerprint
        for path in sorted(self.folder.path.parent.glob(f"*/{loading.CONFIG}")):
            if path.parent == self.folder.path:
                continue
            with contextlib.suppress(InputError):  # damaged, which is for its own commands to say
                saved = loading.load_run_config(path.parent)
                has_same = saved.config.digest("weights") == weights and self._is_current(saved)
                if not has_same or self._changed_teachers(saved):
                    continue
                twin = FoldFiles.of(path.parent, name, saved.config, fingerprint)
                if twin.state() == "finished":
                    twin.check()
                    return twin
        return None

    def _copy_fold(self, twin: FoldFiles, trained: FoldFiles) -> FoldSummary:
        """Take over the training of a twin's fold, under the names of this run's stages."""
        copy_training(twin, trained.folder, self.config)
        summary = replace(
            twin.summary, selected_on_validation=False, unreadable_test_images=()
        )  # which are of the twin's run
        before = fold_data.find_stage_before(self.config, self.data, trained.name)
        if before is None:
            return summary
        return replace(summary, start=fold_data.origin_after(before, self.config))

    def predict(self, model: GalaxyNet, cache: ImageCache, rows: np.ndarray, path: Path) -> None:
        """Write predictions of some rows."""
        predictions = predict(model, cache, rows, self.config)
        table.PredictionTable(self.config.predicted_task, cache.ids[rows], predictions).write(path)

    def _save_config(self) -> None:
        """Save the config, once; later only how the classes of own labels are judged may change."""
        path = self.folder.path / loading.CONFIG
        if path.exists():
            values = base.parse_yaml(path.read_bytes(), path, yaml.SafeLoader)
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
            elsewhere = self._fingerprints_elsewhere()
            if elsewhere:
                values["data_elsewhere"] = elsewhere
            teachers = self._teachers()
            if teachers:
                values["teachers"] = teachers
        files.write_text(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Hold the run's lock; wait, with a message, if another process holds it."""
        return files.hold_lock(self.folder.path / files.LOCK, f"training {self.config.title}")
