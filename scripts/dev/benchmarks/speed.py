"""How fast each step is, against what a user would write or install instead: one table."""

import io
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from measuring import Table, race, rate_rows
from PIL import Image
from surveys import open_reduced, predict_plainly, run_job, run_plain, write_forms
from torchvision.io import ImageReadMode, decode_jpeg

from galaxyzoo.config.loading import load_config
from galaxyzoo.config.schema import ORIGINAL_PX, Config, ImageConfig, TTAConfig
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.decoding import decode
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.inference.network import fuse_for_inference
from galaxyzoo.inference.predict import load_run
from galaxyzoo.training.augmentation import augment_batch, build_transforms
from galaxyzoo.training.fold_data import make_fold_data
from galaxyzoo.training.loader import Batch
from galaxyzoo.training.parts import part_named
from galaxyzoo.training.trainer import Trainer

_OURS = "this project"
_JPEGS, _BATCH, _STEPS = 300, 256, 8
_RUN = "gz37/cnn"
_BUNDLED = "gz37/d4cnn_transfer"
_Works = dict[str, Callable[[], int]]


def measure(data: Dataset, repeats: int) -> list[Table]:
    """Images per second of each step, by this project and otherwise."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(load_config(_RUN), data)
        steps = {
            "decode a JPEG to 108 px, one thread": decoders(data),
            "augment a batch, one thread": inputs(trainer),
            f"train {_RUN}": training(trainer),
            f"predict files by one network of {_BUNDLED}": predictions(data, Path(folder)),
        }
        cores = torch.get_num_threads()
        for step, works in steps.items():
            threads = 1 if "one thread" in step else cores
            cv2.setNumThreads(threads)
            torch.set_num_threads(threads)
            rows += [(step, *row) for row in rate_rows(race(works, repeats), _OURS)]
    return [Table("Each step against others", ("step", "by", "img/s", "range", "ratio"), rows)]


def decoders(data: Dataset) -> _Works:
    """Decoders of a JPEG."""
    image, store = ImageConfig(), data.raw.train_images
    jpegs = [store.read(int(galaxy_id)) for galaxy_id in data.ids[:_JPEGS]]
    ways: dict[str, Callable[[bytes], Any]] = {
        _OURS: lambda jpeg: decode(jpeg, image.crop_px, image.cache_px),
        "Pillow": lambda jpeg: shrink(np.asarray(Image.open(io.BytesIO(jpeg)))),
        "Pillow, half size": lambda jpeg: shrink(draft_by_pillow(jpeg)),
        "OpenCV": lambda jpeg: shrink(decode_by_opencv(jpeg, cv2.IMREAD_COLOR)),
        "OpenCV, half size": lambda jpeg: shrink(
            decode_by_opencv(jpeg, cv2.IMREAD_REDUCED_COLOR_2)
        ),
        "torchvision": lambda jpeg: shrink(decode_by_torch(jpeg)),
    }
    return {name: partial(count, way, jpegs) for name, way in ways.items()}


def decode_by_torch(jpeg: bytes) -> np.ndarray:
    """(H, W, 3) uint8 pixels of a JPEG, by torchvision."""
    encoded = torch.frombuffer(bytearray(jpeg), dtype=torch.uint8)
    return decode_jpeg(encoded, ImageReadMode.RGB).permute(1, 2, 0).numpy()


def draft_by_pillow(jpeg: bytes) -> np.ndarray:
    """(H, W, 3) uint8 pixels of a JPEG at half its size, by Pillow."""
    image = Image.open(io.BytesIO(jpeg))
    image.draft("RGB", (image.width // 2, image.height // 2))
    return np.asarray(image)


def decode_by_opencv(jpeg: bytes, flag: int) -> np.ndarray:
    """(H, W, 3) uint8 pixels of a JPEG in OpenCV's order, by OpenCV."""
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), flag)
    assert pixels is not None
    return pixels


def shrink(pixels: np.ndarray) -> np.ndarray:
    """The center of a picture, as the project cuts it: 324 of 424 px, shrunk to 108."""
    margin = round(len(pixels) * 50 / ORIGINAL_PX)
    center = pixels[margin:-margin, margin:-margin]
    return cv2.resize(center, (108, 108), interpolation=cv2.INTER_AREA)


def count(work: Callable[[Any], object], items: Iterable[Any]) -> int:
    """Do the work on each item; return how many there are."""
    return sum(work(item) is not None for item in items)


def inputs(trainer: Trainer) -> _Works:
    """Augmentations of a batch: the same rotations, zooms, shifts, mirrors and field of view."""
    config = trainer.config
    rows = np.sort(np.random.default_rng(0).permutation(trainer.data.train_rows)[:_BATCH])
    images, rng = trainer.data.cache.images[rows], np.random.default_rng(0)
    size = config.image.size_px
    field_px = config.image.field_px * config.image.cache_px / config.image.crop_px
    shrunk = size / field_px  # so that the cut square shows the field
    affine = {
        "rotate": (-180, 180),
        "scale": (shrunk / 1.3, shrunk * 1.3),
        "translate_px": (-3, 3),
        "border_mode": cv2.BORDER_REFLECT_101,
    }
    settings: list[dict[str, Any]] = [
        {"name": "Affine", **affine, "p": 1},
        {"name": "HorizontalFlip"},
        {"name": "CenterCrop", "height": size, "width": size},
    ]
    transform = build_transforms(settings, seed=0)
    return {
        _OURS: lambda: len(augment_batch(images, config.image, config.augment, rng)),
        "albumentations": lambda: count(lambda image: transform(image=image), images),
    }


def make_trainer(config: Config, data: Dataset) -> Trainer:
    """Make a trainer of fold 0 from random weights, which change no time."""
    part = part_named(config, data, "fold_0")
    trainer = Trainer(config, make_fold_data(config, data, part, before=None), initialize=False)
    trainer.model.train()
    return trainer


def training(trainer: Trainer) -> _Works:
    """Training as it runs, and steps on a batch that is there already."""
    resident = next(trainer.batches())

    def train_on(batches: Iterable[Batch]) -> int:
        done = 0
        for number, batch in enumerate(batches):
            loss = trainer.step(number, batch)
            done += len(batch.rows)
        loss.item()  # waits for a GPU
        return done

    return {
        _OURS: lambda: train_on(islice(trainer.batches(), _STEPS)),
        "the same batch again and again": lambda: train_on([resident] * _STEPS),
    }


def predictions(data: Dataset, folder: Path) -> _Works:
    """A whole job, a loop as tutorials have it, and one with all that makes ours fast."""
    predictor = load_run(BUNDLED, _BUNDLED).restrict([0], TTAConfig(dihedral=False))
    network = predictor.models[0].eval()
    forms = write_forms(data, folder)
    files = [*forms["folder"].iterdir()]
    size_px = predictor.config.image.size_px
    fused = [fuse_for_inference(network)]
    return {
        _OURS: partial(run_job, predictor, forms["folder"], folder),
        "Pillow, DataLoader, fp32": partial(run_plain, [network], files, size_px),
        "OpenCV at half size, DataLoader, bf16, layers fused": partial(
            predict_plainly, fused, files, partial(open_reduced, size_px), "bf16"
        ),
    }
