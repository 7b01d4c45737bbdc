"""The label loop: a user's labels of a survey's galaxies, and rankings by what they teach.

`labels.csv` (id, class) and `classes.txt`, the classes in the order of their keys, are the whole
state; both are in the survey's folder. Each label is written there before it counts; whatever else
is in the files stays, and a file that another program has changed is never written over. A head is
fitted to the labels on the survey's features when a ranking or a score is asked for.
"""

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import pandas as pd

from galaxyzoo.core import files, manifest
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.catalog import GROUP
from galaxyzoo.data.stores.base import find_ids, find_rows, read_ids
from galaxyzoo.extras.labels.heads import Heads, Proportion, Scores
from galaxyzoo.extras.labels.label_table import NAMES, can_be_label
from galaxyzoo.extras.surveys.finished import SurveyFeatures
from galaxyzoo.io.tables import format_predictions, plain_cell, read_table
from galaxyzoo.tasks.kinds import CLASS

_LABELS, _CLASSES, LABELS_LOCK = "labels.csv", "classes.txt", ".labels.lock"
Order = Literal["likely", "uncertain", "diverse", "mix", "doubtful", "like"]
_ID = "id"
_NOTE, _SKIPPED = "note", "skipped"  # a column of labels, and what it says of galaxies passed over
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
        self._fit = lru_cache(maxsize=2)(self._fit_anew)  # probabilities and scores
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
                table, key = self._read_labels(self.path)
            if strangers := [name for name in table.index if name not in self.rows]:
                raise InputError(
                    f"{where} labels '{strangers[0]}', which the survey lacks: remove the row"
                )
            try:
                labeled = table[CLASS][table[CLASS].str.strip() != ""].map(_check_class)
                known = [_check_class(name) for name in stored if name.strip()]
            except InputError as error:
                raise InputError(f"{where} or {_CLASSES}: {error}") from None
            classes = list(dict.fromkeys([*known, *labeled]))
            labels = {self.rows[name]: classes.index(text) for name, text in labeled.items()}
            self.classes, self.labels, self._table, self._key = classes, labels, table, key
            self._seen = seen
            if classes != stored:
                self._set_classes(classes)

    def _read_labels(self, path: Path, source: IO[bytes] | None = None) -> tuple[pd.DataFrame, str]:
        """A table of labels as text by the survey's names, and its column of ids.

        Ids without a folder may lack that of the survey's, and the ending.
        """
        table = read_table(path, source, texts=None).dropna(how="all").astype(object).fillna("")
        key = find_ids(table, path, NAMES)
        if CLASS not in table:
            raise InputError(f"{shown(path)} has no column '{CLASS}'")
        ids = read_ids(table[key].to_numpy(), path)
        unknown = [name for name in ids if name not in self.rows and "/" not in name]
        rows = zip(unknown, find_rows(unknown, self.names if unknown else ()), strict=True)
        matched = {name: self.names[each[0]] for name, each in rows if len(each) == 1}
        table = table.set_axis([matched.get(name, name) for name in ids])
        if table.index.has_duplicates:
            name = table.index[table.index.duplicated()][0]
            raise InputError(f"{shown(path)}: '{name}' appears twice")
        return table, key

    def _contents(self) -> list[bytes | None]:
        paths = self.path, self.survey.folder / _CLASSES
        with files.explain_write_errors(self.path):
            return [path.read_bytes() if path.exists() else None for path in paths]

    def _write_file(self, name: str, text: str) -> None:
        """Write one of the files, where a link leads, unless one has changed since it was read."""
        if self._contents() != self._seen:
            raise InputError(f"{shown(self.path)} or {_CLASSES} changed on disk: reload the page")
        files.write_text((self.survey.folder / name).resolve(), text)
        self._seen = self._contents()

    def _set_classes(self, classes: list[str]) -> None:
        """Write the classes, then give labels the numbers that these have now."""
        self._write_file(_CLASSES, "".join(f"{name}\n" for name in classes))
        moved = {row: classes.index(self.classes[k]) for row, k in self.labels.items()}
        self.classes, self.labels = classes, moved

    def add_class(self, text: str) -> int:
        """Add a class unless it exists; returns its number."""
        name = _check_class(text)
        with self._lock:
            if name not in self.classes:
                self._set_classes([*self.classes, name])
            return self.classes.index(name)

    def rename(self, number: int | None, text: str) -> list[int]:
        """Rename a class, merge it into the one of that name, or remove it where there is no text.

        Without a number the class is added.

        Each file is written before it counts; after a kill amid them there are both classes.

        Returns:
            Rows of its galaxies.
        """
        with self._lock:
            is_merged = text.strip() in self.classes
            if number is None or text.strip() == self.classes[number]:
                self.add_class(text)
                return []
            new = self.add_class(text) if text.strip() else None
            rows = self.label([row for row, k in self.labels.items() if k == number], new, number)
            rest = [name for k, name in enumerate(self.classes) if k != number]
            if new is not None and not is_merged:
                rest.insert(number, rest.pop())
            self._set_classes(rest)
            return rows

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
            self._write_cells(changed, CLASS, "" if number is None else self.classes[number])
            merged = self.labels | dict.fromkeys(changed, number)
            self.labels = {row: n for row, n in merged.items() if n is not None}
            return changed

    def note(self, row: int) -> str:
        """The note on a galaxy, of a column of `labels.csv`; empty where there is none."""
        notes = self._table.get(_NOTE, pd.Series(dtype=str))
        return notes.get(self.names[row], "")

    def annotate(self, row: int, text: str) -> None:
        """Note something on a galaxy; `_SKIPPED`: it is proposed no more."""
        with self._lock:
            self._write_cells([row], _NOTE, " ".join(text.split()))

    def _write_cells(self, rows: list[int], column: str, text: str) -> None:
        """Write a text into the rows of some galaxies; rows that are empty then leave."""
        names = [self.names[row] for row in rows]
        table = self._table.reindex(self._table.index.union(names, sort=False), fill_value="")
        table[self._key] = table[self._key].where(table[self._key] != "", table.index)
        table.loc[names, column] = text
        table = table.fillna("")
        has_cells = (table.drop(columns=self._key) != "").any(axis=1)
        table = table[has_cells | ~table.index.isin(names)]
        self._write_file(_LABELS, table.to_csv(index=False, lineterminator="\n"))
        self._table = table

    def compare(self, text: str) -> tuple[Proportion, float, dict[int, str]]:
        """Compare the labels with those of another person.

        Args:
            text: content of that person's `labels.csv`.
        Returns:
            The share of galaxies labeled by both on which they agree; Cohen's kappa (1960), NaN
            where both gave one class alone; and the other's class of each on which they do not,
            by row.
        """
        table, _ = self._read_labels(Path(_LABELS), io.BytesIO(text.encode()))
        others = table[CLASS].str.strip()
        both = {self.rows[i]: k for i, k in others.items() if k and self.rows.get(i) in self.labels}
        if not both:
            raise InputError("no galaxy is labeled in both tables")
        pairs = pd.DataFrame({"first": map(self.class_of, both), "second": both.values()}, [*both])
        agree = pairs["first"] == pairs["second"]
        first, second = (pairs[name].value_counts(normalize=True) for name in pairs)
        chance = first.mul(second, fill_value=0).sum()
        kappa = (agree.mean() - chance) / (1 - chance) if chance < 1 else float("nan")
        return Proportion(int(agree.sum()), len(both)), kappa, pairs["second"][~agree].to_dict()

    def probabilities(self) -> np.ndarray | None:
        """(galaxy, class) by the head of the labels; None where there are none.

        Where all labels are of one class, its column is likeness to their mean, 0 to 1.
        """
        return self._fit_labels(self.heads.probabilities)

    def scores(self) -> Scores | None:
        """Cross-fitted scores; None unless two classes have two labels each."""
        return self._fit_labels(self.heads.cross_fit)

    def _fit_labels(self, fit: Callable[..., Any]) -> Any:
        """Fit heads to the labels, once while these stay; None where there are none."""
        groups = self._table.get(GROUP, pd.Series("", self._table.index))
        labels = tuple((row, k, groups[self.names[row]]) for row, k in self.labels.items())
        return self._fit(fit, labels, len(self.classes)) if labels else None

    def _fit_anew(self, fit: Callable[..., Any], labels: tuple, n_classes: int) -> Any:
        """Fit heads to row, class and group of each label."""
        rows, numbers = np.array([label[:2] for label in labels], int).T
        groups = self.heads.unite(rows, [label[2] for label in labels])
        return fit(rows, numbers, groups, n_classes)

    def ranking(self, by: Order, of: int) -> np.ndarray:
        """Rows to look at, the first one first: without a label, and not skipped.

        Args:
            by: likely: those most probably of a class; uncertain: those with the least difference
                between their two likeliest classes; diverse: of the first of these each the
                farthest from the labeled ones and those before it; mix: one of each in turn;
                doubtful: labeled ones whose class is least probable to heads not fitted to them;
                like: all, by their likeness to one.
            of: number of the class; with `like` the galaxy's row.
        """
        if by == "like":
            return np.argsort(-self.heads.likeness(np.array([of])), kind="stable")
        if by == "doubtful":
            scores = self.scores()
            rows = np.array([*self.labels][::-1], int)
            known = scores.confidence if scores else {}
            return rows[np.argsort([known.get(row, 1.0) for row in rows.tolist()], kind="stable")]
        probs, labels = self.probabilities(), [*self.labels]
        shuffled = self.heads.shuffled  # which decides between equals
        skipped = self._table.index[self._table.get(_NOTE, self._table[CLASS]) == _SKIPPED]
        rows = shuffled[~np.isin(shuffled, [*labels, *map(self.rows.__getitem__, skipped)])]
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
        fitted = self.scores() if by == "doubtful" else self.probabilities()
        if fitted is None:
            raise InputError("label more galaxies: scores need two labels in each of two classes")
        if isinstance(fitted, Scores):
            rows = self.ranking(by, of)
            rows = rows[np.isin(rows, fitted.probs.index)]
            probs = fitted.probs.loc[rows].to_numpy()
        else:
            rows = np.argsort(-fitted[:, of], kind="stable")
            probs = fitted[rows]
        table = pd.DataFrame(probs, pd.Index(self.survey.ids[rows], name=_ID), self.classes)
        table.insert(0, CLASS, [self.class_of(row) or "" for row in rows.tolist()])
        return format_predictions(table, number="%.6f")


def _check_class(text: str) -> str:
    """Name of a class without spaces around it; refuse what tables would not keep."""
    name = text.strip()
    if not name:
        raise InputError("a class needs a name")
    if len(name) > _LONGEST or not can_be_label(name):
        raise InputError(
            f"'{name}' cannot name a class: it is a column's name, looks like a formula, or is "
            f"longer than {_LONGEST} characters"
        )
    return name
