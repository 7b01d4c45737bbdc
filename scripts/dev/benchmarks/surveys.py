"""Predicting surveys: rates by the form of the input, and memory with few and many images."""

import io
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import cv2
import h5py
import numpy as np
import pyarrow as pa
import torch
from measuring import Table, Watch, measure_alone, race, rate_rows
from PIL import Image
from pyarrow import parquet
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.transforms.functional import pil_to_tensor

from galaxyzoo.config.loading import load_config
from galaxyzoo.config.schema import TTAConfig
from galaxyzoo.core.devices import autocast
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.geometry import iterate_views
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.extras.surveys.survey import Survey, SurveyImages
from galaxyzoo.inference.network import batch_size_for, fuse_for_inference
from galaxyzoo.inference.predict import Predictor, RunNetworks, load_run
from galaxyzoo.io.archives import write_zip
from galaxyzoo.models.build import GalaxyNet, build_model
from galaxyzoo.tasks.registry import get_task

COUNTS = (5_000, 200_000)
_IMAGES = 512  # a round
_RUN = "gz37/d4cnn_transfer"  # in weights/
_FORWARD = "the networks alone, on views in memory"
_PLAIN = "Pillow, torchvision, DataLoader, fp32"
_CPU = torch.device("cpu")


def measure(data: Dataset, repeats: int) -> list[Table]:
    """All networks in `weights/` in one view, as a job has them, and one of them alone."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        forms = write_forms(data, folder)
        tables = [rates(folder, forms, count, repeats) for count in (5, 1)]
    return [*tables, memory()]


def rates(folder: Path, forms: dict[str, Path], count: int, repeats: int) -> Table:
    """A whole job of each form against the forward pass alone, and a plain loop."""
    predictor = load_run(BUNDLED, _RUN).restrict(range(count), TTAConfig(dihedral=False))
    networks = [model.eval() for model in predictor.models.values()]
    contestants: dict[str, Callable[[], int]] = {_FORWARD: forward_alone(predictor)}
    for name, path in forms.items():
        contestants[name] = partial(run_job, predictor, path, folder)
    contestants[_PLAIN] = partial(
        run_plain, networks, list(forms["folder"].iterdir()), predictor.config.image.size_px
    )
    header = ("input", "img/s", "range", "ratio")
    rows = rate_rows(race(contestants, repeats), _FORWARD)
    return Table(f"A whole job of {_RUN}, {count} networks, one view", header, rows)


def make_predictor(run: str, *overrides: str) -> RunNetworks:
    """A run with one network that has learned nothing."""
    config = load_config(run, ["model.pretrained=false", *overrides])
    return RunNetworks(config, {0: build_model(config, initialize=False).eval()})


def run_job(predictor: RunNetworks, path: Path, folder: Path) -> int:
    """A job from its beginning to the manifest; returns its images."""
    prior = np.zeros(len(get_task("gz37").columns))
    with tempfile.TemporaryDirectory(dir=folder) as output:
        load = cast(Callable[[], Predictor], lambda: predictor)
        images = SurveyImages((path,))
        return Survey(Path(output, "votes"), "gz37/x", load, images, prior).run()["rows"]


def forward_alone(predictor: RunNetworks) -> Callable[[], int]:
    """Time the network over views that were made before."""
    config = predictor.config
    models = [fuse_for_inference(model) for model in predictor.models.values()]
    side, size = config.image.cache_px, batch_size_for(_CPU)
    images = np.random.default_rng(0).integers(0, 256, (size, side, side, 3), dtype=np.uint8)
    (view,) = iterate_views(images, config.image, config.tta, _CPU)

    def work() -> int:
        with torch.inference_mode(), autocast(config.train.amp, _CPU):
            for _ in range(_IMAGES // size):
                for model in models:
                    model(view)
        return _IMAGES

    return work


def run_plain(networks: list[GalaxyNet], paths: list[Path], size_px: int) -> int:
    """A loop as tutorials have it."""
    return predict_plainly(networks, paths, partial(open_plainly, size_px), "fp32")


@torch.inference_mode()
def predict_plainly(
    networks: list[GalaxyNet], paths: list[Path], open_one: Callable[[Path], Tensor], amp: str
) -> int:
    """Predict files by torch's DataLoader; the networks normalize images themselves."""
    collate = partial(open_all, open_one)
    for images in DataLoader(cast(Any, paths), 32, num_workers=2, collate_fn=collate):
        with autocast(amp, _CPU):
            for network in networks:
                network(images)
    return len(paths)


