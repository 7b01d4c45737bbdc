"""Arrays for ensembling: made-up votes, classes, and runs that err."""

import numpy as np

from galaxyzoo.ensemble.least_squares import OofFold
from galaxyzoo.ensemble.selection import CANDIDATES, CrossFits, cross_fit
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, DecisionTree, Question
from galaxyzoo.tasks.kinds import ClassTask, VoteTask


class TwoNumbers(VoteTask):
    """Two columns, each for itself, that obey no sums."""

    groups = (slice(0, 1), slice(1, 2))

    def project(self, predictions: np.ndarray) -> np.ndarray:
        return np.clip(predictions, 0.0, 1.0)

    def text(self, column: int) -> str:
        return self.columns[column]

    heading = text


LINEAR = ["mean", "greedy", "nnls", "disagreement_ridge"]  # the quick candidates
COLUMNS = list(GALAXY_ZOO_2.columns)
SMALL = TwoNumbers("small", ("a", "b"), GALAXY_ZOO_2)
Problem = tuple[np.ndarray, np.ndarray, np.ndarray]


def make_problem(
    seed: int, n: int = 200, n_folds: int = 4, n_runs: int = 3, noise: float = 0.3
) -> Problem:
    """(galaxy, run, column) features, (galaxy, column) targets, (galaxy,) folds; two columns."""
    rng = np.random.default_rng(seed)
    targets = rng.random((n, 2))
    features = targets[:, None, :] + rng.normal(scale=noise, size=(n, n_runs, 2))
    return features.astype(np.float32), targets, rng.permutation(np.arange(n) % n_folds)


def fit_all(problem: Problem, names: list[str] = LINEAR) -> CrossFits:
    return cross_fit({name: CANDIDATES[name] for name in names}, SMALL, *problem)


def stack_folds(folds: list[OofFold]) -> tuple[np.ndarray, np.ndarray]:
    """(galaxy, run, column) features in float64, (galaxy, column) targets."""
    features = np.concatenate([fold.features for fold in folds]).astype(float)
    return features, np.concatenate([fold.targets for fold in folds])


def vote_task(*answers: int) -> VoteTask:
    """A task on votes with questions of so many answers, none below another."""
    questions = []
    for number, count in enumerate(answers, start=1):
        questions.append(Question(number, "", ("",) * count, None))
    tree = DecisionTree(tuple(questions))
    return VoteTask("t", tree.columns, tree)


def draw_votes(
    rng: np.random.Generator, n: int, n_latents: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """(galaxy, answer) valid votes and the (galaxy, latent) shapes that they come from."""
    latents = rng.normal(size=(n, n_latents))
    logits = latents @ np.random.default_rng(7).normal(size=(n_latents, len(COLUMNS)))
    votes = np.zeros((n, len(COLUMNS)))
    for question in GALAXY_ZOO_2.top_down:
        span = GALAXY_ZOO_2.span(question)
        parent = GALAXY_ZOO_2.parent_index(question)
        asked = 1.0 if parent is None else votes[:, [parent]]
        shares = np.exp(logits[:, span])
        shares /= shares.sum(axis=1, keepdims=True)
        votes[:, span] = shares * asked
    return votes, latents


def draw_run(rng: np.random.Generator, votes: np.ndarray, noise: float) -> np.ndarray:
    """(galaxy, answer) raw predictions of a run that errs by `noise` (standard deviation)."""
    return votes + rng.normal(scale=noise, size=votes.shape)


ABC = ("a", "b", "c")
PLAIN = ClassTask("abc", ABC)
BALANCED = ClassTask("abc", ABC, balanced=True)


def one_hot(numbers: np.ndarray | list[int], n_classes: int = 3) -> np.ndarray:
    """(galaxy,) class numbers -> (galaxy, class)."""
    return np.eye(n_classes)[np.asarray(numbers)]


def draw_probs(
    rng: np.random.Generator, targets: np.ndarray, n_runs: int = 3, skill: float = 1.0
) -> np.ndarray:
    """(galaxy, run, class) float32 probabilities; later runs know less, none at skill 0."""
    noise = rng.normal(size=(len(targets), n_runs, targets.shape[1]))
    pull = skill * targets[:, None, :] / (1 + np.arange(n_runs))[:, None]
    logits = noise + 2 * pull
    probs = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    return probs.astype(np.float32)
