"""Combine finished runs: compare blends and stackers cross-fitted, choose, write the submission.

Reads the runs' out-of-fold and test tables, never an image, and needs no GPU. Without arguments it
takes every finished run of the task.

    python src/ensemble.py
    python src/ensemble.py gz37/resnet18 gz37/convnext_tiny --candidates mean,greedy
"""

from galaxyzoo.launch import run_main, use_project_python

use_project_python()

import argparse
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd

from galaxyzoo import atomic, catalogs, locks, submission
from galaxyzoo.base_models import (
    find_divergence,
    find_optimistic,
    find_runs,
    find_unreadable,
    load_oof,
    load_test,
)
from galaxyzoo.ensemble_card import digest_inputs, make_card
from galaxyzoo.ensembling import (
    CANDIDATES,
    CLASS_CANDIDATES,
    CrossFits,
    cross_fit,
    pick_candidates,
)
from galaxyzoo.errors import InputError
from galaxyzoo.paths import choose_dataset, ensemble_csv, ensemble_oof_csv, shown, test_csv
from galaxyzoo.reports import (
    OPTIMISTIC,
    class_score_names,
    class_scores,
    explain_epochs,
    print_table,
)
from galaxyzoo.scores import UNREADABLE, card_path, digest_table
from galaxyzoo.tables import FOLD, write_predictions
from galaxyzoo.tasks import COMPETITION_TASK, get_task


def main() -> None:
    """Load, cross-fit, choose, predict the test galaxies, write, print."""
    started = time.perf_counter()
    options = parse()
    task = get_task(options.task)
    whole = catalogs.load(choose_dataset(options.dataset, task.name))
    catalog = whole.for_task(task)
    names = pick_candidates([name for name in options.candidates.split(",") if name], task)
    runs, left_out = find_runs(task, whole, options.runs)
    path = check_output(options.output, catalog.dataset, task.name, runs)
    oof, test = load_oof(runs, task, whole), load_test(runs, task, whole)
    unreadable = find_unreadable(runs, whole)

    inputs = digest_inputs(names, runs, oof, test, unreadable, catalog, options.seed)
    oof_path = ensemble_oof_csv(catalog.dataset, task.name) if options.output is None else None
    lock = locks.holding(path.parent / locks.NAME, "making this ensemble")
    with lock if oof_path else nullcontext():
        card = finished_card(path, oof_path, inputs)
        if card is None:
            targets = catalog.targets(task.name)
            fits = cross_fit(names, task, oof, targets, catalog.folds, options.seed)
            optimistic = find_optimistic(runs, whole)
            card = {
                "inputs": inputs,
                "optimistic": bool(optimistic),
                "optimistic_runs": optimistic,
                "diverged": find_divergence(runs, whole),
                UNREADABLE: catalog.test_ids[unreadable].tolist(),
                **make_card(fits, runs, oof, catalog, options.seed),
            }
            predictions = task.make_valid(fits.models[card["chosen"]].predict(test))
            if oof_path is not None:
                card["oof_table"] = write_oof(oof_path, fits, card["chosen"], catalog)
            prior = targets.mean(axis=0)
            predictions[unreadable] = task.make_valid(prior[None])  # a stacker would bend that mean
            submission.write(path, predictions, task, catalog.test_ids, card, prior)
        else:
            print("nothing has changed since this ensemble was made:")

    for line in left_out:
        print(line)
    show(card)
    print(f"submission of {len(catalog.test_ids)} galaxies: {shown(path)}")
    print(f"its score card: {shown(card_path(path))}")
    if options.output is None and task.name == COMPETITION_TASK:
        publish(path, catalog.dataset)
    print(f"done in {time.perf_counter() - started:.1f} s")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", help="runs to combine (default: all finished ones)"
    )
    parser.add_argument(
        "--dataset", help="dataset whose runs to combine (default: the only real one, else demo)"
    )
    parser.add_argument(
        "--task",
        default=COMPETITION_TASK,
        help="task of the runs (default: %(default)s)",
    )
    parser.add_argument(
        "--candidates",
        default="",
        metavar="A,B",
        help=f"some of: {', '.join(CANDIDATES)}; of class tasks: {', '.join(CLASS_CANDIDATES)}",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the boosted stacker (default: %(default)s)"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write the submission there, and nowhere else"
    )
    return parser.parse_args()


