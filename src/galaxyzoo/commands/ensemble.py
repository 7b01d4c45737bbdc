"""Combine finished runs: compare blends and stackers cross-fitted, choose, write the submission.

Reads the runs' out-of-fold and test tables, never an image, and needs no GPU. Without arguments it
takes every finished run of the task. Chosen is the simplest candidate within one standard error of
the best.

    python3 src/ensemble.py
    python3 src/ensemble.py one-gpu          the runs, tables and candidates of configs/ensembles/
    python3 src/ensemble.py gz37/resnet18 gz37/mobilenetv2 --candidates mean,greedy
    python3 src/ensemble.py --external theirs OOF.csv TEST.csv
    python3 src/ensemble.py --intervals --level 0.8

Predictions made elsewhere on the same split join as the run external/NAME; if only such runs are
named, only they are combined. A table marked with --possible-leakage is scored but not combined,
because its networks may have been trained on these galaxies; naming external/NAME combines it. A
table with a fold too good to be true, as if made from the labels, is refused without that mark.

With --intervals the ensemble stays as it is, and each of its predicted vote fractions gets an
interval, calibrated on its cross-fitted predictions; coverage is counted on folds left out.
"""

import argparse
import time
from pathlib import Path

from galaxyzoo.config.loading import all_ensembles, load_ensemble
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.launch import new_parser
from galaxyzoo.core.paths import (
    choose_dataset,
    ensemble_csv,
    ensemble_oof_csv,
    has_oof,
    intervals_csv,
    shown,
    task_name,
    test_csv,
)
from galaxyzoo.data.catalog import Catalog, load_catalog
from galaxyzoo.ensemble.build import EnsembleBuild
from galaxyzoo.ensemble.intervals import make_intervals
from galaxyzoo.ensemble.members import PREFIX, ExternalTable, find_runs, make_tables, pick_tables
from galaxyzoo.ensemble.selection import CANDIDATES, CLASS_CANDIDATES, pick_candidates
from galaxyzoo.inference import submission
from galaxyzoo.inference.score_card import card_path
from galaxyzoo.reports.console import print_ensemble, print_intervals
from galaxyzoo.tasks.kinds import COMPETITION_TASK, Task
from galaxyzoo.tasks.registry import TASKS, get_task


def main() -> None:
    """Combine the runs, or make intervals of the ensemble that is there."""
    options = parse()
    if options.intervals:
        calibrate(options.dataset, 0.9 if options.level is None else options.level)
    else:
        combine(options)


def combine(options: argparse.Namespace) -> None:
    """Load, cross-fit, choose, predict the test galaxies, write, print."""
    started = time.perf_counter()
    task = pick_task(options.task, options.runs)
    # External tables need no run of ours, so a dataset that is named is taken as it is.
    named = options.dataset if options.external else None
    whole = load_catalog(named or choose_dataset(options.dataset, task.name))
    names = [name for name in options.candidates.split(",") if name]
    tables = make_tables(options.external, options.possible_leakage)
    external = pick_tables(tables, options.runs)
    set_aside = [table for table in tables if table not in external]
    runs, left_out = pick_runs(options.runs, task, whole, bool(external))
    path = check_output(options.output, whole.dataset, task.name, runs, tables)
    oof_path = ensemble_oof_csv(whole.dataset, task.name) if options.output is None else None
    candidates, seed = pick_candidates(names, task), options.seed
    card, is_new = EnsembleBuild(
        task, whole, runs, candidates, seed, path, oof_path, external, set_aside
    ).make()

    if not is_new:
        print("nothing has changed since this ensemble was made:")
    for line in left_out:
        print(line)
    print_ensemble(card)
    print(f"submission of {len(whole.test_ids)} galaxies: {shown(path)}")
    print(f"its score card: {shown(card_path(path))}")
    if options.output is None and task.name == COMPETITION_TASK:
        target = shown(submission.published_csv())
        if submission.publish(path, whole.dataset):
            print(f"copied to {target}")
        else:
            print(
                f"{target} stays as it is: it is of more real data than {whole.dataset}, or has no "
                "whole score card; delete it to have a copy there"
            )
    print(f"done in {time.perf_counter() - started:.1f} s")


