"""The report's section on how far the test galaxies differ from the training ones."""

from typing import Any

import numpy as np
import pandas as pd

from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.prepare import open_prepared
from galaxyzoo.ensemble.intervals import NetworkTables
from galaxyzoo.reports.evaluate import Evaluation
from galaxyzoo.reports.html import Section
from galaxyzoo.reports.results import ENSEMBLE, Result
from galaxyzoo.reports.shift import (
    CLASSIFIERS,
    auc_in_parts,
    cross_predict,
    effective_size,
    importance_weights,
    loss_over_chance,
    rank_features,
    reweight,
)
from galaxyzoo.reports.shift_features import make_sides
from galaxyzoo.tasks.registry import Task, VoteTask

_SHOWN = 10  # most telling features
_FEWEST = 2  # test galaxies of a part


def shift_section(evaluation: Evaluation, data: str | None) -> Section:
    """Tell test galaxies from training ones, reweight every whole run's score.

    Writes `shift.json`, `shift_scores.csv` and `shift_features.csv` beside the page.

    Args:
        evaluation: the task's runs.
        data: folder with the images; default found in `input/`.
    Raises:
        InputError: the images are not there, or there are too few test galaxies.
    """
    task, catalog = evaluation.task, evaluation.catalog
    prepared = open_prepared(data, catalog.dataset, task.name)
    whole = [result for result in evaluation.results if result.is_whole]
    networks, problems = _open_networks(whole, evaluation)
    image = prepared.source.image
    images = prepared.train_images(image), prepared.test_images(image)
    sides = make_sides(networks, catalog, *images)
    counts = np.bincount(sides.parts[sides.is_test], minlength=catalog.n_folds)
    if counts.min() < _FEWEST:
        raise InputError(
            f"'{catalog.dataset}' has {counts.sum()} test galaxies with an image: to compare them "
            f"takes at least {_FEWEST * catalog.n_folds}"
        )
    probs = {name: cross_predict(sides, make) for name, make in CLASSIFIERS.items()}
    over = {name: loss_over_chance(values, sides) for name, values in probs.items()}
    chosen = min(over, key=lambda name: over[name])
    weights = importance_weights(probs[chosen], sides)
    aucs = {name: auc_in_parts(values, sides) for name, values in probs.items()}
    classifiers = pd.DataFrame(
        [
            {"classifier": name, "AUC": mean, "± SE": error, "log-loss over chance": over[name]}
            for name, (mean, error) in aucs.items()
        ]
    )
    features = pd.DataFrame(rank_features(sides), columns=["feature", "AUC alone", "± SE"])
    scores = pd.DataFrame([_reweighted(task, evaluation, r, weights) for r in whole])
    evaluation.write_csv("shift_features.csv", features)
    evaluation.write_csv("shift_scores.csv", scores)
    summary: dict[str, Any] = {
        "dataset": catalog.dataset,
        "task": task.name,
        "training_galaxies": int((~sides.is_test).sum()),
        "test_galaxies": int(sides.is_test.sum()),
        "features": len(sides.names),
        "runs": [network.run for network in networks],
        "classifiers": {
            name: {"auc": auc[0], "auc_se": auc[1], "log_loss_over_chance": over[name]}
            for name, auc in aucs.items()
        },
        "weights_of": chosen,
        "effective_galaxies": effective_size(weights),
        "scores": {row["run"]: row for row in scores.to_dict("records")},
    }
    files.write_json(evaluation.folder / "shift.json", summary)
    tables = [
        ("Telling test galaxies from training ones, cross-fitted", classifiers),
        (f"Out-of-fold {task.metric}, plain and weighted to the test galaxies", scores),
        (f"The {_SHOWN} features that tell most alone, of {len(features)}", features[:_SHOWN]),
    ]
    text = _explain(chosen, over[chosen], effective_size(weights), int((~sides.is_test).sum()))
    return Section("Training and test galaxies", "\n".join([text, *problems]), tables)


def _open_networks(
    results: list[Result], evaluation: Evaluation
) -> tuple[list[NetworkTables], list[str]]:
    """Tables of the runs' single networks, and a line for each run that has none."""
    networks, problems = [], []
    for run in sorted(result.run for result in results if result.stem != ENSEMBLE):
        try:
            networks.append(NetworkTables.open(run, evaluation.catalog))
        except InputError as error:
            problems.append(f"{run} has no say in the comparison: {error}")
    return networks, problems


def _reweighted(
    task: Task, evaluation: Evaluation, result: Result, weights: np.ndarray
) -> dict[str, Any]:
    losses = task.per_sample_losses(result.predictions, evaluation.targets)
    return {"run": result.run, **reweight(losses, weights, is_root=isinstance(task, VoteTask))}


def _explain(chosen: str, over: float, effective: float, galaxies: int) -> str:
    verdict = (
        "tells them apart better than their numbers alone do"
        if over < 0
        else "knows no more than their numbers: the weights below are noise, the plain score stands"
    )
    return (
        "A classifier learns to tell test galaxies from training ones, by their images and by what "
        "the networks of one fold say of them; an AUC of 0.5 is chance. The runs' test tables are "
        "means over all folds, smoother than any training galaxy's prediction, so they are not "
        f"used.\nWeights are the odds of the {chosen}, which {verdict}. They leave "
        f"{effective:,.0f} of {galaxies:,} training galaxies in effect."
    )
