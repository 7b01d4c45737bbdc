"""Run a search: trials of a persistent Optuna study, each trained on one fold like any run.

The study is `study.db` in that fold's folder of `<task>/tune.<name>`; each trial has a folder
beside it. The best trial becomes a config, to be trained on all folds like any other run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from galaxyzoo.config.loading import load_config
from galaxyzoo.core import files
from galaxyzoo.core.console import Bar
from galaxyzoo.core.errors import FoldError, InputError, one_line
from galaxyzoo.core.parallel import run_jobs, watching
from galaxyzoo.core.paths import configs_dir, shown
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.results.layout import CHECKPOINT, WEIGHTS, RunFolder
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training.fold import History, train_fold
from galaxyzoo.training.fold_data import make_fold_data
from galaxyzoo.training.run import Run
from galaxyzoo.tuning.search_space import Search

STUDY = "study.db"
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)
_MOST_RETRIES = 2  # of a trial that kills its process every time, for lack of memory perhaps
_LOCK_TIMEOUT_S = 60  # waiting for other processes to release the database
# User attributes of a trial: numbers of the lost trials that it retries, oldest first; why it was
# stopped.
_RETRIED, _REASON = "retried", "reason"
_WIDTH = 110  # of a line of the YAML
_ONLY_OF_RECIPE = ("reference", "run")  # keys of the recipe that are not true of another one


@dataclass(frozen=True)
class Outcome:
    """A finished or stopped trial."""

    number: int
    score: float | None  # None for a trial that was stopped
    epochs: int
    picks: dict[str, Any]  # `section.key` -> value
    reason: str  # why it was stopped; empty where it was pruned by the median, or finished

    def __str__(self) -> str:
        """The trial in a line."""
        picks = " ".join(f"{setting}={value}" for setting, value in self.picks.items())
        result = f"{self.score:.5f}" if self.score is not None else "stopped"
        why = f" ({self.reason})" if self.reason else ""
        return f"trial {self.number}: {result} after {self.epochs} epochs{why}; {picks}"


@dataclass
class Tuning:
    """A search on a fold of a dataset."""

    search: Search
    data: Dataset
    fold: int

    @cached_property
    def task(self) -> Task:
        """The task of all trials."""
        return get_task(self.search.base.task)

    @cached_property
    def catalog(self) -> Catalog:
        """The galaxies of the dataset that the task keeps."""
        return self.data.catalog.for_task(self.task)

    @property
    def folder(self) -> Path:
        """Where the study and the trials are."""
        return RunFolder(self.catalog.dataset, self.search.base.run).fold(self.fold)

    def trial_folder(self, number: int) -> Path:
        """Where a trial leaves its history."""
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
            self._check_study(self.open_study())

    def train(self, trials: int, jobs: int, backend: str) -> None:
        """Continue until this many trials are done; killed ones are resumed.

        With one job, the same trials are drawn however often the command was interrupted.

        Args:
            trials: complete and pruned ones, those of earlier calls included.
            jobs: trials at a time.
            backend: as in `run_jobs`.
        """
        with files.holding(self.folder / files.LOCK, f"at work on {self.search.base.run}"):
            study = self.open_study()
            self._begin(study)
            done = _count_done(study)
            seeds = range(done, trials)
            if jobs == 1:
                for seed in Bar(seeds, "trials", trials, False, initial=done, unit="trial"):
                    run_trial(self, seed)
            elif seeds:
                self.data.train_images(self.search.base.image)  # decoded here, by all processors
                with watching(partial(_count_done, study), trials, "trials", "trial"):
                    run_jobs(run_trial, [(self, seed) for seed in seeds], jobs, backend)

    def outcomes(self) -> list[Outcome]:
        """All trials that are done, the best first, stopped ones last."""
        study = self.open_study()
        with self.explaining():
            trials = study.get_trials(deepcopy=False, states=_DONE)
        found = map(self.outcome, trials)
        return sorted(found, key=lambda o: (o.score is None, o.score or 0, o.number))

    def outcome(self, trial: FrozenTrial) -> Outcome:
        """A trial that is done."""
        return Outcome(
            number=first_number(trial),
            score=trial.value if trial.state == TrialState.COMPLETE else None,
            epochs=len(trial.intermediate_values),
            picks=self.search.decode(trial.params),
            reason=trial.user_attrs.get(_REASON, ""),
        )

    def open_study(self, seed: int = 0) -> optuna.Study:
        """The study, created where it does not exist; `seed` is of its next draws."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        url = URL.create("sqlite", database=str(self.folder / STUDY)).render_as_string()
        key, pruning = (self.search.base.train.seed, seed), self.search.file.pruning
        with self.explaining():
            return optuna.create_study(
                storage=optuna.storages.RDBStorage(
                    url, {"connect_args": {"timeout": _LOCK_TIMEOUT_S}}
                ),
                sampler=optuna.samplers.TPESampler(
                    seed=int(np.random.SeedSequence(key).generate_state(1)[0])
                ),
                pruner=optuna.pruners.MedianPruner(
                    pruning.startup_trials, n_warmup_steps=pruning.warmup_epochs + 1
                ),
                study_name=self.search.name,
                load_if_exists=True,
            )

    def train_trial(self, trial: optuna.Trial) -> float:
        """Train a trial on its fold, from its last whole epoch where it was interrupted.

        Returns:
            The validation score: of the best epoch where the config keeps that one, else the last.
        """
        first = first_number(trial)
        name, folder = f"{self.search.base.run}.trial_{first}", self.trial_folder(first)
        retries = len(trial.user_attrs.get(_RETRIED, []))
        if retries > _MOST_RETRIES:
            stop(trial, f"its process ended {retries} times before it did; is memory short?")
        try:
            config = self.search.config(self.search.decode(trial.params), name)
            Run(config, self.data).check()
        except InputError as error:
            stop(trial, str(error))
        cache = self.data.train_images(config.image)
        data = make_fold_data(config, self.data, cache, self.fold)
        reporter = _Reporter(trial, config.train.epochs)
        with files.holding(folder / files.LOCK, f"training {name}"):
            try:
                train_fold(config, data, folder, name, after_epoch=reporter)
            except FoldError as error:
                stop(trial, str(error))
        scores = reporter.scores
        return scores[-1] if config.train.checkpoint == "last" else min(scores)

    def clean(self, number: int) -> None:
        """Remove a done trial's checkpoint and weights; its config would make them again."""
        for name in (CHECKPOINT, WEIGHTS):
            (self.trial_folder(number) / name).unlink(missing_ok=True)

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Turn errors of the study's file into one line."""
        path = self.folder / STUDY
        try:
            yield
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            raise InputError(
                f"{shown(path)} cannot be used ({reason}): where it is damaged, delete "
                f"{shown(self.folder)} to search anew"
            ) from None

    def _begin(self, study: optuna.Study) -> None:
        """Prepare a new study; retry the trials of processes that ended before them.

        The folder's lock is held, so no trial of an earlier call is still running; Optuna's
        heartbeats would find that out after a minute only.
        """
        with self.explaining():
            self._check_study(study)
            trials = study.get_trials(deepcopy=False)
            if not trials and self.search.recipe:
                study.enqueue_trial(self.search.recipe)
            retried = {n for trial in trials for n in trial.user_attrs.get(_RETRIED, [])}
            for trial in trials:
                is_lost = trial.state in (TrialState.RUNNING, TrialState.FAIL)
                if is_lost and trial.number not in retried:
                    history = [*trial.user_attrs.get(_RETRIED, []), trial.number]
                    study.enqueue_trial(trial.params, {_RETRIED: history})
                if trial.state == TrialState.RUNNING:
                    study.tell(trial.number, state=TrialState.FAIL)
                if trial.state in _DONE:  # its process may have ended before it was cleaned
                    self.clean(first_number(trial))

    def _check_study(self, study: optuna.Study) -> None:
        """Record what the study is of, or compare it with the record."""
        file = self.search.file
        settings = {
            "base": self.search.base.digest(),
            "space": {setting: one.model_dump(mode="json") for setting, one in file.space.items()},
            "pruning": file.pruning.model_dump(),
            "data": self.catalog.fingerprint,
        }
        with self.explaining():
            recorded = study.user_attrs
            for key, value in settings.items():
                if key not in recorded:
                    study.set_user_attr(key, value)
                elif recorded[key] != value:
                    raise InputError(
                        f"{shown(self.folder)} was searched with another {key}: delete it to "
                        "search anew, or give the new search a file of its own"
                    )


