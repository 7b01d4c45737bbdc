"""Surveys of Parquet lists up to ten million rows: what surrounds the networks.

A row has an id, a path, a position and three columns to keep; all rows point at a few hundred small
pictures. The network of `tests/support/surveys.py` answers at once. Each step is a process of its
own; before what the table says of it, packages are imported and a job of eight images is done.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pyarrow as pa
from measuring import Table, growth, read_peak, run_alone
from pyarrow import compute, dataset, parquet
from tqdm import tqdm

from galaxyzoo.data.prepare import Dataset
from galaxyzoo.extras.surveys import COLUMN_NAMES
from galaxyzoo.extras.surveys.images import SurveyImages
from galaxyzoo.extras.surveys.one_table import write_one_table
from galaxyzoo.extras.surveys.part_files import PARTS
from galaxyzoo.extras.surveys.survey import Survey
from support.surveys import Brightness

ROWS = (100_000, 1_000_000, 10_000_000)
_LONGEST = 1_000_000  # rows of a job that is run to its end, 0.3 ms each
_AT_ONCE = 1_000_000  # rows, a row group of the list
_PICTURES = 300
_KEPT = ("mag", "z", "field")
_FIRST = "first part"
_SOUGHT = 1_000  # galaxies that are read back
_HEADER = ("step", *(f"{rows:,} rows" for rows in ROWS), "exponent")


class Cost(NamedTuple):
    """Wall and CPU seconds, and GiB, which a process has held at most."""

    wall_s: float
    cpu_s: float
    gib: float


class StartedError(Exception):
    """The network was asked for the first part."""


class Waiting(Brightness):
    """Ends a job as it begins."""

    def predict(self, decode: Any) -> np.ndarray:
        raise StartedError


def measure(_data: Dataset, _repeats: int) -> list[Table]:
    """Each size once."""
    found: dict[str, list[Cost]] = {step: [] for step in STEPS}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_pictures(folder / "pictures")
        for rows in tqdm(ROWS, "sizes", unit="size"):
            write_list(folder / "list.parquet", rows)
            for step in STEPS:
                if step == _FIRST or rows <= _LONGEST:
                    found[step].append(Cost(*run_alone(__file__, step, str(folder))))
                    print(f"{rows:,} {step}: {found[step][-1]}", file=sys.stderr)
    table = []
    for step, costs in found.items():
        cells = [describe(cost) for cost in costs]
        cells += ["–"] * (len(ROWS) - len(costs))
        table.append((step, *cells, exponent(costs)))
    return [Table("Surveys of Parquet lists: wall and CPU seconds, peak memory", _HEADER, table)]


def describe(cost: Cost) -> str:
    """A cell of the table."""
    return f"{cost.wall_s:.1f} s, {cost.cpu_s:.1f} s, {cost.gib:.2f} GiB"


def exponent(costs: list[Cost]) -> str:
    """How CPU seconds grow with rows."""
    return f"{growth(ROWS[: len(costs)], [cost.cpu_s for cost in costs]):.2f}"


def write_pictures(folder: Path) -> None:
    """Small pictures in shades of gray."""
    folder.mkdir()
    for number in range(_PICTURES):
        picture = np.full((16, 16, 3), 20 + number % 200, np.uint8)
        picture[:8] += 3  # one color alone is no galaxy
        cv2.imwrite(str(folder / f"{number}.jpg"), picture)


def write_list(path: Path, rows: int) -> None:
    """A list as a catalog gives it, made in blocks."""
    rng = np.random.default_rng(0)
    names = np.array([f"pictures/{number}.jpg" for number in range(_PICTURES)])
    writer = None
    for start in range(0, rows, _AT_ONCE):
        number = np.arange(start, min(start + _AT_ONCE, rows))
        count = len(number)
        block = pa.table(
            {
                "id": galaxy_ids(number),
                "path": names[number % _PICTURES],
                "ra": rng.uniform(0, 360, count),
                "dec": rng.uniform(-90, 90, count),
                "mag": rng.normal(18, 1, count).astype(np.float32),
                "z": rng.uniform(0, 0.2, count),
                "field": (number // 1000).astype(np.int32),
            }
        )
        writer = writer or parquet.ParquetWriter(path, block.schema)
        writer.write_table(block)
    if writer:
        writer.close()


def galaxy_ids(number: np.ndarray) -> np.ndarray:
    """Ids as long as those of SDSS."""
    return 587_722_981_742_084_096 + 3 * number


def make_job(images: Path, votes: Path, network: type[Brightness] = Brightness) -> Survey:
    """A survey of a list."""
    found = SurveyImages((images,), keep=_KEPT)
    load: Any = network
    return Survey(votes, "elliptical_spiral/x", load, found, np.array([0.5, 0.5]))


def begin(folder: Path) -> None:
    """A job up to its first part, which needs no files of an earlier one."""
    with tempfile.TemporaryDirectory(dir=folder) as votes:
        try:
            make_job(folder / "list.parquet", Path(votes, "votes"), Waiting).run()
        except StartedError:
            return
    raise AssertionError("the network was never asked")


def finish(folder: Path) -> None:
    """A whole job."""
    shutil.rmtree(folder / "votes", ignore_errors=True)
    make_job(folder / "list.parquet", folder / "votes").run()


def tabulate(folder: Path) -> None:
    """One table of all parts, in their order."""
    write_one_table(folder / "table.parquet", part_paths(folder), COLUMN_NAMES[0])


def read_parts(folder: Path) -> None:
    """Galaxies drawn at random, from all parts."""
    read_some(part_paths(folder))


def read_table(folder: Path) -> None:
    """The same galaxies from the table."""
    read_some([folder / "table.parquet"])


def read_some(paths: list[Path]) -> None:
    """Three columns of galaxies drawn at random, with pyarrow."""
    whole = dataset.dataset(paths)
    drawn = np.random.default_rng(1).choice(whole.count_rows(), _SOUGHT, replace=False)
    wanted = compute.field("GalaxyID").isin(pa.array(galaxy_ids(drawn)))
    found = whole.to_table(columns=["GalaxyID", "ra", "mag"], filter=wanted)
    assert found.num_rows == _SOUGHT


def part_paths(folder: Path) -> list[Path]:
    """Parts of the job."""
    return sorted((folder / "votes" / PARTS).glob("*.parquet"))


STEPS = {
    _FIRST: begin,
    "whole job": finish,
    "one table": tabulate,
    f"{_SOUGHT:,} galaxies from the parts": read_parts,
    f"{_SOUGHT:,} galaxies from the table": read_table,
}


def main() -> None:
    """Do a step; prints its cost."""
    step, folder = sys.argv[1], Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as small:
        write_pictures(Path(small, "pictures"))
        write_list(Path(small, "list.parquet"), 8)
        make_job(Path(small, "list.parquet"), Path(small, "votes")).run()
    before = Cost(time.perf_counter(), time.process_time(), read_peak())
    STEPS[step](folder)
    print(
        time.perf_counter() - before.wall_s,
        time.process_time() - before.cpu_s,
        read_peak() - before.gib,
    )


if __name__ == "__main__":
    main()
