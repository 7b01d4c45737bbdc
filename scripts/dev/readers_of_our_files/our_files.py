"""Small files of each kind that this project writes, by its own commands, and what is in them.

Thirteen simulated galaxies on both sides of right ascension 0, of which one image is broken, in a
list with a magnitude, a long whole number, a boolean and a text that some galaxies lack. The list
is made twice: with ids as long as Gaia's, and with ids of text that begin with zeros.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import pandas as pd
from pyarrow import parquet
from table_readers import ECSV, FITS, HATS, LABELS, PARQUET, PARTS, PREDICTIONS, VOTABLE, installed

from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.data.demo.dataset import draw_galaxy, write_demo
from galaxyzoo.extras.labels.survey_labels import NOTE, SKIPPED, SurveyLabels
from galaxyzoo.extras.surveys.finished import read_features

_GALAXIES = 13
_BROKEN = 12
_KEPT = "mag", "plate", "good", "name"
# Texts that some programs take for missing values or numbers
_NAMES = {2: "", 4: "NA", 5: "001", 6: "null", 8: "1e5"}
_ENDINGS = {PARQUET: ".parquet", FITS: ".fits", VOTABLE: ".vot", ECSV: ".ecsv"}
PREDICTION = "Class1.1"
DATASET, RUN = "little", "gz37/mobilenetv2"


@dataclass(frozen=True)
class OurFile:
    """A file, or a folder of parts, and the columns by which readers are judged."""

    kind: str  # heading of its column in the table
    path: Path
    key: str  # column of the ids
    columns: Mapping[str, Sequence[Any]]  # values in the order of the file, None where missing
    unit: str | None = None  # of ra

    @property
    def ids(self) -> Sequence[Any]:
        """Ids of the galaxies, in order."""
        return self.columns[self.key]


def make_files(folder: Path) -> list[OurFile]:
    """Write all files below a folder, which is `GALAXYZOO_ROOT`."""
    (folder / "pictures").mkdir(parents=True)
    for number in range(_GALAXIES):
        image, _ = draw_galaxy(number, seed=0)
        cv2.imwrite(str(folder / "pictures" / f"{number}.jpg"), image[..., ::-1])
    (folder / "pictures" / f"{_BROKEN}.jpg").write_bytes(b"no image")
    files = [make_oof(folder)]
    for ids in ("numbers", "texts"):
        listed = folder / f"{ids}.csv"
        write_list(listed, is_text=ids == "texts")
        files += make_survey(listed)
        files.append(make_predictions(listed))
        files.append(make_labels(folder / f"{ids}_votes"))
    return files


def run_command(script: str, *arguments: str | Path) -> None:
    """Run a command of this project; what it prints goes to the error stream."""
    words = [sys.executable, CODE_ROOT / "src" / script, *arguments]
    subprocess.run(words, check=True, stdout=sys.stderr)


def write_list(path: Path, is_text: bool) -> None:
    """Write a list of the pictures; every galaxy lacks at most one value."""
    rows = []
    for number in range(_GALAXIES):
        rows.append(
            {
                "id": f"{7 * number + 1:04d}" if is_text else 4_295_806_720_000_000_001 + number,
                "path": f"pictures/{number}.jpg",
                "ra": (359.9951 + 0.001 * number) % 360,
                "dec": -0.005 + 0.001 * number,
                "mag": "" if number in (1, 6) else 17 + number / 2,
                "plate": "" if number == 7 else 9_007_199_254_740_993 + 2 * number,
                "good": "" if number == 3 else number % 2 == 0,
                "name": _NAMES.get(number, f"UGC {number}"),
            }
        )
    pd.DataFrame(rows).to_csv(path, index=False)


def make_survey(listed: Path) -> list[OurFile]:
    """Predict a list into parts, and write all tables of them."""
    folder = listed.with_name(f"{listed.stem}_votes")
    options = ["--folds", "0", "--keep", ",".join(_KEPT), "--part-size", "5", "--with", "features"]
    tables = {}
    for kind, ending in _ENDINGS.items():  # all but the first go on where the first ended
        tables[kind] = listed.with_name(f"{listed.stem}_table{ending}")
        run_command("survey.py", listed, f"{folder}/", *options, "--table", tables[kind])
    written = parquet.read_table(tables[PARQUET])
    columns = {}
    for name in ("id", "ra", "dec", *_KEPT, PREDICTION, "zoo5", "features"):
        columns[name] = written[name].to_pylist()
    check_against_list(columns, listed)
    files = [OurFile(PARTS, folder / "parts", "id", columns)]
    for kind, path in tables.items():
        files.append(OurFile(kind, path, "id", columns, unit="deg"))
    if installed("lsdb"):
        files.append(make_hats(files[1]))
    return files


def check_against_list(columns: Mapping[str, Sequence[Any]], listed: Path) -> None:
    """Compare what our files should hold with the list, cell by cell."""
    cells = pd.read_csv(listed, dtype=str, keep_default_na=False)[:_BROKEN]
    for name in ("id", "ra", "dec", *_KEPT):
        for cell, value in zip(cells[name], columns[name], strict=True):
            if cell != ("" if value is None else str(value)):
                raise ValueError(f"{name} is {value} in our file, and {cell} in the list")


def make_hats(table: OurFile) -> OurFile:
    """Turn a table in Parquet into a HATS catalog, as docs/surveys.md says."""
    import lsdb

    path = table.path.with_suffix(".hats")
    frame = pd.read_parquet(table.path, dtype_backend="pyarrow")
    lsdb.from_dataframe(frame, catalog_name="votes").write_catalog(path)
    return replace(table, kind=HATS, path=path, unit=None)


def make_predictions(listed: Path) -> OurFile:
    """Predict a list into a CSV, the form of submissions and of out-of-fold tables."""
    path = listed.with_name(f"{listed.stem}_predictions.csv")
    run_command("predict.py", listed, "--folds", "0", "--output", path)
    return OurFile(PREDICTIONS, path, "id", read_cells(path, {PREDICTION: float}))


def make_oof(folder: Path) -> OurFile:
    """Train a network for an epoch, which leaves an out-of-fold table and weights."""
    write_demo(folder / "input" / DATASET, n_train=40, n_test=5)
    settings = ["train.epochs=1", "model.pretrained=false"]
    run_command("train.py", RUN, "--data", DATASET, *settings)
    (path,) = (folder / "oof").glob(f"*/{RUN}.csv")
    return OurFile(
        PREDICTIONS, path, "GalaxyID", read_cells(path, {PREDICTION: float, "fold": int})
    )


def make_labels(votes: Path) -> OurFile:
    """Label galaxies as the page does: a class each, a class called NA, a note, one skipped."""
    labels = SurveyLabels(read_features(votes))
    for row, name in enumerate(("ring", "merger, late", "NA")):
        labels.label([row], labels.add_class(name))
    labels.annotate(1, NOTE, 'a "bar"?')
    labels.annotate(3, SKIPPED, "yes")
    return OurFile(LABELS, labels.path, "id", read_cells(labels.path))


def read_cells(path: Path, kinds: Mapping[str, type] | None = None) -> dict[str, list[Any]]:
    """Read a CSV's ids, and columns of given types or all as text; None where a cell is empty."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    key = table.columns[0]
    is_number = not table[key][0].startswith("0")
    kinds = kinds or dict.fromkeys(table.columns[1:], str)
    columns = {}
    for name, convert in {key: int if is_number else str, **kinds}.items():
        columns[name] = [convert(cell) if cell else None for cell in table[name]]
    return columns
