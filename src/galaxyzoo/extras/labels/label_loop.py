"""The label loop: rankings of a survey's galaxies by what their labels teach.

A head is fitted to the labels on the survey's features when a ranking or a score is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import GROUP
from galaxyzoo.data.folds import join_groups
from galaxyzoo.data.readers.side_tables import compared_names
from galaxyzoo.data.stores.columns import pick_columns
from galaxyzoo.extras.labels.heads import Heads, LabelSet
from galaxyzoo.extras.labels.scores import Scores
from galaxyzoo.extras.labels.survey_labels import ID_COLUMN, SurveyLabels
from galaxyzoo.io.writing import format_predictions
from galaxyzoo.tasks.kinds import CLASS

Order = Literal["likely", "uncertain", "diverse", "mix", "doubtful", "like"]
_CANDIDATES = 200  # the most uncertain, of which diverse ones are chosen


@dataclass(eq=False)
class LabelLoop(SurveyLabels):
    """Labels of a survey's galaxies, and rankings by them; rows are positions in `survey`."""

    # Name of a method of heads -> the labels that it was last called with, and its result
    _fits: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.heads = Heads(self.survey.features, self.survey.predictions)

    def probabilities(self) -> np.ndarray | None:
        """(galaxy, class) by the head of the labels; None where there are none.

        Where all labels are of one class, its column is likeness to their mean, 0 to 1.
        """
        return self._fit_labels(self.heads.probabilities)

    def scores(self) -> Scores | None:
        """Cross-fitted scores; None unless two classes have two labels each."""
        return self._fit_labels(self.heads.cross_fit)

    def _fit_labels(self, fit: Callable[[LabelSet], Any]) -> Any:
        """Fit heads to the labels, once while these stay; None where there are none."""
        labels = self.labels
        if not labels:
            return None
        columns = pick_columns(self._table, [GROUP])
        names = self._table[columns].reindex(list(labels)).apply(compared_names)
        numbers = [pd.factorize(names[column])[0] for column in columns]
        groups = join_groups([np.arange(len(labels)), *numbers])
        inputs = (list(labels.items()), groups.tolist(), len(self.classes))
        fitted_inputs, result = self._fits.get(fit.__name__, (None, None))
        if fitted_inputs != inputs:
            rows = np.array(list(labels))
            classes = np.array(list(labels.values()))
            united = self.heads.unite(rows, groups)
            result = fit(LabelSet(rows, classes, united, len(self.classes)))
            self._fits[fit.__name__] = (inputs, result)
        return result

    def ranking(self, by: Order, of: int, count: int | None = None) -> np.ndarray:
        """Rows to look at, the first one first: without a label, and not skipped.

        Args:
            by: likely: those most probably of a class; uncertain: those with the least difference
                between their two likeliest classes; diverse: of the first of these each the
                farthest from the labeled ones and those before it; mix: one of each in turn;
                doubtful: labeled ones whose class is least probable to heads not fitted to them;
                like: all, by their likeness to one.
            of: number of the class; with `like` the galaxy's row.
            count: of the first ones, which suffice; None: all.
        """
        count = max(count or len(self.survey.ids), _CANDIDATES)
        if by == "like":
            return _first(pd.Series(self.heads.likeness(np.array([of]))), count)
        if by == "doubtful":
            return self._rank_doubtful()
        probs = self.probabilities()
        labeled = np.array(list(self.labels), int)
        rows = self._rows_to_label(labeled)
        if probs is None:
            return rows
        likely = _first(pd.Series(probs[rows, of], rows), count)
        if by == "likely":
            return likely

        likeliest = np.sort(probs[rows], axis=1)[:, -2:]
        leads = likeliest[:, -1] - likeliest[:, 0]
        uncertain = _first(pd.Series(-leads, rows), count)
        if by == "uncertain":
            return uncertain

        diverse = self.heads.farthest_first(uncertain[:_CANDIDATES], labeled)
        if by == "diverse":
            return np.append(diverse, uncertain[_CANDIDATES:])
        n = len(diverse)
        in_turn = np.column_stack([likely[:n], uncertain[:n], diverse]).ravel()
        return pd.unique(np.append(in_turn, likely))

    def _rank_doubtful(self) -> np.ndarray:
        """Labeled rows, the doubtful ones first; without scores the latest first."""
        scores = self.scores()
        rows = np.array(list(self.labels), int)[::-1]
        if scores is None:
            return rows
        confidence = [scores.confidence.get(row, 1.0) for row in rows.tolist()]
        return rows[np.argsort(confidence, kind="stable")]

    def _rows_to_label(self, labeled: np.ndarray) -> np.ndarray:
        """Rows neither labeled nor skipped, in the random order that decides between equals."""
        rows = self.heads.shuffled
        return rows[~np.isin(rows, labeled) & ~np.isin(rows, self._skipped_rows())]

    def table(self, by: Order, of: int) -> str:
        """CSV of a ranking: its galaxies in their order, with labels and probabilities."""
        rows = self.ranking(by, of)
        probs = self.probabilities()
        if probs is not None:
            probs = probs[rows]
        return self._format(rows, probs)

    def label_errors(self) -> str:
        """CSV of galaxies that heads not fitted to them give another class, most doubtful first.

        With too few labels for scores it is an error.
        """
        scores = self.scores()
        if scores is None:
            raise InputError(
                "label more galaxies: scores need two labels, from two groups if there are any, in "
                "each of two classes"
            )
        predicted = scores.probs.idxmax(axis=1)
        labels = pd.Series(self.labels)[predicted.index]
        ranked = self._rank_doubtful()
        rows = ranked[np.isin(ranked, predicted.index[predicted != labels])]
        return self._format(rows, scores.probs.loc[rows].to_numpy())

    def _format(self, rows: np.ndarray, probs: np.ndarray | None) -> str:
        """CSV of galaxies with their labels and (galaxy, class) probabilities, if there are any."""
        table = pd.DataFrame(index=pd.Index(self.survey.ids[rows], name=ID_COLUMN))
        if probs is not None:
            table = pd.DataFrame(probs, table.index, self.classes)
            table = table.drop(columns="", errors="ignore")
        table.insert(0, CLASS, [self.class_of(row) or "" for row in rows.tolist()])
        return format_predictions(table, float_format="%.6f")


def _first(scores: pd.Series, count: int) -> np.ndarray:
    """Rows with the highest scores, in descending order; equal ones stay in theirs."""
    if count < len(scores):
        scores = scores.nlargest(count)
    return scores.sort_values(ascending=False, kind="stable").index.to_numpy()
