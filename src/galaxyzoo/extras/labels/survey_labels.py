"""A user's labels of a survey's galaxies, in files beside it.

`labels.csv` (id, class, note, skipped) and `classes.txt`, a line for each key, are the whole state;
both are in the survey's folder. Each label is written there before it counts; whatever else is in
the files stays, and a file that another program has changed is never written over.
"""

import io
import threading
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from galaxyzoo.core import files, manifest
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.stores.columns import find_ids, read_ids
from galaxyzoo.data.stores.matching import find_rows
from galaxyzoo.extras.labels.own_task import can_be_label
from galaxyzoo.extras.labels.scores import Proportion
from galaxyzoo.extras.surveys.finished import SurveyFeatures
from galaxyzoo.io.tables import read_table
from galaxyzoo.io.writing import format_csv, plain_cell
from galaxyzoo.tasks.kinds import CLASS

_LABELS = "labels.csv"
_CLASSES = "classes.txt"
LABELS_LOCK = ".labels.lock"
ID_COLUMN = "id"  # of tables that are written
NOTE = "note"  # column of labels
SKIPPED = "skipped"  # column of labels
_YES = "yes"  # in the column of skipped galaxies
_LONGEST = 40  # characters of a class's name


@dataclass(frozen=True)
class Agreement:
    """Labels compared with those of another person."""

    share: Proportion  # of the galaxies labeled by both, those that have the same class
    kappa: float  # Cohen's kappa (1960); NaN where both gave one class alone
    others: dict[int, str]  # the other's class of each galaxy with another one, by row


