"""Run a search: trials of a persistent Optuna study, each trained on one fold like any run.

The study is `study.db` in that fold's folder of `<task>/tune.<name>`; each trial has a folder
beside it. The best trial becomes a config, to be trained on all folds like any other run.
"""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import optuna
import yaml
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from galaxyzoo.core import console, files, parallel, paths
from galaxyzoo.core.errors import DivergenceError, FoldError, InputError
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.extras.tuning.search_space import Search
from galaxyzoo.results.fold_files import CHECKPOINT, WEIGHTS, fold_name
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.tasks import kinds
from galaxyzoo.training import fold, run

STUDY = "study.db"
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)
_WARMUP_EPOCHS = 2  # that every trial is trained for
_MAX_RETRIES = 2  # of a trial that ends its process every time, for lack of memory perhaps
_ENGINE = {"connect_args": {"timeout": 60}}  # s, waiting for other processes at the database
_SETTINGS = "settings"  # user attribute of the study
_ONLY_OF_RECIPE = ("reference", "run")  # keys of the recipe that are not true of another one


@dataclass(frozen=True)
class Tuning:
    """A search on a dataset."""

    search: Search
    data: Dataset

    @cached_property
    def task(self) -> kinds.Task:
        """The task of the search."""
        return self.search.config.predicted_task

    @cached_property
    def catalog(self) -> Catalog:
        """The galaxies of the dataset that the task keeps."""
        return self.data.for_task(self.task)

    @property
    def folder(self) -> Path:
        """Folder of the study and the trials."""
        return RunFolder(self.catalog.dataset, self.search.config.run).training(self._fold)

    @property
    def _fold(self) -> str:
        """Name of the fold on which trials are trained."""
        return fold_name(self.search.fold)

    def check(self) -> None:
        """Check the fold and the recipe."""
        if self.search.fold >= self.catalog.n_folds:
            raise InputError(
                f"{paths.shown(self.search.path)}: `fold` must be 0 to {self.catalog.n_folds - 1} "
                f"for '{self.catalog.dataset}'"
            )
        run.Run(self.search.config, self.data).check()

    def train(self, trials: int, jobs: int, backend: str) -> None:
        """Continue until this many trials are done, or a grid is; print the table of all trials.

        Interrupted trials run again.

        Args:
            trials: complete and pruned ones, those of earlier calls included.
            jobs: trials at a time.
            backend: as in `run_jobs`.
        """
        lock = files.hold_lock(self.folder / files.LOCK, f"training {self.search.config.run}")
        with lock, self.open_study() as study:
            _retry_interrupted(study)
            self.data.train_images(self.search.config.image)  # decoded here, by all processors
            done = len(study.get_trials(states=_DONE))
            total = trials
            if self.search.grid:
                total = min(trials, self.search.grid - _count_given_up(study))
            failed = len(study.get_trials(states=(TrialState.FAIL,)))  # had seeds of their own
            calls = [(self, failed + number) for number in range(done, total)]
            parallel.run_jobs(_run_trial, calls, jobs, backend)
            table = study.trials_dataframe(("number", "state", "value", "params"))
            table.columns = table.columns.str.removeprefix("params_")
            console.print_table("trials", table.sort_values(["state", "value"]))

    @contextmanager
    def open_study(self, seed: int = 0) -> Iterator[optuna.Study]:
        """Open the study, created where it does not exist; errors of its file are one line.

        Args:
            seed: of the draws, beside that of the recipe.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        path = self.folder / STUDY
        url = URL.create("sqlite", database=str(path)).render_as_string()
        advice = f"delete {paths.shown(self.folder)} to start a new search"
        content = self.search.model_dump(mode="json", include={"space"})
        settings = [self.search.config.digest(), self.catalog.fingerprint, json.dumps(content)]
        try:
            study = optuna.create_study(
                storage=RDBStorage(url, _ENGINE),
                sampler=self.search.make_sampler(seed),
                pruner=optuna.pruners.MedianPruner(n_warmup_steps=_WARMUP_EPOCHS + 1),
                study_name=self.search.path.stem,
                load_if_exists=True,
            )
            if study.user_attrs.get(_SETTINGS, settings) != settings:
                raise InputError(
                    f"{paths.shown(self.folder)} was made with other settings or data: {advice}"
                )
            study.set_user_attr(_SETTINGS, settings)
            yield study
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            raise InputError(f"{paths.shown(path)} cannot be used ({reason}): {advice}") from None

    def score_trial(self, trial: optuna.Trial) -> float:
        """Train a trial on its fold, from its last whole epoch where it was interrupted.

        Returns:
            The validation score: of the best epoch where the config keeps that one, else the last.
        Raises:
            TrialPruned: it is worse than others, diverges, or its settings make no network.
            InputError: something else failed, such as a download; the trial is to run again.
        """
        picks = self.search.suggest(trial)
        scores: list[float] = []

        def report(history: fold.History) -> None:
            for row in history[len(scores) :]:
                trial.report(row["val_score"], row["epoch"])
                scores.append(row["val_score"])
            # After its last epoch a trial is complete.
            if len(scores) < config.train.epochs and trial.should_prune():
                raise optuna.TrialPruned

        folder = self.trial_folder(trial.study.trials[trial.number])
        try:
            config = self.search.change(self.search.decode(picks), f".{folder.name}")
            trained = run.Run(config, self.data)
            trained.check()
        except InputError as error:
            raise optuna.TrialPruned(str(error)) from None
        data = trained.load_data(self._fold)
        try:
            with files.hold_lock(folder / files.LOCK, f"training {config.run}"):
                fold.train_fold(config, data, folder, report)
        except DivergenceError as error:
            raise optuna.TrialPruned(str(error)) from None
        return scores[-1] if config.train.checkpoint == "last" else min(scores)

    def trial_folder(self, trial: FrozenTrial) -> Path:
        """Folder of a trial's history; of a repeated one that of its first try."""
        number = RetryHeartbeatStaleTrialCallback.retried_trial_number(trial)
        if number is None:
            number = trial.number
        return self.folder / f"trial_{number}"

    def clean_up(self, _: optuna.Study, trial: FrozenTrial) -> None:
        """Remove a done trial's checkpoint and its weights."""
        for name in (CHECKPOINT, WEIGHTS):
            (self.trial_folder(trial) / name).unlink(missing_ok=True)

    def write_best(self) -> tuple[Path, str]:
        """Write the best trial's config, `<search without the task>_tuned.yaml`, into the folder.

        Returns:
            Its path, and a sentence on the trial's score, and why it is optimistic.
        Raises:
            FoldError: no trial was trained to its end.
        """
        search = self.search
        with self.open_study() as study:
            done = len(study.get_trials(states=_DONE))
            trials = console.count(done, "trial")
            if not study.get_trials(states=(TrialState.COMPLETE,)):
                raise FoldError(
                    f"none of {trials} finished training: increase --trials, or change the "
                    f"ranges in {paths.shown(search.path)}"
                )
            best = study.best_trial
        caveat = (
            f"Trial {best.number}, the best of {trials}: validation {self.task.metric} "
            f"{best.value:.5f} on fold {search.fold} of {self.catalog.dataset}, one view. "
            "This score is optimistic, as it selected the trial: trust the out-of-fold score."
        )
        values = search.values(search.decode(best.params))
        for key in _ONLY_OF_RECIPE:
            values.pop(key, None)
        values["about"] = f"best of {trials} of {search.path.stem}"
        name = search.path.stem.removeprefix(f"{self.task.name}_")
        path = self.folder / f"{name}_tuned.yaml"
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, default_flow_style=None)
        files.write_text(path, f"# {caveat}\n{text}")
        return path, caveat


