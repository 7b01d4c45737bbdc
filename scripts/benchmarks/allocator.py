"""Training steps with freed memory kept for the next step, and returned; processors only."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from measuring import Table, race, rate_rows

from galaxyzoo.config.loading import load_config
from galaxyzoo.core import devices
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.training.planning import random_fold
from galaxyzoo.training.trainer import Trainer

RUNS = ("gz37/resnet18", "gz37/mobilenetv2", "gz37/mobilenetv2_transfer")
_GIVEN_BACK, _KEPT = "given back", "kept for the next step"
_STEPS = 12


def measure(data: Dataset, repeats: int) -> list[Table]:
    """A table for each run; what is compared is set for a whole process, so each has its own."""
    return [measure_run(run, repeats) for run in RUNS]


def measure_run(run: str, repeats: int) -> Table:
    """Images per second of the same steps on one batch that is there already."""
    with ExitStack() as stack:
        contestants = {name: start(stack, run, name) for name in (_GIVEN_BACK, _KEPT)}
        rates = race(contestants, repeats)
    image, train = load_config(run).image, load_config(run).train
    title = f"{run}, {image.size_px} px, batches of {train.batch_size}"
    return Table(title, ("memory is", "img/s", "range", "ratio"), rate_rows(rates, _GIVEN_BACK))


def start(stack: ExitStack, run: str, name: str) -> Callable[[], int]:
    """A process that trains a few steps whenever it is asked."""
    command = [sys.executable, str(Path(__file__).resolve()), run, name]
    child = stack.enter_context(
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    )
    asked, answers = child.stdin, child.stdout
    assert asked
    assert answers
    stack.callback(asked.close)

    def work() -> int:
        print("go", file=asked, flush=True)
        return int(answers.readline())

    return work


def serve(run: str, name: str) -> None:
    """Train some steps for each line that comes in, and print how many images they held."""
    if name == _GIVEN_BACK:
        devices.keep_freed_memory = lambda: False
    config = load_config(run, ["stages=null"])
    fold = random_fold(config, 4 * config.train.batch_size)
    trainer = Trainer(config, fold, initialize=False)
    trainer.model.train()
    batch = next(trainer.batches())
    for _ in sys.stdin:
        for number in range(_STEPS):
            trainer.step(number, batch)
        print(_STEPS * len(batch.rows), flush=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
