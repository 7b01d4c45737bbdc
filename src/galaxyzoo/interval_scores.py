"""How good intervals are: how often they hold the target, how wide they are, and both in one."""

from itertools import pairwise
from typing import Any

import numpy as np

# Edges of predicted values between which coverage is counted apart.
VALUE_EDGES = (0.0, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


def interval_scores(targets: np.ndarray, intervals: np.ndarray, level: float) -> np.ndarray:
    """(galaxy, column) width, plus what missing the target costs: 2 / (1 - level) per unit.

    Lower is better; quantiles as ends are best.

    Args:
        targets: (galaxy, column).
        intervals: (galaxy, column, 2).
        level: nominal.
    Source: Winkler 1972 (JASA 67, 187); Gneiting and Raftery 2007 (JASA 102, 359), section 6.2.
    """
    lower, upper = intervals[..., 0], intervals[..., 1]
    missed = np.maximum(lower - targets, 0) + np.maximum(targets - upper, 0)
    return upper - lower + 2 / (1 - level) * missed


def are_held(targets: np.ndarray, intervals: np.ndarray) -> np.ndarray:
    """(galaxy, column) bool: the target is in its closed interval."""
    return (intervals[..., 0] <= targets) & (targets <= intervals[..., 1])


def score_intervals(targets: np.ndarray, intervals: np.ndarray, level: float) -> dict[str, float]:
    """Coverage with its standard error over galaxies, mean width, mean interval score."""
    held = are_held(targets, intervals).mean(axis=1)
    return {
        "coverage": float(held.mean()),
        "coverage_se": float(held.std(ddof=1) / np.sqrt(len(held))),
        "width": float((intervals[..., 1] - intervals[..., 0]).mean()),
        "score": float(interval_scores(targets, intervals, level).mean()),
    }


def coverage_by_value(
    predictions: np.ndarray, targets: np.ndarray, intervals: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Coverage of the answers whose prediction lies between two of `VALUE_EDGES`, all columns.

    Returns:
        "<from>-<to>" -> number of `answers` and their `coverage`, None where there is none.
    """
    held, out = are_held(targets, intervals), {}
    place = np.clip(np.digitize(predictions, VALUE_EDGES) - 1, 0, len(VALUE_EDGES) - 2)
    for i, (low, high) in enumerate(pairwise(VALUE_EDGES)):
        here = held[place == i]
        coverage = float(here.mean()) if len(here) else None
        out[f"{low:g}-{high:g}"] = {"answers": len(here), "coverage": coverage}
    return out


def coverage_by_third(
    values: np.ndarray, targets: np.ndarray, intervals: np.ndarray
) -> list[float]:
    """Coverage where values are small, middling and large for their column, all columns together.

    Args:
        values: (galaxy, column), such as a spread; equal ones count in the galaxies' order.
        targets: (galaxy, column).
        intervals: (galaxy, column, 2).
    """
    places = np.argsort(np.argsort(values, axis=0, kind="stable"), axis=0, kind="stable")
    thirds, held = places * 3 // len(values), are_held(targets, intervals)
    return [float(held[thirds == third].mean()) for third in range(3)]


def difference(
    targets: np.ndarray, ours: np.ndarray, other: np.ndarray, level: float
) -> tuple[float, float]:
    """Mean interval score of `other` minus ours, and its standard error over galaxies.

    Args:
        targets: (galaxy, column).
        ours: (galaxy, column, 2).
        other: (galaxy, column, 2).
        level: nominal.
    """
    gaps = interval_scores(targets, other, level) - interval_scores(targets, ours, level)
    per_galaxy = gaps.mean(axis=1)
    return float(per_galaxy.mean()), float(per_galaxy.std(ddof=1) / np.sqrt(len(per_galaxy)))
