"""Scores of class probabilities: what they decide, and how often that is right.

How far apart two predictions of the same galaxies are in score, and the error of that.

Only the draw of the galaxies is in the standard error: other trainings of the same networks would
move both predictions by more.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from galaxyzoo.tasks.registry import SMALLEST_PROBABILITY, Task


def frequencies(targets: np.ndarray) -> np.ndarray:
    """(class,) share of each class among (galaxy, class) one-hot targets."""
    return targets.mean(axis=0)


def decide(task: Task, probs: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """The class of each galaxy.

    The most probable one; for a task judged by balanced accuracy the one whose probability exceeds
    its frequency by the largest factor, which is the choice that maximises balanced accuracy.

    Args:
        task: the task.
        probs: (galaxy, class) probabilities for galaxies as frequent as in nature.
        prior: (class,) frequencies in the training data.
    Returns:
        (galaxy,) class numbers, columns of the task.
    Source: Menon et al. 2021 (ICLR), "Long-tail learning via logit adjustment", section 4.1.
    """
    if not task.balanced:
        return probs.argmax(axis=1)
    # Where factors are alike, as those of the frequencies themselves, it is the most frequent one.
    factors = (probs / np.maximum(prior, 1e-12)).round(9)
    order = np.argsort(-prior, kind="stable")
    return order[factors[:, order].argmax(axis=1)]


def decide_out_of_fold(
    task: Task,
    probs: np.ndarray,
    targets: np.ndarray,
    folds: np.ndarray,
    unscored: np.ndarray | None = None,
) -> np.ndarray:
    """Decide each galaxy's class by frequencies that its own fold has no part in.

    The folds must be stratified, as `folds.make_folds` deals them: in random ones a class that the
    other folds lack abounds in this one, so that its frequency there would give the answer away.

    Args:
        task: the task.
        probs: (galaxy, class) out-of-fold probabilities.
        targets: (galaxy, class) one-hot.
        folds: (galaxy,).
        unscored: (other galaxy, class) targets of galaxies in no fold above; they count in all.
    Returns:
        (galaxy,) class numbers; where there is no other galaxy, every class counts as equally
        frequent.
    """
    outside = targets[:0] if unscored is None else unscored
    decided = np.empty(len(probs), dtype=np.int64)
    for fold in np.unique(folds):
        rows = folds == fold
        others = np.concatenate([targets[~rows], outside])
        prior = frequencies(others) if len(others) else np.ones(targets.shape[1])
        decided[rows] = decide(task, probs[rows], prior)
    return decided


def to_macro(task: Task, values: np.ndarray) -> np.ndarray:
    """(galaxy, class) probabilities or one-hot targets -> (galaxy, macro-class), summed."""
    place = {name: i for i, name in enumerate(task.columns)}
    columns = [[place[name] for name in names] for names in task.macro.values()]
    return np.column_stack([values[:, some].sum(axis=1) for some in columns])


def score_classes(
    task: Task,
    probs: np.ndarray,
    targets: np.ndarray,
    folds: np.ndarray,
    unscored: np.ndarray | None = None,
) -> dict[str, Any]:
    """All scores of a class task, from validation galaxies as frequent as they are.

    Args:
        task: the task.
        probs: (galaxy, class) out-of-fold probabilities.
        targets: (galaxy, class) one-hot.
        folds: (galaxy,).
        unscored: as of `decide_out_of_fold`.
    Returns:
        Plain dict: `accuracy`, `balanced_accuracy` (mean recall), `macro_f1`, `macro_auc`
        (one against rest, mean over classes) and `micro_auc` (over all class and galaxy pairs), and
        for tasks with macro-classes `macro_class_accuracy` and `macro_class_balanced_accuracy` of
        the macro-class with the largest summed probability. An AUC is None where a class is
        missing.
    """
    # Only here: scikit-learn takes seconds, and most commands score nothing with it.
    from sklearn.metrics import f1_score, roc_auc_score

    truth = targets.argmax(axis=1)
    decided = decide_out_of_fold(task, probs, targets, folds, unscored)
    labels = np.arange(len(task.columns))
    scores: dict[str, Any] = {
        "accuracy": float(np.mean(decided == truth)),
        "balanced_accuracy": mean_recall(truth, decided),
        "macro_f1": float(
            f1_score(truth, decided, labels=labels, average="macro", zero_division=0)
        ),
    }
    whole = targets.sum(axis=0).min() > 0 and targets.sum(axis=0).max() < len(targets)
    for name in ("macro", "micro"):
        scores[f"{name}_auc"] = (
            float(roc_auc_score(targets, probs, average=name)) if whole else None
        )
    if task.macro:
        truth, decided = (to_macro(task, values).argmax(axis=1) for values in (targets, probs))
        scores["macro_class_accuracy"] = float(np.mean(decided == truth))
        scores["macro_class_balanced_accuracy"] = mean_recall(truth, decided)
    return scores


def mean_recall(truth: np.ndarray, decided: np.ndarray) -> float:
    """Mean recall over the classes that occur: balanced accuracy, of (galaxy,) class numbers."""
    recalls = [np.mean(decided[truth == k] == k) for k in np.unique(truth)]
    return float(np.mean(recalls))


_ROUNDING = 1e-12  # blends that are the same differ by no more


@dataclass(frozen=True)
class Difference:
    """A difference of two scores on the same galaxies."""

    value: float  # below 0 where the first is better
    error: float  # standard error over galaxies, each compared with itself

    @property
    def is_within_error(self) -> bool:
        """Whether the first is worse by no more than one standard error."""
        return self.value <= self.error + _ROUNDING


def galaxy_losses(task: Task, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """What the task's score averages, by galaxy; the lower the better.

    Args:
        task: the task.
        predictions: (galaxy, column), as they would be submitted.
        targets: (galaxy, column).
    Returns:
        (galaxy,) squared error, mean over columns; of classes the log-loss, in nats.
    """
    if task.is_classes:
        return -np.sum(targets * np.log(np.maximum(predictions, SMALLEST_PROBABILITY)), axis=1)
    return np.square(predictions - targets).mean(axis=1)


def score_of(task: Task, mean_loss: np.ndarray) -> np.ndarray:
    """Means of `galaxy_losses` as scores: the root of squared errors, a log-loss as it is."""
    return mean_loss if task.is_classes else np.sqrt(np.maximum(mean_loss, 0.0))


def difference(task: Task, ours: np.ndarray, theirs: np.ndarray) -> Difference:
    """Difference of two scores, ours less theirs.

    Args:
        task: the task.
        ours: (galaxy,) `galaxy_losses`.
        theirs: (galaxy,) of the same galaxies.
    Returns:
        The difference and its standard error; the error of a single galaxy is 0.
    Source: jackknife over galaxies (Shao and Tu 1995), which follows the root in the score too.
    """
    n = len(ours)
    value = float(score_of(task, ours.mean()) - score_of(task, theirs.mean()))
    if n < 2:
        return Difference(value, 0.0)
    # (galaxy,) the difference where one galaxy is left out
    left = score_of(task, (ours.sum() - ours) / (n - 1)) - score_of(
        task, (theirs.sum() - theirs) / (n - 1)
    )
    variance = (n - 1) / n * np.sum(np.square(left - left.mean()))
    return Difference(value, float(np.sqrt(variance)))