def run_trial(tuning: Tuning, seed: int) -> None:
    """Run one trial: one that waits to be retried, else a new one.

    Args:
        tuning: its study is prepared.
        seed: of the draws.
    """
    study = tuning.open_study(seed)
    with tuning.explaining():
        trial = study.ask(tuning.search.distributions)
        try:
            study.tell(trial, tuning.train_trial(trial))
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        tuning.clean(first_number(trial))
        outcome = tuning.outcome(study.trials[trial.number])
    Bar.write(str(outcome))


def first_number(trial: optuna.Trial | FrozenTrial) -> int:
    """Number of the trial that this one retries, or its own."""
    return next(iter(trial.user_attrs.get(_RETRIED, [])), trial.number)


def stop(trial: optuna.Trial, reason: str) -> NoReturn:
    """End a trial as pruned, so that the sampler avoids trials like it."""
    trial.set_user_attr(_REASON, reason[:300])
    raise optuna.TrialPruned


@dataclass
class _Reporter:
    """Reports each epoch's score to Optuna once; ends a trial that is worse than the median."""

    trial: optuna.Trial
    epochs: int
    scores: list[float] = field(default_factory=list)

    def __call__(self, history: History) -> None:
        for row in history[len(self.scores) :]:
            self.trial.report(row["val_score"], row["epoch"])
            self.scores.append(row["val_score"])
        # After its last epoch a trial is complete.
        if len(self.scores) < self.epochs and self.trial.should_prune():
            raise optuna.TrialPruned


