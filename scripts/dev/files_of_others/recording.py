"""Files that other tools write, each with what that tool itself reads there.

The scripts `write_*.py` are what users of these tools would write. Each runs in an environment of
its own, named in its first lines, and needs neither this project nor its packages.
"""

import json
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

GALAXIES = "galaxies.npz"
RECORD = "record.json"
CONTENT = "content.npz"
# Names of what may be in the content
PLANES = "planes"  # (band, H, W) measured pixels
PICTURES = "pictures"  # (image, H, W, 3) uint8 RGB
IDS = "ids"  # (image,) of pictures, of a list's rows or of labels
PLACES = "places"  # (image,) paths in a list
COLUMN = "column "  # begins the names of a list's other columns
CLASSES = "classes"  # (image,) of labels

NAMES = [f"J{number}" for number in range(6)]
FILES = [f"{name}.png" for name in NAMES]
LONG_IDS = [10**18 + 7 * number for number in range(6)]  # more digits than a float keeps


@dataclass(frozen=True)
class Galaxies:
    """The six galaxies to write, 64 px a side."""

    path: Path

    @cached_property
    def pictures(self) -> np.ndarray:
        """(galaxy, H, W, 3) uint8 RGB."""
        return self._load("pictures")

    @cached_property
    def pngs(self) -> list[bytes]:
        """(galaxy,) the pictures as PNG."""
        ends = np.cumsum(self._load("png_sizes"))[:-1]
        return [png.tobytes() for png in np.split(self._load("pngs"), ends)]

    @cached_property
    def bands(self) -> np.ndarray:
        """(3, H, W) float32 pixels of the first galaxy in g, r and i, with a noisy sky."""
        return self._load("bands")

    @property
    def gappy_bands(self) -> np.ndarray:
        """The bands, NaN in a corner."""
        bands = self.bands.copy()
        bands[:, :4, :9] = np.nan
        return bands

    def counts(self, kind: str) -> np.ndarray:
        """(3, H, W) the bands in whole numbers over most of a type's range."""
        limits = np.iinfo(kind)
        shares = (self.bands - self.bands.min()) / np.ptp(self.bands).astype(float)
        extent = float(limits.max) - float(limits.min)
        return (limits.min + 1 + shares * 0.9 * extent).astype(kind)

    def write_pngs(self, folder: Path, names: Sequence[str] = FILES) -> None:
        """Write the pictures into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, png in zip(names, self.pngs, strict=True):
            (folder / name).write_bytes(png)

    def _load(self, name: str) -> np.ndarray:
        with np.load(self.path) as arrays:
            return arrays[name]


@dataclass(frozen=True)
class Written:
    """A file or folder, and what the tool that wrote it reads there."""

    path: Path
    content: Mapping[str, Any] = field(default_factory=dict)  # empty: a line is expected
    options: Sequence[str] = ()  # of `predict.py`


@dataclass(frozen=True)
class _Task:
    tool: str  # its package
    form: str
    write: Callable[..., Written]
    arguments: tuple


_TASKS: list[_Task] = []


def add(tool: str, form: str, write: Callable[..., Written], *arguments: Any) -> None:
    """Add a form that a function writes, from the galaxies into a folder."""
    _TASKS.append(_Task(tool, form, write, arguments))


def write_all() -> None:
    """Write all forms that were added into the folder that the command names."""
    top = Path(sys.argv[1])
    galaxies = Galaxies(top / GALAXIES)
    for number, task in enumerate(_TASKS):
        folder = top / f"{number:03d}"
        folder.mkdir()
        record: dict[str, Any] = {"tool": task.tool, "form": task.form}
        try:
            written = task.write(galaxies, folder, *task.arguments)
            record |= {"path": str(written.path), "options": list(written.options)}
            np.savez(folder / CONTENT, **written.content)
        except ImportError:
            record["failure"] = "not installed"
        except Exception:  # noqa: BLE001  the others shall be written
            record["failure"] = traceback.format_exc()
        with suppress(PackageNotFoundError):  # a program, which names its own version
            record["tool"] += f" {version(task.tool)}"
        (folder / RECORD).write_text(json.dumps(record))
