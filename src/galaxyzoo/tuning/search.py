"""Run a search: trials of a persistent Optuna study, each trained on one fold like any run.

The study is `study.db` in that fold's folder of `<task>/tune.<name>`; each trial has a folder
beside it. The best trial becomes a config, to be trained on all folds like any other run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from pathlib import Path
from textwrap import wrap
from typing import NoReturn

import numpy as np
import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from galaxyzoo.config.loading import load_config
from galaxyzoo.core import files
from galaxyzoo.core.errors import FoldError, InputError, one_line
from galaxyzoo.core.parallel import run_jobs
from galaxyzoo.core.paths import configs_dir, shown
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.results.layout import CHECKPOINT, WEIGHTS, RunFolder
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training.callbacks import History
from galaxyzoo.training.fold import train_fold
from galaxyzoo.training.fold_data import make_fold_data
from galaxyzoo.training.run import Run
from galaxyzoo.tuning.search_space import Search

STUDY = "study.db"
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)
_MAX_ATTEMPTS = 3  # at a trial that kills its process every time, for lack of memory perhaps
_LOCK_TIMEOUT_S = 60  # waiting for other processes to release the database
_ATTEMPTS, _REASON = "attempts", "reason"  # user attributes of a trial; why it was stopped
_WIDTH = 110  # of a line of the YAML
_ONLY_OF_RECIPE = ("reference", "run")  # keys of the recipe that are not true of another one


@dataclass
class Tuning:
    """A search on a fold of a dataset."""

    search: Search
    data: Dataset
    fold: int  # that trials are scored on

    @cached_property
    def task(self) -> Task:
        """The task of the search."""
        return get_task(self.search.config.task)

    @cached_property
    def catalog(self) -> Catalog:
        """The galaxies of the dataset that the task keeps."""
        return self.data.catalog.for_task(self.task)

    @property
    def folder(self) -> Path:
        """Folder of the study and the trials."""
        return RunFolder(self.catalog.dataset, self.search.config.run).fold(self.fold)

    def trial_folder(self, number: int) -> Path:
        """Folder of a trial's history."""
        return self.folder / f"trial_{number}"

    def check(self) -> None:
        """Check the fold, every range, and that an existing study is of this search."""
        if not 0 <= self.fold < self.catalog.n_folds:
            raise InputError(
                f"there is no fold {self.fold}: '{self.catalog.dataset}' has folds 0 to "
                f"{self.catalog.n_folds - 1} (--fold)"
            )
        for config in self.search.edges:
            Run(config, self.data).check()
        if (self.folder / STUDY).exists():
            with self.open_study() as study:
                self._check_study(study)

    def train(self, trials: int, jobs: int, backend: str) -> None:
        """Continue until this many trials are done; killed ones are resumed.

        With one job, the same trials are drawn however often the command was interrupted.

        Args:
            trials: complete and pruned ones, those of earlier calls included.
            jobs: trials at a time.
            backend: as in `run_jobs`.
        """
        lock = files.hold_lock(self.folder / files.LOCK, f"at work on {self.search.config.run}")
        with lock, self.open_study() as study:
            interrupted = self._begin(study)
            done = len(study.get_trials(deepcopy=False, states=_DONE))
            calls = list(zip(range(done, trials), chain(interrupted, repeat(None)), strict=False))
            self.data.train_images(self.search.config.image)  # decoded here, by all processors
            run_jobs(_run_trial, [(self, *call) for call in calls], jobs, backend)

    def trials(self) -> list[FrozenTrial]:
        """Done trials, the best first, stopped ones last."""
        with self.open_study() as study:
            trials = study.get_trials(deepcopy=False, states=_DONE)
        return sorted(trials, key=lambda t: (score(t) is None, score(t) or 0, t.number))

    @contextmanager
    def open_study(self) -> Iterator[optuna.Study]:
        """Open the study, created where it does not exist; errors of its file are one line."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path, pruning = self.folder / STUDY, self.search.pruning
        url = URL.create("sqlite", database=str(path)).render_as_string()
        try:
            yield optuna.create_study(
                storage=optuna.storages.RDBStorage(
                    url, {"connect_args": {"timeout": _LOCK_TIMEOUT_S}}
                ),
                pruner=optuna.pruners.MedianPruner(
                    pruning.startup_trials, n_warmup_steps=pruning.warmup_epochs + 1
                ),
                study_name=self.search.path.stem,
                load_if_exists=True,
            )
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            raise InputError(
                f"{shown(path)} cannot be used ({reason}): where it is damaged, delete "
                f"{shown(self.folder)} to search anew"
            ) from None

    def run_trial(self, study: optuna.Study, seed: int, interrupted: FrozenTrial | None) -> None:
        """Run one trial to its end, and print its score and settings.

        Args:
            study: of the search.
            seed: of the draws of a new trial.
            interrupted: a trial of an ended process, to be resumed in place of a new one.
        """
        key = (self.search.config.train.seed, seed)
        draws = int(np.random.SeedSequence(key).generate_state(1)[0])
        study.sampler = optuna.samplers.TPESampler(seed=draws)
        if interrupted:
            trial = optuna.Trial(study, interrupted._trial_id)
            reported = len(interrupted.intermediate_values)
        else:
            trial, reported = study.ask(self.search.space), 0
        try:
            study.tell(trial, self._train_trial(trial, reported), skip_if_finished=True)
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
        self._clean(trial.number)
        done = study.trials[trial.number]
        result = (
            done.user_attrs.get(_REASON, "pruned") if score(done) is None else f"{done.value:.5f}"
        )
        picks = " ".join(f"{key}={pick}" for key, pick in self.search.decode(done.params).items())
        print(f"trial {done.number}: {result}; {picks}", flush=True)

    def _train_trial(self, trial: optuna.Trial, reported: int) -> float:
        """Train a trial on its fold, from its last whole epoch where it was interrupted.

        Args:
            trial: drawn, not done.
            reported: number of epochs whose scores the study has.
        Returns:
            The validation score: of the best epoch where the config keeps that one, else the last.
        """
        attempts = trial.user_attrs.get(_ATTEMPTS, 0)
        if attempts == _MAX_ATTEMPTS:
            _stop(trial, f"its process ended {attempts} times before it did; is memory short?")
        trial.set_user_attr(_ATTEMPTS, attempts + 1)
        try:
            config = self.search.change(self.search.decode(trial.params), f".trial_{trial.number}")
            Run(config, self.data).check()
        except InputError as error:
            _stop(trial, str(error))
        scores: list[float] = []

        def report(history: History) -> None:
            for row in history[len(scores) :]:
                if row["epoch"] > reported:
                    trial.report(row["val_score"], row["epoch"])
                scores.append(row["val_score"])
            # After its last epoch a trial is complete.
            if len(scores) < config.train.epochs and trial.should_prune():
                raise optuna.TrialPruned

        data = make_fold_data(config, self.data, self.data.train_images(config.image), self.fold)
        folder = self.trial_folder(trial.number)
        with files.hold_lock(folder / files.LOCK, f"training {config.run}"):
            try:
                train_fold(config, data, folder, config.run, after_epoch=report)
            except FoldError as error:
                _stop(trial, str(error))
        return scores[-1] if config.train.checkpoint == "last" else min(scores)

    def _clean(self, number: int) -> None:
        """Remove a done trial's checkpoint and weights; its config would make them again."""
        for name in (CHECKPOINT, WEIGHTS):
            (self.trial_folder(number) / name).unlink(missing_ok=True)

    def _begin(self, study: optuna.Study) -> list[FrozenTrial]:
        """Prepare a new study; returns the trials of processes that ended before them.

        The folder's lock is held, so no trial of an earlier call is still running; Optuna's
        heartbeats would find that out after a minute only.
        """
        self._check_study(study)
        interrupted, space = [], self.search.space
        for trial in study.get_trials(deepcopy=False):
            if trial.state in _DONE:  # its process may have ended before it was cleaned
                self._clean(trial.number)
            elif trial.state == TrialState.RUNNING and len(trial.params) == len(space):
                interrupted.append(trial)
            elif trial.state == TrialState.RUNNING:  # killed while it was drawn: it is drawn again
                study.tell(trial.number, state=TrialState.FAIL)
        trials = study.get_trials(deepcopy=False)
        if self.search.recipe and all(trial.state == TrialState.FAIL for trial in trials):
            study.enqueue_trial(self.search.recipe)
        return interrupted

    def _check_study(self, study: optuna.Study) -> None:
        """Record what the study is of, or compare it with the record."""
        settings = {
            "base": self.search.config.digest(),
            "data": self.catalog.fingerprint,
            **self.search.model_dump(mode="json", include={"space", "pruning"}),
        }
        recorded = study.user_attrs
        for key, value in settings.items():
            if key not in recorded:
                study.set_user_attr(key, value)
            elif recorded[key] != value:
                raise InputError(
                    f"{shown(self.folder)} was searched with another {key}: delete it to "
                    "search anew, or give the new search a file of its own"
                )


