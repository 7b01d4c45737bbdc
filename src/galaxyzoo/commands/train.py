"""Train all folds of the named runs; write out-of-fold and test predictions.

Finished folds are not retrained, and interrupted ones resume. Without data in
input/, the command trains on simulated demo galaxies with the short schedules
of configs/demo.yaml.

  python3 src/train.py                              the default ensemble's runs
  python3 src/train.py gz37/resnet18                one run
  python3 src/train.py hubble10                     the runs of a task
  python3 src/train.py transfer                     the runs of an ensemble
  python3 src/train.py gz37/resnet18 train.lr=2e-3  one setting changed
  python3 src/train.py --refit --seeds 2            also on all galaxies
  python3 src/train.py --data mine                  the dataset in input/mine/
  python3 src/train.py on_bad_image=drop            without unusable images
  python3 src/train.py --data demo-full             the demo set in full
  python3 src/train.py --jobs 1                     one fold at a time
  python3 src/train.py --plan                       hours, disk and memory
  python3 src/train.py --smoke                      a quick smoke test
  python3 src/train.py --settings train             settings in `train:`
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from galaxyzoo.config import base, loading
from galaxyzoo.config.schema import ORIGINAL_PX, SET_WHEN_LOADED, Config
from galaxyzoo.core import console, launch, paths
from galaxyzoo.core.errors import FoldError, InputError
from galaxyzoo.core.options import (
    DataOptions,
    JobOptions,
    fold_numbers,
    option,
    positional,
    positive,
    read_options,
)
from galaxyzoo.core.paths import DEMO_FULL
from galaxyzoo.data.catalog import folds_dir
from galaxyzoo.data.decoding import measure
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.data.readers.find import find_named_task, open_input
from galaxyzoo.data.stores.opening import spell_settings, with_settings
from galaxyzoo.results.card import RunCard
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import TASKS, task_name
from galaxyzoo.training.plan import Plan, prepare_all

DEFAULT_ENSEMBLE = "default"
_OF_FOLDS = ("only", "refit", "seeds", "jobs", "backend")  # options of a training of folds


@dataclass(frozen=True, kw_only=True)
class TrainOptions(DataOptions, JobOptions):
    """Options of the command."""

    runs: tuple[str, ...] = positional(
        "runs (gz37/resnet18), tasks, ensembles, and settings (train.epochs=4)",
        "RUN|KEY=VALUE",
        nargs="*",
    )
    folds: int | None = option("number of folds for a new split (default: 5)", metavar="K")
    only: tuple[int, ...] | None = option(
        "train only these folds, such as 0 or 0,2", metavar="FOLDS", type=fold_numbers
    )
    ensemble: bool = option("then build the ensemble you name, else that of the task's runs", False)
    refit: bool = option(
        "after the folds, also train on all galaxies for a second set of test predictions, which "
        "`ensemble.py … --test both` submits (imported runs skip the folds)",
        False,
    )
    seeds: int = option(
        "number of --refit networks (default: 1)", 1, needs="refit", metavar="N", type=positive
    )
    plan: bool = option(
        "estimate time, disk and memory of all folds, and exit",
        False,
        excludes=("smoke", "holdout", *_OF_FOLDS),
    )
    holdout: bool = option(
        "instead of folds, train on 70 %% of galaxies, validate on 15 %% and test on 15 %%",
        False,
        excludes=("smoke", *_OF_FOLDS),
    )
    smoke: bool = option(
        "smoke test: briefly train one fold of the first run, keep nothing",
        False,
        excludes=_OF_FOLDS,
    )
    settings: str | None = option(
        "print the run's YAML with each setting's type, default and meaning, and exit",
        nargs="?",
        const="",
        excludes=("plan", "holdout", "smoke", "folds", *_OF_FOLDS),
        metavar="SECTION",
    )

    def __post_init__(self) -> None:
        """Refuse too few folds."""
        if self.folds is not None and self.folds < 2:
            raise InputError("--folds must be 2 or more")

    @property
    def named(self) -> list[str]:
        """Names of the runs, tasks and ensembles to be trained."""
        return [loading.name_of(word) for word in self.runs if "=" not in word]

    @property
    def overrides(self) -> list[str]:
        """Settings, `key=value`, as they were typed."""
        return [word for word in self.runs if "=" in word]

    @property
    def full_command(self) -> str:
        """The command that trains all folds of the same runs and builds their ensemble."""
        named = f"{launch.typed('train_folds')} {launch.quote(*self.runs)}".rstrip()
        return f"{named}{launch.data_option(self.data)}"


def main() -> None:
    """Read the options, prepare, then plan, smoke or train."""
    options = read_options(with_settings(TrainOptions), __doc__)
    if options.settings is not None:
        explain_settings(options)
        return
    plan = resolve(options)
    datasets = prepare_all(plan, options.folds)
    data = datasets[None]
    # Only now, so that mistakes in arguments or files are reported before torch's slow import.
    from galaxyzoo.training.planning import print_plan
    from galaxyzoo.training.smoke import smoke

    print_notes(plan, data)
    if options.plan:
        print_plan(plan.configs, datasets)
        launch.print_done("plan only, nothing trained", options.full_command)
    elif options.smoke:
        smoke(plan.asked[0], data)
        launch.print_done("smoke test only, nothing kept", options.full_command)
    elif options.holdout:
        exit_if_stopped(hold_out(plan.asked, data))
        scope = "hold-out scores; out-of-fold scores need all folds"
        launch.print_done(scope, options.full_command)
    else:
        train(plan, datasets, options)


def resolve(options: TrainOptions) -> Plan:
    """Read the recipes and the input that were typed; refuse what cannot be trained."""
    own_task, runs = find_runs(options)
    raw = open_input(options.data, find_tasks(runs, options, own_task), spell_settings(options))
    own_task = raw.own_task  # of the labels as they are now, perhaps with other classes
    if raw.task and not options.named:
        runs = [f"{raw.task.name}/head"]
    asked = load_configs(runs, options.overrides, raw.dataset, own_task)
    configs: dict[str, Config] = {}  # a stage that several recipes share comes once
    for config in asked:
        for training in config.runs:
            configs[training.run] = training
    only = options.only or ()
    jobs = options.jobs
    if len(only) == 1:  # a fold alone is trained in this process
        jobs = jobs or 1
    return Plan(
        named=options.named or [DEFAULT_ENSEMBLE],
        raw=raw,
        asked=asked,
        configs=list(configs.values()),
        only=only,
        refits=options.seeds if options.refit else 0,
        jobs=jobs,
    )


def find_runs(options: TrainOptions) -> tuple[Task | None, list[str]]:
    """Find the task of own labels, if any, and the recipes of runs, tasks and ensembles."""
    own_task = find_own_task(options)
    runs: list[str] = []
    for name in options.named or [DEFAULT_ENSEMBLE]:
        runs += loading.runs_of(name, own_task, find_named_task)
    # The default's may give way to the recipe of own labels: theirs are not its settings.
    overrides = options.overrides if options.named else ()
    recipes = [loading.find_recipe(run, overrides, own_task, find_named_task) for run in runs]
    return own_task, recipes


def find_tasks(runs: Sequence[str], options: TrainOptions, own_task: Task | None) -> set[str]:
    """Names of the tasks of recipes, by which the input is chosen.

    An InputError refuses a recipe without a task or of an unknown one. Where the user named data or
    own labels, it may be theirs: the recipes are checked when they are loaded for these.
    """
    may_have_own_labels = own_task is not None or options.data is not None
    tasks = set()
    for run in runs:
        task = str(loading.read_recipe(run, own_task=own_task).get("task"))
        if not may_have_own_labels and find_named_task(task) is None:
            (config,) = load_configs([run], options.overrides, own_task=own_task)
            task = config.task  # of an override
        tasks.add(task)
    return tasks


def find_own_task(options: TrainOptions) -> Task | None:
    """Find the task of own labels among tasks and runs that the user named; None: there is none.

    Two of them are an InputError.
    """
    own_task = None
    for name in dict.fromkeys(map(task_name, options.named)):
        task = find_named_task(name, options.data)
        if task is None or name in TASKS:
            continue
        if own_task:
            raise InputError(
                f"{own_task.name} and {name} are two datasets: train one after the other"
            )
        own_task = task
    return own_task


def load_configs(
    runs: Sequence[str], overrides: Sequence[str], dataset: str = "", own_task: Task | None = None
) -> list[Config]:
    """Load the runs' configs, each once, with the overrides on top.

    A stage may be of the own labels of another dataset, under its name.
    """
    configs: dict[str, Config] = {}
    for run in runs:
        config = loading.load_config(run, overrides, dataset, own_task, find_named_task)
        known = configs.setdefault(config.run, config)
        if known.digest() != config.digest():
            raise InputError(f"two of these recipes are named {config.run}: rename one's file")
    return list(configs.values())


def print_notes(plan: Plan, data: Dataset) -> None:
    """Print which data are trained on, and what is not as one may expect."""
    from galaxyzoo.core.devices import describe_machine, get_device

    console.print_text(
        f"dataset {data.dataset}: {len(data.ids):,} training and {len(data.test_ids):,} "
        f"test galaxies, {data.n_folds} folds; {describe_machine()}"
    )
    if plan.raw.own_task:
        console.print_text(describe_labels(data, plan.raw.own_task))
    short = plan.on_demo_schedule
    if short:
        console.print_text(
            f"short demo schedule (see configs/demo.yaml) for {', '.join(short)}; for full "
            f"training, add --data {DEMO_FULL}"
        )
    slow = [config.run for config in plan.asked if config.needs_gpu]
    if slow and get_device().type == "cpu":
        console.print_text(
            "no GPU found; runs that are meant for a GPU (--plan estimates their hours): "
            f"{', '.join(slow)}"
        )


def describe_trained(cards: Sequence[RunCard]) -> str:
    """Name the folder of the trained runs, and each task's best one."""
    best = {}  # by task: the last of each, which has the lowest score
    for card in sorted(cards, key=lambda card: -card.score):
        best[card.task] = card
    scores = [f"best {card.run}, {card.score_text}" for card in best.values()]
    return f"{paths.shown(folds_dir())}/; {'; '.join(scores)}"


