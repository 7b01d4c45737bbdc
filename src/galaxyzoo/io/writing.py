"""Write tables: atomically, finite, and without cells that a spreadsheet would run."""

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.core import files, launch
from galaxyzoo.core.errors import one_line
from galaxyzoo.core.paths import shown
from galaxyzoo.io.tables import ID
from galaxyzoo.tasks.kinds import CLASS

TABLE_SUFFIXES = ".csv", ".parquet"  # that `write_predictions` takes
_FORMULA_STARTS = tuple("=+-@＝＋－＠")  # the printable ones of OWASP's list (CSV injection)
_NUMBER = r"[+-][0-9]+(\.[0-9]+)?"  # such as a declination: no formula


def write_predictions(path: Path, predictions: pd.DataFrame) -> None:
    """Write a prediction table atomically: `.parquet` as Parquet, else CSV (`format_predictions`).

    Raises:
        ValueError: an id is repeated or a value is not finite.
        InputError: the package that writes Parquet is not installed.
    """
    if path.suffix.lower() != ".parquet":
        files.write_text(path, format_predictions(predictions))
        return
    launch.require(shown(path), "pyarrow")
    _check_predictions(predictions)
    table = predictions.rename_axis(predictions.index.name or ID).reset_index()
    with files.writing(path) as temporary:
        table.to_parquet(temporary, index=False)


def format_predictions(predictions: pd.DataFrame, float_format: str = "%.9f") -> str:
    """A prediction table as CSV text, its index (GalaxyID, or the index's name) first.

    Args:
        predictions: table of numbers, besides an optional `class` column of names.
        float_format: form of fractional numbers.
    Raises:
        ValueError: an id is repeated or a value is not finite.
    """
    _check_predictions(predictions)
    label = predictions.index.name or ID
    safe = without_formulas(predictions)
    return safe.to_csv(index_label=label, float_format=float_format, lineterminator="\n")


def _check_predictions(predictions: pd.DataFrame) -> None:
    numbers = predictions.drop(columns=CLASS, errors="ignore").to_numpy(dtype=float)
    if predictions.index.duplicated().any() or not np.isfinite(numbers).all():
        raise ValueError("predictions to write must have distinct ids and finite values")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write any table atomically, without its index, with nine significant digits."""
    safe = without_formulas(table)
    files.write_text(path, safe.to_csv(index=False, float_format="%.9g", lineterminator="\n"))


def format_csv(rows: Iterable[Iterable[str]], line_end: str = "\n") -> str:
    """Rows of texts as CSV; a cell may hold any line break.

    With another line end than its own, CRLF, csv.writer leaves a lone carriage return unquoted
    before Python 3.13, as does pandas, and a reader would begin a row there.
    """
    lines = []
    for row in rows:
        line = io.StringIO()
        csv.writer(line).writerow(row)
        lines.append(line.getvalue().removesuffix("\r\n") + line_end)
    return "".join(lines)


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Put a ' before every cell, index or column name that a spreadsheet would run as a formula.

    Unprintable characters are escaped: a line break would begin a new row and cell, and UTF-8
    cannot hold every file's name. Numbers stay numbers.
    """
    table = table.rename(columns=plain_cell, index=plain_cell)
    for name in table.select_dtypes(exclude=["number", "bool"]):
        table[name] = table[name].map(plain_cell)
    return table


def plain_cell(value: object) -> object:
    """A cell of `without_formulas`."""
    if not isinstance(value, str):
        return value
    text = one_line(value)
    is_formula = text.startswith(_FORMULA_STARTS) and not re.fullmatch(_NUMBER, text)
    return f"'{text}" if is_formula else text
