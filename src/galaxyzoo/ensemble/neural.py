"""A small neural network that corrects the uniform mean of the runs, in plain NumPy.

One hidden layer sees every run's predictions of all columns. Its output starts at zero, the mean as
it is, and stops where galaxies that it does not learn from are predicted best; so where there is
nothing to learn, little more than the mean is left. Several networks are averaged, each of which
keeps back another part of the galaxies.

Source: stacking by a network on standardised predictions is common among winners of competitions;
the correction to the mean is own. Adam: Kingma and Ba 2015 (ICLR).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from galaxyzoo.ensemble.least_squares import OofFold, total
from galaxyzoo.ensemble.stackers import flatten, mean_of_runs
from galaxyzoo.tasks.registry import Task

MEMBERS = 5  # networks; each is stopped by another fifth of the galaxies
HIDDEN = 32
STEPS = 1000  # at most; so the cost does not grow with the galaxies
STEPS_BETWEEN_LOOKS = 25  # after which the galaxies kept back are scored
PATIENCE = 6  # looks without a better score
BATCH = 256
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.1  # of the hidden layer's and the output's weights, by step and learning rate
_SMALLEST_SPREAD = 1e-6  # a feature that never changes has nothing to tell
Layers = list[np.ndarray]  # hidden weights and biases, output weights and biases


@dataclass(frozen=True, eq=False)
class NeuralStacker:
    """Networks on standardised predictions, averaged, that correct the uniform mean."""

    centre: np.ndarray  # (feature,)
    spread: np.ndarray  # (feature,)
    scale: np.ndarray  # (column,) size of what the mean misses; the networks' unit
    members: tuple[Layers, ...]
    steps: tuple[int, ...]  # by which each was best

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(galaxy, run, column) -> (galaxy, column), float64."""
        inputs = standardised(features, self.centre, self.spread)
        corrections = sum(forward(layers, inputs)[1] for layers in self.members) / len(self.members)
        return mean_of_runs(features) + self.scale * corrections

    def about(self, runs: Sequence[str], task: Task) -> dict[str, Any]:
        """The settings, and the steps of each network."""
        settings = {"hidden": HIDDEN, "batch": BATCH, "weight_decay": WEIGHT_DECAY}
        return {"settings": settings, "steps": list(self.steps)}


def fit_neural(folds: Sequence[OofFold], task: Task, seed: int) -> NeuralStacker:
    """Train the networks; the same seed gives the same ones."""
    moments = total(folds)
    centre = moments.features / moments.count
    variance = np.diag(moments.gram) / moments.count - np.square(centre)
    spread = np.sqrt(np.maximum(variance, _SMALLEST_SPREAD**2))
    features = np.concatenate([fold.features for fold in folds])
    misses = np.concatenate([fold.targets for fold in folds]) - mean_of_runs(features)
    scale = np.maximum(misses.std(axis=0), _SMALLEST_SPREAD)
    inputs = standardised(features, centre, spread)
    wanted = (misses / scale).astype(np.float32)
    rng = np.random.default_rng(seed)
    part = rng.permutation(np.arange(len(inputs)) % MEMBERS)
    trained = [_train(inputs, wanted, part == member, rng) for member in range(MEMBERS)]
    return NeuralStacker(
        centre, spread, scale, tuple(layers for layers, _ in trained), tuple(n for _, n in trained)
    )


def standardised(features: np.ndarray, centre: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """(galaxy, run, column) -> (galaxy, feature) float32, of mean 0 and variance 1 where fitted."""
    inputs = flatten(features) - centre.astype(np.float32)
    inputs /= spread.astype(np.float32)
    return inputs


def forward(layers: Layers, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(galaxy, feature) -> (galaxy, unit) hidden values after the ReLU, (galaxy, column) output."""
    hidden = np.maximum(inputs @ layers[0] + layers[1], 0)
    return hidden, hidden @ layers[2] + layers[3]


def gradients(layers: Layers, inputs: np.ndarray, wanted: np.ndarray) -> Layers:
    """Derivatives of half the squared error, its mean over galaxies, by each array of `layers`."""
    hidden, output = forward(layers, inputs)
    error = (output - wanted) / len(inputs)
    back = (error @ layers[2].T) * (hidden > 0)
    return [inputs.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0)]


def _train(
    inputs: np.ndarray, wanted: np.ndarray, kept_back: np.ndarray, rng: np.random.Generator
) -> tuple[Layers, int]:
    """Train one network; its layers at the best look, and the steps until then."""
    n_features, n_columns = inputs.shape[1], wanted.shape[1]
    layers = [
        rng.normal(scale=np.sqrt(2 / n_features), size=(n_features, HIDDEN)).astype(np.float32),
        np.zeros(HIDDEN, np.float32),
        np.zeros((HIDDEN, n_columns), np.float32),
        np.zeros(n_columns, np.float32),
    ]
    rows = np.flatnonzero(~kept_back)
    best, best_step = [layer.copy() for layer in layers], 0
    if not len(rows) or not kept_back.any():
        return best, best_step
    looked_at, answers = inputs[kept_back], wanted[kept_back]
    smallest = float(np.square(answers).mean())
    for step in _descend(layers, inputs, wanted, rows, rng):
        if step % STEPS_BETWEEN_LOOKS:
            continue
        error = float(np.square(forward(layers, looked_at)[1] - answers).mean())
        if error < smallest:
            smallest, best_step = error, step
            best = [layer.copy() for layer in layers]
        elif step - best_step >= PATIENCE * STEPS_BETWEEN_LOOKS:
            break
    return best, best_step


def _descend(
    layers: Layers,
    inputs: np.ndarray,
    wanted: np.ndarray,
    rows: np.ndarray,
    rng: np.random.Generator,
) -> Iterator[int]:
    """Change the layers in place by Adam, batches drawn from `rows`; yields the step's number."""
    first = [np.zeros_like(layer) for layer in layers]
    second = [np.zeros_like(layer) for layer in layers]
    for step in range(1, STEPS + 1):
        batch = rows[rng.integers(0, len(rows), BATCH)]
        found = gradients(layers, inputs[batch], wanted[batch])
        for layer, gradient, mean, square in zip(layers, found, first, second, strict=True):
            mean[:] = 0.9 * mean + 0.1 * gradient
            square[:] = 0.999 * square + 0.001 * np.square(gradient)
            change = (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
            if layer.ndim == 2:  # biases are left as they are
                change += WEIGHT_DECAY * layer
            layer[:] -= LEARNING_RATE * change
        yield step
