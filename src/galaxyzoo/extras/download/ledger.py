"""Keep the list of submissions, submissions/ledger.csv.

Users edit this file, so every cell is text: we add rows and fill empty cells of our own columns.
"""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from galaxyzoo.core import console, files
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.io.writing import format_csv
from galaxyzoo.results import layout

_SCORES = ["cross_validated", "nested", "public", "private"]
_COLUMNS = ["time", "ensemble", *_SCORES, "message", "digest", "kaggle_number"]
STATUS = "status"  # a column that ledgers of earlier versions lack
SENDING, PENDING, NOT_SENT = "sending", "pending", "not sent"
_NO_SCORE = ["", "NA", "NaN", "nan", "None", "null"]
_CLOCK_ERROR = pd.Timedelta(hours=1)  # of this machine, at most


def ledger_csv() -> Path:
    """Path of the list."""
    return layout.submissions_dir() / "ledger.csv"


class Ledger:
    """The list of submissions, read and checked as a whole.

    Attributes:
        columns: in the file's order.
        rows: cells by column.
    """

    def __init__(self) -> None:
        text = _read_text()
        self.mark = "\ufeff" if text.startswith("\ufeff") else ""  # so that Excel reads UTF-8
        self.line_end = "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"
        lines = io.StringIO(text.removeprefix(self.mark), newline="")
        reader = csv.DictReader(lines, restval="", strict=True)
        try:
            self.columns = list(reader.fieldnames or ())
            self.rows = list(reader)
        except csv.Error as error:
            raise _error(f"line {reader.line_num + 1}: {error}") from None
        for column in _COLUMNS + self.columns:
            if self.columns.count(column) != 1:
                raise _error(f"it needs one column '{column}', and commas between columns")
        for number, row in enumerate(self.rows, 1):
            if None in row:
                raise _error(f"data row {number} has more cells than the header")
        self.scores()  # refuses what is no number
        if STATUS not in self.columns:
            self.columns.append(STATUS)
            for row in self.rows:
                row[STATUS] = ""

    def scores(self) -> pd.DataFrame:
        """Scores as numbers, NaN where there is none; an `InputError` names a cell that is none."""
        cells = pd.DataFrame(self.rows, columns=_SCORES)
        cells = cells.mask(cells.isin(_NO_SCORE))
        numbers = cells.apply(pd.to_numeric, errors="coerce")
        wrong = cells[numbers.isna()].melt(ignore_index=False).dropna()
        if len(wrong):
            row = wrong.index[0]
            column, cell = wrong.iloc[0]
            raise _error(f"data row {row + 1}, {column}: '{cell}' is no number such as 0.08")
        return numbers

    def add(self, **cells: Any) -> dict[str, str]:
        """Add a row; None is an empty cell."""
        row = dict.fromkeys(self.columns, "")
        for column, cell in cells.items():
            row[column] = "" if cell is None else str(cell)
        self.rows.append(row)
        return row

    def interrupted(self) -> list[dict[str, str]]:
        """Rows of submissions whose sending was interrupted, so that Kaggle may lack them."""
        return [row for row in self.rows if row[STATUS] == SENDING]

    def record(self, entries: Sequence[Any], *, are_all: bool = False) -> None:
        """Fill in what Kaggle lists, and write the file.

        Args:
            entries: of the list, the newest first.
            are_all: whether the list is complete; then interrupted submissions are looked up, and
                those that the ledger lacks are added.
        """
        # Earlier versions wrote 4711.0 where another row had no number.
        rows = {row["kaggle_number"].removesuffix(".0"): row for row in self.rows}
        for entry in reversed(entries):
            row = rows.get(str(entry.ref))
            if row is None:
                if not are_all:
                    continue
                row = self._find_interrupted(entry) or self.add(
                    time=_utc(entry.date).isoformat(timespec="seconds"),
                    ensemble=entry.file_name,
                    message=entry.description,
                )
            if row[STATUS] in ("", SENDING, PENDING):
                row[STATUS] = entry.status.name.lower()
            row["kaggle_number"] = row["kaggle_number"] or str(entry.ref)
            row["public"] = row["public"] or entry.public_score
            row["private"] = row["private"] or entry.private_score
        if are_all:
            for row in self.interrupted():
                row[STATUS] = NOT_SENT
                print(f"the submission of {row['time']} ({row['message']}) did not reach Kaggle")
        self.write()

    def _find_interrupted(self, entry: Any) -> dict[str, str] | None:
        """Find the row whose sending was interrupted after Kaggle had got it; None: no such row."""
        for row in self.interrupted():
            is_older = _utc(entry.date) < _utc(row["time"]) - _CLOCK_ERROR
            if entry.description.split() == row["message"].split() and not is_older:
                return row
        return None

    def write(self) -> None:
        """Write the file; where it is a link, the file that it names."""
        cells = pd.DataFrame(self.rows, columns=self.columns)
        text = format_csv([self.columns, *cells.to_numpy()], self.line_end)
        files.write_text(Path(os.path.realpath(ledger_csv())), self.mark + text)

    def print(self) -> None:
        """Print what was sent, and how far the public score is from the cross-validated one.

        Where Kaggle's scores are known, a picture beside the file has them over the cross-validated
        ones, with the line on which they are equal.
        """
        cells = pd.DataFrame(self.rows, columns=self.columns)
        scores = self.scores()
        scored = scores.dropna(subset=["cross_validated", "public"])
        scores["public - cross_validated"] = scores["public"] - scores["cross_validated"]
        listing = cells[["ensemble", STATUS]].join(scores).join(cells[["message", "time"]])
        console.print_table(f"submissions, {shown(ledger_csv())}", listing)
        if scored.empty:
            return
        labels = {
            "title": "On the gray line, a score on Kaggle equals the cross-validated one",
            "xlabel": "cross-validated score",
            "ylabel": "score on Kaggle",
        }
        axes = scored.plot("cross_validated", ["public", "private"], style="o", **labels)
        axes.axline([scored["cross_validated"].mean()] * 2, slope=1, color="gray")
        picture = ledger_csv().with_suffix(".png")
        with files.writing(picture) as temporary:
            axes.figure.savefig(temporary, format="png")
        print(f"picture: {shown(picture)}")


def _read_text() -> str:
    path = ledger_csv()
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise _error("it is not UTF-8: save it as CSV UTF-8") from None
    except FileNotFoundError:
        if path.is_symlink():
            raise _error(f"the file that it links to, {path.readlink()}, is missing") from None
    except OSError as error:
        raise _error(f"{error.strerror}") from None
    return ",".join([*_COLUMNS, STATUS])


def _error(problem: str) -> InputError:
    return InputError(f"{shown(ledger_csv())}: {problem}; correct the file, or move it away")


def _utc(time: Any) -> pd.Timestamp:
    """Parse a time; NaT if it is none."""
    return pd.to_datetime(str(time), utc=True, errors="coerce")
