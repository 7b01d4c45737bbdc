"""What others would train on the same galaxies in the same time: RMSE against processor minutes.

Fold 0 is held out. Each contestant has one thread and MINUTES (default: 30) of processor time, and
as many run at once as there are processors. Each first trains two epochs that do not count, to
learn how many it has time for. MobileNetV2 starts from the same ImageNet weights everywhere, at
80 px. The scripts `other_*.py` are what a user would write: they read galaxies that were cut and
shrunk to 108 px for them, and their epochs end with one view of each held-out galaxy, as ours do.
fastai gets an environment of its own, unless FASTAI_PYTHON names one.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import cv2
import pandas as pd
from matplotlib.figure import Figure
from measuring import Table
from other_timm import epochs_in

from galaxyzoo.config.loading import load_config
from galaxyzoo.config.schema import Config, ImageConfig
from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.data.parallel_decoding import decode_many
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.tasks.registry import TASKS
from galaxyzoo.training.fold_data import make_fold_data
from galaxyzoo.training.parts import part_named
from galaxyzoo.training.trainer import Trainer

FOLD = 0
MINUTES = os.environ.get("MINUTES", "30")
PICTURE = Path("reports", "others.png")
_FASTAI = "2.8.12"
_OURS = "gz37/mobilenetv2", "gz37/d4cnn@small"
_OTHERS = {
    "timm, torchvision": "other_timm.py",
    "fastai": "other_fastai.py",
    "frozen features, LightGBM": "other_lightgbm.py",
}
_Curve = list[tuple[float, float]]  # processor minutes, RMSE


def measure(data: Dataset, _repeats: int) -> list[Table]:
    """All contestants once; draws the picture."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_galaxies(data, folder)
        names = (*_OURS, *_OTHERS)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(lambda name: run(name, data.dataset, folder), names)
            curves = dict(zip(names, found, strict=True))
    draw(curves)
    rows = []
    for name, curve in curves.items():
        minutes, rmse = curve[-1]
        rows.append((name, str(len(curve)), f"{minutes:.1f}", f"{rmse:.4f}"))
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm", "lightgbm"))
    header = ("contestant", "epochs", "processor minutes", f"RMSE of fold {FOLD}, one view")
    note = f"{packages}, fastai {_FASTAI}; the picture is {PICTURE}"
    return [Table(f"At most about {MINUTES} processor minutes each", header, rows, [note])]


def write_galaxies(data: Dataset, folder: Path) -> None:
    """Galaxies as this project cuts them, as JPEG files, and votes in `votes.csv`."""
    pixels, _ = decode_many(data.raw.train_images.select(data.ids), ImageConfig())
    names = [f"{galaxy_id}.jpg" for galaxy_id in data.ids]
    for name, image in zip(names, pixels, strict=True):
        cv2.imwrite(str(folder / name), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    votes = pd.DataFrame(data.targets(TASKS["gz37"]), names, data.label_columns)
    votes.insert(0, "held_out", data.folds == FOLD)
    votes.to_csv(folder / "votes.csv", index_label="file")


def run(name: str, dataset: str, folder: Path) -> _Curve:
    """Start a contestant, which prints a line of minutes and RMSE after each epoch; wait for it."""
    here = Path(__file__).resolve()
    command = [sys.executable, str(here), name, dataset, MINUTES]
    if name in _OTHERS:
        command = [sys.executable, str(here.with_name(_OTHERS[name])), str(folder), MINUTES]
    if name == "fastai":
        command[:1] = fastai_python()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    curve = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("["):
                minutes, rmse = json.loads(line)
                curve.append((minutes, rmse))
                print(f"{name}: {minutes:.1f} min, RMSE {rmse:.4f}", file=sys.stderr)
    if process.returncode:
        raise SystemExit(f"{name} ended with {process.returncode}")
    return curve


def fastai_python() -> list[str]:
    """Command that starts a Python with fastai, on the same torch and timm."""
    if "FASTAI_PYTHON" in os.environ:
        return [os.environ["FASTAI_PYTHON"]]
    uv = CODE_ROOT / ".venv" / "bin" / "uv"
    command = [str(uv), "run", "--no-project", "--with", f"fastai=={_FASTAI}"]
    for name in ("torch", "torchvision", "timm"):
        command += ["--with", f"{name}=={version(name).partition('+')[0]}"]
    return [*command, "python"]


def draw(curves: dict[str, _Curve]) -> None:
    """Draw RMSE after each epoch against processor minutes."""
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, curve in curves.items():
        minutes, rmse = zip(*curve, strict=True)
        style = "-" if name in _OURS else "--"
        axes.plot(minutes, rmse, style, marker="o", markersize=3, label=name)
    axes.set(xlabel="processor minutes", ylabel=f"RMSE of fold {FOLD}, one view", ylim=(0.08, 0.15))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=150)


def make_config(run: str, epochs: int) -> Config:
    """A run's config, or that of its first stage (`RUN@STAGE`), with so many epochs."""
    recipe, _, stage = run.partition("@")
    if not stage:
        return load_config(recipe, [f"train.epochs={epochs}"])
    return load_config(recipe, [f"stages.{stage}.train.epochs={epochs}"]).stages[0]


def make_trainer(run: str, data: Dataset, epochs: int) -> Trainer:
    """A trainer of the held-out fold."""
    config = make_config(run, epochs)
    part = part_named(config, data, f"fold_{FOLD}")
    return Trainer(config, make_fold_data(config, data, part, before=None))


def train(name: str, data: Dataset, epochs: int, silent: bool = False) -> list[float]:
    """Train so many epochs, print minutes and RMSE after each; returns the minutes."""
    started = time.process_time()
    minutes = []
    for row in make_trainer(name, data, epochs).epochs():
        minutes.append((time.process_time() - started) / 60)
        if not silent:
            print([minutes[-1], row["val_score"]], flush=True)
    return minutes


def main() -> None:
    """Train one of our own runs in the time that is given."""
    name, dataset, minutes = sys.argv[1], sys.argv[2], float(sys.argv[3])
    data = prepare(dataset)
    train(name, data, epochs_in(minutes, train(name, data, 2, silent=True)))


if __name__ == "__main__":
    main()
