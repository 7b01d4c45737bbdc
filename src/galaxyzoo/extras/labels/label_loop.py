"""The label loop: a user's labels of a survey's galaxies, and rankings by what they teach.

`labels.csv` (id, class) and `classes.txt`, the classes in the order of their keys, are the whole
state; both are in the survey's folder. Each label is written there before it counts; whatever else
is in the files stays, and a file that another program has changed is never written over. A head is
fitted to the labels on the survey's features when a ranking or a score is asked for.
"""

import threading
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from galaxyzoo.core import files, manifest
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.extras.labels.label_table import can_be_label, read_labels
from galaxyzoo.extras.surveys.finished import SurveyFeatures
from galaxyzoo.io.tables import format_predictions, plain_cell, read_table
from galaxyzoo.tasks.kinds import CLASS
from galaxyzoo.training.feature_head import cross_fit_head, fit_head

LABELS, CLASSES, LOCK = "labels.csv", "classes.txt", ".labels.lock"
Order = Literal["likely", "uncertain", "mix", "doubtful"]
_ID = "id"
_FOLDS = 5  # of the scores
# Root mean square difference of standardized features below which galaxies are copies. No two of
# 500 galaxies had less than 0.25; copies with noise of 3 gray levels had at most 0.11.
_NEAR = 0.14
_LONGEST = 40  # characters of a class's name