def _run_trial(tuning: Tuning, seed: int, interrupted: FrozenTrial | None) -> None:
    """Run one trial in a process of its own."""
    with tuning.open_study() as study:
        tuning.run_trial(study, seed, interrupted)


def score(trial: FrozenTrial) -> float | None:
    """Validation score of a trial; None where it was stopped."""
    return trial.value if trial.state == TrialState.COMPLETE else None


def _stop(trial: optuna.Trial, reason: str) -> NoReturn:
    """End a trial as pruned, so that the sampler avoids trials like it."""
    trial.set_user_attr(_REASON, reason[:300])
    raise optuna.TrialPruned


def default_path(search: Search) -> Path:
    """The best trial's config where the user names no file."""
    task = search.config.task
    return configs_dir() / task / f"{search.path.stem.removeprefix(f'{task}_')}_tuned.yaml"


def check_free(path: Path, search: Search) -> None:
    """Refuse to overwrite a config that this search did not write."""
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"--output {shown(path)}: the name of a config ends in .yaml")
    mark = f"# {_mark(search)}".encode()
    if path.exists() and not (path.is_file() and path.read_bytes().startswith(mark)):
        raise InputError(
            f"{shown(path)} exists and is not from this search: name another file with --output"
        )


def write_config(path: Path, tuning: Tuning, command: str, then: str) -> str:
    """Write the best trial's config.

    Args:
        path: of the YAML.
        tuning: its best trial is whole.
        command: that found it.
        then: command that trains it.
    Returns:
        Sentence on the trial's score, and why it is optimistic, to be printed.
    """
    search, (best, *others) = tuning.search, tuning.trials()
    trials, picks = 1 + len(others), search.decode(best.params)
    caveat = (
        f"Trial {best.number}: validation {tuning.task.metric} {best.value:.5f} on fold "
        f"{tuning.fold} of {tuning.catalog.dataset}, one view, selected by that score among "
        f"{trials} trials, so optimistic; the out-of-fold score of all folds counts:"
    )
    values = {k: v for k, v in search.change_values(picks).items() if k not in _ONLY_OF_RECIPE}
    values["about"] = f"best of {trials} trials from: {search.about or search.path.stem}"
    comments = [_mark(search), one_line(command), *wrap(caveat, _WIDTH), one_line(then)]
    text = yaml.safe_dump(
        values, sort_keys=False, allow_unicode=True, default_flow_style=None, width=_WIDTH
    )
    files.write_text(path, "".join(f"# {line}\n" for line in comments) + text)
    load_config(str(path))
    return caveat


def _mark(search: Search) -> str:
    """Start of the comment in a config by a search."""
    return f"Tuned by the search {search.path.stem}:"
