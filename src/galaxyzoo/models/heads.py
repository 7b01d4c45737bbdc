"""Heads and outputs: from pooled features to logits, and from logits to predictions."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from galaxyzoo.config.schema import HeadConfig
from galaxyzoo.tasks import decision_tree, kinds

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


def build_output(kind: str, task: kinds.Task) -> nn.Module:
    """Module from logits to (B, column) predictions of the task, by the config's `head.output`."""
    tree = task.tree if isinstance(task, kinds.VoteTask) else decision_tree.GALAXY_ZOO_2
    outputs: dict[str, Callable[[], nn.Module]] = {
        "plain": nn.Identity,
        "sigmoid": nn.Sigmoid,
        "tree": lambda: TreeOutput(tree),
        "softmax": lambda: nn.Softmax(dim=1),
        "rule": lambda: RuleOutput(task, decision_tree.GALAXY_ZOO_2),
    }
    return outputs[kind]()


class TreeOutput(nn.Module):
    """Vote fractions that obey the decision tree exactly, whatever the logits.

    Each question's answers are a softmax, scaled by the value of the parent answer.

    Source: after S. Dieleman's winning solution of the competition, with softmax in place of its
        divided relu, so that no gradient dies.
    """

    def __init__(self, tree: decision_tree.DecisionTree) -> None:
        super().__init__()
        self.tree = tree

    def forward(self, logits: Tensor) -> Tensor:
        """(B, answer) real numbers -> (B, answer) vote fractions in [0, 1], in the logits' type."""
        parts: dict[int, Tensor] = {}
        values: dict[str, Tensor] = {}
        for question in self.tree.top_down:
            answers = torch.softmax(logits[:, self.tree.span(question)], dim=1)
            if question.parent is not None:
                answers = answers * values[question.parent]
            parts[question.number] = answers  # (B, answers of the question)
            values.update({c: answers[:, i : i + 1] for i, c in enumerate(question.columns)})
        return torch.cat([parts[q.number] for q in self.tree.questions], dim=1)


class RuleOutput(nn.Module):
    """Class probabilities that follow from predicted votes by the soft side of a task's label rule.

    A network of votes so predicts classes as it is, and goes on learning from them, head and all.
    """

    def __init__(self, task: kinds.Task, tree: decision_tree.DecisionTree) -> None:
        super().__init__()
        if task.rule is None:
            raise ValueError(f"task '{task.name}' has no label rule")
        self.votes, self.soft = TreeOutput(tree), task.rule.soft
        self.answers, self.classes = tree.columns, task.columns

    def forward(self, logits: Tensor) -> Tensor:
        """(B, answer) real numbers -> (B, class) probabilities."""
        votes = self.votes(logits)
        parts = self.soft(dict(zip(self.answers, votes.unbind(dim=1), strict=True)))
        weights = torch.stack([parts[name] for name in self.classes], dim=1)
        weights = weights.clamp_min(_MIN_WEIGHT)  # also where no volunteer would vote for any class
        return weights / weights.sum(dim=1, keepdim=True)
