"""Combine finished runs by blends and stackers, and write the submission.

This command only reads the runs' out-of-fold and test tables: no images, no GPU.
Each ensemble has a folder, submissions/<dataset>/<task>/<name>/. The default is
`default` if the runs of configs/ensembles/default.yaml are trained, else `all`,
which combines every finished run of the task. We choose the simplest candidate
within one standard error of the best.

  python3 src/ensemble.py
  python3 src/ensemble.py all        every finished run
  python3 src/ensemble.py transfer   an ensemble in configs/ensembles/
  python3 src/ensemble.py gz37/cnn gz37/d4cnn --candidates mean --name pair
  python3 src/ensemble.py --import effnet=OOF.csv,TEST.csv
  python3 src/ensemble.py default --similar effnet   would it help?

--import turns predictions made elsewhere on the same split into a run without
networks, for the competition's task or --task; a folder holds pairs
NAME_oof.csv, NAME_test.csv. Tables without a column `fold`, and those that seem
to hold the labels themselves, may come from networks trained on these galaxies.
Their runs are marked, and ensembles use such a run only if you name it.

--similar writes nothing. It prints how the errors of a run correlate with those
of each run of the ensemble, and the score of both together.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.config import loading
from galaxyzoo.core import launch, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.options import DatasetOptions, option, positional, read_options
from galaxyzoo.core.paths import ALL_RUNS, DEMO, DEMOS
from galaxyzoo.data.catalog import (
    Catalog,
    catalog_names,
    dataset_dir,
    find_task,
    load_catalog,
    load_task,
)
from galaxyzoo.ensemble import members, selection
from galaxyzoo.ensemble.build import EnsembleBuild, costs_without, error_correlation
from galaxyzoo.results import console, imported, layout, submission
from galaxyzoo.results.card import EnsembleCard, RunCard
from galaxyzoo.tasks.kinds import COMPETITION_TASK, Task, VoteTask
from galaxyzoo.tasks.registry import TASKS, VOTE_TASKS, ensemble_name, task_name

DEFAULT = "default"  # name of an ensemble
_LONGEST_NAME = 100  # characters


@dataclass(frozen=True, kw_only=True)
class EnsembleOptions(DatasetOptions):
    """Options of the command; a named ensemble fills those that are not given."""

    runs: tuple[str, ...] = positional(
        "runs to combine, an ensemble from configs/ensembles/, or `all` for every finished run "
        "(default: see above)",
        "RUN|ENSEMBLE",
        nargs="*",
    )
    name: str | None = option(
        "name of the ensemble (default: its name in configs/ensembles/, else the runs' names)"
    )
    task: str | None = option(
        f"task of the runs (default: that of the runs you name, else {COMPETITION_TASK})"
    )
    candidates: tuple[str, ...] = option(
        f"candidates to try: {', '.join(selection.CANDIDATES)}; for class tasks: "
        f"{', '.join(selection.CLASS_CANDIDATES)}",
        (),
        metavar="A,B",
    )
    test: members.Networks = option(
        "test predictions to combine: from the folds' networks (default), from networks trained "
        "on all galaxies (`train_folds.sh RUN --refit`), or the mean of both; the weights and "
        "scores always come from the folds",
        "folds",
    )
    similar: str | None = option(
        "compare the errors of this run with those of the others, and print its weight and the "
        "score with and without it",
        excludes=("name", "candidates", "test"),
        metavar="RUN",
    )
    imports: tuple[str, ...] = option(
        "import a pair of tables made elsewhere as a run, or all pairs in a folder (repeatable)",
        (),
        "--import",
        excludes=("runs", "name", "candidates", "test", "similar"),
        action="append",
        type=str,
        metavar="NAME=OOF.csv,TEST.csv",
    )


def main() -> None:
    """Combine the runs, or import some."""
    options = read_options(EnsembleOptions, __doc__)
    if options.imports:
        import_all(options)
    else:
        build_ensemble(name_ensemble(options))


def build_ensemble(options: EnsembleOptions) -> None:
    """Load, cross-fit, choose, predict the test galaxies, write, print."""
    task = pick_task(options.task, options.runs)
    named = check_names(options.runs, task)
    of_task = [run for run in named if task_name(run) == task.name]
    wanted = (of_task or named or [task.name])[0]  # by whose finished runs the dataset is chosen
    whole = load_catalog(layout.choose_dataset(options.dataset, wanted))
    options = take_default(options, task, whole)
    runs, left_out = members.find_runs(task, whole, options.runs)
    if options.similar:
        print_similarity(options.similar, runs, task, whole)
        return
    candidates = selection.pick_candidates(options.candidates, task)
    name = options.name or name_of(runs, task)
    build = EnsembleBuild(task, whole, runs, candidates, name, options.test)
    card, is_new = build.build()

    folder = build.files
    if not is_new:
        print(f"ensemble {name} is up to date:")
    for line in left_out:
        print(line)
    cards = [RunCard.of(whole.dataset, run) for run in runs]
    console.print_ensemble(card, {member.run: member.problems for member in cards})
    refitted = [member.run for member in cards if member.refits]
    networks = f" (networks: {options.test})" if refitted else ""
    print(
        f"submission for {len(whole.test_ids):,} test galaxies{networks}: {paths.shown(folder.csv)}"
    )
    print(f"score card: {paths.shown(folder.card)}")
    if task.name == COMPETITION_TASK:
        print(submission.publish(folder.csv, whole.dataset))
    line = submission.compare_to_record(folder.csv, folder.record_csv)
    if line and options.test == "folds":
        print(line)
    if refitted and options.test == "folds":
        next_command = suggest_refits(card, refitted, options.candidates)
    else:
        built = ensemble_name(task.name, name)
        arguments = launch.quote(built, "--dataset", whole.dataset)
        next_command = launch.suggest("ensemble", arguments)
    launch.print_done(f"ensemble {name}, {card.score_text}", next_command)


def suggest_refits(card: EnsembleCard, refitted: Sequence[str], candidates: Sequence[str]) -> str:
    """Print whose networks made a submission, and what those trained on all galaxies can add.

    Args:
        card: of the ensemble, of the folds' networks.
        refitted: its runs that were also trained on all galaxies.
        candidates: those that were typed.
    Returns:
        Command that builds the ensemble of both kinds of networks.
    """
    print("This submission is from the folds' networks.")
    shown = ", ".join(refitted)
    if set(refitted) == set(card.runs):
        print(
            "The next command averages it with that of the networks trained on all galaxies "
            f"({shown})."
        )
        return card.model_copy(update={"test": "both"}).command()
    print(
        f"Only these runs were also trained on all galaxies: {shown}. The next command averages "
        "both kinds of networks and leaves out the other runs."
    )
    arguments = [*refitted, "--test", "both", "--task", card.task, "--dataset", card.dataset]
    if candidates:
        arguments += ["--candidates", ",".join(candidates)]
    return f"{launch.typed('ensemble')} {launch.quote(*arguments)}"


def print_similarity(named: str, runs: Sequence[str], task: Task, whole: Catalog) -> None:
    """Print how a run's errors correlate with those of others, and what it adds to their blend.

    Args:
        named: the run; it may be one of the others.
        runs: the others.
        task: that all serve.
        whole: the dataset's whole catalog.
    """
    run = check_names([named], task)[0]
    combined, _ = members.find_runs(task, whole, [*runs, run])
    if combined == [run] or not isinstance(task, VoteTask):
        raise InputError("--similar compares a run of vote fractions with other runs: name some")
    nnls = selection.pick_candidates(["nnls"], task)
    oof = [members.load_oof(name, task, whole) for name in combined]
    features = np.stack(oof, axis=1)  # (galaxy, run, column)
    targets = whole.targets(task)

    errors = features - targets[:, None]
    noise = task.vote_noise(targets).mean(axis=0)
    table = pd.DataFrame({"raw": error_correlation(combined, errors)[run]})
    for question, columns in enumerate([slice(None), *task.groups]):
        correlation = error_correlation(combined, errors[..., columns], noise[columns].mean())
        table[f"{question or 'all'}"] = correlation[run]
    table = table.drop(run).map("{:.2f}".format).reset_index(names="run")
    console.print_table(
        f"correlation with the errors of {run}: raw; without the votes' noise, of all answers and "
        "by question",
        table,
    )

    fits = selection.cross_fit(nnls, task, features, targets, whole.folds)
    weights = pd.Series(fits.models["nnls"].about(combined, task)["weights"][run])
    cost = costs_without(fits, "nnls", combined)["runs"][run]
    print(
        f"nnls gives it a weight of {weights.mean():.2f} ({weights.min():.2f} to "
        f"{weights.max():.2f} by question)\n"
        f"cross-fitted {task.metric}: {fits.score('nnls'):.5f} with it, "
        f"{fits.score('nnls') + cost['difference']:.5f} without it "
        f"({console.with_error(cost['difference'], cost['se'])})"
    )


def import_all(options: EnsembleOptions) -> None:
    """Make runs of predictions made elsewhere, print their scores."""
    datasets = [name for name in catalog_names() if name not in DEMOS] or [DEMO]
    if options.dataset is None and len(datasets) > 1:
        raise InputError(f"--import needs --dataset with one of {', '.join(datasets)}")
    catalog = load_catalog(options.dataset or datasets[0])
    task = load_task(options.task or COMPETITION_TASK).name
    pairs = imported.list_pairs(options.imports, task)
    cards = imported.import_runs(catalog, pairs)
    for card in cards:
        print(f"{card.run}: {card.score_text} on {card.galaxies:,} galaxies")
        remarks = card.imported.remarks if card.imported else []
        console.print_problems(card.run, [*card.problems, *remarks])
        if card.is_optimistic:
            print(f"{card.run} may have trained on these galaxies; ensembles use it only if named")
    task = cards[-1].task
    of_task = [card for card in cards if card.task == task]
    usable = [ALL_RUNS]
    if all(card.is_optimistic for card in of_task):
        usable = [card.run for card in of_task]
    arguments = launch.quote(*usable, "--task", task, "--dataset", catalog.dataset)
    launch.print_done(f"imported on {catalog.dataset}", f"{launch.typed('ensemble')} {arguments}")


def name_recipes(options: EnsembleOptions) -> EnsembleOptions:
    """Replace paths of recipes and ensembles by their names."""
    runs = tuple(loading.name_of(word) for word in options.runs)
    similar = options.similar
    if similar:
        similar = loading.name_of(similar)
    return replace(options, runs=runs, similar=similar)


def name_ensemble(options: EnsembleOptions) -> EnsembleOptions:
    """Fill the options with a named ensemble: name and runs.

    An InputError refuses an ensemble beside other runs, a reserved `--name`, and other candidates
    under the name of a config.
    """
    options = name_recipes(options)
    reserved = loading.reserved_ensembles()
    named = [word for word in options.runs if word in reserved]
    if named and len(options.runs) > 1:
        raise InputError(f"'{named[0]}' is an ensemble: name it alone, or name only runs")
    name = options.name
    if name is not None and (name in reserved or not re.fullmatch(r"\w[\w.+@-]*", name)):
        raise InputError(
            f"--name {name}: use letters, digits and _.+@-, but not "
            f"{', '.join(reserved)}, which are reserved"
        )
    if not named:
        return options
    ensemble = named[0]
    if ensemble == ALL_RUNS:
        return replace(options, name=options.name or ALL_RUNS, runs=())
    if options.candidates and not options.name:
        raise InputError(
            f"configs/ensembles/{ensemble}.yaml defines '{ensemble}': to try other candidates, "
            "add --name"
        )
    return take_settings(replace(options, name=options.name or ensemble), ensemble)


def take_settings(options: EnsembleOptions, ensemble: str) -> EnsembleOptions:
    """Fill the options with the runs of an ensemble's config; import them if none is trained.

    Runs trained on a demo count only where the tables' dataset is not prepared. A run that has no
    tables and no recipe is an InputError.
    """
    settings = loading.load_ensemble_settings(ensemble)
    to_be_trained = [run for run in settings.runs if not _has_tables(run, settings)]
    loading.check_members(ensemble, to_be_trained)
    options = replace(options, runs=tuple(settings.runs))
    dataset = settings.dataset
    trained_on = set()
    for run in settings.runs:
        for name in layout.datasets_with_run(run):
            if options.dataset in (None, name) and not RunCard.of(name, run).imported:
                trained_on.add(name)
    if not options.dataset and dataset and dataset_dir(dataset).exists():
        trained_on -= set(DEMOS)
    is_elsewhere = options.dataset not in (None, dataset)
    if trained_on or not settings.tables or not dataset or is_elsewhere or options.similar:
        return options
    if not (paths.CODE_ROOT / settings.tables).is_dir():  # an installed package has none
        return options
    print(f"no run of {ensemble} is trained on {dataset}: importing tables in {settings.tables}/")
    pairs = []
    for run in settings.runs:
        folder = _kept_tables(settings.tables, run)
        oof = folder / layout.PACKED["oof"]
        test = folder / layout.PACKED["test"]
        pairs.append(imported.TablePair(run, oof, test))
    imported.import_runs(load_catalog(dataset), pairs)
    return replace(options, dataset=dataset)


def _has_tables(run: str, settings: loading.EnsembleSettings) -> bool:
    """Check whether a run of an ensemble's config has tables here, or among those that are kept."""
    if layout.datasets_with_run(run):
        return True
    return settings.tables is not None and _kept_tables(settings.tables, run).is_dir()


