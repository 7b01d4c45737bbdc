"""Whole training pipelines side by side: ours, one as the sources wrote it, and timm's loader."""

import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import plain
import torch
from measuring import Table, race, rate_rows, ratio
from steps import make_trainer
from timm.data import create_dataset, create_loader
from torch import Tensor

from galaxyzoo.config.loading import load_config
from galaxyzoo.data.prepare import Dataset

OURS, PLAIN, TIMM = "this project", "as the sources wrote it", "timm's loader"
_IMAGES = 1536  # a round


def measure(data: Dataset, repeats: int) -> list[Table]:
    """ResNet18 at our default size: whole pipelines, and how they divide into input and compute."""
    trainer = make_trainer(load_config("gz37/resnet18"), data)
    size, batch = trainer.config.image.size_px, trainer.config.train.batch_size
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "galaxies" / "one"  # timm reads folders of classes
        plain.unpack(data, folder)
        batches = repeat(plain.make_loader(folder, data, 0, size, train=True))
        dataset = create_dataset("", root=str(folder.parent), is_training=True)
        loader = create_loader(
            dataset,
            (3, size, size),
            32,
            is_training=True,
            num_workers=2,
            use_prefetcher=False,
            device=torch.device("cpu"),
        )
        theirs = as_votes(repeat(loader))
        network = plain.make_network()
        optimizer = plain.make_optimizer(network)
        resident = [next(batches)] * (_IMAGES // 32)

        def train_ours() -> int:
            made = islice(trainer.batches(), _IMAGES // batch)
            return sum((trainer.step(i, b), len(b.rows))[1] for i, b in enumerate(made))

        def make_ours() -> int:
            return sum(len(b.rows) for b in islice(trainer.batches(), _IMAGES // batch))

        def train(source: Iterator) -> Callable[[], int]:
            return lambda: plain.train_epoch(network, optimizer, islice(source, _IMAGES // 32))

        def make(source: Iterator) -> Callable[[], int]:
            return lambda: sum(len(some) for some, _ in islice(source, _IMAGES // 32))

        whole = race({PLAIN: train(batches), TIMM: train(theirs), OURS: train_ours}, repeats)
        inputs = race({PLAIN: make(batches), TIMM: make(theirs), OURS: make_ours}, repeats)
        compute = race(
            {"fp32": lambda: plain.train_epoch(network, optimizer, iter(resident))}, repeats
        )
    title = f"Training ResNet18 at {size} px, cache made, first round left out"
    header = ("pipeline", "img/s", "range", "ratio")
    note = (
        f"Their network in fp32 on one resident batch: {rate_rows(compute, 'fp32')[0][1]} img/s, "
        f"so ours is {ratio(dict(whole, fp32=compute['fp32']), OURS, 'fp32'):.2f} times as fast as "
        "their compute alone."
    )
    return [
        Table(title, header, rate_rows(whole, PLAIN), [note]),
        Table("Their input alone, no training", header, rate_rows(inputs, PLAIN)),
    ]


def repeat(loader: object) -> Iterator:
    """Epoch after epoch."""
    while True:
        yield from loader  # type: ignore[misc]


def as_votes(batches: Iterator) -> Iterator[tuple[Tensor, Tensor]]:
    """Votes in place of timm's classes: what is learned costs nothing."""
    for images, _ in batches:
        yield images, torch.rand(len(images), 37)
