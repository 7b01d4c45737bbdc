"""Evidence in out-of-fold predictions that the labels which they predict were used.

Each test returns a sentence, empty without evidence. Evidence marks a run; it never refuses one.
"""

import numpy as np
from scipy.special import pdtr, softmax

COPIED = 5e-4  # a fraction this close to its label is the label: tables have three digits or more
_SHARE = 0.01  # of the rows; more copied ones are no accident
_MARGIN = 5  # standard errors
_CHANCE = 2e-4  # of an honest table in one test of `find_floor`
_FOLD_CHANCE = 1e-5  # the same for a fold, of which there are several
_FEWEST_ERRORS = 0.003  # share: no table of ours is right in more than 99.7 % of the galaxies
_LOWEST = 0.05  # a floor below it is in the tail, which one temperature does not calibrate
_OUTLIERS = 3  # true classes looked at, from the least probable


def find_copies(predictions: np.ndarray, votes: np.ndarray) -> str:
    """Find rows of vote fractions that were copied from the labels.

    A row is copied if each fraction whose label is neither 0 nor 1 equals it to 0.0005. Of the
    committed tables, no row is; copies with two digits are not seen.

    Args:
        predictions: (galaxy, column) as in the file.
        votes: (galaxy, column) targets.
    """
    is_open = (votes > 0) & (votes < 1)
    differs = np.abs(predictions - votes) > COPIED
    copied = is_open.any(axis=1) & ~(differs & is_open).any(axis=1)
    if copied.mean() <= _SHARE:
        return ""
    return f"{copied.sum():,} of {len(votes):,} rows equal the votes"


def is_below_floor(losses: np.ndarray, limits: np.ndarray) -> bool:
    """Check whether an RMSE is more than five standard errors below its limit.

    The standard error is that of the mean squared error over galaxies, carried over to RMSE. It is
    taken about the limits, not about the galaxies' own mean: a few that agree by chance would make
    that one small.

    Args:
        losses: (galaxy,) squared errors.
        limits: (galaxy,) least squared errors that can be expected.
    """
    limit = np.sqrt(limits.mean())
    error = np.sqrt(np.mean((losses - limits) ** 2) / len(losses))
    # The root's slope at the limit is 1 / (2 limit); a limit of 0 needs no division.
    below = 2 * limit * (limit - np.sqrt(losses.mean()))
    return bool(below > _MARGIN * error)


def find_floor(probs: np.ndarray, truth: np.ndarray, folds: np.ndarray) -> str:
    """Find a floor under the true classes' probabilities, as where labels were mixed in.

    A mixture w · label + (1 - w) · q gives no true class less than w, and is never wrong for w of
    0.5 and more. Once label smoothing is taken off and a temperature fitted, the number of true
    classes below any probability follows from the table: their sum over all classes below it. The
    test asks for the least of the true classes' probabilities, and for the second and third: how
    probable is it that so few lie below, where so many are expected? Two limits keep honest tables
    out. No table may claim to err in less than 0.3 % of the galaxies, so that being right is no
    evidence for fewer than 2,900 galaxies, and a fold, which has a temperature of its own (it may
    have been trained for less time), may claim no less than half of the errors of the other folds.
    A floor below 0.05 does not count.

    False alarms: in theory below 0.0002 a test of the table and 0.00001 of a fold, of three each.
    Measured: none of 2,100 honest tables (the committed ones; classes of the committed votes; these
    at temperatures 0.5 to 2, smoothed by 0.05 to 0.2, isotonic, of two digits, as hard answers, or
    of 20 to 1,500 galaxies), nor of 20 with one fold at another temperature or smoothed.
    What is found: docs/lab/ensembles.md.

    Args:
        probs: (galaxy, class) soft probabilities, valid. Hard answers tell nothing.
        truth: (galaxy,) class numbers.
        folds: (galaxy,) in which each was held out.
    Source: own; temperature scaling: Guo et al. 2017 (ICML), "On calibration of modern neural
        networks".
    """
    # Smoothing adds the same to each probability, and some class of some galaxy had almost none.
    sharp = np.maximum(probs - probs.min(), 1e-6)
    logs = np.log(sharp / sharp.sum(axis=1, keepdims=True))
    is_wrong = logs.argmax(axis=1) != truth
    sentence = _describe_floor(logs, truth, _fit_scale(logs, truth), _FEWEST_ERRORS, _CHANCE)
    if sentence:
        return sentence
    for fold in np.unique(folds):
        inside = folds == fold
        if inside.all():
            continue
        scale = _fit_scale(logs[inside], truth[inside])
        errors = max(_FEWEST_ERRORS, is_wrong[~inside].mean() / 2)
        sentence = _describe_floor(logs[inside], truth[inside], scale, errors, _FOLD_CHANCE)
        if sentence:
            return f"fold {fold}: {sentence}"
    return ""


def _describe_floor(
    logs: np.ndarray, truth: np.ndarray, scale: float, errors: float, chance: float
) -> str:
    """Describe improbably few improbable true classes.

    Args:
        logs: (galaxy, class) log-probabilities.
        truth: (galaxy,) class numbers.
        scale: inverse temperature.
        errors: least share of wrong answers that the probabilities may claim.
        chance: below which so few are improbable.
    """
    calibrated = softmax(_limit_scale(logs, scale, errors) * logs, axis=1)
    floors = np.sort(calibrated[np.arange(len(truth)), truth])[:_OUTLIERS]
    for below, floor in enumerate(floors):
        if floor < _LOWEST:
            continue
        expected = calibrated[calibrated < floor * (1 - 1e-9)].sum()
        if pdtr(below, expected) < chance:
            return (
                f"{below} of {len(truth):,} galaxies have a true class of probability below "
                f"{floor:.2f} (calibrated), where {expected:.0f} are expected"
            )
    return ""


def _fit_scale(logs: np.ndarray, truth: np.ndarray) -> float:
    """Fit the inverse temperature by maximum likelihood, from 0.1 to 50."""
    from scipy.optimize import minimize_scalar  # here: it takes a third of a second to import

    rows = np.arange(len(truth))

    def log_loss(log_scale: float) -> float:
        probs = softmax(np.exp(log_scale) * logs, axis=1)[rows, truth]
        return -float(np.log(np.maximum(probs, 1e-300)).mean())

    bounds = (np.log(0.1), np.log(50.0))
    fitted = minimize_scalar(log_loss, bounds=bounds, method="bounded", options={"xatol": 0.01})
    return float(np.exp(fitted.x))


def _limit_scale(logs: np.ndarray, scale: float, errors: float) -> float:
    """Lower an inverse temperature until the probabilities claim at least this share of errors."""
    from scipy.optimize import brentq  # here: it takes a third of a second to import

    def excess(other_scale: float) -> float:
        claimed = 1 - softmax(other_scale * logs, axis=1).max(axis=1).mean()
        return float(claimed) - errors

    if excess(scale) >= 0:
        return scale
    if excess(0.0) <= 0:  # two classes, all wrong elsewhere
        return 0.0
    return float(brentq(excess, 0.0, scale, xtol=1e-6))
