"""Losses of vote fractions and of classes."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from galaxyzoo.config.schema import Config
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2

# (B, column) predictions, (B, column) targets -> ()
Loss = Callable[[Tensor, Tensor], Tensor]
_TINY = 1e-12  # smallest probability whose logarithm is taken


def build_loss(config: Config, class_weights: Tensor | None = None) -> Loss:
    """Return the config's loss, from predictions and targets to a mean over the batch.

    Args:
        class_weights: (class,) weight of each class, for losses on classes; default all alike.
    """
    if config.loss == "mse":
        return functional.mse_loss
    if config.loss == "kl":
        return tree_divergence
    smoothing = config.train.label_smoothing
    return lambda probs, targets: cross_entropy(probs, targets, class_weights, smoothing)


def weight_in_mean(targets: Tensor, class_weights: Tensor | None = None) -> float | Tensor:
    """Weight of a micro-batch in the mean loss of its batch: galaxies, or sum of their weights.

    Args:
        targets: (B, column) of the micro-batch.
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
        span = GALAXY_ZOO_2.span(question)
        parent = GALAXY_ZOO_2.parent_index(question)
        given = targets[:, span]
        shares = given
        predicted = votes[:, span]
        if parent is not None:
            column = slice(parent, parent + 1)
            shares = given / targets[:, column].clamp_min(_TINY)
            predicted = predicted / votes[:, column].clamp_min(_TINY)
        logs = torch.log(shares.clamp_min(_TINY)) - torch.log(predicted.clamp_min(_TINY))
        total = total + (given * logs).sum(dim=1).mean()
    return total
