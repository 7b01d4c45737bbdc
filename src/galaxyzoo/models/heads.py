"""Heads and outputs: from pooled features to logits, and from logits to predictions."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from galaxyzoo.config.schema import HeadConfig
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.kinds import Task

_MIN_WEIGHT = 1e-12  # weight of a class in the votes


def build_head(config: HeadConfig, features: int, outputs: int) -> nn.Sequential:
    """Hidden layers, each Linear -> activation -> Dropout, and a last Linear.

    Returns:
        Module from (B, features) to (B, outputs), unconstrained.
    """
    activation = {"relu": nn.ReLU, "tanh": nn.Tanh}[config.activation]
    hidden = config.hidden
    if isinstance(hidden, int):
        hidden = (hidden,)
    layers: list[nn.Module] = []
    if config.input_dropout:
        layers.append(nn.Dropout(config.input_dropout))
    inputs = features
    for units in hidden:
        layers += [nn.Linear(inputs, units), activation(), nn.Dropout(config.dropout)]
        inputs = units
    layers.append(nn.Linear(inputs, outputs))
    return nn.Sequential(*layers)


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
        self.votes = TreeOutput()
        self.soft = task.rule.soft
        self.classes = task.columns

    def forward(self, logits: Tensor) -> Tensor:
        """(B, answer) real numbers -> (B, class) probabilities."""
        votes = self.votes(logits)
        votes_by_column = dict(zip(GALAXY_ZOO_2.columns, votes.unbind(dim=1), strict=True))
        shares = self.soft(votes_by_column)
        weights = torch.stack([shares[name] for name in self.classes], dim=1)
        weights = weights.clamp_min(_MIN_WEIGHT)  # also where no volunteer would vote for any class
        return weights / weights.sum(dim=1, keepdim=True)
