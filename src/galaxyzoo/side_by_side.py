"""Several runs trained, one after another or folds side by side, each after what it needs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from galaxyzoo.fold_tables import FoldTables
from galaxyzoo.parallel import run_jobs
from galaxyzoo.paths import fold_dir
from galaxyzoo.progress import watching
from galaxyzoo.runs import Run
from galaxyzoo.training import TIMINGS, read_timings


@dataclass(frozen=True)
class Unit:
    """What one process trains at a time: one fold of a run."""

    run: Run
    fold: int

    def epochs_done(self) -> int:
        """Epochs that the fold has behind it, in whatever process."""
        folder = fold_dir(self.run.catalog.dataset, self.run.config.run, self.fold)
        timings = folder / TIMINGS
        return max(read_timings(timings), default=0) if timings.exists() else 0


def train_runs(
    runs: Sequence[Run], folds: list[int] | None, jobs: int, backend: str
) -> Iterator[dict[str, Any]]:
    """Train runs as `Run.train` does, so many folds at a time.

    However many at a time, the same bytes are written where each has the same number of threads.

    Args:
        runs: each after those that it needs, where these are among them.
        folds: which of each; default all.
        jobs: processes; 1: this one.
        backend: what starts them, as of `run_jobs`.
    Yields:
        The score cards of runs with a finished fold, as they are done; why folds stopped is in the
        runs.
    Raises:
        InputError: as of `Run.train` and `run_jobs`.
    """
    if jobs == 1:
        yield from filter(None, (run.train(folds) for run in runs))
        return
    for level in find_levels(runs):
        for run in level:
            run.begin()
            run.cache("train"), run.cache("test")  # decoded here, by all processors
        units = [unit for run in level for unit in _open_units(run, folds)]
        epochs = sum(unit.run.config.train.epochs for unit in units)
        with watching(partial(_epochs_done, units), epochs, f"{len(units)} folds", "epoch"):
            calls = [(unit.run, unit.fold) for unit in units]
            reasons = run_jobs(train_unit, calls, jobs, backend)
        for unit, stopped in zip(units, reasons, strict=True):
            unit.run.stopped += stopped
        yield from filter(None, (run.collect() for run in level))


def train_unit(run: Run, fold: int) -> list[str]:
    """Train one fold of a run that has begun; returns why it stopped, if it did."""
    run.train_one(fold)
    return run.stopped


def find_levels(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs in groups: each needs runs of earlier groups alone."""
    depth: dict[str, int] = {}
    for run in runs:
        before = [depth.get(name, -1) for name in run.needs]
        depth[run.config.run] = 1 + max(before, default=-1)
    count = 1 + max(depth.values(), default=-1)
    return [[run for run in runs if depth[run.config.run] == level] for level in range(count)]


def _open_units(run: Run, folds: list[int] | None) -> list[Unit]:
    """The folds of a run that are not finished."""
    done = FoldTables(run.config, run.catalog).done
    asked = range(run.catalog.n_folds) if folds is None else folds
    return [Unit(run, fold) for fold in asked if fold not in done]


def _epochs_done(units: Sequence[Unit]) -> int:
    return sum(unit.epochs_done() for unit in units)