@dataclass(frozen=True)
class Proportion:
    """Part of a number of labeled galaxies, with a 95 % interval for such galaxies."""

    hits: int
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval (1927): holds for few galaxies, and for none or all of them."""
        from scipy.stats import binomtest  # here: it takes most of a second to import

        if self.n == 0:
            return 0.0, 1.0
        ends = binomtest(self.hits, self.n).proportion_ci(0.95, "wilson")
        return ends.low, ends.high


@dataclass(frozen=True)
class Scores:
    """How well heads find labeled galaxies that they were not fitted to."""

    recall: list[Proportion]  # of each class
    precision: list[Proportion]
    confidence: dict[int, float]  # probability of a labeled galaxy's class, by row


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
        self._probs_of = lru_cache(maxsize=1)(self._fit)
        self._scores_of = lru_cache(maxsize=1)(self._cross_fit)
        self.read()

    @property
    def path(self) -> Path:
        """The file of labels."""
        return self.survey.folder / LABELS

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
                self._write_file(CLASSES, "".join(f"{name}\n" for name in classes))

    def _contents(self) -> list[bytes | None]:
        paths = self.path, self.survey.folder / CLASSES
        with files.explain_write_errors(self.path):
            return [path.read_bytes() if path.exists() else None for path in paths]

    def _write_file(self, name: str, text: str) -> None:
        """Write one of the files, where a link leads, unless one has changed since it was read."""
        if self._contents() != self._seen:
            raise InputError(f"{shown(self.path)} or {CLASSES} was changed: reload the page")
        files.write_text((self.survey.folder / name).resolve(), text)
        self._seen = self._contents()

    def add_class(self, text: str) -> int:
        """Add a class unless it exists; returns its number."""
        name = _check_class(text)
        with self._lock:
            if name not in self.classes:
                classes = [*self.classes, name]
                self._write_file(CLASSES, "".join(f"{name}\n" for name in classes))
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
            self._write_file(LABELS, table.to_csv(index=False, lineterminator="\n"))
            merged = self.labels | dict.fromkeys(changed, number)
            self.labels = {row: n for row, n in merged.items() if n is not None}
            self._table = table
            return changed

    def probabilities(self) -> np.ndarray | None:
        """(galaxy, class) by the head of the labels; None where there are none.

        Where all labels are of one class, its column is likeness to their mean, 0 to 1.
        """
        labels = tuple(self.labels.items())
        return self._probs_of(labels, len(self.classes)) if labels else None

    def scores(self) -> Scores | None:
        """Cross-fitted scores; None unless two classes have two labels each."""
        labels = tuple(self.labels.items())
        return self._scores_of(labels, len(self.classes)) if labels else None

    def ranking(self, by: Order, of: int) -> np.ndarray:
        """Rows without a label, the first to look at first; of `doubtful` the labeled ones.

        Args:
            by: likely: those most probably of a class; uncertain: those with the least difference
                between their two likeliest classes; mix: one of each and one at random in turn;
                doubtful: labeled ones whose class is least probable to heads not fitted to them.
            of: number of the class.
        """
        if by == "doubtful":
            scores = self.scores()
            rows = np.array([*self.labels][::-1], int)
            known = scores.confidence if scores else {}
            return rows[np.argsort([known.get(row, 1.0) for row in rows.tolist()], kind="stable")]
        probs, labels = self.probabilities(), self.labels
        rows = self._shuffled[~np.isin(self._shuffled, [*labels])]  # which decides between equals
        if probs is None:
            return rows
        likely = rows[np.argsort(-probs[rows, of], kind="stable")]
        if by == "likely":
            return likely
        two = np.sort(probs[rows], axis=1)[:, -2:]
        uncertain = rows[np.argsort(two[:, -1] - two[:, 0], kind="stable")]
        if by == "uncertain":
            return uncertain
        return pd.unique(np.stack([likely, uncertain, rows], axis=1).ravel())

    def table(self) -> str:
        """CSV of all galaxies' probabilities."""
        probs = self.probabilities()
        if probs is None:
            raise InputError("label a galaxy first")
        return format_predictions(
            pd.DataFrame(probs, pd.Index(self.survey.ids, name=_ID), self.classes), number="%.6f"
        )

    @cached_property
    def _shuffled(self) -> np.ndarray:
        """(galaxy,) rows in random order."""
        return np.random.default_rng(0).permutation(len(self.survey.ids))

    @cached_property
    def _scales(self) -> np.ndarray:
        """(feature,) standard deviations."""
        return np.maximum(self.survey.features.std(axis=0), 1e-6)

    def _fit(self, labels: tuple[tuple[int, int], ...], n_classes: int) -> np.ndarray:
        features = self.survey.features
        rows, numbers = np.array(labels).T
        if len(np.unique(numbers)) > 1:
            return fit_head(features[rows], np.eye(n_classes)[numbers]).predict_proba(features)
        scaled = (features - features.mean(axis=0)) / self._scales
        mean = scaled[rows].mean(axis=0)
        lengths = np.linalg.norm(scaled, axis=1) * np.linalg.norm(mean)
        likeness = np.zeros((len(features), n_classes))
        likeness[:, numbers[0]] = (1 + scaled @ mean / np.maximum(lengths, 1e-6)) / 2
        return likeness

    def _cross_fit(self, labels: tuple[tuple[int, int], ...], n_classes: int) -> Scores | None:
        rows, numbers = np.array(labels, int).reshape(-1, 2).T
        groups = self._near_identical(rows)
        several = pd.Series(groups).groupby(numbers).transform("nunique").to_numpy() > 1
        rows, numbers, groups = rows[several], numbers[several], groups[several]
        if len(np.unique(numbers)) < 2:
            return None
        # Class by class, so that the labels of a class lie in as many folds as they can.
        shuffled = np.random.default_rng(0).permutation(len(rows))
        order = shuffled[np.argsort(numbers[shuffled], kind="stable")]
        folds = np.empty(len(rows), int)
        folds[order] = pd.factorize(groups[order])[0] % _FOLDS
        probs = cross_fit_head(self.survey.features[rows], numbers, folds)
        predicted = probs.argmax(axis=1)
        known, decided = (
            [column == k for k in range(n_classes)] for column in (numbers, predicted)
        )
        hits = [int((a & b).sum()) for a, b in zip(known, decided, strict=True)]
        return Scores(
            [Proportion(n, int(mask.sum())) for n, mask in zip(hits, known, strict=True)],
            [Proportion(n, int(mask.sum())) for n, mask in zip(hits, decided, strict=True)],
            dict(zip(rows.tolist(), probs[range(len(rows)), numbers].tolist(), strict=True)),
        )

    def _near_identical(self, rows: np.ndarray) -> np.ndarray:
        """(row,) group numbers: turned or mirrored copies of a galaxy are one group."""
        from scipy.sparse.csgraph import connected_components
        from sklearn.neighbors import radius_neighbors_graph  # both here: they take a second

        points = self.survey.features[rows] / self._scales
        pairs = radius_neighbors_graph(points, _NEAR * points.shape[1] ** 0.5)
        return connected_components(pairs, directed=False)[1]


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
