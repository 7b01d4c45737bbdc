"""A search carried out: trials in a persistent Optuna study, trained here or side by side.

Trials are trained like any fold, on one fold. Their study, `study.db` in that fold's folder of
`<task>/tune.<name>`, knows all that they drew and scored; each has a folder beside it.

The config of a search's best trial, to be trained on all folds like any other run.
"""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError
from tqdm import tqdm

from galaxyzoo.config.loading import load_config
from galaxyzoo.config.schema import Config
from galaxyzoo.core import files
from galaxyzoo.core.errors import FoldError, InputError, one_line
from galaxyzoo.core.parallel import run_jobs, watching
from galaxyzoo.core.paths import configs_dir, fold_dir, shown
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.inference.artifacts import WEIGHTS
from galaxyzoo.tasks.registry import Task, get_task
from galaxyzoo.training.fold import CHECKPOINT, HISTORY, History, train_fold
from galaxyzoo.training.fold_data import find_start_weights, make_fold_data
from galaxyzoo.training.run import Run
from galaxyzoo.tuning.search_space import Search

STUDY = "study.db"
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)
_MOST_STARTS = 3  # of a trial that ends with its process each time, for lack of memory perhaps
_SECONDS_FOR_LOCKS = 60  # of the database, held by other processes
# Notes that trials carry: the number of the trial that they start again, and of the first of those
# (whose folder they use); how often it was started; what they drew; why they were given up.
_AGAIN, _FIRST, _STARTS, _PICKS, _REASON = "again", "first", "starts", "picks", "reason"


