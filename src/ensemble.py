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
from pathlib import Path
from typing import Any

from galaxyzoo import catalogs, submission
from galaxyzoo.base_models import find_runs
from galaxyzoo.combination import Combination
from galaxyzoo.ensembling import CANDIDATES, CLASS_CANDIDATES, pick_candidates
from galaxyzoo.errors import InputError
from galaxyzoo.paths import choose_dataset, ensemble_csv, ensemble_oof_csv, shown, test_csv
from galaxyzoo.reports import (
    OPTIMISTIC,
    class_score_names,
    class_scores,
    explain_epochs,
    print_table,
)
from galaxyzoo.scores import UNREADABLE, card_path
from galaxyzoo.tasks import COMPETITION_TASK, get_task


def main() -> None:
    """Load, cross-fit, choose, predict the test galaxies, write, print."""
    started = time.perf_counter()
    options = parse()
    task = get_task(options.task)
    whole = catalogs.load(choose_dataset(options.dataset, task.name))
    names = pick_candidates([name for name in options.candidates.split(",") if name], task)
    runs, left_out = find_runs(task, whole, options.runs)
    path = check_output(options.output, whole.dataset, task.name, runs)
    oof_path = ensemble_oof_csv(whole.dataset, task.name) if options.output is None else None
    card, is_new = Combination(task, whole, runs, names, options.seed, path, oof_path).make()

    if not is_new:
        print("nothing has changed since this ensemble was made:")
    for line in left_out:
        print(line)
    show(card)
    print(f"submission of {len(whole.test_ids)} galaxies: {shown(path)}")
    print(f"its score card: {shown(card_path(path))}")
    if options.output is None and task.name == COMPETITION_TASK:
        publish(path, whole.dataset)
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
