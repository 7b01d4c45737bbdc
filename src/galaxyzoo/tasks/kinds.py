"""The kinds of task: vote fractions on a decision tree, one class per galaxy.

All that depends on the kind of a task is a method or an attribute here.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from galaxyzoo.tasks import decision_tree, label_rules, metrics

COMPETITION_TASK = "gz37"
_UNREACHED = 1.5  # times the votes' own scatter: no predictions come so close to them
CLASS = "class"  # column of class names, in label files and submissions


@dataclass(frozen=True)
class Task(ABC):
    """A task: name, label columns, the score of predictions, and how predictions are made valid."""

    name: str
    columns: tuple[str, ...]

    # Wording of tables, plots and messages
    metric: ClassVar[str]  # name of the score, of which lower is better
    quantity: ClassVar[str]  # what the columns hold
    group: ClassVar[str]  # what the columns of a group belong to
    truth: ClassVar[str]  # what the targets are called in the legend of a plot
    constraint: ClassVar[str]  # what valid predictions obey

    # Settings that a run may have, the default first
    outputs: ClassVar[tuple[str, ...]]  # head.output
    losses: ClassVar[tuple[str, ...]]
    class_balances: ClassVar[tuple[str, ...]] = ("none",)

    # Columns of a submission before the task's own
    decision_columns: ClassVar[tuple[str, ...]] = ()

    @property
    def follows_votes(self) -> bool:
        """Check whether vote fractions give its predictions: as they are, or by its rule."""
        return self.name == COMPETITION_TASK or self.rule is not None

    @property
    def groups(self) -> tuple[slice, ...]:
        """Columns that share one blend weight per run, such as a question's."""
        return (slice(0, len(self.columns)),)

    @property
    def rule(self) -> label_rules.ClassRule | None:
        """Rule that makes classes out of votes."""
        return None

    @property
    def labels(self) -> list[str]:
        """Unique texts of the columns, for lists and messages."""
        return [self.text(column) for column in range(len(self.columns))]

    @abstractmethod
    def score(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        """Score of (galaxy, column) predictions; of some columns alone, too."""

    @abstractmethod
    def per_sample_losses(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """(galaxy,) losses of (galaxy, column) predictions; their mean makes the score."""

    @abstractmethod
    def score_from_loss(self, mean_loss: np.ndarray) -> np.ndarray:
        """Means of `per_sample_losses` as scores, element by element."""

    @abstractmethod
    def project(self, predictions: np.ndarray) -> np.ndarray:
        """(galaxy, column) predictions -> the nearest that may be submitted, float64."""

    @abstractmethod
    def text(self, column: int) -> str:
        """Wording of a column's answer or class."""

    @abstractmethod
    def heading(self, column: int) -> str:
        """Title above the columns of a column's group."""

    @abstractmethod
    def find_leakage(self, predictions: np.ndarray, targets: np.ndarray, folds: np.ndarray) -> str:
        """Find evidence that out-of-fold predictions used the labels that they predict.

        Args:
            predictions: (galaxy, column) as in the file, before `project`.
            targets: (galaxy, column).
            folds: (galaxy,) in which each was held out.
        Returns:
            The evidence in a sentence; empty without.
        """

    def group_of(self, column: int) -> range:
        """The columns of the group that a column belongs to."""
        for group in self.groups:
            span = range(group.start, group.stop)
            if column in span:
                return span
        raise IndexError(f"{self.name} has no column {column}")

    def difference(self, ours: np.ndarray, theirs: np.ndarray) -> metrics.Difference:
        """Difference of two scores from (galaxy,) `per_sample_losses` of the same galaxies."""
        return metrics.jackknife(ours, theirs, self.score_from_loss)

    def epoch_metrics(self, _predictions: np.ndarray, _targets: np.ndarray) -> dict[str, float]:
        """Scores besides the task's own that cost next to nothing, for each epoch."""
        return {}

    def class_scores(
        self,
        _probs: np.ndarray,
        _targets: np.ndarray,
        _folds: np.ndarray,
        _unscored: np.ndarray | None = None,
    ) -> dict[str, Any]:
        """Scores of the decided classes for a score card; votes have none."""
        return {}

    def with_decision(self, predictions: pd.DataFrame, _prior: np.ndarray) -> pd.DataFrame:
        """Predictions as a submission holds them.

        Args:
            predictions: (galaxy, column), valid.
            _prior: (column,) means of the training targets.
        """
        return predictions


@dataclass(frozen=True)
class VoteTask(Task):
    """Vote fractions that obey the sums of a decision tree."""

    tree: decision_tree.DecisionTree

    metric = "RMSE"
    quantity = "vote fractions on the decision tree"
    group = "question"
    truth = "votes"
    constraint = "the decision tree's sums"
    outputs = ("tree", "plain", "sigmoid")
    losses = ("mse", "kl")

    @property
    def groups(self) -> tuple[slice, ...]:
        """The questions' columns."""
        return tuple(self.tree.span(question) for question in self.tree.questions)

    @property
    def labels(self) -> list[str]:
        """Answers, of which some are worded alike, with their columns."""
        return [f"{self.text(column)} ({name})" for column, name in enumerate(self.columns)]

    def score(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        """Root mean squared error."""
        return metrics.rmse(predictions, targets)

    def per_sample_losses(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """(galaxy,) squared error, mean over columns."""
        return np.square(predictions - targets).mean(axis=1)

    def score_from_loss(self, mean_loss: np.ndarray) -> np.ndarray:
        """The root."""
        return np.sqrt(np.maximum(mean_loss, 0.0))

    def vote_noise(self, targets: np.ndarray) -> np.ndarray:
        """(galaxy, column) variances of vote fractions by chance, which no image shows.

        Each of n volunteers either gives an answer or does not, whatever path down the tree leads
        there: a fraction v of all n scatters with the variance v (1 - v) / n.
        """
        return targets * (1 - targets) / decision_tree.VOLUNTEERS

    def find_leakage(self, predictions: np.ndarray, targets: np.ndarray, folds: np.ndarray) -> str:
        """Find rows copied from the votes, or an RMSE below the votes' own noise.

        The best published predictions have twice the root of the mean variance as RMSE. Evidence is
        an RMSE, of a fold or of all, of more than five standard errors below one and a half times
        the root. Votes mixed into predictions reach it at 35 % and more.

        Source: binomial variance; 0.0365 for 43 volunteers, over 6,000 galaxies of the competition;
            the best of the competition's late submissions that was found has 0.0725.
        """
        from galaxyzoo.tasks import leakage  # here: scipy takes a quarter of a second to import

        copies = leakage.find_copies(predictions, targets)
        if copies:
            return copies
        losses = self.per_sample_losses(self.project(predictions), targets)
        limits = _UNREACHED**2 * self.vote_noise(targets).mean(axis=1)
        masks = {f"fold {fold}": folds == fold for fold in np.unique(folds)}
        masks["all folds"] = np.full(len(folds), True)
        for name, rows in masks.items():
            if leakage.is_below_floor(losses[rows], limits[rows]):
                rmse = np.sqrt(losses[rows].mean())
                limit = np.sqrt(limits[rows].mean())
                return (
                    f"{name}: RMSE {rmse:.4f}; the votes' noise makes less than "
                    f"{limit:.4f} implausible"
                )
        return ""

    def project(self, predictions: np.ndarray) -> np.ndarray:
        """Clip to [0, 1] and project onto the decision tree."""
        return self.tree.project(np.clip(predictions, 0.0, 1.0))

    def text(self, column: int) -> str:
        """Wording of the answer."""
        return self.tree.answer_text(self.columns[column])

    def heading(self, column: int) -> str:
        """The question."""
        return self.tree.question_of(self.columns[column]).text


@dataclass(frozen=True)
class ClassTask(Task):
    """Classification: probabilities, scored by log-loss."""

    # how classes follow from the 37 votes; None where only a label file has them
    rule: label_rules.ClassRule | None = None
    # class decided by probability over class frequency, for tasks judged by balanced accuracy
    balanced: bool = False
    # coarser classes: name -> the columns that make it up
    macro: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    metric = "log-loss"
    quantity = "class probabilities"
    group = "row"
    truth = "true class"
    constraint = "probabilities that sum to 1"
    outputs = ("softmax", "rule")
    losses = ("cross_entropy", "mse")
    class_balances = ("none", "weights", "sampling")
    decision_columns = (CLASS,)

    def score(self, predictions: np.ndarray, targets: np.ndarray) -> float:
        """Log-loss in nats."""
        return metrics.log_loss(predictions, targets)

    def per_sample_losses(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """(galaxy,) log-loss in nats."""
        logs = np.log(np.maximum(predictions, metrics.MIN_PROBABILITY))
        return -np.sum(targets * logs, axis=1)

    def score_from_loss(self, mean_loss: np.ndarray) -> np.ndarray:
        """The mean itself."""
        return mean_loss

    def find_leakage(self, predictions: np.ndarray, targets: np.ndarray, folds: np.ndarray) -> str:
        """Find labels mixed into soft probabilities; hard answers are no evidence."""
        from galaxyzoo.tasks import leakage  # here: scipy takes a quarter of a second to import

        is_soft = ((predictions > 0) & (predictions < 1)).any(axis=1)
        if not is_soft.any():
            return ""
        probs = self.project(predictions[is_soft])
        truth = targets[is_soft].argmax(axis=1)
        return leakage.find_floor(probs, truth, folds[is_soft])

    def project(self, predictions: np.ndarray) -> np.ndarray:
        """Clip to [0, 1], make rows sum to 1, lift to about `MIN_PROBABILITY`."""
        probs = np.clip(predictions.astype(np.float64), 0.0, 1.0)
        for smallest in (1e-12, metrics.MIN_PROBABILITY):  # the first only for rows of zeros
            probs = np.maximum(probs, smallest)
            probs /= probs.sum(axis=1, keepdims=True)
        return probs

    def text(self, column: int) -> str:
        """The class's name without underscores."""
        return self.columns[column].replace("_", " ")

    def heading(self, _column: int) -> str:
        """Group all classes together."""
        return "probability of each class"

    def epoch_metrics(self, predictions: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Accuracy of the likeliest class."""
        right = predictions.argmax(axis=1) == targets.argmax(axis=1)
        return {"accuracy": float(right.mean())}

    def with_decision(self, predictions: pd.DataFrame, prior: np.ndarray) -> pd.DataFrame:
        """The name of the decided class, then the probabilities; arguments as of `decide`."""
        decided = self.decide(predictions.to_numpy(), prior)
        names = np.array(self.columns)[decided]
        column = pd.Series(names, index=predictions.index, name=CLASS)
        return pd.concat([column, predictions], axis=1)

    def decide(self, probs: np.ndarray, prior: np.ndarray) -> np.ndarray:
        """The class of each galaxy.

        The most probable one; for a task judged by balanced accuracy the one whose probability
        exceeds its frequency by the largest factor, which is the choice that maximizes balanced
        accuracy.

        Args:
            probs: (galaxy, class) probabilities for galaxies as frequent as in nature.
            prior: (class,) frequencies in the training data.
        Returns:
            (galaxy,) class numbers, columns of the task.
        Source: Menon et al. 2021 (ICLR), "Long-tail learning via logit adjustment", section 4.1.
        """
        if not self.balanced:
            return probs.argmax(axis=1)
        # Where factors are alike, as those of the frequencies themselves, it is the most frequent.
        factors = (probs / np.maximum(prior, 1e-12)).round(9)
        order = np.argsort(-prior, kind="stable")
        return order[factors[:, order].argmax(axis=1)]

    def decide_out_of_fold(
        self,
        probs: np.ndarray,
        targets: np.ndarray,
        folds: np.ndarray,
        unscored: np.ndarray | None = None,
    ) -> np.ndarray:
        """Decide each galaxy's class by class frequencies outside its own fold.

        The folds must be stratified, as `folds.make_folds` deals them: in random ones a class that
        the other folds lack abounds in this one, so that its frequency there would give the answer
        away.

        Args:
            probs: (galaxy, class) out-of-fold probabilities.
            targets: (galaxy, class) one-hot.
            folds: (galaxy,).
            unscored: (other galaxy, class) targets of galaxies in no fold above; they always count.
        Returns:
            (galaxy,) class numbers; where there is no other galaxy, every class counts as equally
            frequent.
        """
        if unscored is None:
            unscored = targets[:0]
        decided = np.empty(len(probs), dtype=np.int64)
        for fold in np.unique(folds):
            rows = folds == fold
            others = np.concatenate([targets[~rows], unscored])
            prior = np.ones(targets.shape[1])
            if len(others):
                prior = others.mean(axis=0)
            decided[rows] = self.decide(probs[rows], prior)
        return decided

    def to_macro(self, values: np.ndarray) -> np.ndarray:
        """(galaxy, class) probabilities or one-hot targets -> (galaxy, macro-class), summed."""
        sums = []
        for classes in self.macro.values():
            columns = [self.columns.index(name) for name in classes]
            sums.append(values[:, columns].sum(axis=1))
        return np.column_stack(sums)

    def class_scores(
        self,
        probs: np.ndarray,
        targets: np.ndarray,
        folds: np.ndarray,
        unscored: np.ndarray | None = None,
    ) -> dict[str, Any]:
        """Score the classes on validation galaxies as frequent as they are.

        Args:
            probs: (galaxy, class) out-of-fold probabilities.
            targets: (galaxy, class) one-hot.
            folds: (galaxy,).
            unscored: as of `decide_out_of_fold`.
        Returns:
            Plain dict: `accuracy`, `balanced_accuracy` (mean recall), `macro_f1`, `macro_auc`
            (one against rest, mean over classes) and `micro_auc` (over all class and galaxy pairs),
            and for tasks with macro-classes `macro_class_accuracy` and
            `macro_class_balanced_accuracy` of the macro-class with the largest summed probability.
            An AUC is None where a class is missing.
        """
        # Only here: scikit-learn takes seconds, and most commands score nothing with it.
        from sklearn.metrics import f1_score, roc_auc_score

        truth = targets.argmax(axis=1)
        decided = self.decide_out_of_fold(probs, targets, folds, unscored)
        classes = np.arange(len(self.columns))
        f1 = f1_score(truth, decided, labels=classes, average="macro", zero_division=0)
        scores: dict[str, Any] = {
            "accuracy": float(np.mean(decided == truth)),
            "balanced_accuracy": metrics.mean_recall(truth, decided),
            "macro_f1": float(f1),
        }
        class_sizes = targets.sum(axis=0)
        has_auc = class_sizes.min() > 0 and class_sizes.max() < len(targets)
        for name in ("macro", "micro"):
            scores[f"{name}_auc"] = None
            if has_auc:
                scores[f"{name}_auc"] = float(roc_auc_score(targets, probs, average=name))
        if self.macro:
            macro_truth = self.to_macro(targets).argmax(axis=1)
            macro_decided = self.to_macro(probs).argmax(axis=1)
            scores["macro_class_accuracy"] = float(np.mean(macro_decided == macro_truth))
            scores["macro_class_balanced_accuracy"] = metrics.mean_recall(
                macro_truth, macro_decided
            )
        return scores
