"""Losses by name: of votes and of classes."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from galaxyzoo.config.schema import Config
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, VOLUNTEERS, DecisionTree

# (B, column) predictions, (B, column) targets, the network's own `loss_parameters` -> ()
Loss = Callable[..., Tensor]
_FIRST_CONCENTRATION = 10.0  # of every question, before training
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
    if config.loss == "votes":
        return vote_likelihood
    smoothing = config.train.label_smoothing
    return lambda probs, targets: cross_entropy(probs, targets, class_weights, smoothing)


def first_log_concentrations() -> Tensor:
    """(question,) initial log-concentrations of `vote_likelihood`."""
    return torch.full((len(GALAXY_ZOO_2.questions),), math.log(_FIRST_CONCENTRATION))


def part_weight(targets: Tensor, class_weights: Tensor | None = None) -> float:
    """Weight of a part of a batch in the batch's mean loss.

    Args:
        targets: (B, column) of the part.
        class_weights: as given to the loss.
    """
    if class_weights is None:
        return float(len(targets))
    return (targets @ class_weights).sum().item()


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


def tree_divergence(votes: Tensor, targets: Tensor, tree: DecisionTree = GALAXY_ZOO_2) -> Tensor:
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
    for question in tree.questions:
        span, parent = tree.span(question), tree.parent_index(question)
        given, predicted = targets[:, span], votes[:, span]
        if parent is not None:
            given_parent, predicted_parent = targets[:, [parent]], votes[:, [parent]]
            predicted = predicted / predicted_parent.clamp_min(_TINY)
            shares = given / given_parent.clamp_min(_TINY)
        else:
            shares = given
        logs = torch.log(shares.clamp_min(_TINY)) - torch.log(predicted.clamp_min(_TINY))
        total = total + (given * logs).sum(dim=1).mean()
    return total


def vote_likelihood(
    votes: Tensor, targets: Tensor, log_concentrations: Tensor, tree: DecisionTree = GALAXY_ZOO_2
) -> Tensor:
    """Minus the log-probability of the volunteers' answers, Dirichlet-multinomial per question.

    The published fractions stand for the answers of `VOLUNTEERS` people; since they carry the
    parent's weight already, a question's counts add up to those who were asked it. Beside the
    answers' shares there is a concentration per question, the inverse spread of galaxies around
    their predicted shares.

    Args:
        votes: (B, answer) predicted fractions that obey the tree.
        targets: (B, answer) vote fractions.
        log_concentrations: (question,) in the tree's order, learned with the network.
    Returns:
        Sum over questions, mean over galaxies, in nats.
    Source: Zoobot (Walmsley et al. 2022, MNRAS 509, 3966), which has counts, and a concentration
        per galaxy.
    """
    total = torch.zeros((), device=votes.device)
    for question, concentration in zip(
        tree.questions, log_concentrations.double().exp(), strict=True
    ):
        span, parent = tree.span(question), tree.parent_index(question)
        counts, shares = VOLUNTEERS * targets[:, span].double(), votes[:, span].double()
        if parent is not None:
            shares = shares / votes[:, [parent]].double().clamp_min(_TINY)
        total = (
            total - dirichlet_multinomial(counts, concentration * shares.clamp_min(_TINY)).mean()
        )
    return total.float()


def dirichlet_multinomial(counts: Tensor, concentrations: Tensor) -> Tensor:
    """Log-probability of counts under a Dirichlet-multinomial distribution.

    Args:
        counts: (B, answer) >= 0, whole or not.
        concentrations: (B, answer) > 0.
    Returns:
        (B,) natural logarithms.
    """
    asked, whole = counts.sum(dim=1), concentrations.sum(dim=1)
    ways = torch.lgamma(asked + 1) - torch.lgamma(counts + 1).sum(dim=1)
    answers = torch.lgamma(counts + concentrations) - torch.lgamma(concentrations)
    return ways + torch.lgamma(whole) - torch.lgamma(asked + whole) + answers.sum(dim=1)