@dataclass(frozen=True)
class Outcome:
    """What came of a trial."""

    number: int
    state: str  # complete or pruned
    score: float | None  # None of a trial that was given up
    epochs: int
    picks: dict[str, Any]  # `section.key` -> value
    reason: str  # why it was given up; empty where it was not, or for being worse than the median


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
        return fold_dir(self.catalog.dataset, self.search.base.run, self.fold)

    def check(self) -> None:
        """Refuse, before anything starts, what would fail later or mix with what is there.

        Raises:
            InputError: the dataset lacks the fold, a range holds what no network can be made of,
                or the study is there with other ranges, recipe or data.
            FoldError: the recipe starts from a run that is not trained.
        """
        if not 0 <= self.fold < self.catalog.n_folds:
            raise InputError(
                f"there is no fold {self.fold}: '{self.catalog.dataset}' has folds 0 to "
                f"{self.catalog.n_folds - 1} (--fold)"
            )
        for config in self.search.edges:
            Run(config, self.data).check()
        find_start_weights(self.search.base, self.data.catalog, self.fold)
        if (self.folder / STUDY).exists():
            self._check_study(self.open_study())

    def train(self, trials: int, jobs: int, backend: str) -> None:
        """Go on until so many trials are done; those that a kill ended are started again.

        Trials drawn one after another are the same however often the command was interrupted.

        Args:
            trials: complete and pruned ones, those of earlier calls included.
            jobs: trials at a time.
            backend: as of `run_jobs`.
        Raises:
            InputError: something cannot be read or written, or as of `run_jobs`.
        """
        with files.holding(self.folder / files.LOCK, f"at work on {self.search.base.run}"):
            study = self.open_study()
            self._begin(study)
            done = _count_done(study)
            seeds = range(done, trials)
            if jobs == 1:
                for seed in tqdm(seeds, "trials", trials, False, initial=done, unit="trial"):
                    run_trial(self, seed)
            elif seeds:
                self.data.train_images(self.search.base.image)  # decoded here, by all processors
                with watching(partial(_count_done, study), trials, "trials", "trial"):
                    run_jobs(run_trial, [(self, seed) for seed in seeds], jobs, backend)

    def outcomes(self) -> list[Outcome]:
        """All trials that are done, the best first, those that were given up last."""
        study = self.open_study()
        with self._explaining():
            found = [_describe(t) for t in study.get_trials(deepcopy=False, states=_DONE)]
        sign = 1 if self.task.lower_is_better else -1
        return sorted(found, key=lambda o: (o.score is None, sign * (o.score or 0), o.number))

    def open_study(self, seed: int = 0) -> optuna.Study:
        """The study, made where it is not there.

        Args:
            seed: of what is drawn next.
        Raises:
            InputError: its file cannot be used.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        url = URL.create("sqlite", database=str(self.folder / STUDY)).render_as_string()
        key, pruning = (self.search.base.train.seed, seed), self.search.pruning
        with self._explaining():
            return optuna.create_study(
                storage=optuna.storages.RDBStorage(
                    url, {"connect_args": {"timeout": _SECONDS_FOR_LOCKS}}
                ),
                sampler=optuna.samplers.TPESampler(
                    seed=int(np.random.SeedSequence(key).generate_state(1)[0])
                ),
                pruner=optuna.pruners.MedianPruner(
                    pruning.startup_trials, n_warmup_steps=pruning.warmup_epochs + 1
                ),
                study_name=self.search.name,
                direction="minimize" if self.task.lower_is_better else "maximize",
                load_if_exists=True,
            )

    def train_trial(self, trial: optuna.Trial) -> float:
        """Train a trial's fold, from its last whole epoch where there is one.

        Returns:
            The validation score: of the best epoch where the config keeps that one, else the last.
        Raises:
            TrialPruned: it does worse than the median, cannot be made, or its numbers run away.
            InputError: something cannot be read or written.
        """
        first = trial.user_attrs.get(_FIRST, trial.number)
        folder = self.trial_folder(first)
        picks = self.search.draw(trial)
        trial.set_user_attr(_PICKS, picks)
        name = f"{self.search.base.run}.trial_{first}"
        starts = trial.user_attrs.get(_STARTS, 1)
        if starts > _MOST_STARTS:
            killed = f"its process ended {starts - 1} times before it did; is memory short?"
            raise _giving_up(trial, FoldError(killed))
        try:
            config = self.search.config(picks, name)
            Run(config, self.data).check()
        except InputError as error:
            raise _giving_up(trial, error) from None
        cache = self.data.train_images(config.image)
        data = make_fold_data(config, self.data, cache, self.fold)
        with files.holding(folder / files.LOCK, f"training {name}"):
            try:
                train_fold(config, data, folder, name, after_epoch=_reporting(trial, config))
            except FoldError as error:
                raise _giving_up(trial, error) from None
        return self._score(config, folder)

    def trial_folder(self, number: int) -> Path:
        """Where a trial leaves its history."""
        return self.folder / f"trial_{number}"

    def _score(self, config: Config, folder: Path) -> float:
        with open(folder / HISTORY, newline="", encoding="utf-8") as file:
            scores = [float(row["val_score"]) for row in csv.DictReader(file)]
        if config.train.checkpoint == "last":
            return scores[-1]
        return min(scores) if self.task.lower_is_better else max(scores)

    def _begin(self, study: optuna.Study) -> None:
        """Make a new study ready; enqueue again what the processes of an earlier call left."""
        with self._explaining():
            self._check_study(study)
            trials = study.get_trials(deepcopy=False)
            if not trials and self.search.recipe:
                study.enqueue_trial(self.search.recipe)
            again = {trial.user_attrs.get(_AGAIN) for trial in trials}
            for trial in trials:
                if trial.state in (TrialState.RUNNING, TrialState.FAIL) and (
                    trial.number not in again
                ):
                    _start_again(study, trial)
                if trial.state in _DONE:  # a kill may have come before
                    self._clean(trial.user_attrs.get(_FIRST, trial.number))

    def _check_study(self, study: optuna.Study) -> None:
        """Note what the study is of, or compare it with what was noted.

        Raises:
            InputError: it is of something else.
        """
        space = {setting: one.model_dump(mode="json") for setting, one in self.search.space.items()}
        settings = {
            "base": self.search.base.digest(),
            "space": space,
            "pruning": self.search.pruning.model_dump(),
            "data": self.catalog.fingerprint,
        }
        with self._explaining():
            noted = study.user_attrs
            for key, value in settings.items():
                if key not in noted:
                    study.set_user_attr(key, value)
                elif noted[key] != value:
                    raise InputError(
                        f"{shown(self.folder)} was searched with another {key}: delete it to "
                        "search anew, or give the new search a file of its own"
                    )

    def _clean(self, number: int) -> None:
        """Remove what only a trial in training needs; weights are made anew by its config."""
        for name in (CHECKPOINT, WEIGHTS):
            (self.trial_folder(number) / name).unlink(missing_ok=True)

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """Turn what goes wrong with the study's file into one line."""
        path = self.folder / STUDY
        try:
            yield
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            raise InputError(
                f"{shown(path)} cannot be used ({reason}): where it is damaged, delete "
                f"{shown(self.folder)} to search anew"
            ) from None


def run_trial(tuning: Tuning, seed: int) -> None:
    """Carry out one trial: what waits to be started again, else what the sampler draws.

    Args:
        tuning: whose study has begun.
        seed: of what is drawn.
    Raises:
        InputError: something cannot be read or written; the trial is started again by the next
            `Tuning.train`.
    """
    study = tuning.open_study(seed)
    with tuning._explaining():
        trial = study.ask()
        try:
            study.tell(trial, tuning.train_trial(trial))
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        first = trial.user_attrs.get(_FIRST, trial.number)
        tuning._clean(first)
        outcome = _describe(study.trials[trial.number])
    tqdm.write(describe(outcome))