def next_command(
    cards: Sequence[RunCard], builds: Sequence[Sequence[str]], full_command: str
) -> str:
    """Command after a training: the other folds, an ensemble, or what an extra offers."""
    if not all(card.is_whole for card in cards):
        return full_command
    task = cards[0].task
    place = f"--dataset {launch.quote(cards[0].dataset)}"
    arguments: Sequence[str] = []
    if builds:
        arguments = builds[0]
    elif task in TASKS:  # an optimistic run is combined if named
        arguments = [card.run for card in cards if card.task == task and not card.diverged]
    if arguments:
        return f"{launch.typed('ensemble')} {launch.quote(*arguments)} {place}"
    return launch.suggest("train", f"{launch.quote(task)} {place}")


def describe_labels(data: Dataset, task: Task) -> str:
    """Describe what a table of own labels holds, the galaxies of a fold, and images' other size."""
    images = data.raw.train_images
    counts = zip(task.columns, data.targets(task).sum(axis=0), strict=True)
    columns = ", ".join(f"{name} {count:,.0f}" for name, count in counts)
    sizes = np.bincount(data.folds)
    size = f"{sizes.min():,}"
    if sizes.max() > sizes.min():
        size += f" to {sizes.max():,}"
    description = f"labels: {columns}; {size} galaxies per fold"
    height, width, *_ = measure(images.read(data.ids[0]))
    if height == width == ORIGINAL_PX:
        return description
    return (
        f"{description}; images of {width} × {height} px, assumed to show as much sky as Galaxy "
        f"Zoo's {ORIGINAL_PX} px of 0.02 petroR90_r; if not, set image.field_px"
    )


