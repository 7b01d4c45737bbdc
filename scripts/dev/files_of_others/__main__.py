"""Print what we read of files that other tools write: the table of docs/formats.md.

    PYTHONPATH=src .venv/bin/python scripts/dev/files_of_others [SCRIPT…] [--python PYTHON]

It takes minutes. Each SCRIPT, such as `fits` for write_fits.py (default: all), runs by uv with the
packages that its first lines name; PYTHON has them already. What cannot be installed is marked so.
Lines and differences are listed below the table; a difference is an error.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from recording import (
    CLASSES,
    COLUMN,
    CONTENT,
    GALAXIES,
    IDS,
    PICTURES,
    PLACES,
    PLANES,
    RECORD,
)

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.demo.dataset import draw_galaxy
from galaxyzoo.data.readers.find import open_input
from galaxyzoo.data.stores import opening
from galaxyzoo.data.stores.base import Images
from galaxyzoo.extras.formats import fits_file
from galaxyzoo.extras.formats.columns import open_columns
from galaxyzoo.inference.chunks import Chunk

SIDE = 64  # px
SAME = "same"
LINE = "line"
DIFFERENT = "different"
MISSING = "not installed"
_FLOAT = 1e-6  # relative rounding of float32, in which astropy scales whole numbers
Content = dict[str, np.ndarray]


@dataclass(frozen=True)
class Outcome:
    """What we read of a form that a tool writes."""

    tool: str
    form: str
    verdict: str
    detail: str = ""


def draw_galaxies(path: Path) -> None:
    """Draw the galaxies that all tools write."""
    pictures = []
    for number in range(6):
        picture, _ = draw_galaxy(100_000 + number, seed=0)
        pictures.append(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    pngs = [cv2.imencode(".png", picture[..., ::-1])[1].tobytes() for picture in pictures]
    noise = np.random.default_rng(0).normal(0, 0.1, (3, SIDE, SIDE))
    bands = np.moveaxis(pictures[0], 2, 0)[::-1, ::-1] / 20 + noise
    np.savez(
        path,
        pictures=np.stack(pictures),
        pngs=np.frombuffer(b"".join(pngs), np.uint8),
        png_sizes=np.array([len(png) for png in pngs]),
        bands=bands.astype(np.float32),
    )


def read_pictures(path: Path, settings: Any) -> tuple[Images, np.ndarray]:
    """Images and their (image, H, W, 3) pixels as `predict.py` reads them, or an InputError."""
    (images,) = opening.open_all([path], settings)
    chunk = Chunk(images)
    pixels = chunk.decode(ImageConfig(crop_px=424, cache_px=SIDE))
    for name, reason in [*images.left_out, *chunk.problems]:
        raise InputError(f"{name}: {reason}")
    return images, pixels


def compare_planes(path: Path, content: Content, options: list[str]) -> str:
    """Compare measured pixels, and the picture that they become; a text says how they differ."""
    if "--bands" not in options:
        options = [*options, "--bands", "0,1,2"]
    settings: Any = opening.read_settings([*options, "--stretch", "linear"])
    _, (picture,) = read_pictures(path, settings)
    planes, _ = fits_file.read_planes(path.read_bytes(), settings.hdu)
    expected = content[PLANES].astype(float)
    expected = expected.reshape(-1, *expected.shape[-2:])
    if planes.shape != expected.shape:
        return f"shape {planes.shape}, not {expected.shape}"
    tolerance = _FLOAT * np.nanmax(abs(expected))
    if not np.allclose(planes, expected, rtol=0, atol=tolerance, equal_nan=True):
        return "other pixels"
    if np.isnan(expected).any() or expected.shape[1:] != (SIDE, SIDE):
        return ""
    shares = (expected - expected.min()) / np.ptp(expected)
    plain = np.moveaxis(255 * shares, 0, 2)[::-1]  # FITS counts rows upwards
    return "" if abs(picture - plain).max() < 1 else "another picture"


def compare_pictures(path: Path, content: Content, options: list[str]) -> str:
    """Compare pictures and their ids."""
    images, pixels = read_pictures(path, opening.read_settings(options))
    if images.names.tolist() != content[IDS].tolist():
        return f"id {images.names.iloc[0]}, not {content[IDS][0]}"
    return "" if np.array_equal(pixels, content[PICTURES]) else "other pixels"


def compare_list(path: Path, content: Content, options: list[str]) -> str:
    """Compare ids, paths and other columns of a list."""
    images, _ = read_pictures(path, opening.read_settings(options))
    if images.names.tolist() != content[IDS].tolist():
        return f"id {images.names.iloc[0]}, not {content[IDS][0]}"
    if images.table["row"].tolist() != content[PLACES].tolist():
        return "other paths"
    names = [name.removeprefix(COLUMN) for name in content if name.startswith(COLUMN)]
    columns = open_columns(path, dict(zip(names, names, strict=True)))
    table = next(columns.pieces()).to_pandas()
    for name in names:
        expected = content[COLUMN + name]
        values = table[name].to_numpy(expected.dtype)
        if not np.array_equal(values, expected, equal_nan=True):
            return f"other numbers in column {name}"
    return ""


def compare_labels(path: Path, content: Content, options: list[str]) -> str:
    """Compare classes by ids, as `prepare.py` reads them."""
    with redirect_stdout(StringIO()):
        targets = open_input(str(path), set(), options).targets
    classes = targets.idxmax(axis=1)
    expected = dict(zip(content[IDS].tolist(), content[CLASSES].tolist(), strict=True))
    return "" if classes.to_dict() == expected else f"classes {classes.to_dict()}"


def compare_line(path: Path, content: Content, options: list[str]) -> str:
    """Read what only a line is expected of."""
    if list(path.glob("labels.*")):
        compare_labels(path, {IDS: np.array([]), CLASSES: np.array([])}, options)
    else:
        read_pictures(path, opening.read_settings(options))
    return "read, where a line was expected"


COMPARISONS = {
    PLANES: compare_planes,
    PICTURES: compare_pictures,
    PLACES: compare_list,
    CLASSES: compare_labels,
}


def compare(folder: Path) -> Outcome:
    """Compare what we read of a file with what the tool reads."""
    record = json.loads((folder / RECORD).read_text())
    named = record["tool"], record["form"]
    if "failure" in record:
        reason = record["failure"].strip().splitlines()[-1]
        return Outcome(*named, MISSING if reason == MISSING else DIFFERENT, reason)
    with np.load(folder / CONTENT) as arrays:
        content = dict(arrays)
    kinds = [COMPARISONS[name] for name in COMPARISONS if name in content]
    run = kinds[0] if kinds else compare_line
    try:
        difference = run(Path(record["path"]), content, record["options"])
    except InputError as error:
        return Outcome(*named, LINE, str(error).replace(f"{folder}/", ""))
    except Exception as error:  # noqa: BLE001  a traceback, which users must not see
        return Outcome(*named, DIFFERENT, f"{type(error).__name__}: {error}")
    return Outcome(*named, DIFFERENT if difference else SAME, difference)


def run_script(path: Path, python: str | None) -> list[Outcome]:
    """Let a script write its files, and read them."""
    command = [python] if python else [str(Path(sys.executable).with_name("uv")), "run", "--script"]
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        draw_galaxies(top / GALAXIES)
        done = subprocess.run([*command, path, top], capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [""])[-1]
            return [Outcome(path.stem, "all", MISSING, reason)]
        return [compare(record.parent) for record in sorted(top.glob(f"*/{RECORD}"))]


def print_table(outcomes: list[Outcome]) -> None:
    """Print a row for each tool, then each line and difference."""
    print("|Written by|We read the same|One line says what to do|")
    print("|---|---|---|")
    for tool in dict.fromkeys(outcome.tool for outcome in outcomes):
        cells = []
        for verdict in (SAME, LINE):
            forms = [o.form for o in outcomes if o.tool == tool and o.verdict == verdict]
            cells.append("; ".join(forms))
        if not any(cells):
            cells[0] = MISSING
        print(f"|{tool}|{'|'.join(cells)}|")
    print()
    for outcome in outcomes:
        if outcome.verdict != SAME:
            print(f"{outcome.verdict}: {outcome.tool}, {outcome.form}: {outcome.detail}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("scripts", nargs="*")
    parser.add_argument("--python")
    arguments = parser.parse_args()
    here = Path(__file__).parent
    paths = [here / f"write_{name}.py" for name in arguments.scripts]
    outcomes = []
    for path in paths or sorted(here.glob("write_*.py")):
        outcomes += run_script(path, arguments.python)
    print_table(outcomes)
    return int(any(outcome.verdict == DIFFERENT for outcome in outcomes))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
