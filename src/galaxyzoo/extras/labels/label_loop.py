"""The label loop: a user's labels of a survey's galaxies, and rankings by what they teach.

`labels.csv` (id, class) and `classes.txt`, the classes in the order of their keys, are the whole
state; both are in the survey's folder. Each label is written there before it counts; whatever else
is in the files stays, and a file that another program has changed is never written over. A head is
fitted to the labels on the survey's features when a ranking or a score is asked for.
"""

import threading
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from galaxyzoo.core import files, manifest
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.catalog import GROUP
from galaxyzoo.extras.labels.heads import Heads, Scores
from galaxyzoo.extras.labels.label_table import can_be_label, read_labels
from galaxyzoo.extras.surveys.finished import SurveyFeatures
from galaxyzoo.io.tables import format_predictions, plain_cell, read_table
from galaxyzoo.tasks.kinds import CLASS

_LABELS, _CLASSES, LABELS_LOCK = "labels.csv", "classes.txt", ".labels.lock"
Order = Literal["likely", "uncertain", "diverse", "mix", "doubtful"]
_ID = "id"
_CANDIDATES = 200  # the most uncertain, of which diverse ones are chosen
_LONGEST = 40  # characters of a class's name


@dataclass(eq=False)
class LabelLoop:
    """Labels of a survey's galaxies; rows are positions in `survey`."""

    survey: SurveyFeatures
    classes: list[str] = field(init=False)  # replaced, never changed, as `labels`
    labels: dict[int, int] = field(init=False)  # row -> class
    _table: pd.DataFrame = field(init=False)  # labels.csv as text, by the names of galaxies
    _key: str = field(init=False)  # its column of ids
    _seen: list[bytes | None] = field(init=False)  # the files as they were read or written last
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.names = [str(plain_cell(i)) for i in self.survey.ids.tolist()]  # in requests, too
        self.rows = {name: row for row, name in enumerate(self.names)}
        self.key = manifest.digest([repr((str(self.survey.folder.resolve()), self.names))])[:16]
        self.heads = Heads(self.survey.features, self.survey.predictions)
        self._probs_of = lru_cache(maxsize=1)(
            lambda labels, k: self.heads.probabilities(*self._arrays(labels), k)
        )
        self._scores_of = lru_cache(maxsize=1)(
            lambda labels, k: self.heads.cross_fit(*self._arrays(labels), k)
        )
        self.read()

    @property
    def path(self) -> Path:
        """The file of labels."""
        return self.survey.folder / _LABELS

    def number_of(self, name: str | None) -> int | None:
        """Number of a class; None: of no class."""
        return None if name is None else {text: k for k, text in enumerate(self.classes)}[name]

    def class_of(self, row: int) -> str | None:
        """A galaxy's class; None: it has no label."""
        number = self.labels.get(row)
        return None if number is None else self.classes[number]

    def read(self) -> None:
        """Read both files, also again where another program has changed them."""
        with self._lock:
            seen, where = self._contents(), shown(self.path)
            stored = (seen[1] or b"").decode("utf-8", "replace").splitlines()
            table, key = pd.DataFrame(columns=[_ID, CLASS], dtype=str), _ID
            if seen[0] is not None:
                checked = read_labels(self.path)
                if CLASS not in checked.columns:
                    raise InputError(f"{where} has no column '{CLASS}'")
                table = read_table(self.path, texts=None).fillna("").set_axis(checked.index)
                (key,) = table.columns.difference(checked.columns)
            if strangers := [name for name in table.index if name not in self.rows]:
                raise InputError(
                    f"{where}: the survey has no galaxy '{strangers[0]}': remove the row"
                )
            labeled = table[CLASS][table[CLASS].str.strip() != ""].map(_check_class)
            known = map(_check_class, filter(str.strip, stored))
            classes = list(dict.fromkeys([*known, *labeled]))
            labels = {self.rows[name]: classes.index(text) for name, text in labeled.items()}
            self.classes, self.labels, self._table, self._key = classes, labels, table, key
            self._seen = seen
            if classes != stored:
                self._write_file(_CLASSES, "".join(f"{name}\n" for name in classes))

    def _contents(self) -> list[bytes | None]:
        paths = self.path, self.survey.folder / _CLASSES
        with files.explain_write_errors(self.path):
            return [path.read_bytes() if path.exists() else None for path in paths]

    def _write_file(self, name: str, text: str) -> None:
        """Write one of the files, where a link leads, unless one has changed since it was read."""
        if self._contents() != self._seen:
            raise InputError(f"{shown(self.path)} or {_CLASSES} was changed: reload the page")
        files.write_text((self.survey.folder / name).resolve(), text)
        self._seen = self._contents()

    def add_class(self, text: str) -> int:
        """Add a class unless it exists; returns its number."""
        name = _check_class(text)
        with self._lock:
            if name not in self.classes:
                classes = [*self.classes, name]
                self._write_file(_CLASSES, "".join(f"{name}\n" for name in classes))
                self.classes = classes
            return self.classes.index(name)

    def label(self, rows: list[int], number: int | None, before: int | None = None) -> list[int]:
        """Give galaxies a class, None: take theirs away; written before it counts.

        Args:
            rows: of the galaxies.
            number: of the class.
            before: class that they have as far as the caller knows, None: none; those that have
                another by now keep it.
        Returns:
            Rows of the galaxies that have changed.
        """
        with self._lock:
            changed = [row for row in rows if self.labels.get(row) == before]
            names = [self.names[row] for row in changed]
            table = self._table.reindex(self._table.index.union(names, sort=False), fill_value="")
            table[self._key] = table[self._key].where(table[self._key] != "", table.index)
            table.loc[names, CLASS] = "" if number is None else self.classes[number]
            has_cells = (table.drop(columns=self._key) != "").any(axis=1)
            table = table[has_cells | ~table.index.isin(names)]
            self._write_file(_LABELS, table.to_csv(index=False, lineterminator="\n"))
            merged = self.labels | dict.fromkeys(changed, number)
            self.labels = {row: n for row, n in merged.items() if n is not None}
            self._table = table
            return changed

    def probabilities(self) -> np.ndarray | None:
        """(galaxy, class) by the head of the labels; None where there are none.

        Where all labels are of one class, its column is likeness to their mean, 0 to 1.
        """
        labels = self._grouped_labels()
        return self._probs_of(labels, len(self.classes)) if labels else None

    def scores(self) -> Scores | None:
        """Cross-fitted scores; None unless two classes have two labels each."""
        labels = self._grouped_labels()
        return self._scores_of(labels, len(self.classes)) if labels else None

    def _grouped_labels(self) -> tuple[tuple[int, int, str], ...]:
        """Row, class and group of each label; the latter is of a column `group`, else empty."""
        table = self._table
        groups = table[GROUP] if GROUP in table else pd.Series("", table.index)
        return tuple((row, k, groups[self.names[row]]) for row, k in self.labels.items())

    def ranking(self, by: Order, of: int) -> np.ndarray:
        """Rows without a label, the first to look at first; of `doubtful` the labeled ones.

        Args:
            by: likely: those most probably of a class; uncertain: those with the least difference
                between their two likeliest classes; diverse: of the first of these each the
                farthest from the labeled ones and those before it; mix: one of each in turn;
                doubtful: labeled ones whose class is least probable to heads not fitted to them.
            of: number of the class.
        """
        if by == "doubtful":
            scores = self.scores()
            rows = np.array([*self.labels][::-1], int)
            known = scores.confidence if scores else {}
            return rows[np.argsort([known.get(row, 1.0) for row in rows.tolist()], kind="stable")]
        probs, labels = self.probabilities(), [*self.labels]
        shuffled = self.heads.shuffled  # which decides between equals
        rows = shuffled[~np.isin(shuffled, labels)]
        if probs is None:
            return rows
        likely = rows[np.argsort(-probs[rows, of], kind="stable")]
        if by == "likely":
            return likely
        two = np.sort(probs[rows], axis=1)[:, -2:]
        uncertain = rows[np.argsort(two[:, -1] - two[:, 0], kind="stable")]
        if by == "uncertain":
            return uncertain
        diverse = self.heads.farthest_first(uncertain[:_CANDIDATES], np.array(labels))
        if by == "diverse":
            return np.append(diverse, uncertain[_CANDIDATES:])
        first = np.stack([each[: len(diverse)] for each in (likely, uncertain, diverse)], axis=1)
        return pd.unique(np.append(first, likely))

    def table(self, by: Order, of: int) -> str:
        """CSV of galaxies in order of rank, with labels and probabilities.

        All galaxies, the labeled ones among them, by the probability of class `of`; with
        `doubtful` labeled ones, with probabilities by heads that were not fitted to them.
        """
        probs, scores = self.probabilities(), self.scores()
        if probs is None or (by == "doubtful" and scores is None):
            raise InputError("label a galaxy first: scores need two of each of two classes")
        if by == "doubtful":
            assert scores is not None
            rows = self.ranking(by, of)
            rows = rows[np.isin(rows, scores.probs.index)]
            shown_probs = scores.probs.loc[rows].to_numpy()
        else:
            rows = np.argsort(-probs[:, of], kind="stable")
            shown_probs = probs[rows]
        table = pd.DataFrame(shown_probs, pd.Index(self.survey.ids[rows], name=_ID), self.classes)
        table.insert(0, CLASS, [self.class_of(row) or "" for row in rows.tolist()])
        return format_predictions(table, number="%.6f")

    def _arrays(
        self, labels: tuple[tuple[int, int, str], ...]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows, class numbers and group numbers of labels."""
        rows, numbers = np.array([label[:2] for label in labels], int).T
        return rows, numbers, self.heads.unite(rows, [label[2] for label in labels])


def _check_class(text: str) -> str:
    """Name of a class without spaces around it; refuse what tables would not keep."""
    name = text.strip()
    if not name:
        raise InputError("a class needs a name")
    if len(name) > _LONGEST or not can_be_label(name):
        raise InputError(
            f"'{name}' cannot name a class: tables have a column of that name, or take it for "
            f"a formula, or it is longer than {_LONGEST} characters"
        )
    return name
