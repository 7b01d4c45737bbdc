"""The label loop: a user's labels of a survey's galaxies, and rankings by what they teach.

`labels.csv` (id, class), in the survey's folder, is the whole state. Each label is written there
before it counts. A head is fitted to the labels on the survey's features when a ranking or a score
is asked for.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.readers.label_table import can_be_label, read_labels
from galaxyzoo.inference.finished import SurveyFeatures
from galaxyzoo.io.tables import format_predictions, plain_cell, write_table
from galaxyzoo.tasks.kinds import CLASS
from galaxyzoo.training.feature_head import cross_fit_head, fit_head

LABELS, LOCK = "labels.csv", ".labels.lock"
Labels = dict[int, int | None]  # row -> class, None: no label
Order = Literal["likely", "uncertain", "mix", "doubtful"]
_ID = "id"
_FOLDS = 5  # of the scores
_LONGEST = 40  # characters of a class's name


@dataclass(frozen=True)
class Share:
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

    recall: list[Share]  # of each class
    precision: list[Share]
    confidence: dict[int, float]  # probability of a labeled galaxy's class, by row


@dataclass(eq=False)
class LabelLoop:
    """Labels of a survey's galaxies; rows are positions in `survey`."""

    survey: SurveyFeatures
    classes: list[str] = field(default_factory=list)
    labels: dict[int, int] = field(default_factory=dict)  # row -> class; replaced, never changed
    _steps: list[Labels] = field(default_factory=list)  # of each step its rows' labels before it
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self._probs_of = lru_cache(maxsize=1)(self._fit)
        self._scores_of = lru_cache(maxsize=1)(self._cross_fit)
        if self.path.exists():
            self._read()

    @property
    def path(self) -> Path:
        """The file of labels."""
        return self.survey.folder / LABELS

    def _read(self) -> None:
        table, where = read_labels(self.path), shown(self.path)
        if CLASS not in table.columns:
            raise InputError(f"{where} has no column '{CLASS}'")
        row_of = {str(plain_cell(i)): row for row, i in enumerate(self.survey.ids.tolist())}
        for name, text in table[CLASS].items():
            if name not in row_of:
                raise InputError(f"{where}: the survey has no galaxy '{name}': remove the row")
            if not isinstance(text, str):
                raise InputError(f"{where}: '{name}' has no class: name it, or remove the row")
            self.labels[row_of[name]] = self.add_class(text)
        self._steps = [{row: None} for row in self.labels]

    def add_class(self, text: str) -> int:
        """Add a class unless it exists; returns its number."""
        name = text.strip()
        if not name:
            raise InputError("a class needs a name")
        if len(name) > _LONGEST or not can_be_label(name):
            raise InputError(
                f"'{name}' cannot name a class: tables have a column of that name, or take it for "
                f"a formula, or it is longer than {_LONGEST} characters"
            )
        with self._lock:
            if name not in self.classes:
                self.classes.append(name)
            return self.classes.index(name)

    def label(self, rows: Sequence[int], number: int | None) -> None:
        """Give galaxies a class, None: take theirs away; written before it counts."""
        with self._lock:
            before = {row: self.labels.get(row) for row in rows}
            self._write(dict.fromkeys(rows, number))
            self._steps.append(before)

    def undo(self) -> Labels:
        """Take back the last step, of an earlier visit its last label; returns what changed."""
        with self._lock:
            if not self._steps:
                return {}
            self._write(self._steps[-1])
            return self._steps.pop()

    def _write(self, changes: Labels) -> None:
        merged = {row: n for row, n in self.labels.items() if row not in changes} | changes
        labels = {row: number for row, number in merged.items() if number is not None}
        names = [self.classes[number] for number in labels.values()]
        write_table(self.path, pd.DataFrame({_ID: self.survey.ids[[*labels]], CLASS: names}))
        self.labels = labels

    def probabilities(self) -> np.ndarray | None:
        """(galaxy, class) by the head of the labels; None where there are none.

        Where all labels are of one class, its column is likeness to their mean, 0 to 1.
        """
        labels = tuple(self.labels.items())
        return self._probs_of(labels, len(self.classes)) if labels else None

    def scores(self) -> Scores | None:
        """Cross-fitted scores; None unless two classes have two labels each."""
        return self._scores_of(tuple(self.labels.items()), len(self.classes))

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
            pd.DataFrame(probs, pd.Index(self.survey.ids, name=_ID), self.classes), decimals=6
        )

    @cached_property
    def _shuffled(self) -> np.ndarray:
        """(galaxy,) rows in random order."""
        return np.random.default_rng(0).permutation(len(self.survey.ids))

    def _fit(self, labels: tuple[tuple[int, int], ...], n_classes: int) -> np.ndarray:
        features = self.survey.features
        rows, numbers = np.array(labels).T
        if len(np.unique(numbers)) > 1:
            return fit_head(features[rows], np.eye(n_classes)[numbers]).predict_proba(features)
        scaled = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-6)
        mean = scaled[rows].mean(axis=0)
        lengths = np.linalg.norm(scaled, axis=1) * np.linalg.norm(mean)
        likeness = np.zeros((len(features), n_classes))
        likeness[:, numbers[0]] = (1 + scaled @ mean / np.maximum(lengths, 1e-6)) / 2
        return likeness

    def _cross_fit(self, labels: tuple[tuple[int, int], ...], n_classes: int) -> Scores | None:
        rows, numbers = np.array(labels, int).reshape(-1, 2).T
        several = np.bincount(numbers, minlength=n_classes)[numbers] > 1
        rows, numbers = rows[several], numbers[several]
        if len(np.unique(numbers)) < 2:
            return None
        # Class by class, so that the labels of a class lie in as many folds as they can.
        shuffled = np.random.default_rng(0).permutation(len(rows))
        order = shuffled[np.argsort(numbers[shuffled], kind="stable")]
        folds = np.empty(len(rows), int)
        folds[order] = np.arange(len(rows)) % _FOLDS
        probs = cross_fit_head(self.survey.features[rows], numbers, folds)
        predicted = probs.argmax(axis=1)
        known, decided = (
            [column == k for k in range(n_classes)] for column in (numbers, predicted)
        )
        hits = [int((a & b).sum()) for a, b in zip(known, decided, strict=True)]
        return Scores(
            [Share(n, int(mask.sum())) for n, mask in zip(hits, known, strict=True)],
            [Share(n, int(mask.sum())) for n, mask in zip(hits, decided, strict=True)],
            dict(zip(rows.tolist(), probs[range(len(rows)), numbers].tolist(), strict=True)),
        )