@dataclass(eq=False)
class SurveyLabels:
    """Labels of a survey's galaxies; rows are positions in `survey`."""

    survey: SurveyFeatures
    # "" where one was removed: the others keep their numbers. Replaced, never changed, as `labels`
    classes: list[str] = field(init=False)
    labels: dict[int, int] = field(init=False)  # row -> class
    _table: pd.DataFrame = field(init=False)  # labels.csv as text, by row of the galaxy
    _key: str = field(init=False)  # its column of ids
    _seen: list[bytes | None] = field(init=False)  # the files as they were read or written last
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        names = [str(plain_cell(i)) for i in self.survey.ids.tolist()]
        self.names = pd.Index(names, dtype=object)  # in requests, too
        identity = (str(self.survey.folder.resolve()), names)
        self.key = manifest.digest([repr(identity)])[:16]
        self.read()

    @property
    def path(self) -> Path:
        """The file of labels."""
        return self.survey.folder / _LABELS

    def row_of(self, name: str) -> int:
        """Row of a galaxy, by its name; a stranger is an error."""
        if name not in self.names:
            raise InputError(f"the survey has no galaxy '{name}'")
        return int(self.names.get_indexer([name])[0])

    def class_number(self, name: str | None) -> int | None:
        """Number of a class, None: of no class; an unknown name is an error."""
        if name is None:
            return None
        if not name or name not in self.classes:
            raise InputError(f"there is no class '{name}' now: reload the page")
        return self.classes.index(name)

    def class_of(self, row: int) -> str | None:
        """A galaxy's class; None: it has no label."""
        number = self.labels.get(row)
        if number is None:
            return None
        return self.classes[number]

    def read(self) -> None:
        """Read both files, also again where another program has changed them.

        A galaxy that the survey lacks, or a name that is no class's, is an error; then all stays as
        it was.
        """
        with self._lock:
            contents = self._contents()
            labels_content, classes_content = contents
            table = pd.DataFrame(columns=[ID_COLUMN, CLASS], dtype=str)
            key = ID_COLUMN
            if labels_content is not None:
                table, key = self._read_labels(self.path)
            strangers = table[key][table.index < 0]
            if len(strangers):
                raise InputError(
                    f"{shown(self.path)} labels '{strangers.iloc[0]}', which the survey lacks: "
                    "remove the row"
                )
            try:
                stored = (classes_content or b"").decode("utf-8-sig").splitlines()
                labeled = table[CLASS][table[CLASS].str.strip() != ""].map(_check_class)
                classes = _list_classes(stored, labeled)
            except (InputError, UnicodeDecodeError) as error:
                raise InputError(f"{shown(self.path)} or {_CLASSES}: {error}") from None
            self.classes = classes
            self.labels = labeled.map(classes.index).to_dict()
            self._table = table
            self._key = key
            self._seen = contents
            if classes != stored:
                self._set_classes(classes)

    def _read_labels(self, path: Path, source: IO[bytes] | None = None) -> tuple[pd.DataFrame, str]:
        """A table of labels as text by the galaxies' rows, -1 of others, and its column of ids.

        Ids without a folder may lack that of the survey's, and the ending.
        """
        table = read_table(path, source, texts=None).dropna(how="all").astype(object).fillna("")
        key = find_ids(table, path)
        if CLASS not in table:
            raise InputError(
                f"{shown(path)} has no column '{CLASS}': name the column of classes so"
            )
        names = pd.Index(self._complete_names(read_ids(table[key].to_numpy(), path)))
        if names.has_duplicates:
            name = names[names.duplicated()][0]
            raise InputError(f"{shown(path)}: '{name}' appears twice: delete one row")
        return _separate_skipped(table.set_axis(self.names.get_indexer(names))), key

    def _complete_names(self, ids: list[str]) -> list[str]:
        """The survey's names of galaxies, where ids lack their folder or ending."""
        incomplete = [name for name in ids if name not in self.names and "/" not in name]
        if not incomplete:
            return ids
        completed = {}
        for name, rows in zip(incomplete, find_rows(incomplete, self.names), strict=True):
            if len(rows) == 1:
                completed[name] = self.names[rows[0]]
        return [completed.get(name, name) for name in ids]

    def _contents(self) -> list[bytes | None]:
        """Contents of the file of labels and of that of classes; None: it does not exist."""
        paths = [self.path, self.survey.folder / _CLASSES]
        with files.explain_write_errors(self.path):
            contents = []
            for path in paths:
                contents.append(path.read_bytes() if path.exists() else None)
        return contents

    def _write_file(self, name: str, text: str) -> None:
        """Write one of the files, where a link leads; one changed since it was read is an error."""
        if self._contents() != self._seen:
            raise InputError(f"{shown(self.path)} or {_CLASSES} changed on disk: reload the page")
        files.write_text((self.survey.folder / name).resolve(), text)
        self._seen = self._contents()

    def _set_classes(self, classes: list[str]) -> None:
        """Write the classes, then give labels the numbers that these have now."""
        self._write_file(_CLASSES, "".join(f"{name}\n" for name in classes))
        labels = {row: classes.index(self.classes[k]) for row, k in self.labels.items()}
        self.classes = classes
        self.labels = labels

    def add_class(self, text: str, place: int | None = None) -> int:
        """Add a class unless it exists; returns its number.

        Args:
            text: its name.
            place: number of a removed class that it takes, unless another one has it; default: the
                next number.
        """
        name = _check_class(text)
        with self._lock:
            if name not in self.classes:
                classes = list(self.classes)
                if place is None or classes[place : place + 1] != [""]:
                    place = len(classes)
                classes[place : place + 1] = [name]
                self._set_classes(classes)
            return self.classes.index(name)

    def rename(self, number: int, text: str, count: int | None = None) -> list[int]:
        """Rename a class, merge it into the one of that name, or remove it where there is no text.

        Each file is written before it counts; after a kill amid them there are both classes.

        Args:
            number: of the class.
            text: its new name.
            count: number of its labels as far as the caller knows; with another number it is
                neither merged nor removed, which is an error. None: any.
        Returns:
            Rows of its galaxies.
        """
        name = _check_class(text) if text.strip() else ""
        with self._lock:
            before = self.classes[number]
            if name == before:
                return []
            rows = [row for row, k in self.labels.items() if k == number]
            is_kept = name != "" and name not in self.classes
            if not is_kept and count not in (None, len(rows)):
                raise InputError(f"'{before}' has {len(rows)} labels by now: try again")
            classes = list(self.classes)
            classes[number] = name if is_kept else ""
            target = self.add_class(name) if name else None
            self.label(rows, target, number)
            self._set_classes(classes)
            return rows

    def label(self, rows: list[int], number: int | None, before: int | None = None) -> list[int]:
        """Give galaxies a class, None: take theirs away; written before it counts.

        A galaxy that gets a class is skipped no more. A class that was removed is an error.

        Args:
            rows: of the galaxies, none twice.
            number: of the class.
            before: class that they have as far as the caller knows, None: none; those that have
                another by now keep it.
        Returns:
            Rows of the galaxies that have changed.
        """
        if len(set(rows)) < len(rows):
            raise InputError("a galaxy is named twice: nothing was labeled")
        with self._lock:
            text = ""
            if number is not None:
                text = self.classes[number]
                if not text:
                    raise InputError("another tab has deleted this class: reload the page")
            changed = [row for row in rows if self.labels.get(row) == before]
            cells = {CLASS: text}
            if text and any(self.cell(row, SKIPPED) == _YES for row in changed):
                cells[SKIPPED] = ""
            self._write_cells(changed, cells)
            labels = dict(self.labels)
            for row in changed:
                if number is None:
                    labels.pop(row, None)
                else:
                    labels[row] = number
            self.labels = labels
            return changed

    def cell(self, row: int, column: str) -> str:
        """Content of a galaxy's cell, such as its note; empty where there is no such column."""
        return self._column(column).get(row, "")

    def annotate(self, row: int, column: str, text: str, before: str = "") -> bool:
        """Write a note on a galaxy or, into its column, that it is skipped: proposed no more.

        Args:
            row: of the galaxy.
            column: `NOTE` or `SKIPPED`.
            text: the new content.
            before: content as far as the caller knows; another one stays.
        Returns:
            Whether it was written.
        """
        text = " ".join(text.split())
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
            raise InputError(f"'{text}' has characters that a table cannot hold: delete them")
        with self._lock:
            if self.cell(row, column) != before:
                return False
            cells = {column: text}
            if text == SKIPPED and SKIPPED not in self._table:
                cells[SKIPPED] = ""  # or `_separate_skipped` would take the note for a mark
            self._write_cells([row], cells)
            return True

    def _column(self, name: str) -> pd.Series:
        """A column of the table; nothing in any row where it has none of this name."""
        if name not in self._table:
            return pd.Series("", self._table.index, dtype=object)
        return self._table[name]

    def _skipped_rows(self) -> np.ndarray:
        """Rows of the skipped galaxies."""
        is_skipped = self._column(SKIPPED) == _YES
        return self._table.index[is_skipped]

    def _write_cells(self, rows: list[int], cells: Mapping[str, str]) -> None:
        """Write texts by column into the rows of some galaxies; rows that are empty then leave."""
        index = self._table.index.union(rows, sort=False)
        table = self._table.reindex(index, fill_value="")
        ids = table[self._key]
        table[self._key] = ids.where(ids != "", self.names[index])
        for column, text in cells.items():
            table.loc[rows, column] = text
        table = table.fillna("")  # a new column

        has_cells = (table.drop(columns=self._key) != "").any(axis=1)
        table = table[has_cells | ~index.isin(rows)]
        self._write_file(_LABELS, format_csv([table.columns, *table.to_numpy()]))
        self._table = table

    def compare(self, text: str) -> Agreement:
        """Compare the labels with those of another person; without a common galaxy an error.

        Args:
            text: content of that person's `labels.csv`.
        """
        from sklearn.metrics import cohen_kappa_score  # here: it takes a second to import

        content = io.BytesIO(text.encode("utf-8", "surrogatepass"))
        table, _ = self._read_labels(Path(_LABELS), content)
        other = table[CLASS].str.strip()
        other = other[(other != "") & (other.index >= 0)]
        label = pd.Series(self.labels, dtype=object).map(self.classes.__getitem__)
        pairs = pd.DataFrame({"label": label, "other": other}).dropna()
        if pairs.empty:
            raise InputError("no galaxy is labeled in both tables")
        agree = pairs["label"] == pairs["other"]
        kappa = float("nan")
        if len(np.unique(pairs)) > 1:
            kappa = cohen_kappa_score(pairs["label"], pairs["other"])
        contrary = pairs["other"][~agree]
        return Agreement(Proportion(int(agree.sum()), len(pairs)), kappa, contrary.to_dict())


