"""Processor time and memory of each command, up to the competition's size.

Pictures are those of the dataset turned, brightened and compressed anew, as many as the competition
has for training and for test. Networks are left out: their time is the number of images.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from labeling import make_loop
from measuring import Table, Watch, growth, read_peak
from surveys import make_predictor, run_job
from tqdm import tqdm

from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.data.catalog import catalog_names, load_catalog
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.data.readers.kaggle import (
    COMPETITION_SIZE,
    SAMPLES,
    SOLUTIONS,
    TEST_IMAGES,
    TRAIN_IMAGES,
)
from galaxyzoo.data.stores.base import Images
from galaxyzoo.ensemble.selection import CANDIDATES
from galaxyzoo.io.archives import write_zip
from galaxyzoo.tasks.registry import TASKS

SIZES = (6_000, 24_000, COMPETITION_SIZE[0])
_TABLES, _FEATURES, _LABELS = 20, 512, 300
_FIRST_ID = 100_000
_LINEAR = [name for name in CANDIDATES if name != "lightgbm"]  # which takes many times as long
_STEPS = ("prepare", "import", "ensemble", "report", "survey", "labels")


class Cost(NamedTuple):
    """Processor seconds and GiB at most of a process."""

    processor_s: float
    peak_gib: float


def measure(data: Dataset, _repeats: int) -> list[Table]:
    """Each size once."""
    costs: dict[str, list[Cost]] = {step: [] for step in _STEPS}
    for size in tqdm(SIZES, "sizes", unit="size"):
        with tempfile.TemporaryDirectory() as root:
            write_dataset(data, size, Path(root, "input"))
            for step in _STEPS:
                costs[step].append(run(step, root))
                print(f"{size:,} {step}: {costs[step][-1]}", file=sys.stderr)
    rows = [
        (
            step,
            *(f"{cost.processor_s:.1f} s, {cost.peak_gib:.2f} GiB" for cost in some),
            f"{growth(SIZES, [cost.processor_s for cost in some]):.2f}",
        )
        for step, some in costs.items()
    ]
    header = ("step", *(f"{size:,} galaxies" for size in SIZES), "exponent")
    title = f"Cost by training galaxies ({_TABLES} tables, {_LABELS} labels)"
    return [Table(title, header, rows)]


def run(step: str, root: str) -> Cost:
    """Run a step in a process of its own."""
    folder, environment = CODE_ROOT / "src", os.environ | {"GALAXYZOO_ROOT": root}
    command = [sys.executable, str(Path(__file__).resolve()), step]
    if step == "prepare":
        command[1:] = [str(folder / "prepare.py")]
    elif step == "import":
        subprocess.run(command, env=environment, check=True)
        command[1:] = [str(folder / "ensemble.py"), "--import", f"{root}/tables"]
    elif step == "ensemble":
        command[1:] = [str(folder / "ensemble.py"), "all", "--candidates", ",".join(_LINEAR)]
    elif step == "report":
        command[1:] = [str(folder / "evaluate.py"), "gz37"]
    with Path(root, "log").open("w+") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        peaks = Watch(partial(read_peak, process.pid), 0.05)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(Path(root, "log").read_text())
    return Cost(used.ru_utime + used.ru_stime, max(peaks.stop()))


def write_dataset(data: Dataset, size: int, folder: Path) -> None:
    """The competition's files for so many training galaxies."""
    n_test = size * COMPETITION_SIZE[1] // COMPETITION_SIZE[0]
    ids, test_ids = data.ids[np.arange(size) % len(data.ids)], data.test_ids
    test_ids = test_ids[np.arange(n_test) % len(test_ids)]
    write_images(folder, TRAIN_IMAGES, data.raw.train_images, ids, _FIRST_ID)
    write_images(folder, TEST_IMAGES, data.raw.test_images, test_ids, _FIRST_ID + size)
    votes = data.targets(TASKS["gz37"])[np.searchsorted(data.ids, ids)]
    for name, values in ((SOLUTIONS, votes), (SAMPLES[0], np.zeros((n_test, votes.shape[1])))):
        first = _FIRST_ID + (0 if name == SOLUTIONS else size)
        index = pd.RangeIndex(first, first + len(values), name="GalaxyID")
        pd.DataFrame(values, index, data.label_columns).to_csv(folder / f"{name}.csv")


def write_images(folder: Path, part: str, store: Images, ids: np.ndarray, first: int) -> None:
    """A zip of changed images, numbered from a first one."""

    def members() -> Iterator[tuple[str, bytes]]:
        for number, galaxy_id in enumerate(ids.tolist(), start=first):
            yield f"{part}/{number}.jpg", vary(store.read(galaxy_id), number)

    write_zip(folder / f"{part}.zip", members())


def vary(encoded: bytes, number: int) -> bytes:
    """Turn, brighten and encode an image anew, so that no two are duplicates."""
    rng = np.random.default_rng(number)
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    center = (image.shape[1] / 2, image.shape[0] / 2)
    turn = cv2.getRotationMatrix2D(center, rng.uniform(0, 360), rng.uniform(0.8, 1.25))
    turned = cv2.warpAffine(image, turn, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)
    bright = cv2.convertScaleAbs(turned, alpha=rng.uniform(0.8, 1.2))
    return cv2.imencode(".jpg", bright, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def write_tables(folder: Path) -> None:
    """Tables of runs that err partly alike, each a little more than the last."""
    catalog, rng = load_catalog(catalog_names()[0]), np.random.default_rng(0)
    folder.mkdir()
    votes = catalog.targets(TASKS["gz37"]).astype(np.float32)
    columns = catalog.label_columns
    shared = rng.normal(scale=0.12, size=votes.shape)
    for i in range(_TABLES):
        noise = rng.normal(scale=0.08 + 0.002 * i, size=votes.shape)
        oof = pd.DataFrame((votes + shared + noise).clip(0, 1), catalog.ids, columns)
        oof.insert(0, "fold", catalog.folds)
        rows = rng.integers(len(votes), size=len(catalog.test_ids))
        test = pd.DataFrame(oof[columns].to_numpy()[rows], catalog.test_ids, columns)
        for name, table in (("oof", oof), ("test", test)):
            table.to_csv(folder / f"run{i:02}_{name}.csv", index_label="GalaxyID")


def main() -> None:
    """Do a step in the project of GALAXYZOO_ROOT."""
    step, root = sys.argv[1], Path(os.environ["GALAXYZOO_ROOT"])
    if step == "import":
        write_tables(root / "tables")
    elif step == "survey":
        small = ("image.size_px=32", "tta.dihedral=false", "model.kwargs.widths=[8, 8, 8, 8]")
        run_job(make_predictor("gz37/cnn", *small), root / "input" / f"{TRAIN_IMAGES}.zip", root)
    else:
        count = len(load_catalog(catalog_names()[0]).ids)
        rng = np.random.default_rng(0)
        loop = make_loop(root, rng.normal(size=(count, _FEATURES)), rng.random((count, 37)))
        for row in range(_LABELS):
            loop.label([row], row % 2)
        loop.ranking("mix", 0)
        loop.scores()


if __name__ == "__main__":
    main()
