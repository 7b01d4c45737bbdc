"""The end of every network: Linear -> ReLU -> Dropout -> Linear, then the output."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from galaxyzoo.config.schema import HeadConfig
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, DecisionTree

_FLOOR = 0.01  # of a divided answer before the division, so that none of a question divides by 0
_LEAK = 0.1  # share of the gradient that reaches an answer below 0


def build_head(config: HeadConfig, features: int, outputs: int) -> nn.Sequential:
    """Head on pooled features: (B, features) -> (B, outputs), unconstrained."""
    activation = {"relu": nn.ReLU, "tanh": nn.Tanh}[config.activation]
    hidden = (config.hidden,) if isinstance(config.hidden, int) else config.hidden
    layers: list[nn.Module] = [nn.Dropout(config.input_dropout)] if config.input_dropout else []
    for inputs, units in zip((features, *hidden), hidden, strict=False):
        layers += [nn.Linear(inputs, units), activation(), nn.Dropout(config.dropout)]
    return nn.Sequential(*layers, nn.Linear((features, *hidden)[-1], outputs))


def build_output(kind: str, tree: DecisionTree = GALAXY_ZOO_2) -> nn.Module:
    """Module from (B, column) logits to predictions, by the config's `head.output`."""
    outputs: dict[str, nn.Module] = {
        "plain": nn.Identity(),
        "clipped": Clipped(),
        "sigmoid": nn.Sigmoid(),
        "tree": TreeOutput(tree),
        "divided": TreeOutput(tree, divided_shares),
        "softmax": nn.Softmax(dim=1),
    }
    return outputs[kind]


class Clipped(nn.Module):
    """Values cut to [0, 1], with the gradient of values that were not cut.

    A loss is taken at what is predicted, so a value beyond 1 costs nothing where 1 is right; where
    less is right the gradient leads back, which that of a plain cut, 0 outside, never would.

    Source: the straight-through gradient of Bengio et al. 2013 (arXiv 1308.3432).
    """

    def forward(self, logits: Tensor) -> Tensor:
        """(B, column) real numbers -> (B, column) in [0, 1]."""
        return _with_gradient_of(logits.clamp(0, 1), logits)


def divided_shares(logits: Tensor) -> Tensor:
    """Shares of a question's answers: relu, lifted a little, divided by the sum.

    The lift makes the shares of answers that are all 0 even, and keeps the gradient of a small sum
    small. Below 0 the value is relu's, the gradient a tenth, so that no answer is lost for good.

    Args:
        logits: (B, answers of the question) real numbers.
    Returns:
        (B, answers of the question) above 0 that add up to 1.
    Source: S. Dieleman's winning solution of the competition (github.com/benanne/kaggle-galaxies),
        which divides without a lift, and for that had to begin without the division.
    """
    lifted = _with_gradient_of(logits.relu(), functional.leaky_relu(logits, _LEAK)) + _FLOOR
    return lifted / lifted.sum(dim=1, keepdim=True)


def softmax_shares(logits: Tensor) -> Tensor:
    """(B, answers of the question) real numbers -> shares that add up to 1, by softmax."""
    return torch.softmax(logits, dim=1)


class TreeOutput(nn.Module):
    """Vote fractions that obey the decision tree exactly, whatever the logits.

    Each question's answers are shares that add up to 1, scaled by the value of the parent answer.

    Args:
        tree: the questions.
        shares: from a question's logits to its shares.
    Source: after S. Dieleman's winning solution of the competition; by default with softmax in
        place of its divided relu, so that no gradient dies.
    """

    def __init__(
        self, tree: DecisionTree, shares: Callable[[Tensor], Tensor] = softmax_shares
    ) -> None:
        super().__init__()
        self.tree, self.shares = tree, shares

    def forward(self, logits: Tensor) -> Tensor:
        """(B, answer) real numbers -> (B, answer) vote fractions in [0, 1], in the logits' type."""
        parts: dict[int, Tensor] = {}
        values: dict[str, Tensor] = {}
        for question in self.tree.top_down:
            answers = self.shares(
                logits[:, self.tree.span(question)]
            )  # (B, answers of the question)
            if question.parent is not None:
                answers = answers * values[question.parent]
            parts[question.number] = answers
            values.update({c: answers[:, i : i + 1] for i, c in enumerate(question.columns)})
        return torch.cat([parts[q.number] for q in self.tree.questions], dim=1)


def _with_gradient_of(values: Tensor, other: Tensor) -> Tensor:
    """The values, to the last bit, with another tensor's gradient."""
    return values.detach() + (other - other.detach())