def _count_done(study: optuna.Study) -> int:
    return len(study.get_trials(deepcopy=False, states=_DONE))


def default_path(search: Search) -> Path:
    """The best trial's config where the user names no file."""
    task = search.base.task
    return configs_dir() / task / f"{search.name.removeprefix(f'{task}_')}_tuned.yaml"


def check_free(path: Path, search: Search) -> None:
    """Refuse to overwrite a config that this search did not write."""
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"--output {shown(path)}: the name of a config ends in .yaml")
    if not path.exists():
        return
    if not path.is_file() or not _first_line(path).startswith(f"# {_mark(search)}"):
        raise InputError(
            f"{shown(path)} is there, and not by this search: name another file with --output"
        )


def write_config(
    path: Path, tuning: Tuning, best: Outcome, trials: int, command: str, then: str
) -> str:
    """Write the best trial's config.

    Args:
        path: of the YAML.
        tuning: the search.
        best: its best trial.
        trials: how many it is the best of.
        command: that found it.
        then: command that trains it.
    Returns:
        What the trial's score means, to be printed.
    """
    search = tuning.search
    values = {k: v for k, v in search.values(best.picks).items() if k not in _ONLY_OF_RECIPE}
    values["about"] = f"best of {trials} trials from: {search.file.about or search.name}"
    caveat = describe_score(tuning, best, trials)
    lines = [
        _mark(search) + f" {trials} trials; found by",
        one_line(command),
        *caveat,
        one_line(then),
    ]
    comment = "".join(f"# {line}\n" for line in lines)
    text = yaml.safe_dump(
        values, sort_keys=False, allow_unicode=True, default_flow_style=None, width=_WIDTH
    )
    files.write_text(path, comment + text)
    load_config(str(path))
    return "\n".join(caveat)


def describe_score(tuning: Tuning, best: Outcome, trials: int) -> list[str]:
    """Lines on the best trial's score, and why it is optimistic."""
    config = tuning.search.config(best.picks, "winner")
    score = f"Trial {best.number}: validation {tuning.task.metric} {best.score:.5f}"
    epoch = ", and so was its epoch" if config.train.checkpoint == "best" else ""
    return [
        f"{score} on fold {tuning.fold} of {tuning.catalog.dataset}, one view.",
        f"It was selected by that score among {trials} trials{epoch}, so it is optimistic. The",
        "out-of-fold score of all folds counts, from training the config like any other run",
        f"(in it fold {tuning.fold} alone remains a little optimistic):",
    ]


def _mark(search: Search) -> str:
    """Start of the comment in a config by a search."""
    return f"Tuned by the search {search.name}:"


def _first_line(path: Path) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.readline()
