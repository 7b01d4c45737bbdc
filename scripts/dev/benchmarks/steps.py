"""Training as it runs against the same steps on one batch that is there already; views."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import torch
from measuring import Table, race, rate_rows, ratio
from torch import Tensor
from torch.nn import functional

from galaxyzoo.config.loading import load_config
from galaxyzoo.config.schema import Config, TTAConfig
from galaxyzoo.data.geometry import to_tensor
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.inference.predict import predict
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training.fold_data import make_part_data
from galaxyzoo.training.loader import Batch, augment_batch, build_transforms, random_matrices
from galaxyzoo.training.trainer import Trainer

RUNS = ("gz37/resnet18", "gz37/mobilenetv2", "gz37/cnn")
_STEPS = 24
_VIEWED = 256  # images


def measure(data: Dataset, repeats: int) -> list[Table]:
    """Tables of training, of its input alone, and of test-time views."""
    trainers = {run: make_trainer(load_config(run), data) for run in RUNS}
    tables = [measure_steps(run, trainer, repeats) for run, trainer in trainers.items()]
    return [*tables, measure_input(trainers[RUNS[0]], repeats), measure_views(trainers, repeats)]


def make_trainer(config: Config, data: Dataset) -> Trainer:
    """Make a trainer of fold 0 from random weights, which change no time."""
    catalog = data.catalog.for_task(get_task(config.task))
    cache, val = data.train_images(config.image), catalog.folds == 0
    part = make_part_data(config, data, cache, ~val, val, 0)
    trainer = Trainer(config, part, initialize=False)
    trainer.model.train()
    return trainer


def measure_steps(run: str, trainer: Trainer, repeats: int) -> Table:
    """Images per second with and without all that makes the batches."""
    resident = next(trainer.batches())

    def train_on(batches: Callable[[], list[Batch]] | None) -> Callable[[], int]:
        def work() -> int:
            source = islice(trainer.batches(), _STEPS) if batches is None else batches()
            done = 0
            for number, batch in enumerate(source):
                loss = trainer.step(number, batch)
                done += len(batch.rows)
            loss.item()  # waits for a GPU
            return done

        return work

    names = "one batch, again and again", "training as it runs"
    rates = race(
        {names[0]: train_on(lambda: [resident] * _STEPS), names[1]: train_on(None)}, repeats
    )
    size = trainer.config.image.size_px
    return Table(
        f"{run}, {size} px, batches of {trainer.config.train.batch_size}",
        ("steps on", "img/s", "range", "ratio"),
        rate_rows(rates, names[0]),
    )


def measure_input(trainer: Trainer, repeats: int) -> Table:
    """Time the parts of making batches on one thread."""
    data, config = trainer.data, trainer.config
    rows = np.sort(np.random.default_rng(0).permutation(data.train_rows)[:256])
    images = data.cache.images[rows]

    def read() -> int:
        return len(data.cache.images[rows])

    def warp() -> int:
        rng = np.random.default_rng(0)
        return len(augment_batch(images, config.image, config.augment, rng))

    def sample() -> int:
        matrices = random_matrices(
            config.image, config.augment, len(rows), np.random.default_rng(0)
        )
        return len(warp_as_tensors(to_tensor(images), matrices, config.image.size_px))

    transform = albumentations_warp(config.image.size_px)

    def transform_each() -> int:
        return len([transform(image=image)["image"] for image in images])

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    contestants = {
        "reading the cache": read,
        "one OpenCV warp each (ours)": warp,
        "torch's grid_sample, the batch at once": sample,
        "albumentations, image by image": transform_each,
    }
    rates = race(contestants, max(repeats, 9))
    torch.set_num_threads(threads)
    sizes = f"{config.image.cache_px} px cached, {config.image.size_px} px out, one thread"
    header = (sizes, "img/s", "range", "ratio")
    return Table("Input alone", header, rate_rows(rates, "one OpenCV warp each (ours)"))


def warp_as_tensors(images: Tensor, matrices: np.ndarray, size_px: int) -> Tensor:
    """Warp on the device: (B, 3, H, W) uint8 -> (B, 3, size_px, size_px)."""
    side = images.shape[-1]
    y, x = torch.meshgrid(torch.arange(size_px), torch.arange(size_px), indexing="ij")
    places = torch.stack([x, y, torch.ones_like(x)], -1).float()  # (row, column, 3)
    found = torch.einsum("bij,hwj->bhwi", torch.from_numpy(matrices).float(), places)
    grid = (2 * found + 1) / side - 1
    moved = functional.grid_sample(
        images.float(), grid, padding_mode="reflection", align_corners=False
    )
    return moved.round().to(torch.uint8)


def albumentations_warp(size_px: int) -> Callable[..., dict[str, np.ndarray]]:
    """Its transforms that come nearest to ours."""
    scale = (1 / 1.3, 1.3)
    settings: list[dict[str, Any]] = [
        {"name": "Affine", "rotate": (-180, 180), "scale": scale, "translate_px": (-3, 3), "p": 1},
        {"name": "HorizontalFlip"},
        {"name": "CenterCrop", "height": size_px, "width": size_px},
    ]
    return build_transforms(settings, seed=0)


def measure_views(trainers: dict[str, Trainer], repeats: int) -> Table:
    """Time eight test-time views."""
    rows = []
    for run, trainer in trainers.items():
        some = trainer.data.val_rows[:_VIEWED]

        def look(
            tta: TTAConfig, trainer: Trainer = trainer, some: np.ndarray = some
        ) -> Callable[[], int]:
            return lambda: len(
                predict(trainer.model, trainer.data.cache, some, trainer.config, tta)
            )

        one, eight = look(TTAConfig(dihedral=False)), look(TTAConfig())
        rates = race({"one": one, "eight": eight}, repeats)
        trainer.model.train()
        medians = [row[1] for row in rate_rows(rates, "eight")]
        rows.append((run, *medians, f"{ratio(rates, 'one', 'eight'):.2f}"))
    header = ("run", "img/s, one view", "img/s, eight views", "cost of eight, in views")
    return Table("Test-time views", header, rows)