def _separate_skipped(table: pd.DataFrame) -> pd.DataFrame:
    """Mark skipped galaxies in a column, as earlier versions did by a note on unlabeled ones."""
    if NOTE not in table or SKIPPED in table:
        return table
    is_marked = table[NOTE] == SKIPPED
    if not is_marked.any():
        return table
    is_skipped = is_marked & (table[CLASS].str.strip() == "")
    marks = np.where(is_skipped, _YES, "")
    return table.assign(**{NOTE: table[NOTE].mask(is_marked, ""), SKIPPED: marks})


def _list_classes(lines: Iterable[str], labeled: pd.Series) -> list[str]:
    """Classes by their keys, "" where a line is empty, then those that labels alone have."""
    classes = []
    for line in chain(lines, labeled.unique()):
        name = _check_class(line) if line.strip() else ""
        if name == "" or name not in classes:
            classes.append(name)
    return classes


def _check_class(text: str) -> str:
    """Name of a class without spaces around it; refuse what tables would not keep."""
    name = text.strip()
    if not name:
        raise InputError("a class needs a name")
    if len(name) > _LONGEST or not can_be_label(name):
        raise InputError(
            f"'{name}' cannot name a class: it is a column's name, looks like a formula, has a "
            "sign that tables do not keep (such as a non-breaking space), or is longer than "
            f"{_LONGEST} characters: type another name"
        )
    return name
