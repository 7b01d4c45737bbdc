"""A fold's training with the checks of caches, checkpoints and fold files, and without them."""

import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from measuring import Table, race, rate_rows

from galaxyzoo.config.loading import load_config
from galaxyzoo.core import manifest
from galaxyzoo.data import image_cache
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.training.run import Run

Check = Callable[..., Any]
_ZEROS = "00" * 32


def measure(data: Dataset, repeats: int) -> list[Table]:
    """Fold 0 from its cache to its card, in seconds of one processor: other work disturbs less."""
    run = "gz37/cnn", "train.epochs=2", "tta.dihedral=false"  # shorter than any in use
    config = load_config(run[0], run[1:])
    spent: list[float] = []  # seconds of each check

    def timed(check: Check, *arguments: Any) -> Any:
        started = time.process_time()
        result = check(*arguments)
        spent.append(time.process_time() - started)
        return result

    def train(root: str, checks: list[Check]) -> int:
        shutil.rmtree(f"{root}/folds", ignore_errors=True)
        image_cache._checked.clear()  # as in a new process
        with (
            patch.dict("os.environ", GALAXYZOO_ROOT=root),
            patch.object(manifest, "digest_file", checks[0]),
            patch.object(manifest, "digest", checks[1]),
        ):
            Run(config, data).train([0])
        return config.train.epochs * int((data.catalog.folds != 0).sum())

    real: list[Check] = [manifest.digest_file, manifest.digest]
    none: list[Check] = [lambda _: "", lambda _: _ZEROS]
    arms = {"with checks": list[Check](partial(timed, check) for check in real), "without": none}
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:  # images are decoded in the first round
        works = {name: partial(train, f"{folder}/{name}", arms[name]) for name in arms}
        rates = race(works, repeats, clock=time.process_time)
    header = (" ".join(run), "img/s, one processor", "range", "ratio")
    note = f"The checks of one training take {sum(spent) / (repeats + 1):.2f} s."
    return [Table("Training a fold", header, rate_rows(rates, "without"), [note])]
