"""Minutes until a fold's validation RMSE is the source recipe's: by that recipe, and by ours.

Ours twice: as the run is configured, stopped on the way, and by a schedule made for this score.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import plain
from measuring import Table
from tqdm import tqdm

from galaxyzoo.config.loading import load_config
from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.data.image_cache import ImageCache, open_cache
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.training.fold_data import make_fold_data
from galaxyzoo.training.trainer import Trainer

_EPOCHS = 10  # of the source recipe
_RUN = "gz37/resnet18"
_SHORT = ("image.size_px=64", "train.epochs=4")


def measure(data: Dataset, repeats: int) -> list[Table]:
    """One training of each, however many repeats are asked for: they take an hour and a half."""
    theirs = train_plain(data)
    best, at = min((score, minutes) for minutes, score in theirs)
    whole = theirs[-1][0]
    rows = [
        ("source recipe, all its epochs", f"{whole:.2f}", f"{best:.5f}", "1.0"),
        ("source recipe, to its best epoch", f"{at:.2f}", f"{best:.5f}", f"{whole / at:.1f}"),
    ]
    for overrides in ((), _SHORT):
        ours, epochs = train_ours(data, overrides, best)
        reached, score = ours[-1]
        about = " ".join([_RUN, *overrides])
        rows.append(
            (
                f"{about}: {len(ours)} epochs of a schedule of {epochs}",
                f"{reached:.2f}",
                f"{score:.5f}",
                f"{whole / reached:.1f}" if score <= best else "does not reach it",
            )
        )
    notes = ["First epochs included, and decoding in ours. One view, fold 0."]
    return [
        Table("Time to the source recipe's RMSE", ("", "minutes", "RMSE", "ratio"), rows, notes)
    ]


def train_plain(data: Dataset) -> list[tuple[float, float]]:
    """The source recipe from unpacked files: minutes so far and RMSE, epoch by epoch."""
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "galaxies"
        plain.unpack(data, folder)
        started = time.perf_counter()
        network = plain.make_network()
        optimizer = plain.make_optimizer(network)
        train, val = (plain.make_loader(folder, data, 0, 224, part) for part in (True, False))
        for _ in tqdm(range(_EPOCHS), "source recipe", unit="epoch"):
            plain.train_epoch(network, optimizer, train)
            found.append(((time.perf_counter() - started) / 60, plain.validate(network, val)))
    return found


def train_ours(
    data: Dataset, overrides: Sequence[str], score: float
) -> tuple[list[tuple[float, float]], int]:
    """Our default ResNet18 until it is as good: the same, and the epochs of its schedule."""
    config = load_config(_RUN, overrides)
    found: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as temporary:
        started = time.perf_counter()
        cache = decode_anew(data, config.image, Path(temporary))
        trainer = Trainer(config, make_fold_data(config, data, cache, 0))
        for epoch in range(1, config.train.epochs + 1):
            trainer.fit(epochs=epoch)
            row = trainer.history[-1]
            found.append(((time.perf_counter() - started) / 60, row["val_score"]))
            if row["val_score"] <= score:
                break
    return found, config.train.epochs


def decode_anew(data: Dataset, image: ImageConfig, folder: Path) -> ImageCache:
    """The training images' cache, decoded into an empty folder."""
    before = os.environ.get("GALAXYZOO_ROOT")
    os.environ["GALAXYZOO_ROOT"] = str(folder)
    try:
        return open_cache(data.raw.train_images, data.catalog.ids, image, strict=True)
    finally:
        os.environ.pop("GALAXYZOO_ROOT")
        if before is not None:
            os.environ["GALAXYZOO_ROOT"] = before