def _kept_tables(tables: str, run: str) -> Path:
    """Folder of a run's tables in the folder that an ensemble's config names."""
    return paths.CODE_ROOT / tables / run.replace("/", "/recipes/")


def take_default(options: EnsembleOptions, task: Task, catalog: Catalog) -> EnsembleOptions:
    """Choose an ensemble if none is named: `default` if its runs are trained, else `all`."""
    if options.runs or options.name:
        return options
    trained, _ = members.find_runs(task, catalog, [], or_none=True)
    default: list[str] = []
    if DEFAULT in loading.all_ensembles():
        default = loading.load_ensemble_settings(DEFAULT).runs
    missing = [run for run in default if run not in trained]
    if default and not missing and not options.candidates:
        line = f"combining the runs of configs/ensembles/{DEFAULT}.yaml"
        others = [run for run in trained if run not in default]
        if others:
            arguments = f"{ALL_RUNS} --task {launch.quote(task.name)}"
            line += f"; `{launch.typed('ensemble')} {arguments}` adds {', '.join(others)}"
        print(line)
        return replace(options, name=DEFAULT, runs=tuple(default))
    if task.name == COMPETITION_TASK:
        line = f"combining every finished run of {task.name}"
        if missing and not options.candidates:
            line += f" ({DEFAULT} still needs {', '.join(missing)})"
        print(line)
    return replace(options, name=ALL_RUNS)