def describe(outcome: Outcome) -> str:
    """A trial in a line."""
    picks = " ".join(f"{setting}={value}" for setting, value in outcome.picks.items())
    how = f"{outcome.score:.5f}" if outcome.score is not None else "given up"
    why = f" ({outcome.reason})" if outcome.reason else ""
    return f"trial {outcome.number}: {how} after {outcome.epochs} epochs{why}; {picks}"


def _describe(trial: FrozenTrial) -> Outcome:
    is_complete = trial.state == TrialState.COMPLETE
    return Outcome(
        number=trial.user_attrs.get(_FIRST, trial.number),
        state=trial.state.name.lower(),
        score=trial.value if is_complete else None,
        epochs=len(trial.intermediate_values),
        picks=trial.user_attrs.get(_PICKS, {}),
        reason=trial.user_attrs.get(_REASON, ""),
    )


def _reporting(trial: optuna.Trial, config: Config) -> Any:
    """What tells the study of each epoch's score once, and ends what does worse than the median."""
    reported = 0

    def report(history: History) -> None:
        nonlocal reported
        for row in history[reported:]:
            trial.report(row["val_score"], row["epoch"])
        reported = len(history)
        # After its last epoch a trial is what it is.
        if reported < config.train.epochs and trial.should_prune():
            raise optuna.TrialPruned

    return report


def _giving_up(trial: optuna.Trial, error: InputError) -> optuna.TrialPruned:
    """Note why a trial is given up; it counts as a bad one, so that its likes are avoided."""
    trial.set_user_attr(_REASON, str(error)[:300])
    return optuna.TrialPruned()


def _start_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Enqueue a trial whose process ended before it did."""
    notes = {
        _AGAIN: trial.number,
        _FIRST: trial.user_attrs.get(_FIRST, trial.number),
        _STARTS: trial.user_attrs.get(_STARTS, 1) + 1,
    }
    study.enqueue_trial(trial.params, notes)
    if trial.state == TrialState.RUNNING:
        study.tell(trial.number, state=TrialState.FAIL)


def _count_done(study: optuna.Study) -> int:
    return len(study.get_trials(deepcopy=False, states=_DONE))


_WIDTH = 110
_NOT_THE_WINNERS = ("reference", "run")  # keys of the recipe that are not true of another one


def default_path(search: Search) -> Path:
    """Where the config of a search's best trial goes where the user names no file."""
    task = search.base.task
    return configs_dir() / task / f"{search.name.removeprefix(f'{task}_')}_tuned.yaml"


def check_free(path: Path, search: Search) -> None:
    """A config that something else than this search wrote is not written over.

    Raises:
        InputError: there is one, or the file's name makes no config.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"--output {shown(path)}: the name of a config ends in .yaml")
    if not path.exists():
        return
    if not path.is_file() or not _first_line(path).startswith(f"# {_mark(search)}"):
        raise InputError(
            f"{shown(path)} is there, and not by this search: name another file with --output"
        )


def write_config(path: Path, tuning: Tuning, best: Outcome, trials: int, command: str) -> str:
    """Write the best trial's config.

    Args:
        path: of the YAML.
        tuning: the search, carried out.
        best: the trial.
        trials: among how many it is the best.
        command: that found it.
    Returns:
        What to say of it.
    Raises:
        InputError: it cannot be written.
    """
    search = tuning.search
    values = {k: v for k, v in search.values(best.picks).items() if k not in _NOT_THE_WINNERS}
    values["about"] = f"best of {trials} trials from: {search.base.about or search.name}"
    told = explain(tuning, best, trials)
    lines = [
        _mark(search) + f" {trials} trials; found by",
        one_line(command),
        *told,
        f"python src/train.py {shown(path)}",
    ]
    comment = "".join(f"# {line}\n" for line in lines)
    text = yaml.safe_dump(
        values, sort_keys=False, allow_unicode=True, default_flow_style=None, width=_WIDTH
    )
    files.write_text(path, comment + text)
    load_config(str(path))
    return "\n".join(told)


def explain(tuning: Tuning, best: Outcome, trials: int) -> list[str]:
    """What the score of the best trial is, and is not, line by line."""
    config, catalog = tuning.search.config(best.picks, "winner"), tuning.catalog
    score = f"Trial {best.number}: validation {tuning.task.metric} {best.score:.5f}"
    epoch = ", and so was its epoch" if config.train.checkpoint == "best" else ""
    return [
        f"{score} on fold {tuning.fold} of {catalog.dataset}, one view.",
        f"It was chosen by that very score among {trials} trials{epoch}, which flatters it. What",
        "counts is the out-of-fold score of all folds, from training the config like any other run",
        f"(of which fold {tuning.fold} alone stays a little flattered):",
    ]


def _mark(search: Search) -> str:
    """How the comment of a config by a search begins."""
    return f"Tuned by the search {search.name}:"


def _first_line(path: Path) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.readline()
