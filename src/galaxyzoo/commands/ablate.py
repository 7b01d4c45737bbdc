"""Run an ablation study: train a recipe with one setting changed at a time, on the same folds.

Finished trainings are not repeated; interrupted ones are resumed. Changes of test-time views alone
train nothing: they use the networks that are there. The table is Markdown, to be pasted into docs.

  python3 src/ablate.py configs/ablations/gz37.yaml --jobs 2    all changes, two folds at a time
  python3 src/ablate.py gz37 --only-changes crop_160 ema_none   two changes, and the recipe itself
  python3 src/ablate.py gz37 --folds all                        on all folds instead of the study's
  python3 src/ablate.py gz37 --table                            only print the table
"""

import argparse

from galaxyzoo.core.console import print_markdown
from galaxyzoo.core.errors import FoldError
from galaxyzoo.core.launch import new_parser, print_done
from galaxyzoo.core.paths import shown
from galaxyzoo.data.prepare import prepare


def main() -> None:
    """Parse, check everything, train what is missing, print the table."""
    args = parse_args()
    # Only now, or --help waits for torch.
    from galaxyzoo.tuning.ablation import Ablation, Changes, format_rows, make_rows

    study = Changes.load(args.study)
    variants = study.pick(args.only_changes)
    data = prepare(args.data, tasks={study.config.task})
    folds = range(data.catalog.n_folds) if args.folds == "all" else args.folds or study.folds
    ablation = Ablation(study, data, tuple(sorted({*folds})))
    ablation.check(variants)
    stopped = [] if args.table else ablation.train(variants, args.jobs, args.backend)
    print_markdown(format_rows(ablation, make_rows(ablation, variants)))
    for reason in stopped:
        print(f"! {reason}")
    if stopped:
        raise FoldError("not all changes are trained (see above): the same command resumes them")
    print_done(f"the table of {shown(study.path)}")


def fold_numbers(text: str) -> str | tuple[int, ...]:
    """`0,2` -> (0, 2), and `all`; argparse turns the ValueError into its own message."""
    return text if text == "all" else tuple(map(int, text.split(",")))


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = new_parser(__doc__, "--data", "--jobs", "--backend")
    parser.add_argument("study", metavar="STUDY", help="such as configs/ablations/gz37.yaml")
    parser.add_argument(
        "--only-changes",
        nargs="+",
        default=[],
        metavar="NAME",
        help="train and print only these changes and their baselines",
    )
    parser.add_argument(
        "--folds",
        type=fold_numbers,
        metavar="FOLDS",
        help="such as 0,1, or all (default: the study's)",
    )
    parser.add_argument("--table", action="store_true", help="train nothing, only print the table")
    return parser.parse_args()