def _run_trial(tuning: Tuning, seed: int) -> None:
    """Run one trial in a process of its own."""
    with tuning.open_study(seed) as study:
        optuna.logging.set_verbosity(optuna.logging.INFO)
        study.optimize(tuning.score_trial, n_trials=1, callbacks=[tuning.clean_up])


def _retry_interrupted(study: optuna.Study) -> None:
    """Queue trials again whose process ended; the folder's lock is held, so none is running.

    Optuna's heartbeats would find them after two minutes only.
    """
    retry = RetryHeartbeatStaleTrialCallback(_MAX_RETRIES)
    # The sampler is told of failures, and a grid's would stop a study that is not running.
    study.sampler = optuna.samplers.RandomSampler()
    trials = study.trials
    retried: set[int] = set()
    for trial in trials:
        retried.update(retry.retry_history(trial))
    for trial in trials:
        if trial.state not in (TrialState.RUNNING, TrialState.FAIL):
            continue
        if trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)
        if trial.number not in retried:
            retry(study, trial)


def _count_given_up(study: optuna.Study) -> int:
    """Count the trials that have failed as often as they are tried."""
    given_up = 0
    for trial in study.get_trials(states=(TrialState.FAIL,)):
        if len(RetryHeartbeatStaleTrialCallback.retry_history(trial)) >= _MAX_RETRIES:
            given_up += 1
    return given_up
