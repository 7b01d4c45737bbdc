"""Scores of labels by heads that were not fitted to them: recall, precision, calibration."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

_FEWEST_CALIBRATED = 20  # labels
_BIN = 10  # labels


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
    """How well heads classify labeled galaxies that they were not fitted to."""

    recall: list[Proportion]  # of each class
    precision: list[Proportion]
    probs: pd.DataFrame  # (label, class), indexed by row of the galaxy
    confidence: dict[int, float]  # probability of a galaxy's label, by row
    calibration_error: float | None  # of the likeliest class; None: too few labels


def score_labels(rows: np.ndarray, classes: np.ndarray, probs: np.ndarray) -> Scores:
    """Score probabilities by heads that were not fitted to the label.

    Args:
        rows: (label,) of the galaxies.
        classes: (label,) class numbers.
        probs: (label, class).
    """
    predicted = probs.argmax(axis=1)
    is_hit = predicted == classes
    n_classes = probs.shape[1]
    hits = np.bincount(classes[is_hit], minlength=n_classes).tolist()
    n_labeled = np.bincount(classes, minlength=n_classes).tolist()
    n_predicted = np.bincount(predicted, minlength=n_classes).tolist()
    calibration_error = None
    if len(rows) >= _FEWEST_CALIBRATED:
        calibration_error = _calibration_error(probs.max(axis=1), is_hit)
    confidence = probs[np.arange(len(rows)), classes]  # in the label
    return Scores(
        recall=list(map(Proportion, hits, n_labeled)),
        precision=list(map(Proportion, hits, n_predicted)),
        probs=pd.DataFrame(probs, rows),
        confidence=pd.Series(confidence, rows).to_dict(),
        calibration_error=calibration_error,
    )


def _calibration_error(confidence: np.ndarray, is_hit: np.ndarray) -> float:
    """Expected calibration error, in bins of equally many labels.

    Args:
        confidence: (label,) probability of the likeliest class.
        is_hit: (label,) whether this is the label.
    """
    order = np.argsort(confidence)
    gaps = 0.0
    for rows in np.array_split(order, len(order) // _BIN):
        gaps += abs((confidence[rows] - is_hit[rows]).sum())
    return gaps / len(order)
