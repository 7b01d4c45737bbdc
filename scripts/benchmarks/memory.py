"""Peak memory of training, beside the images' own pages, with few and with many of them."""

import sys
import tempfile
from pathlib import Path

import numpy as np
from measuring import Table, Watch, measure_alone

from galaxyzoo.config.loading import load_config
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.trainer import Trainer

COUNTS = (6_000, 61_578)
_STEPS = 40


def measure(data: Dataset, repeats: int) -> list[Table]:
    """Each in a process of its own, on made-up images in a memory-mapped file."""
    found = zip(COUNTS, measure_alone(__file__, COUNTS), strict=True)
    rows = [(f"{count:,}", f"{own:.2f}", f"{mapped:.2f}") for count, (own, mapped) in found]
    header = ("training images", "own memory at most, GB", "their file, GB")
    return [Table("Memory of training gz37/resnet18", header, rows)]


def train(count: int) -> tuple[float, float]:
    """Train some steps; returns GB of own memory at most, and of the file of images."""
    config = load_config("gz37/resnet18")
    side, rng = config.image.cache_px, np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "images.npy"
        shape = (count, side, side, 3)
        images = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
        images[::97] = 128
        images.flush()
        images = np.lib.format.open_memmap(path, "r")
        cache = ImageCache(np.arange(count), images, np.zeros(count, bool))
        targets = rng.random((count, 37), np.float32)
        fold = FoldData(cache, targets, np.arange(count), np.arange(64), 0)
        trainer = Trainer(config, fold, initialize=False)
        trainer.model.train()
        memory = Watch(own_bytes, 0.02)
        for number, batch in enumerate(trainer.batches()):
            trainer.step(number, batch)
            if number == _STEPS:
                break
        return max(memory.stop()) / 1e9, path.stat().st_size / 1e9


def own_bytes() -> int:
    """RssAnon of Linux's /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


if __name__ == "__main__":
    print(*train(int(sys.argv[1])))
