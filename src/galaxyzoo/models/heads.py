"""Heads and outputs: from pooled features to logits, and from logits to predictions."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from galaxyzoo.config.schema import Config, HeadConfig
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.kinds import Task

# (B, column) predictions, (B, column) targets -> ()
Loss = Callable[[Tensor, Tensor], Tensor]
_TINY = 1e-12  # smallest probability whose logarithm is taken


def build_loss(config: Config, class_weights: Tensor | None = None) -> Loss:
    """The config's loss.

    Args:
        class_weights: (class,) weight of each class, for losses on classes; default all alike.
    """
    if config.loss == "mse":
        return functional.mse_loss
    if config.loss == "kl":
        return tree_divergence
    smoothing = config.train.label_smoothing
    return lambda probs, targets: cross_entropy(probs, targets, class_weights, smoothing)


def part_weight(targets: Tensor, class_weights: Tensor | None = None) -> float | Tensor:
    """Weight of a part of a batch in the batch's mean loss.

    Args:
        targets: (B, column) of the part.
        class_weights: as given to the loss.
    """
    if class_weights is None:
        return float(len(targets))
    return (targets @ class_weights).sum()


def cross_entropy(
    probs: Tensor, targets: Tensor, class_weights: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Mean of -sum(targets · log(probs)), each galaxy weighted by its class.

    Args:
        probs: (B, class) probabilities.
        targets: (B, class) one-hot classes, or soft ones whose rows add up to 1.
        class_weights: (class,); a soft target's weight is the mean over its classes.
        smoothing: share of each target that is spread evenly over all classes.
    Returns:
        Weighted mean over the batch, as torch's own `cross_entropy` takes it.
    Source: label smoothing after Szegedy et al. 2016 (CVPR), section 7.
    """
    spread = targets * (1 - smoothing) + smoothing / targets.shape[1]
    losses = -(spread * torch.log(probs.clamp_min(_TINY))).sum(dim=1)
    if class_weights is None:
        return losses.mean()
    weights = targets @ class_weights
    return (weights * losses).sum() / weights.sum()


def tree_divergence(votes: Tensor, targets: Tensor) -> Tensor:
    """Kullback-Leibler divergence per question, weighted by how many volunteers were asked it.

    Published fractions carry the parent's weight already, so a question's term is
    sum of v · log((v / v_parent) / (p / p_parent)) over its answers.

    Args:
        votes: (B, answer) predicted fractions that obey the tree.
        targets: (B, answer) vote fractions.
    Returns:
        Sum over questions, mean over galaxies, in nats, >= 0 up to rounding of the targets.
    Source: own; the divergence that Zoobot's multinomial likelihood (Walmsley et al. 2022,
        MNRAS 509, 3966) has up to a constant, for fractions instead of counts.
    """
    total = torch.zeros((), device=votes.device)
    for question in GALAXY_ZOO_2.questions:
        span, parent = GALAXY_ZOO_2.span(question), GALAXY_ZOO_2.parent_index(question)
        given, predicted = targets[:, span], votes[:, span]
        if parent is not None:
            given_parent, predicted_parent = (v[:, parent : parent + 1] for v in (targets, votes))
            predicted = predicted / predicted_parent.clamp_min(_TINY)
            shares = given / given_parent.clamp_min(_TINY)
        else:
            shares = given
        logs = torch.log(shares.clamp_min(_TINY)) - torch.log(predicted.clamp_min(_TINY))
        total = total + (given * logs).sum(dim=1).mean()
    return total


_MIN_WEIGHT = 1e-12  # weight of a class in the votes


def build_head(config: HeadConfig, features: int, outputs: int) -> nn.Sequential:
    """Hidden layers, each Linear -> activation -> Dropout, and a last Linear.

    Returns:
        Module from (B, features) to (B, outputs), unconstrained.
    """
    activation = {"relu": nn.ReLU, "tanh": nn.Tanh}[config.activation]
    hidden = (config.hidden,) if isinstance(config.hidden, int) else config.hidden
    layers: list[nn.Module] = [nn.Dropout(config.input_dropout)] if config.input_dropout else []
    for inputs, units in zip((features, *hidden), hidden, strict=False):
        layers += [nn.Linear(inputs, units), activation(), nn.Dropout(config.dropout)]
    return nn.Sequential(*layers, nn.Linear((features, *hidden)[-1], outputs))


def build_output(kind: str, task: Task) -> nn.Module:
    """Module from logits to (B, column) predictions of the task, by the config's `head.output`."""
    outputs: dict[str, Callable[[], nn.Module]] = {
        "plain": nn.Identity,
        "sigmoid": nn.Sigmoid,
        "tree": TreeOutput,
        "softmax": lambda: nn.Softmax(dim=1),
        "rule": lambda: RuleOutput(task),
    }
    return outputs[kind]()


class TreeOutput(nn.Module):
    """Vote fractions that obey the decision tree exactly, whatever the logits.

    Each question's answers are a softmax, scaled by the value of the parent answer.

    Examples:
        >>> votes = TreeOutput()(torch.zeros(1, 37))
        >>> [round(value, 3) for value in votes[0, :5].tolist()]  # 7.: edge-on, of features or disk
        [0.333, 0.333, 0.333, 0.167, 0.167]

    Source: after S. Dieleman's winning solution of the competition, with softmax in place of its
        divided relu, so that no gradient dies.
    """

    def forward(self, logits: Tensor) -> Tensor:
        """(B, answer) real numbers -> (B, answer) vote fractions in [0, 1], in the logits' type."""
        parts: dict[int, Tensor] = {}
        values: dict[str, Tensor] = {}
        for question in GALAXY_ZOO_2.top_down:
            answers = torch.softmax(logits[:, GALAXY_ZOO_2.span(question)], dim=1)
            if question.parent is not None:
                answers = answers * values[question.parent]
            parts[question.number] = answers  # (B, answers of the question)
            values.update({c: answers[:, i : i + 1] for i, c in enumerate(question.columns)})
        return torch.cat([parts[q.number] for q in GALAXY_ZOO_2.questions], dim=1)


class RuleOutput(nn.Module):
    """Class probabilities that follow from predicted votes by the soft side of a task's label rule.

    A network of votes so predicts classes as it is, and goes on learning from them, head and all.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        assert task.rule is not None  # or the config is refused
        self.votes, self.soft = TreeOutput(), task.rule.soft
        self.classes = task.columns

    def forward(self, logits: Tensor) -> Tensor:
        """(B, answer) real numbers -> (B, class) probabilities."""
        votes = self.votes(logits)
        parts = self.soft(dict(zip(GALAXY_ZOO_2.columns, votes.unbind(dim=1), strict=True)))
        weights = torch.stack([parts[name] for name in self.classes], dim=1)
        weights = weights.clamp_min(_MIN_WEIGHT)  # also where no volunteer would vote for any class
        return weights / weights.sum(dim=1, keepdim=True)
