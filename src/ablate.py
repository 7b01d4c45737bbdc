"""Measure what each switch of a recipe does: every change trained alone, on the same folds.

What is finished is not done again; what was interrupted goes on. Changes of test-time views alone
train nothing: they look anew at the networks that are there.

  python src/ablate.py configs/ablations/gz37.yaml --jobs 2     all changes, two at a time
  python src/ablate.py gz37 --only-changes crop_160 ema_none    two changes, and the recipe itself
  python src/ablate.py gz37 --folds all                         on all folds instead of the study's
  python src/ablate.py gz37 --table --page docs/accuracy.md     the table alone, into a page too
"""

from galaxyzoo.core.launch import run_main, use_project_python

use_project_python()

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from galaxyzoo.core.errors import FoldError
from galaxyzoo.core.launch import add_jobs, check_jobs
from galaxyzoo.core.paths import reports_dir, shown
from galaxyzoo.data.prepare import prepare
from galaxyzoo.tuning import marked_page
from galaxyzoo.tuning.ablation import Study, load_study

if TYPE_CHECKING:
    from galaxyzoo.tuning.ablation import Ablation


def main() -> None:
    """Parse, check everything, train what is missing, show the table."""
    args = parse_args()
    study = load_study(args.study)
    variants = study.pick(args.only_changes)
    title = name_part(study, args.folds)
    if args.page:
        marked_page.find_part(args.page, mark(title))
    data = prepare(args.data, tasks={study.base.config.task})
    # Only now, so that whatever is wrong with words or files is said before torch's slow import.
    from galaxyzoo.tuning.ablation import Ablation

    folds = tuple(range(data.catalog.n_folds)) if args.folds == "all" else args.folds or study.folds
    ablation = Ablation(study, data, folds)
    left_out = ablation.check(study.variants)
    wanted = [variant for variant in variants if variant.name not in left_out]
    stopped = [] if args.table else ablation.train(wanted, args.jobs, args.backend)
    show(ablation, title, args.page)
    for name, reason in left_out.items():
        print(f"! {name} is left out: {reason}")
    for reason in stopped:
        print(f"! {reason}")
    if stopped:
        raise FoldError("not all changes are trained (see above): the same command goes on")


def show(ablation: "Ablation", title: str, page: Path | None) -> None:
    """Print the table, and the curve where the study has one; write both into the page."""
    from galaxyzoo.tuning import ablation_records, learning_curve
    from galaxyzoo.tuning.ablation import format_rows, make_rows, print_rows

    study, rows = ablation.study, make_rows(ablation)
    if page:
        rows = ablation_records.recall(page, title, ablation, rows)
    if title != study.name:  # what was not run, the table of the study's own folds says
        rows = [row for row in rows if row.score is not None]
    print_rows(ablation, rows)
    text = format_rows(ablation, rows)
    if study.learning_curve:
        folder = page.parent if page else reports_dir() / ablation.catalog.dataset
        picture = folder / f"{title}.png"
        curve = learning_curve.measure(ablation)
        print(curve.explain())
        if curve.fit:
            learning_curve.draw(picture, curve)
            print(f"picture: {shown(picture.resolve())}")
        text += "\n\n" + curve.format(picture.name)
    if page:
        ablation_records.note(page, title, ablation, rows)
        marked_page.replace_part(page, mark(title), text)
        print(f"written into {shown(page.resolve())}")


def name_part(study: Study, folds: str | tuple[int, ...] | None) -> str:
    """Of the part of a page that holds a study's tables, and of what lies beside the page.

    On other folds than the study's own, tables stand in a part of their own.
    """
    if folds is None or folds == study.folds:
        return study.name
    return f"{study.name}_{'all_folds' if folds == 'all' else 'folds_' + '_'.join(map(str, folds))}"


def mark(title: str) -> str:
    """What a page's mark says above such a part."""
    return f"ablation {title}"


def fold_numbers(text: str) -> str | tuple[int, ...]:
    """`0,2` -> (0, 2), and `all`; argparse turns the ValueError into its own message."""
    return text if text == "all" else tuple(sorted({int(part) for part in text.split(",")}))


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", metavar="STUDY", help="such as configs/ablations/gz37.yaml")
    parser.add_argument(
        "--only-changes",
        nargs="+",
        default=[],
        metavar="NAME",
        help="train these alone, and what they are compared with",
    )
    parser.add_argument(
        "--folds",
        type=fold_numbers,
        metavar="FOLDS",
        help="such as 0,1, or all (default: the study's)",
    )
    parser.add_argument(
        "--data", help="folder with the competition's files (default: found in input/), or 'demo'"
    )
    add_jobs(parser)
    parser.add_argument("--table", action="store_true", help="train nothing, show what is there")
    parser.add_argument(
        "--page",
        type=Path,
        metavar="FILE",
        help="write the tables into this Markdown page, between `<!-- ablation STUDY -->` and "
        "`<!-- end -->`, with --folds all between `<!-- ablation STUDY_all_folds -->` and that; "
        "what was measured elsewhere, noted beside it, stays",
    )
    args = parser.parse_args()
    check_jobs(parser, args)
    return args


if __name__ == "__main__":
    run_main(main)
