"""Whether probabilities mean what they say: of galaxies given 0.8, are eight of ten right?"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

N_BINS = 15  # as in the paper below
N_VOTE_BINS = 10


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


def vote_calibration(
    predictions: np.ndarray, votes: np.ndarray, names: Sequence[str], n_bins: int = N_VOTE_BINS
) -> pd.DataFrame:
    """Mean predicted and voted fraction of each answer, by bins of equally many galaxies.

    Args:
        predictions: (galaxy, answer) predicted vote fractions.
        votes: (galaxy, answer) those of the volunteers.
        names: (answer,) of the columns.
        n_bins: of the predicted value; fewer where there are fewer galaxies.
    Returns:
        A row per answer and bin: `answer`, `galaxies`, means `predicted` and `voted`.
    """
    tables = []
    for name, column, known in zip(names, predictions.T, votes.T, strict=True):
        order = np.argsort(column, kind="stable")
        parts = np.array_split(order, min(n_bins, len(order)))
        means = [(len(part), column[part].mean(), known[part].mean()) for part in parts]
        table = pd.DataFrame(means, columns=["galaxies", "predicted", "voted"])
        table.insert(0, "answer", name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def summarise_vote_calibration(table: pd.DataFrame) -> pd.DataFrame:
    """How far predicted fractions are off on average, per answer.

    Args:
        table: of `vote_calibration`.
    Returns:
        Indexed by answer: `bias`, the mean of predicted - voted, and `error`, the mean over
        galaxies of |predicted - voted| of their bin's means.
    """
    gaps = (table["predicted"] - table["voted"]) * table["galaxies"]
    sums = pd.DataFrame({"bias": gaps, "error": gaps.abs(), "galaxies": table["galaxies"]})
    sums = sums.groupby(table["answer"], sort=False).sum()
    return sums[["bias", "error"]].div(sums["galaxies"], axis=0)
