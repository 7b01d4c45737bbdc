"""Linear heads on features: softmax regressions with a penalty on squared weights.

`training/feature_head.py` fits those of training.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax


@dataclass(frozen=True, eq=False)
class Head:
    """A linear layer."""

    weights: np.ndarray  # (column, feature) float64
    bias: np.ndarray  # (column,) float64

    def logits(self, features: np.ndarray) -> np.ndarray:
        """(n, feature) -> (n, column) float64, before the output of its kind."""
        return features @ self.weights.T + self.bias

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """(n, feature) -> (n, class) probabilities, float64."""
        return softmax(self.logits(features), axis=1)


def singular_axes(points: np.ndarray) -> np.ndarray:
    """Axes along which points spread, as many as points at most.

    The penalty does not change under rotation, so a head fitted to coordinates along these axes is
    the same one; where points are few, the coordinates are, too.

    Args:
        points: (n, feature).
    Returns:
        (axis, feature) orthonormal rows.
    """
    return np.linalg.svd(points, full_matrices=False)[2]
