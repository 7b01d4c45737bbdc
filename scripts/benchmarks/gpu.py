"""Training on a GPU: rates of networks and sizes, its busy share, minutes for the competition."""

import statistics
import time
from dataclasses import dataclass

import torch
from measuring import Table, Watch

from galaxyzoo.config.loading import load_config
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.training.planning import random_fold
from galaxyzoo.training.trainer import Trainer

NETWORKS = ("resnet18", "mobilenetv2_100", "resnet50")
SIZES = (96, 128, 224)
COMPETITION = 61_578
_SHORT_S, _STEADY_S, _BATCH = 6.0, 60.0, 256
# timm's published training rates at 224 px, RTX 3090, channels-last mixed precision
_TIMM = {"resnet18": 3_482, "mobilenetv2_100": 2_313, "resnet50": 1_218}


@dataclass(frozen=True)
class Rate:
    """Of some seconds of training."""

    per_s: float
    busy: float  # share of looks at which the GPU was at work


def measure(data: Dataset, repeats: int) -> list[Table]:
    """Needs a GPU; images are made up, as many as the competition has."""
    if not torch.cuda.is_available():
        raise SystemExit("error: --gpu needs a GPU that torch can use, and here is none")
    rows = []
    for name in NETWORKS:
        for size in SIZES:
            plain, compiled = (train(name, size, on, _SHORT_S) for on in (False, True))
            theirs = f"{_TIMM[name]:,}" if size == 224 else "–"
            cells = (f"{plain.per_s:,.0f}", f"{compiled.per_s:,.0f}", f"{plain.busy:.0%}", theirs)
            rows.append((f"{name}, {size} px", *cells))
    header = ("network", "img/s", "compiled", "GPU busy", "timm, 224 px, RTX 3090")
    default = load_config("gz37/resnet18")
    steady = train("resnet18", default.image.size_px, False, _STEADY_S)
    minutes = default.train.epochs * COMPETITION * 4 / 5 / steady.per_s / 60
    note = (
        f"gz37/resnet18 on the whole competition, extrapolated from {_STEADY_S:.0f} s of steady "
        f"running at {steady.per_s:,.0f} img/s: {minutes:.1f} minutes a fold, "
        f"{5 * minutes:.0f} for five, prediction left out."
    )
    return [Table("Training on a GPU, bf16, input included", header, rows, [note])]


def train(name: str, size: int, compiled: bool, seconds: float) -> Rate:
    """Steps until the time is over, after a warm-up."""
    config = load_config(
        "gz37/resnet18",
        [
            *(f"model.name={name}", "model.pretrained=false"),
            *(f"image.size_px={size}", f"train.batch_size={_BATCH}"),
            f"train.compile={str(compiled).lower()}",
        ],
    )
    trainer = Trainer(config, random_fold(config, COMPETITION), initialise=False)
    trainer.model.train()
    if compiled:
        trainer.network = torch.compile(trainer.network)  # type: ignore[assignment]
    started = None
    done = number = 0
    busy = Watch(torch.cuda.utilization, 0.2)
    while started is None or time.perf_counter() - started < seconds:
        for batch in trainer.batches():
            loss = trainer.step(number, batch)
            number += 1
            done += len(batch.rows)
            if number == 20:
                loss.item()
                started, done = time.perf_counter(), 0
            if started and time.perf_counter() - started >= seconds:
                break
    loss.item()
    return Rate(done / (time.perf_counter() - started), statistics.median(busy.stop()) / 100)