def explain_settings(options: TrainOptions) -> None:
    """Print the YAML of each stage with the meaning of each setting, whole (`""`) or a section."""
    own_task, runs = find_runs(options)
    if not options.runs:
        runs = ["gz37/student"]  # has all settings, a teacher's too, and a single stage
    config = load_configs(runs, options.overrides, own_task=own_task)[0]
    section = options.settings
    for stage in config.stages:
        settings = getattr(stage, section, None) if section else stage
        if not isinstance(settings, base.Settings):
            sections = [name for name, value in config if isinstance(value, base.Settings)]
            raise InputError(
                f"--settings {section} is not a section: choose from {', '.join(sections)}"
            )
        if len(config.stages) > 1:
            print(f"--- # stage {stage.stage}")
        print(base.commented_yaml(settings, without=() if section else SET_WHEN_LOADED))


def train(plan: Plan, datasets: Mapping[str | None, Dataset], options: TrainOptions) -> None:
    """Train the runs, print their scores, build their ensembles; exit if folds stopped.

    Args:
        plan: of the runs.
        datasets: of the stages, by name; None: that of the runs.
        options: of the command line.
    """
    from galaxyzoo.results.console import print_run_table
    from galaxyzoo.training.jobs import choose_jobs
    from galaxyzoo.training.run import Run
    from galaxyzoo.training.runs import train_runs

    data = datasets[None]
    runs = {config.run: Run(config, datasets[config.dataset]) for config in plan.configs}
    # All of them first: the last run's mistake must not wait for the first's hours. The last first:
    # where an earlier stage has no labels here, the run that needs it says what to do.
    for run in reversed(runs.values()):
        run.check()
    jobs = plan.jobs or choose_jobs(plan.configs, datasets)
    trainings = plan.trainings(data.n_folds)
    cards = list(train_runs(list(runs.values()), trainings, jobs, options.backend))
    print_run_table([(card, runs[card.run].minutes()) for card in cards])
    usable = set()
    for card in cards:
        if card.is_whole and not card.is_optimistic and not card.diverged:
            usable.add(card.run)
    builds = plan.ensembles(usable)
    needs_ensemble = not plan.asked[0].labels  # which own labels do not
    if options.ensemble and needs_ensemble and not builds:
        print(
            "No ensemble yet: it needs a run with all folds trained, none of them diverged, and "
            "without the marks * and † in the table above."
        )
    if cards:
        command = next_command(cards, builds, options.full_command)
        if options.ensemble and builds:  # it comes now
            command = ""
        launch.print_done(describe_trained(cards), command)
    if options.ensemble:
        for arguments in builds:
            ensemble([*arguments, "--dataset", data.dataset])
    reasons: list[str] = []
    for run in runs.values():
        reasons += run.stopped
    exit_if_stopped(reasons)


