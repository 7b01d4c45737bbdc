"""Build an ensemble: from the runs' tables to a submission, an out-of-fold table and a score card.

The card has the candidates beside the uniform mean, the choice among them and its nested score, how
far the runs' errors correlate, and the cost of leaving each run out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galaxyzoo.core import manifest, versions
from galaxyzoo.core.artifact import Artifact, State
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.ensemble import fitted, members
from galaxyzoo.ensemble.blends import Blend
from galaxyzoo.ensemble.class_stackers import Pool
from galaxyzoo.ensemble.least_squares import OofFold
from galaxyzoo.ensemble.selection import (
    MEAN,
    RULE,
    Candidate,
    CrossFits,
    cross_fit,
    fit_without,
    nested,
)
from galaxyzoo.io.tables import GalaxyId
from galaxyzoo.results import layout, submission
from galaxyzoo.results.card import EnsembleCard, RunCard, rounded
from galaxyzoo.results.table import PredictionTable, digest_table, score_table
from galaxyzoo.tasks.kinds import ClassTask, Task

DIGITS = 9  # decimals on the card: the last ones differ between BLAS libraries


@dataclass(frozen=True)
class EnsembleBuild(Artifact):
    """Ensemble to build: members, candidates, output; files of other inputs are replaced."""

    task: Task
    whole: Catalog  # the dataset's
    runs: Sequence[str]
    candidates: Mapping[str, Candidate]
    name: str
    test: members.Networks = "folds"

    @property
    def files(self) -> layout.EnsembleFolder:
        """Files of the ensemble."""
        return layout.EnsembleFolder(self.whole.dataset, self.task.name, self.name)

    @property
    def folder(self) -> Path:
        """Folder of the ensemble."""
        return self.files.path

    def build(self) -> tuple[EnsembleCard, bool]:
        """Cross-fit, choose, predict the test galaxies and write, unless that has been done.

        Returns:
            The score card, and whether it was made now.
        """
        with self.make("building this ensemble") as filling:
            if filling:
                self.write()
            return EnsembleCard.read(self.files.card), filling is not None

    def state(self) -> State:
        """Ask whether the card is of the inputs, and of the tables that are there.

        The inputs are first read here, under the lock: a run may be trained while this process
        waits. A kill may have come between table and card.
        """
        digest = self.digest
        if not self.files.card.exists():
            return "absent"
        try:
            card = EnsembleCard.read(self.files.card)
            is_of_files = (
                card.table == digest_table(self.files.csv)
                and card.oof_table == digest_table(self.files.oof_csv)
                and card.fitted == digest_table(self.files.fitted)
            )
        except (InputError, OSError):
            return "stale"
        return "finished" if card.inputs == digest and is_of_files else "stale"

    @cached_property
    def inputs(self) -> "_Inputs":
        """The runs' tables and cards."""
        runs = sorted(self.runs)  # as on the card
        oof = [members.load_oof(run, self.task, self.whole) for run in runs]
        test = [members.load_test(run, self.task, self.whole, self.test) for run in runs]
        cards = [RunCard.of(self.whole.dataset, run) for run in runs]
        without_image: list[GalaxyId] = []
        for card in cards:
            without_image += card.unreadable_test_images
        return _Inputs(
            cards=cards,
            oof=np.stack(oof, axis=1),
            test=np.stack(test, axis=1),
            unreadable=pd.Index(self.whole.test_ids).isin(without_image),
        )

    def write(self) -> None:
        """Cross-fit, choose, predict the test galaxies; write the tables and the card."""
        task = self.task
        inputs = self.inputs
        catalog = self.whole.for_task(task)
        targets = catalog.targets(task)
        runs = [card.run for card in inputs.cards]
        fits = cross_fit(self.candidates, task, inputs.oof, targets, catalog.folds)
        chosen = fits.choose()
        model = fits.models[chosen]
        oof = PredictionTable(task, catalog.ids, fits.predictions(chosen), catalog.folds)
        card = EnsembleCard(
            name=self.name,
            table="",  # `submission.write` says which
            oof_table=oof.write(self.files.oof_csv),
            fitted=fitted.save_fitted(self.files.fitted, model),
            inputs=self.digest,
            members=self._digests,
            test=self.test,
            unreadable_test_images=catalog.test_ids[inputs.unreadable].tolist(),
            **_describe_members(inputs.cards),
            **describe_fits(fits, runs, inputs.oof, catalog),
        )

        predictions = task.project(model.predict(inputs.test))
        prior = targets.mean(axis=0)
        # The runs' tables hold the mean there, which a stacker would bend.
        predictions[inputs.unreadable] = task.project(prior[None])
        table = PredictionTable(task, catalog.test_ids, predictions)
        submission.write(self.files.csv, table, card, prior)

    @cached_property
    def _digests(self) -> dict[str, str | None]:
        """Digest of each member's networks; None if they are missing."""
        dataset = self.whole.dataset
        n_folds = self.whole.n_folds
        return {run: layout.digest_networks(dataset, run, n_folds) for run in self.runs}

    @cached_property
    def digest(self) -> str:
        """Digest of all inputs of the ensemble, by which a finished one is recognized."""
        settings = (
            list(self.candidates),
            list(self.runs),
            self.test,
            self.whole.for_task(self.task).fingerprint,
            versions.code_version(),
            self._digests,
            _describe_members(self.inputs.cards),
            isinstance(self.task, ClassTask) and self.task.balanced,  # decides the classes
        )
        arrays = [self.inputs.oof, self.inputs.test, self.inputs.unreadable]
        values = [np.ascontiguousarray(array).data for array in arrays]
        return manifest.digest([repr(settings), *values])[:16]


