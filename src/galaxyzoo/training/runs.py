"""Train several runs, each after those that it needs, one fold after another or in parallel."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter

from galaxyzoo.core import console
from galaxyzoo.core.parallel import progress_of_files, run_jobs
from galaxyzoo.models.build import build_model
from galaxyzoo.results import card, oof
from galaxyzoo.results.fold_files import is_refit
from galaxyzoo.training.fold import read_timings
from galaxyzoo.training.run import Run


def train_runs(
    runs: Sequence[Run], trainings: Sequence[str] | None, jobs: int, backend: str
) -> Iterator[card.RunCard]:
    """Train runs as `Run.train` does, several folds in parallel.

    The bytes that are written depend on the number of threads of each process, but not on the
    number of processes.

    Args:
        runs: each after the runs among them that it needs.
        trainings: names of the folds and refits of each run, such as fold_3; default all folds.
        jobs: number of processes; 1: this one.
        backend: of joblib, as in `run_jobs`.
    Yields:
        The score cards of runs with a finished fold; reasons of stopped folds are in the runs.
    """
    progress = FoldProgress(runs, trainings)
    if jobs == 1:
        for run in runs:
            run_card = run.train(trainings, progress.look)
            if run_card:
                yield run_card
        return
    for run in runs:
        run.begin()
        run.data.train_images(run.config.image)  # decoded here, by all processors
        run.data.test_images(run.config.image)
        if run.unfinished(trainings) and not run.config.earlier:
            build_model(run.config)  # weights are downloaded here, or missed, once
    calls: list[tuple[list[Run], str]] = []
    for chain in order_by_dependency(runs):
        calls += [(chain, name) for name in chain[-1].unfinished(trainings)]
    with progress_of_files(progress.look, progress.epochs, "all folds", "epoch"):
        reasons = run_jobs(_train_one, calls, jobs, backend)
    progress.look()
    for (chain, _), stopped in zip(calls, reasons, strict=True):
        chain[-1].stopped += stopped
    for run in runs:
        run_card = run.collect()
        if run_card:
            yield run_card


def order_by_dependency(runs: Sequence[Run]) -> list[list[Run]]:
    """Chains of runs, each run behind those that it needs.

    A run needs the stage before it, the first run with the same weights, and what these need.

    Args:
        runs: in any order, with all their stages.
    Returns:
        A chain for each run, which is the last in it; those that most others need come first.
    """
    by_name = {run.config.run: run for run in runs}
    first: dict[str, str] = {}  # name of the first run, by the digest of the weights
    needs: dict[str, list[str]] = {}
    for name, run in by_name.items():
        needs[name] = []
        if run.config.earlier:
            needs[name].append(run.config.earlier[-1].run)
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


def _train_one(chain: Sequence[Run], name: str) -> list[str]:
    """Train a fold or refit of the last run in a process of its own.

    It returns the reason if it stopped. The runs that it needs come first in the chain; if another
    process trains them, it waits.
    """
    for run in chain:
        run.train_one(name)
    return chain[-1].stopped


class FoldProgress:
    """Folds and refits that are left to be trained, and their progress, read from their files.

    Args:
        runs: of the command.
        trainings: as of `train_runs`.
    """

    def __init__(self, runs: Sequence[Run], trainings: Sequence[str] | None) -> None:
        self.left: list[tuple[Run, str]] = []
        for run in runs:
            self.left += [(run, name) for name in run.unfinished(trainings)]
        self.epochs = sum(run.config.train.epochs for run, _ in self.left)

    def look(self) -> int:
        """Print a line for each newly finished one; returns the epochs done."""
        before = self.left
        self.left = [(run, name) for run, name in before if run.unfinished([name])]
        left_folders = [run.files(name).folder for run, name in self.left]
        left_of_run = Counter(run.config.run for run, _ in self.left)
        for run, name in before:
            if run.files(name).folder in left_folders:
                continue
            line = describe_finished(run, name)
            to_go = left_of_run[run.config.run]
            if to_go:
                line += f"; {console.count(to_go, 'training')} to go"
            console.ProgressBar.write(line)
            sys.stdout.flush()  # into a log at once
        # One that took over the weights of another has trained no epoch.
        ahead = 0
        for run, name in self.left:
            trained = max(read_timings(run.files(name).timings), default=0)
            ahead += run.config.train.epochs - trained
        return self.epochs - ahead


def describe_finished(run: Run, name: str) -> str:
    """Describe a finished fold or refit: its score, and how long it took."""
    trained = run.files(name)
    score = "trained on all galaxies"
    if not is_refit(name):
        value = oof.score_fold(run.config, run.catalog, trained)
        score = f"{run.config.metric} {value:.5f}"
    minutes = sum(read_timings(trained.timings).values()) / 60
    return f"{run.config.title}, {trained.title}: {score} in {minutes:.1f} min"
