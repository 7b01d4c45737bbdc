"""Heads and outputs: from pooled features to logits, and from logits to predictions."""

import torch
from torch import Tensor, nn

from galaxyzoo.config.schema import HeadConfig
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, DecisionTree


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


def build_output(kind: str) -> nn.Module:
    """Module from (B, column) logits to predictions, by the config's `head.output`."""
    outputs: dict[str, nn.Module] = {
        "plain": nn.Identity(),
        "sigmoid": nn.Sigmoid(),
        "tree": TreeOutput(GALAXY_ZOO_2),
        "softmax": nn.Softmax(dim=1),
    }
    return outputs[kind]


class TreeOutput(nn.Module):
    """Vote fractions that obey the decision tree exactly, whatever the logits.

    Each question's answers are a softmax, scaled by the value of the parent answer.

    Source: after S. Dieleman's winning solution of the competition, with softmax in place of its
        divided relu, so that no gradient dies.
    """

    def __init__(self, tree: DecisionTree) -> None:
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