def open_plainly(size_px: int, path: Path) -> Tensor:
    """(3, H, W) uint8 pixels, decoded in full and resized by Pillow."""
    return pil_to_tensor(Image.open(path).convert("RGB").resize((size_px, size_px)))


def open_reduced(size_px: int, path: Path) -> Tensor:
    """(3, H, W) uint8 pixels, decoded at half size and resized by OpenCV."""
    pixels = cv2.imread(str(path), cv2.IMREAD_REDUCED_COLOR_2)
    assert pixels is not None
    small = cv2.resize(pixels[..., ::-1], (size_px, size_px), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small).permute(2, 0, 1)


def open_all(open_one: Callable[[Path], Tensor], paths: list[Path]) -> Tensor:
    """A batch, in channels-last memory order."""
    images = torch.stack([open_one(path) for path in paths])
    return images.contiguous(memory_format=torch.channels_last)


def write_forms(data: Dataset, folder: Path) -> dict[str, Path]:
    """Write the galaxies in every form."""
    from astropy.io import fits  # here: bench.sh --gpu goes without it

    store, ids = data.raw.train_images, [int(i) for i in data.ids[:_IMAGES]]
    images = [store.read(ids[k % len(ids)]) for k in range(_IMAGES)]
    pixels = [np.asarray(Image.open(io.BytesIO(one)).convert("RGB")) for one in images]
    names = [f"{k}.jpg" for k in range(_IMAGES)]
    paths = {
        "folder": folder / "survey",
        "zip": folder / "survey.zip",
        "HDF5": folder / "survey.h5",
        "Parquet": folder / "survey.parquet",
        "FITS in a folder": folder / "fits",
    }
    for name in ("folder", "FITS in a folder"):
        paths[name].mkdir()
    rng = np.random.default_rng(0)
    for k, (name, one) in enumerate(zip(names, images, strict=True)):
        (paths["folder"] / name).write_bytes(one)
        planes = pixels[k].transpose(2, 0, 1) + rng.normal(0, 3, (3, *pixels[k].shape[:2]))
        fits.PrimaryHDU(planes.astype(np.float32)).writeto(paths["FITS in a folder"] / f"{k}.fits")
    write_zip(paths["zip"], zip(names, images, strict=True))
    with h5py.File(paths["HDF5"], "w") as file:
        file["images"] = np.stack(pixels)
        file["ids"] = np.arange(_IMAGES)
    table = pa.table({"id": np.arange(_IMAGES), "image": images})
    parquet.write_table(table, paths["Parquet"], row_group_size=64)
    return paths


def memory() -> Table:
    """Own memory at most of a job of few and of many images, each in a process of its own."""
    found = zip(COUNTS, measure_alone(__file__, COUNTS), strict=True)
    rows = [(f"{count:,}", f"{peak:,.0f}", f"{rate:,.0f}") for count, (peak, rate) in found]
    header = ("images", "own memory at most, MB", "img/s")
    return Table(
        "Memory of a job: a small CNN at 32 px in one view, a zip of small PNGs", header, rows
    )


def run_many(count: int) -> tuple[float, float]:
    """Predict so many small images; returns MB at most, and images per second."""
    rng = np.random.default_rng(0)
    some = [rng.integers(0, 256, (24, 24, 3), dtype=np.uint8) for _ in range(64)]
    encoded = [cv2.imencode(".png", one)[1].tobytes() for one in some]
    predictor = make_predictor(
        "gz37/cnn", "image.size_px=32", "tta.dihedral=false", "model.kwargs.widths=[8, 8, 8, 8]"
    )
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary, "many.zip")
        write_zip(path, ((f"{k}.png", encoded[k % 64]) for k in range(count)))
        watch = Watch(own_bytes, 0.02)
        rates = race({"job": partial(run_job, predictor, path, Path(temporary))}, 1, warm=False)
        return max(watch.stop()) / 1e6, rates["job"][0]


def own_bytes() -> int:
    """RssAnon of Linux's /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


if __name__ == "__main__":
    print(*run_many(int(sys.argv[1])))
