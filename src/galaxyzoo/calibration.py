"""Whether probabilities mean what they say: of galaxies given 0.8, are eight of ten right?"""

import numpy as np
import pandas as pd

N_BINS = 15  # as in the paper below


def calibration_table(probs: np.ndarray, truth: np.ndarray, n_bins: int = N_BINS) -> pd.DataFrame:
    """Confidence and accuracy of the most probable class, by equally wide bins of confidence.

    Args:
        probs: (galaxy, class) probabilities.
        truth: (galaxy,) class numbers.
        n_bins: bins over (0, 1], each open below and closed above.
    Returns:
        A row per bin: `from`, `to`, `galaxies`, mean `confidence` and `accuracy` (NaN where no
        galaxy is).
    Source: Guo et al. 2017 (ICML), "On calibration of modern neural networks", section 2.
    """
    confidence, right = probs.max(axis=1), probs.argmax(axis=1) == truth
    edges = np.linspace(0, 1, n_bins + 1)
    place = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, n_bins - 1)
    counts = np.bincount(place, minlength=n_bins)
    sums = [np.bincount(place, values, n_bins) for values in (confidence, right)]
    means = [np.divide(s, counts, out=np.full(n_bins, np.nan), where=counts > 0) for s in sums]
    return pd.DataFrame(
        {
            "from": edges[:-1],
            "to": edges[1:],
            "galaxies": counts,
            "confidence": means[0],
            "accuracy": means[1],
        }
    )


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Mean over galaxies of |accuracy - confidence| of their bin; 0 to 1, 0 is best.

    Source: Guo et al. 2017, equation 3.
    """
    gaps = (table["accuracy"] - table["confidence"]).abs().fillna(0.0)
    return float((gaps * table["galaxies"]).sum() / table["galaxies"].sum())
