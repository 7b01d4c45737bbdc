"""Training and predicting on a GPU: how far the input, the steps and the whole loop are apart."""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path

import torch
from measuring import Table
from surveys import run_job
from torch.utils.flop_counter import FlopCounterMode

from galaxyzoo.config.loading import load_config
from galaxyzoo.config.schema import Config, TTAConfig
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.core.transfer import read_async
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.extras.surveys.images import SurveyImages
from galaxyzoo.inference.predict import RunNetworks, decode_ahead, load_run
from galaxyzoo.training.probe import random_fold
from galaxyzoo.training.trainer import Trainer

COMPETITION = 61_578
_SURVEY = 12_000
_SECONDS = 0.5  # of each rate, in each round
_GALAXIES = 4_096  # made up; more would only take longer to make
# recipe, number of the stage, images a batch
_RECIPES = (
    *(("gz37/d4cnn", 0, 64), ("gz37/d4cnn", 0, 256)),
    *(("gz37/d4cnn_large", 0, 128), ("gz37/d4cnn_large", -1, 128)),
    *(("gz37/resnet50", -1, 64), ("gz37/resnet50", -1, 256)),
    *(("gz37/resnet18", -1, 64), ("gz37/mobilenetv2", -1, 64)),
)


@dataclass(frozen=True)
class Rates:
    """Images a second, and arithmetic."""

    before: float  # by the processor's warps, kernel by kernel
    input: float  # batches alone
    resident: float  # steps on one batch
    loop: float
    flops: float  # operations an image


def measure(data: Dataset, repeats: int) -> list[Table]:
    """Needs a GPU; images of the training part are made up."""
    if not torch.cuda.is_available():
        raise SystemExit("error: --gpu needs a GPU that torch can use, and here is none")
    peak, rows = measure_peak(), []
    for name, number, batch in _RECIPES:
        recipe = load_config(name, ["model.pretrained=false"])
        stage = recipe.stages[number]
        train = stage.train.model_copy(update={"batch_size": batch})
        stage = stage.model_copy(update={"train": train, "earlier": ()})
        rates = measure_training(stage, _SECONDS * repeats)
        minutes = stage.train.epochs * COMPETITION * 4 / rates.loop / 60
        cells = (
            *(f"{value:,.0f}" for value in (rates.before, rates.input, rates.resident, rates.loop)),
            *(f"{rates.loop / rates.resident:.2f}", f"{rates.loop / rates.before:.1f}"),
            f"{rates.loop * rates.flops / peak:.0%}",
            f"{minutes:.0f}",
        )
        rows.append((f"{name}, {stage.image.size_px} px, batches of {batch}", *cells))
        print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)  # the table comes at the end
    header = (
        *("recipe", "as before", "input", "resident step", "loop", "loop / resident"),
        *("loop / before", "share of peak", "minutes"),
    )
    note = (
        "Images a second, bf16. As before: warped by the processor, kernels launched one by one. "
        f"Peak: {peak / 1e12:.0f} TFLOP/s, a product of bf16 matrices here. Minutes: the stage's "
        "epochs on five folds of the competition, one after another, computed from the loop."
    )
    return [Table("Training on a GPU", header, rows, [note]), measure_survey(data)]


def measure_peak(side: int = 8192) -> float:
    """Operations a second of a large product of bf16 matrices."""
    one = torch.randn(side, side, device="cuda", dtype=torch.bfloat16)
    return rate(lambda: one @ one, 2 * side**3, 1.0)


def measure_training(config: Config, seconds: float) -> Rates:
    """Rates of one recipe's stage."""
    data = random_fold(config, _GALAXIES)
    plain = config.train.model_copy(update={"graph": False})
    trainer = Trainer(config.model_copy(update={"train": plain}), data, initialize=False)
    trainer.model.train()
    trainer.loader.on_device = None
    before = rate_of_steps(trainer, endless(trainer), seconds)
    batch = next(endless(trainer))
    with FlopCounterMode(display=False) as counter:
        trainer.step(0, batch)
    flops = counter.get_total_flops() / len(batch.rows)
    trainer = Trainer(config, data, initialize=False)
    trainer.model.train()
    batches = endless(trainer)
    made = rate(lambda: next(batches), config.train.batch_size, seconds)
    resident = rate_of_steps(trainer, repeat(next(batches)), seconds)
    loop = rate_of_steps(trainer, batches, seconds)
    return Rates(before, made, resident, loop, flops)


def endless(trainer: Trainer) -> Iterator:
    """Batches, epoch after epoch."""
    while True:
        yield from trainer.batches()


def rate_of_steps(trainer: Trainer, batches: Iterator, seconds: float) -> float:
    """Images a second of steps, each loss read after the next step has been begun."""
    waiting: list[Callable[[], float]] = []

    def work() -> None:
        waiting.append(read_async(trainer.step(0, next(batches))))
        if len(waiting) > 1:
            waiting.pop(0)()

    return rate(work, trainer.config.train.batch_size, seconds)


def rate(work: Callable[[], object], count: int, seconds: float) -> float:
    """So many a second of a piece of work that does `count`, after a warm-up."""
    for _ in range(5):
        work()
    torch.cuda.synchronize()
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        work()
        done += count
    torch.cuda.synchronize()
    return done / (time.perf_counter() - started)


def measure_survey(data: Dataset) -> Table:
    """A whole job of the networks in `weights/`, in one view, beside decoding alone."""
    predictor = load_run(BUNDLED, "gz37/d4cnn_transfer").restrict(None, TTAConfig(dihedral=False))
    store, ids = data.raw.train_images, [int(i) for i in data.ids]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "survey")
        folder.mkdir()
        for number in range(_SURVEY):
            (folder / f"{number}.jpg").write_bytes(store.read(ids[number % len(ids)]))
        decode = partial(decode_all, folder, predictor)
        job = partial(run_job, predictor, folder, Path(temporary))
        rates = {}
        for name, work in {"decoding alone": decode, "the whole job": job}.items():
            work()
            started = time.perf_counter()
            rates[name] = work() / (time.perf_counter() - started)
    decoding = rates["decoding alone"]
    rows = [(name, f"{some:,.0f}", f"{some / decoding:.2f}") for name, some in rates.items()]
    header = ("work", "img/s", "ratio")
    return Table(f"{_SURVEY:,} JPEGs by five networks in one view", header, rows)


def decode_all(folder: Path, predictor: RunNetworks) -> int:
    """Decode all images of a folder as a job does."""
    image = predictor.config.image
    parts = SurveyImages((folder,)).parts
    chunks = (decode_ahead(predictor, part.images) for part in parts)
    return sum(len(chunk.decode(image)) for each in chunks for chunk in each)