def hold_out(configs: list[Config], data: Dataset) -> list[str]:
    """Train and score the runs on the stratified hold-out; returns the reasons why some stopped."""
    from galaxyzoo.results.console import print_holdout_table
    from galaxyzoo.training.holdout import check_holdout, train_holdout
    from galaxyzoo.training.run import Run

    runs = [Run(config, data) for config in configs]
    for run in runs:  # all of them before the first is trained
        check_holdout(run)
    cards = []
    stopped = []
    for run in runs:
        try:
            cards.append(train_holdout(run))
        except FoldError as error:
            stopped.append(str(error))
    if cards:
        print_holdout_table(cards)
    return stopped


def exit_if_stopped(reasons: list[str]) -> None:
    """Exit with one error line for each training that stopped."""
    if reasons:
        print(
            "rerun the command to resume from the last complete epoch; to change settings, first "
            "delete the run's folder in folds/"
        )
        for reason in reasons[:-1]:
            print(f"error: {reason}", file=sys.stderr)
        raise FoldError(reasons[-1])


def ensemble(options: list[str]) -> None:
    """Run the command `ensemble` in a process of its own, without images and torch.

    Exits if it fails.
    """
    start = "from galaxyzoo.commands import main; main()"
    command = [sys.executable, "-c", start, "ensemble", *options]
    # An entry script's folder is not inherited.
    search_path = os.pathsep.join([folder for folder in sys.path if folder])
    environment = {**os.environ, "PYTHONPATH": search_path}
    sys.stdout.flush()  # in a log, what was printed here comes first
    status = subprocess.run(command, check=False, env=environment).returncode
    if status < 0:
        advice = f"{launch.typed('ensemble')} {launch.quote(*options)}"
        raise InputError(
            f"ensembling was killed by signal {-status} (out of memory?): to retry, type `{advice}`"
        )
    if status:
        sys.exit(status)
