"""Two folds at a time, on half of the processors each, against one after the other on all."""

import statistics
from collections.abc import Callable
from functools import cache
from itertools import islice

from measuring import Table, race, ratio
from steps import make_trainer

from galaxyzoo.config.loading import load_config
from galaxyzoo.core.parallel import run_jobs
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.training.trainer import Trainer

RUNS = ("gz37/d4cnn", "gz37/mobilenetv2", "gz37/resnet18")
_STEPS = 24


def measure(data: Dataset, repeats: int) -> list[Table]:
    """Images per second of two folds together."""
    rows = []
    for run in RUNS:

        def train(jobs: int, run: str = run) -> Callable[[], int]:
            return lambda: sum(run_jobs(train_steps, [(run, data.catalog.dataset)] * 2, jobs))

        rates = race({"in turn": train(1), "at a time": train(2)}, repeats)
        medians = [f"{statistics.median(some):,.0f}" for some in rates.values()]
        rows.append((run, *medians, f"{ratio(rates, 'at a time', 'in turn'):.2f}"))
    return [Table("Two folds", ("run", "img/s, in turn", "img/s, at a time", "ratio"), rows)]


def train_steps(run: str, dataset: str) -> int:
    """Train for some steps of a run's first stage; returns how many images."""
    trainer, done = _make_trainer(run, dataset), 0
    for number, batch in enumerate(islice(trainer.batches(), _STEPS)):
        trainer.step(number, batch)
        done += len(batch.rows)
    return done


@cache
def _make_trainer(run: str, dataset: str) -> Trainer:
    """Made once in each process."""
    return make_trainer(load_config(run).stages[0], prepare(dataset))