def calibrate(dataset: str | None, level: float) -> None:
    """Calibrate intervals, write, print."""
    if not 0 < level < 1:
        raise InputError(f"--level {level:g} must lie between 0 and 1, such as 0.9")
    name = choose_dataset(dataset, COMPETITION_TASK, ensembles=True)
    card, problems = make_intervals(load_catalog(name), level)
    path = intervals_csv(name, COMPETITION_TASK)
    for line in problems:
        print(line)
    print_intervals(card)
    print(f"intervals of {level:g}: {shown(path)}")
    print(f"coverage, also by answer: {shown(card_path(path))}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = new_parser(__doc__)
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN|ENSEMBLE",
        help="runs to combine, or an ensemble in configs/ensembles/ (default: all finished runs)",
    )
    parser.add_argument(
        "--dataset", help="dataset whose runs to combine (default: the only real one, else demo)"
    )
    parser.add_argument(
        "--task",
        help=f"task to combine for (default: that of the named runs, else {COMPETITION_TASK})",
    )
    parser.add_argument(
        "--candidates",
        default="",
        metavar="A,B",
        help=f"some of: {', '.join(CANDIDATES)}; of class tasks: {', '.join(CLASS_CANDIDATES)}",
    )
    parser.add_argument(
        "--external",
        nargs=3,
        action="append",
        default=[],
        metavar=("NAME", "OOF.csv", "TEST.csv"),
        help="predictions made elsewhere on the same split, to be combined too; may be repeated",
    )
    parser.add_argument(
        "--possible-leakage",
        action="append",
        default=[],
        metavar="NAME",
        help="an external table whose networks may have been trained on these galaxies; "
        "may be repeated",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="seed of the boosted trees (default: %(default)s)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write the submission there, and nowhere else"
    )
    parser.add_argument(
        "--intervals", action="store_true", help="make intervals of the ensemble that is there"
    )
    parser.add_argument(
        "--level",
        type=float,
        help="part of the galaxies whose votes the intervals are to hold (default: 0.9)",
    )
    options = parser.parse_args()
    take_ensemble(options)
    check_options(options)
    return options


def take_ensemble(options: argparse.Namespace) -> None:
    """Put the runs, tables and candidates of an ensemble that is named into the options."""
    known = all_ensembles()
    named = [name for name in options.runs if name in known]
    if not named:
        return
    if len(options.runs) > 1:
        raise InputError(f"'{named[0]}' is an ensemble: name it alone, or runs")
    settings = load_ensemble(named[0])
    if settings.external and not any(has_oof(run) for run in settings.runs):
        # Names of tables do not say it.
        options.task = options.task or pick_task(None, settings.runs).name
        options.runs = [f"{PREFIX}{name}" for name, *_ in settings.external]
        options.external += settings.external
        options.dataset = options.dataset or settings.dataset
    else:
        options.runs = settings.runs
    options.candidates = options.candidates or ",".join(settings.candidates)


def check_options(options: argparse.Namespace) -> None:
    """Refuse options that would have no effect."""
    if options.level is not None and not options.intervals:
        raise InputError("--level is of intervals: add --intervals")
    ignored = ("runs", "task", "candidates", "external", "possible_leakage", "seed", "output")
    if options.intervals and any(getattr(options, name) for name in ignored):
        raise InputError("--intervals takes --level and --dataset alone: make the ensemble first")


def pick_task(asked: str | None, runs: list[str]) -> Task:
    """The one asked for, else that of the named runs; runs of votes serve the others' too."""
    if asked is None:
        tasks = {task_name(run) for run in runs} & set(TASKS)
        serving = {name for task in tasks for name in TASKS[task].tasks_of_votes if name != task}
        named = sorted(tasks - serving)
        if len(named) > 1:
            raise InputError(
                f"runs of several tasks are named: add --task with one of {', '.join(named)}"
            )
        asked = named[0] if named else COMPETITION_TASK
    return get_task(asked)


def pick_runs(
    asked: list[str], task: Task, catalog: Catalog, has_external: bool
) -> tuple[list[str], list[str]]:
    """Our own runs to combine, and why others are left out; none need be where tables join."""
    own = [name for name in asked if not name.startswith(PREFIX)]
    if asked and not own:
        return [], []
    return find_runs(task, catalog, own, or_none=has_external)


def check_output(
    output: Path | None, dataset: str, task: str, runs: list[str], external: list[ExternalTable]
) -> Path:
    """Where the submission goes: never over a run's table, nor past `publish` over its copy."""
    path = (output or ensemble_csv(dataset, task)).resolve()
    if path.suffix != ".csv":
        raise InputError(f"--output {shown(path)} must end in .csv")
    taken = {test_csv(dataset, run) for run in runs} | {submission.published_csv()}
    own_oof = ensemble_oof_csv(dataset, task)
    theirs = {p.resolve() for table in external for p in (table.oof_path, table.test_path)}
    if path in taken | theirs | {own_oof}:
        raise InputError(f"{shown(path)} is not for an ensemble to write: choose another --output")
    if own_oof in taken:
        raise InputError(f"run '{task}/oof' has its table where the ensemble's goes: rename it")
    return path