def check_names(runs: Sequence[str], task: Task) -> list[str]:
    """The runs' full names; refuse those that neither `configs/` nor a dataset has."""
    own_task = None if task.name in TASKS else task
    full_names = []
    for run in runs:
        full_name = run if "/" in run else f"{task.name}/{run}"
        if not layout.datasets_with_run(full_name):
            loading.find_recipe(full_name, own_task=own_task)
        full_names.append(full_name)
    return full_names


def name_of(runs: Sequence[str], task: Task) -> str:
    """Name an ensemble after its runs, in alphabetical order; an InputError if that is too long."""
    stems = {run.removeprefix(f"{task.name}/").replace("/", "-") for run in runs}
    name = "+".join(sorted(stems))
    if name in loading.reserved_ensembles():
        raise InputError(f"'{name}' is the name of another ensemble: add --name")
    if len(name) > _LONGEST_NAME:
        raise InputError(f"the names of {len(stems)} runs make too long a folder name: add --name")
    return name


def pick_task(asked: str | None, runs: Sequence[str]) -> Task:
    """Choose the task asked for, else that of the named runs; runs of votes serve every task.

    Runs of several tasks are an InputError; without any the task is the competition's.
    """
    if asked is not None:
        return load_task(asked)
    tasks = {task_name(run) for run in runs}
    tasks = {name for name in tasks if find_task(name)}
    others = tasks - {COMPETITION_TASK}
    if others & VOTE_TASKS:  # runs of votes serve these, too
        tasks = others
    if len(tasks) > 1:
        raise InputError(
            f"the runs belong to several tasks: add --task with one of {', '.join(sorted(tasks))}"
        )
    return load_task(tasks.pop() if tasks else COMPETITION_TASK)
