"""How different the runs of an ensemble are: whether they err alike, and what each is worth."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from galaxyzoo.blending import Blend
from galaxyzoo.differences import difference, galaxy_losses
from galaxyzoo.ensembling import CrossFits, candidates_of
from galaxyzoo.moments import OofFold, make_fold

_CHUNK = 8192  # galaxies at a time, so that no second copy of the features is made


def error_correlation(
    runs: Sequence[str], features: np.ndarray, targets: np.ndarray
) -> dict[str, dict[str, float]]:
    """Correlation of the errors of each two runs, over all galaxies and columns.

    Args:
        runs: names.
        features: (galaxy, run, column) predictions.
        targets: (galaxy, column).
    Returns:
        Run -> run -> Pearson correlation; 0 with a run that never errs.
    """
    n_runs = len(runs)
    sums, products = np.zeros(n_runs), np.zeros((n_runs, n_runs))
    for start in range(0, len(features), _CHUNK):
        rows = slice(start, start + _CHUNK)
        errors = features[rows].transpose(1, 0, 2) - targets[rows].astype(np.float64)
        errors = errors.reshape(n_runs, -1)  # (run, galaxy and column)
        sums += errors.sum(axis=1)
        products += errors @ errors.T
    centred = products / targets.size - np.outer(sums, sums) / targets.size**2
    spread = np.sqrt(np.maximum(np.diag(centred), 0.0))
    scale = np.outer(spread, spread)
    matrix = np.divide(centred, scale, out=np.zeros_like(centred), where=scale > 0)
    return {
        run: dict(zip(runs, row.tolist(), strict=True))
        for run, row in zip(runs, matrix.clip(-1.0, 1.0), strict=True)
    }


def costs_without(
    fits: CrossFits, chosen: str, runs: Sequence[str], features: np.ndarray, seed: int
) -> dict[str, Any]:
    """What the score loses where a run is left out and the weights are fitted anew.

    Args:
        fits: all cross-fitted candidates.
        chosen: what is submitted. Where that is no blend, which would take long to fit anew, the
            blend with the most weights among the candidates stands for it.
        runs: names.
        features: (galaxy, run, column) raw out-of-fold predictions.
        seed: as of the candidates.
    Returns:
        `candidate`, and `runs`: run -> `difference` of the cross-fitted scores (without the run
        less with it) and its standard error `se`; no runs where there is one only.
    """
    blends = [name for name, model in fits.models.items() if isinstance(model, Blend)]
    name = chosen if chosen in blends else blends[-1]
    costs: dict[str, dict[str, float]] = {}
    if len(runs) > 1:
        whole = fits.losses(name)
        numbers = fits.fold_numbers
        by_fold = {k: fits.rows_of(k) for k in numbers}
        folds = {k: make_fold(features[rows], fits.targets[rows]) for k, rows in by_fold.items()}
        for number, run in enumerate(runs):
            others = {fold: rows.without_run(number) for fold, rows in folds.items()}
            found = difference(fits.task, _losses(fits, name, others, seed), whole)
            costs[run] = {"difference": found.value, "se": found.error}
    return {"candidate": name, "runs": costs}


def _losses(fits: CrossFits, name: str, by_fold: dict[int, OofFold], seed: int) -> np.ndarray:
    """(galaxy,) losses of a candidate that is cross-fitted on other features."""
    fit, losses = candidates_of(fits.task)[name], np.empty(len(fits.targets))
    for fold, held_out in by_fold.items():
        model = fit([rows for other, rows in by_fold.items() if other != fold], fits.task, seed)
        predictions = fits.task.make_valid(model.predict(held_out.features))
        losses[fits.rows_of(fold)] = galaxy_losses(fits.task, predictions, held_out.targets)
    return losses