def check_output(output: Path | None, dataset: str, task: str, runs: list[str]) -> Path:
    """Where the submission goes: never over a run's table, nor past `publish` over its copy."""
    path = (output or ensemble_csv(dataset, task)).resolve()
    if path.suffix != ".csv":
        raise InputError(f"--output {shown(path)} must end in .csv")
    taken = {test_csv(dataset, run) for run in runs} | {submission.published_csv()}
    own_oof = ensemble_oof_csv(dataset, task)
    if path in taken | {own_oof}:
        raise InputError(f"{shown(path)} is not for an ensemble to write: choose another --output")
    if own_oof in taken:
        raise InputError(f"run '{task}/oof' has its table where the ensemble's goes: rename it")
    return path


def write_oof(path: Path, fits: CrossFits, name: str, catalog: catalogs.Catalog) -> str:
    """Write a candidate's cross-fitted predictions, as a run's out-of-fold table; its digest."""
    columns = list(fits.task.columns)
    table = pd.DataFrame(fits.predictions(name), index=catalog.ids, columns=columns)
    table[FOLD] = catalog.folds
    write_predictions(path, table)
    return digest_table(path)


def finished_card(path: Path, oof_path: Path | None, inputs: str) -> dict[str, Any] | None:
    """The card of an ensemble that was made from the same inputs and is whole; else None.

    A kill may have come between table and card, so the card must be of the very tables there.
    """
    try:
        card = atomic.read_json(card_path(path))
        tables = {"table": digest_table(path)}
        if oof_path is not None:
            tables["oof_table"] = digest_table(oof_path)
    except (InputError, OSError):
        return None
    expected = {"inputs": inputs, **tables}
    return card if isinstance(card, dict) and expected.items() <= card.items() else None


def show(card: dict[str, Any]) -> None:
    """Print the runs, the candidates and the choice."""
    metric = card["metric"]
    title = f"{card['task']} on {card['dataset']}, {card['galaxies']} galaxies"
    names = class_score_names(card)
    of_runs = {run: {"classes": scores} for run, scores in card.get("run_classes", {}).items()}
    marks = dict.fromkeys(card["optimistic_runs"], OPTIMISTIC)
    runs = [
        (run + marks.get(run, ""), f"{score:.5f}", *class_scores(of_runs.get(run, {}), names))
        for run, score in card["runs"].items()
    ]
    print_table(title, ("run", f"OOF {metric}", *names), runs)
    rows = [
        (
            name,
            f"{row['score']:.5f}",
            f"{row['sd']:.5f}",
            f"{row['minus_mean']:+.5f} ± {row['minus_mean_se']:.5f}",
            *class_scores(row, names),
        )
        for name, row in card["candidates"].items()
    ]
    header = ("candidate", f"{metric}, cross-fitted", "± sd of folds", "minus mean ± SE", *names)
    chosen = list(card["candidates"]).index(card["chosen"])
    print_table("candidates, as they would be submitted", header, rows, bold=[chosen])
    nested = card["nested"]
    honest = (
        f"{nested['score']:.5f} nested, choice included"
        if nested
        else "no nested score below three folds"
    )
    if card[UNREADABLE]:
        print(submission.describe_unreadable(card[UNREADABLE]))
    print(f"chosen: {card['chosen']}, {metric} {card['score']:.5f} cross-fitted, {honest}")
    print(explain_epochs(card["optimistic"]))
    if card["optimistic"]:
        print("every score of this ensemble is optimistic for the same reason")


def publish(path: Path, dataset: str) -> None:
    """Copy the submission to where users look first, and say so."""
    target = shown(submission.published_csv())
    if submission.publish(path, dataset):
        print(f"copied to {target}")
    else:
        print(f"{target} is of more real data than {dataset}, so it stays as it is")


if __name__ == "__main__":
    run_main(main)
