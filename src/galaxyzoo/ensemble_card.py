"""The score card of an ensemble: candidates beside the uniform mean, the choice, nested score."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from galaxyzoo.catalogs import Catalog
from galaxyzoo.ensembling import MEAN, CrossFits, nested
from galaxyzoo.jackknife import paired_difference
from galaxyzoo.scores import code_version, score_table

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
        then `nested` (free of that; None below three folds), `candidates`, `runs`, and `model`, the
        weights or settings of what was submitted.
    """
    task, chosen = fits.task, fits.choose()
    run_tables = {run: _scores(fits, task.make_valid(features[:, i])) for i, run in enumerate(runs)}
    card = {
        "task": task.name,
        "dataset": catalog.dataset,
        "fingerprint": catalog.fingerprint,
        "seed": seed,
        "chosen": chosen,
        "scored": "cross-fitted on the runs' folds",
        **_scores(fits, fits.predictions(chosen)),
        "nested": _nested_scores(fits),
        "candidates": {name: _candidate_scores(fits, name) for name in fits.names},
        "runs": {run: scores["score"] for run, scores in run_tables.items()},
        **(
            {"run_classes": {run: scores["classes"] for run, scores in run_tables.items()}}
            if task.is_classes
            else {}
        ),
        "model": fits.models[chosen].about(runs, task),
    }
    return _rounded(card)


def digest_inputs(
    names: Sequence[str],
    runs: Sequence[str],
    oof: np.ndarray,
    test: np.ndarray,
    unreadable: np.ndarray,
    catalog: Catalog,
    seed: int,
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
    """
    settings = (list(names), list(runs), catalog.fingerprint, seed, code_version())
    digest = hashlib.sha256(repr(settings).encode())
    for values in (oof, test, unreadable):
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()[:16]


def difference_to_mean(fits: CrossFits, name: str) -> tuple[float, float]:
    """How a candidate's cross-fitted score differs from the uniform mean's on the same galaxies.

    Returns:
        Difference (candidate - mean) and its standard error over galaxies, each compared with
        itself.
    """
    return paired_difference(
        fits.task, fits.predictions(name), fits.predictions(MEAN), fits.targets
    )


def _scores(fits: CrossFits, predictions: np.ndarray) -> dict[str, Any]:
    return score_table(fits.task, predictions, fits.targets, fits.folds)


def _candidate_scores(fits: CrossFits, name: str) -> dict[str, Any]:
    """A candidate's line of the table; the columns' scores are left to the chosen one."""
    scores = _scores(fits, fits.predictions(name))
    difference, error = difference_to_mean(fits, name)
    kept: dict[str, Any] = {
        key: scores[key] for key in ("score", "per_fold", "mean", "sd", "classes") if key in scores
    }
    return {**kept, "minus_mean": difference, "minus_mean_se": error}


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


def _rounded(value: Any) -> Any:
    """The same nested dicts and lists with every float rounded to `DIGITS`."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, DIGITS) if isinstance(value, float) else value
