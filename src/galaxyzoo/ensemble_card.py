"""The score card of an ensemble: candidates beside the uniform mean, the choice, nested score."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from galaxyzoo.catalogs import Catalog
from galaxyzoo.diversity import costs_without, error_correlation
from galaxyzoo.ensembling import MEAN, RULE, CrossFits, nested
from galaxyzoo.scores import code_version, rounded, score_table

DIGITS = 9  # decimals kept: BLAS libraries differ in the last ones, the card should not


def make_card(
    fits: CrossFits, runs: Sequence[str], features: np.ndarray, catalog: Catalog, seed: int
) -> dict:
    """Gather what the choice rests on, as plain values; the same inputs give the same card.

    Args:
        fits: all cross-fitted candidates.
        runs: names of the base models.
        features: (galaxy, run, column) their raw out-of-fold predictions.
        catalog: the dataset's catalog.
        seed: the seed the candidates were fitted with.
    Returns:
        Score table of the chosen candidate (cross-fitted, but too good by the luck of choosing),
        then `nested` (free of that; None below three folds), `candidates`, `runs`, how alike the
        runs err (`error_correlation`), what leaving each out costs (`without`), and `model`, the
        weights or settings of what was submitted.
    """
    task, best, chosen = fits.task, fits.best(), fits.choose()
    run_tables = {run: _scores(fits, task.make_valid(features[:, i])) for i, run in enumerate(runs)}
    card = {
        "task": task.name,
        "dataset": catalog.dataset,
        "fingerprint": catalog.fingerprint,
        "seed": seed,
        "best": best,
        "chosen": chosen,
        "rule": RULE,
        "scored": "cross-fitted on the runs' folds",
        **_scores(fits, fits.predictions(chosen)),
        "nested": _nested_scores(fits),
        "candidates": {name: _candidate_scores(fits, name, best) for name in fits.names},
        "runs": {run: scores["score"] for run, scores in run_tables.items()},
        **(
            {"run_classes": {run: scores["classes"] for run, scores in run_tables.items()}}
            if task.is_classes
            else {}
        ),
        "error_correlation": error_correlation(runs, features, fits.targets),
        "without": costs_without(fits, chosen, runs, features, seed),
        "model": fits.models[chosen].about(runs, task),
    }
    return rounded(card, DIGITS)


def digest_inputs(
    names: Sequence[str],
    runs: Sequence[str],
    oof: np.ndarray,
    test: np.ndarray,
    unreadable: np.ndarray,
    catalog: Catalog,
    seed: int,
    outside: dict[str, Any],
) -> str:
    """Digest of all that an ensemble is made from: with the same one it need not be made again.

    Args:
        names: candidates.
        runs: names of the base models.
        oof: (galaxy, run, column) their out-of-fold predictions.
        test: (test galaxy, run, column) their test predictions.
        unreadable: (test galaxy,) whether its image cannot be read.
        catalog: the dataset's catalog.
        seed: the seed the candidates are fitted with.
        outside: what the card says of outside tables, by name.
    """
    settings = (list(names), list(runs), catalog.fingerprint, seed, code_version(), outside)
    digest = hashlib.sha256(repr(settings).encode())
    for values in (oof, test, unreadable):
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()[:16]


def _scores(fits: CrossFits, predictions: np.ndarray) -> dict[str, Any]:
    return score_table(fits.task, predictions, fits.targets, fits.folds)


def _candidate_scores(fits: CrossFits, name: str, best: str) -> dict[str, Any]:
    """A candidate's line of the table; the columns' scores are left to the chosen one."""
    scores = _scores(fits, fits.predictions(name))
    to_mean, to_best = fits.difference(name, MEAN), fits.difference(name, best)
    kept: dict[str, Any] = {
        key: scores[key] for key in ("score", "per_fold", "mean", "sd", "classes") if key in scores
    }
    return {
        **kept,
        "minus_mean": to_mean.value,
        "minus_mean_se": to_mean.error,
        "minus_best": to_best.value,
        "minus_best_se": to_best.error,
    }


def _nested_scores(fits: CrossFits) -> dict[str, Any] | None:
    """Score of the choice itself, and what would have been chosen without each fold."""
    result = nested(fits)
    if result is None:
        return None
    predictions, choices = result
    scores = _scores(fits, predictions)
    return {
        **{key: scores[key] for key in ("score", "per_fold", "classes") if key in scores},
        "choices": {str(fold): name for fold, name in choices.items()},
    }