@dataclass(frozen=True, eq=False)
class _Inputs:
    """Score cards and predictions of an ensemble's runs."""

    cards: list[RunCard]  # of the runs, in alphabetical order
    oof: np.ndarray  # (galaxy, run, column) of the training galaxies
    test: np.ndarray  # (galaxy, run, column) of the test galaxies
    unreadable: np.ndarray  # (test galaxy,) bool, without an image


def _describe_members(cards: Sequence[RunCard]) -> dict[str, Any]:
    """Values of an ensemble's score card that say whose scores to trust less, and why."""
    selected = [card.run for card in cards if card.selected_on_validation]
    return {
        "selected_on_validation": bool(selected),
        "runs_selected_on_validation": selected,
        "possible_leakage": [card.run for card in cards if card.possible_leakage],
        "diverged": {card.run: card.divergence for card in cards if card.diverged},
    }


def describe_fits(
    fits: CrossFits, runs: Sequence[str], features: np.ndarray, catalog: Catalog
) -> dict[str, Any]:
    """Values of an ensemble's score card; the same inputs give the same ones.

    Args:
        fits: all cross-fitted candidates.
        runs: names of the base models.
        features: (galaxy, run, column) their raw out-of-fold predictions.
        catalog: the task's galaxies.
    Returns:
        Score table of the chosen candidate (cross-fitted, but too good by the luck of choosing),
        then `nested` (free of that; None below three folds), `candidates`, `runs`, the correlation
        of their errors (`error_correlation`), the cost of leaving each out (`without`), and
        `model`, the weights or settings of what is submitted.
    """
    task = fits.task
    best = fits.best()
    chosen = fits.choose()
    errors = features - fits.targets[:, None]
    run_scores = {}
    run_classes = {}
    for i, run in enumerate(runs):
        scores = _scores(fits, task.project(features[:, i]))
        run_scores[run] = scores["score"]
        if "classes" in scores:
            run_classes[run] = scores["classes"]
    card = {
        "task": task.name,
        "dataset": catalog.dataset,
        "fingerprint": catalog.fingerprint,
        "best": best,
        "chosen": chosen,
        "rule": RULE,
        **_scores(fits, fits.predictions(chosen)),
        "nested": _nested_scores(fits),
        "simplest_first": fits.names,
        "candidates": {name: _candidate_scores(fits, name, best) for name in fits.names},
        "runs": run_scores,
        "run_classes": run_classes,
        "error_correlation": error_correlation(runs, errors).to_dict(),
        "without": costs_without(fits, chosen, runs),
        "model": fits.models[chosen].about(runs, task),
    }
    return rounded(card, DIGITS)


