"""Compare blends and stackers of finished runs, choose, write the submission.

Reads the runs' out-of-fold and test tables, never an image, and needs no GPU.
An ensemble has a name and a folder, submissions/<dataset>/<task>/<name>/.
Without a name it is `default` where the runs of configs/ensembles/default.yaml
are trained, else `all`, every finished run of the task. Chosen is the simplest
candidate within one standard error of the best.

  python3 src/ensemble.py
  python3 src/ensemble.py all        every finished run
  python3 src/ensemble.py one-gpu    an ensemble in configs/ensembles/
  python3 src/ensemble.py gz37/cnn gz37/d4cnn --candidates mean --name pair
  python3 src/ensemble.py all --external theirs OOF.csv TEST.csv
  python3 src/ensemble.py default --intervals 0.8

Predictions made elsewhere on the same split join as the run external/NAME; if
only such runs are named, only they are combined. A table marked with
--possible-leakage is scored but not combined, because its networks may have
been trained on these galaxies; naming external/NAME combines it. A table with a
fold too good to be true, as if made from the labels, is refused without that
mark.

With --intervals an ensemble of votes stays as it is, and each of its predicted
vote fractions gets an interval, calibrated on its cross-fitted predictions;
coverage is counted on folds left out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from galaxyzoo.config import loading
from galaxyzoo.config.base import ALL_RUNS, DEMOS
from galaxyzoo.core import launch, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.extras import load_all
from galaxyzoo.core.options import DatasetOptions, option, positional, read_groups
from galaxyzoo.data.catalog import Catalog, dataset_dir, load_catalog
from galaxyzoo.ensemble.build import EnsembleBuild
from galaxyzoo.ensemble.members import find_runs, make_tables, pick_tables
from galaxyzoo.ensemble.selection import CANDIDATES, CLASS_CANDIDATES, pick_candidates
from galaxyzoo.results import layout, submission
from galaxyzoo.results.console import print_ensemble
from galaxyzoo.tasks.kinds import COMPETITION_TASK, Task
from galaxyzoo.tasks.registry import ensemble_name, find_task, get_task, task_name

DEFAULT = "default"  # name of an ensemble
_LONGEST_NAME = 100  # characters


@dataclass(frozen=True, kw_only=True)
class EnsembleOptions(DatasetOptions):
    """Options of the command; a named ensemble fills those that are not given."""

    runs: tuple[str, ...] = positional(
        "runs to combine, an ensemble in configs/ensembles/, or all, every finished run (default: "
        "see above)",
        "RUN|ENSEMBLE",
        nargs="*",
    )
    name: str | None = option(
        "of the ensemble (default: that in configs/ensembles/, else from the runs')"
    )
    task: str | None = option(
        f"task to combine for (default: that of the named runs, else {COMPETITION_TASK})"
    )
    candidates: tuple[str, ...] = option(
        f"some of: {', '.join(CANDIDATES)}; of class tasks: {', '.join(CLASS_CANDIDATES)}",
        (),
        metavar="A,B",
    )
    external: tuple[Sequence[Any], ...] = option(
        "predictions made elsewhere on the same split, to be combined too; may be repeated",
        (),
        nargs=3,
        action="append",
        type=str,
        metavar=("NAME", "OOF.csv", "TEST.csv"),
    )
    possible_leakage: tuple[str, ...] = option(
        "an external table whose networks may have been trained on these galaxies",
        (),
        metavar="NAME",
    )

    @property
    def is_changed(self) -> bool:
        """Whether what a config says of an ensemble is not all."""
        return bool(self.candidates or self.external or self.possible_leakage)


def main() -> None:
    """Combine the runs, or make intervals of a built ensemble."""
    uses = [use for use in load_all("predictions") if use.command == "ensemble"]
    groups = {use.title: use.options for use in uses}
    options, read = read_groups(EnsembleOptions, groups, __doc__)
    if not any(use.make(options, read[use.title], read) for use in uses):
        combine(name_ensemble(options))


def combine(options: EnsembleOptions) -> None:
    """Load, cross-fit, choose, predict the test galaxies, write, print."""
    task = pick_task(options.task, options.runs)
    check_names(options.runs, task)
    # External tables need no trained run on the dataset, so a named one is not checked for any.
    named = options.dataset if options.external else None
    whole = load_catalog(named or layout.choose_dataset(options.dataset, task.name))
    options = take_default(options, task, whole)
    tables = make_tables(options.external, options.possible_leakage)
    external = pick_tables(tables, options.runs)
    set_aside = [table for table in tables if table not in external]
    runs = [name for name in options.runs if not name.startswith(layout.PREFIX)]
    left_out: list[str] = []
    if runs or not options.runs:  # with external tables it is no error if no run is trained
        runs, left_out = find_runs(task, whole, runs, or_none=bool(external))
    candidates = pick_candidates(options.candidates, task)
    name = options.name or name_of([*runs, *(table.run for table in external)], task)
    build = EnsembleBuild(task, whole, runs, candidates, name, external, set_aside)
    card, is_new = build.make()

    folder = build.folder
    if not is_new:
        print(f"nothing has changed since the ensemble {name} was made:")
    for line in left_out:
        print(line)
    print_ensemble(card)
    print(f"submission of {len(whole.test_ids)} galaxies: {paths.shown(folder.csv)}")
    print(f"its score card: {paths.shown(folder.card)}")
    if task.name == COMPETITION_TASK:
        print(submission.publish(folder.csv, whole.dataset))
    if line := submission.compare_to_record(folder.csv, folder.record_csv):
        print(line)
    launch.print_done(
        f"ensemble {name}, {card.metric} {card.score:.5f}",
        f"{launch.typed('evaluate')} {ensemble_name(task.name, name)} --dataset {whole.dataset}",
    )


def name_ensemble(options: EnsembleOptions) -> EnsembleOptions:
    """Fill the options with a named ensemble: name, runs, tables and candidates."""
    known = loading.all_ensembles()
    named = [word for word in options.runs if word in (*known, ALL_RUNS)]
    if named and len(options.runs) > 1:
        raise InputError(f"'{named[0]}' is an ensemble: name it alone, or runs")
    if options.name in (*known, ALL_RUNS) or not re.fullmatch(r"\w[\w.+@-]*", options.name or "x"):
        raise InputError(
            f"--name {options.name}: take letters, digits and .+@-, and none of "
            f"{', '.join([*known, ALL_RUNS])}, which are names of their own"
        )
    if not named:
        return options
    if named[0] in known and options.is_changed and not options.name:
        raise InputError(
            f"'{named[0]}' is what configs/ensembles/{named[0]}.yaml says: with other candidates "
            "or tables it needs a --name of its own"
        )
    options = replace(options, name=options.name or named[0], runs=())
    if named[0] not in known:
        return options
    return take_settings(options, loading.load_ensemble_settings(named[0]))


def take_settings(options: EnsembleOptions, settings: loading.EnsembleSettings) -> EnsembleOptions:
    """Fill the options with the runs of an ensemble's config, or its tables if none is trained.

    Runs trained on a demo count only where the tables' dataset is not prepared.
    """
    trained = {dataset for run in settings.runs for dataset in layout.datasets_with_run(run)}
    if options.dataset:
        wants_tables = options.dataset == settings.dataset and options.dataset not in trained
    elif settings.dataset and dataset_dir(settings.dataset).exists():
        wants_tables = not trained - {*DEMOS}
    else:
        wants_tables = not trained
    external = layout.recipe_tables(settings)
    if not (external and wants_tables):
        return replace(options, runs=tuple(settings.runs))
    print(
        f"none of its runs is trained on {settings.dataset}: combining the tables in "
        f"{settings.tables}/"
    )
    return replace(
        options,
        # The task is read off the runs: names of tables do not contain it.
        task=options.task or pick_task(None, settings.runs).name,
        runs=tuple(f"{layout.PREFIX}{name}" for name, *_ in external),
        external=(*options.external, *external),
        dataset=settings.dataset,
    )


def take_default(options: EnsembleOptions, task: Task, catalog: Catalog) -> EnsembleOptions:
    """Choose an ensemble if none is named: `default` if its runs are trained, else `all`."""
    if options.runs or options.name:
        return options
    trained = find_runs(task, catalog, [], or_none=True)[0]
    default = (
        loading.load_ensemble_settings(DEFAULT).runs if DEFAULT in loading.all_ensembles() else []
    )
    if not options.is_changed and default and {*default} <= {*trained}:
        line = f"{DEFAULT}: the runs of configs/ensembles/{DEFAULT}.yaml"
        if others := [run for run in trained if run not in default]:
            line += f"; `{launch.typed('ensemble')} {ALL_RUNS}` takes {', '.join(others)} too"
        print(line)
        return replace(options, name=DEFAULT, runs=tuple(default))
    if task.name == COMPETITION_TASK:
        lacking = [run for run in default if run not in trained]
        why = (
            "" if options.is_changed or not lacking else f" ({DEFAULT} lacks {', '.join(lacking)})"
        )
        print(f"{ALL_RUNS}: every finished run of {task.name}{why}")
    return replace(options, name=ALL_RUNS)


def check_names(runs: Sequence[str], task: Task) -> None:
    """Refuse runs that neither `configs/` nor a trained dataset has."""
    for run in runs:
        name = run if "/" in run else f"{task.name}/{run}"
        if not run.startswith(layout.PREFIX) and not layout.datasets_with_run(name):
            loading.config_path(name.split("@")[0])


def name_of(runs: Sequence[str], task: Task) -> str:
    """Name an ensemble after its runs, in alphabetical order."""
    stems = {run.removeprefix(f"{task.name}/").replace("/", "-") for run in runs}
    name = "+".join(sorted(stems))
    if len(name) > _LONGEST_NAME:
        raise InputError(f"{len(stems)} runs are named: give their ensemble a --name")
    return name


def pick_task(asked: str | None, runs: Sequence[str]) -> Task:
    """Choose the task asked for, else that of the named runs; runs of votes serve every task."""
    if asked is None:
        tasks = {task for task in map(task_name, runs) if find_task(task)}
        serving = {name for task in tasks for name in get_task(task).tasks_of_votes if name != task}
        named = sorted(tasks - serving)
        if len(named) > 1:
            raise InputError(
                f"runs of several tasks are named: add --task with one of {', '.join(named)}"
            )
        asked = named[0] if named else COMPETITION_TASK
    return get_task(asked)
