"""Give every predicted vote fraction an interval, and measure how often such intervals hold.

Reads the ensemble's tables and what its runs' folds have left, never an image. Calibrated on the
training galaxies' cross-fitted predictions; coverage is counted fold by fold, without the fold.

    python src/intervals.py
    python src/intervals.py --level 0.8 --dataset kaggle-mini
"""

from galaxyzoo.core.launch import run_main, use_project_python

use_project_python()

import argparse
from typing import Any

from galaxyzoo.core.console import print_table
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import choose_dataset, shown
from galaxyzoo.data.catalog import load_catalog
from galaxyzoo.ensemble.intervals import OURS, Intervals
from galaxyzoo.inference.score_card import card_path
from galaxyzoo.tasks.registry import COMPETITION_TASK


def main() -> None:
    """Parse, calibrate, write, print."""
    args = parse()
    if not 0 < args.level < 1:
        raise InputError(f"--level {args.level:g} must lie between 0 and 1, such as 0.9")
    dataset = choose_dataset(args.dataset, COMPETITION_TASK, ensembles=True)
    intervals = Intervals(load_catalog(dataset), args.level)
    card, problems = intervals.make()
    for line in problems:
        print(line)
    show(card)
    print(f"intervals of {args.level:g}: {shown(intervals.path)}")
    print(f"their coverage, by answer and value too: {shown(card_path(intervals.path))}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--level",
        type=float,
        default=0.9,
        help="part of the galaxies whose votes the intervals are to hold (default: %(default)s)",
    )
    parser.add_argument(
        "--dataset", help="dataset of the ensemble (default: the only real one, else demo)"
    )
    return parser.parse_args()


def show(card: dict[str, Any]) -> None:
    """Print coverage, width and interval score of all levels, beside simpler intervals."""
    rows = []
    for level, ours in card["levels"].items():
        rows.append((level, OURS, *_cells(ours), "–"))
        for name, scores in ((name, by[level]) for name, by in card["others"].items()):
            gap = f"{scores['minus_ours']:+.4f} ± {scores['minus_ours_se']:.4f}"
            rows.append((level, name, *_cells(scores), gap))
    title = f"intervals of {card['dataset']}, {card['galaxies']} galaxies, cross-fitted"
    header = ("level", "intervals", "coverage ± SE", "width", "interval score", "minus ours ± SE")
    bold = [i for i, row in enumerate(rows) if row[1] == OURS]
    print_table(title, header, rows, bold)
    used = {"runs": card["spread_of_runs"], "views": card["spread_of_views"]}
    for what, runs in used.items():
        print(f"spread of {what}: {', '.join(runs) or 'none was left by the training'}")


def _cells(scores: dict[str, float]) -> tuple[str, str, str]:
    coverage = f"{scores['coverage']:.4f} ± {scores['coverage_se']:.4f}"
    return coverage, f"{scores['width']:.4f}", f"{scores['score']:.4f}"


if __name__ == "__main__":
    run_main(main)