def _scores(fits: CrossFits, predictions: np.ndarray) -> dict[str, Any]:
    return score_table(fits.task, predictions, fits.targets, fits.folds)


def _candidate_scores(fits: CrossFits, name: str, best: str) -> dict[str, Any]:
    to_mean = fits.difference(name, MEAN)
    to_best = fits.difference(name, best)
    return {
        "about": fits.candidates[name].about,
        **_scores(fits, fits.predictions(name)),
        "minus_mean": to_mean.value,
        "minus_mean_se": to_mean.error,
        "minus_best": to_best.value,
        "minus_best_se": to_best.error,
    }


def _nested_scores(fits: CrossFits) -> dict[str, Any] | None:
    choice = nested(fits)
    if choice is None:
        return None
    by_fold = {str(fold): name for fold, name in choice.choices.items()}
    return {**_scores(fits, choice.predictions), "choices": by_fold}


def error_correlation(runs: Sequence[str], errors: np.ndarray, noise: float = 0.0) -> pd.DataFrame:
    """Correlation of the errors of each two runs, over all galaxies and columns.

    Args:
        runs: names.
        errors: (galaxy, run, column) predictions less targets.
        noise: variance of the targets' own noise, by which alone the errors of all runs correlate;
            it is taken off their covariances.
    Returns:
        (run, run) Pearson correlations; 0 with a run that has no errors beyond the noise.
    """
    by_run = errors.swapaxes(1, 2).reshape(-1, len(runs))  # (galaxy and column, run)
    covariance = pd.DataFrame(by_run, columns=list(runs)).cov() - noise
    scale = pd.Series(np.diag(covariance)) ** -0.5  # NaN where the noise explains all errors
    return (covariance * np.outer(scale, scale)).fillna(0.0)


def costs_without(fits: CrossFits, chosen: str, runs: Sequence[str]) -> dict[str, Any]:
    """Cost of leaving a run out, with weights fitted again.

    Args:
        fits: all cross-fitted candidates.
        chosen: the submitted candidate. Where that takes long to fit again, the most fitted of the
            quick ones, a blend or pool, stands in for it.
        runs: names.
    Returns:
        `candidate`, and `runs`: run -> `difference` of the cross-fitted scores (without the run
        less with it) and its standard error `se`; no runs where there is one only.
    """
    quick = [name for name, model in fits.models.items() if isinstance(model, Blend | Pool)]
    name = chosen if chosen in quick else quick[-1]
    if len(runs) == 1:
        return {"candidate": name, "runs": {}}
    losses = fits.losses(name)
    costs = {}
    for i, run in enumerate(runs):
        by_fold = {fold: rows.without_run(i) for fold, rows in fits.by_fold.items()}
        losses_without = _losses(fits, name, by_fold)
        difference = fits.task.difference(losses_without, losses)
        costs[run] = {"difference": difference.value, "se": difference.error}
    return {"candidate": name, "runs": costs}


def _losses(fits: CrossFits, name: str, by_fold: dict[int, OofFold]) -> np.ndarray:
    """(galaxy,) losses of a candidate that is cross-fitted on other features."""
    candidate = fits.candidates[name]
    losses = np.empty(len(fits.targets))
    for fold, rows in by_fold.items():
        fitted_without = fit_without(candidate.fit, by_fold, frozenset({fold}), fits.task)
        predictions = fitted_without.predictions[fold]
        losses[fits.folds == fold] = fits.task.per_sample_losses(predictions, rows.targets)
    return losses
