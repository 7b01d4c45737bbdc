"""Write a report of a task's runs and its ensemble: tables, curves and galaxies on one page.

Reads out-of-fold tables and training histories, trains nothing. A task's report shows its ensemble
(else its best run) in detail; naming runs shows those.

    python src/evaluate.py zoo5
    python src/evaluate.py gz37/resnet18 gz37/ensemble --dataset kaggle-mini
"""

from galaxyzoo.core.launch import run_main, use_project_python

use_project_python()

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from galaxyzoo.core import paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.prepare import open_images
from galaxyzoo.reports import html
from galaxyzoo.reports.annotators import annotator_section
from galaxyzoo.reports.classes import class_sections
from galaxyzoo.reports.console import print_scores
from galaxyzoo.reports.evaluate import (
    Evaluation,
    comparison_section,
    ensemble_section,
    load_evaluation,
)
from galaxyzoo.reports.html import HtmlSection, write_page
from galaxyzoo.reports.networks import history_section, symmetry_section
from galaxyzoo.reports.votes import question_section, vote_sections


def main() -> None:
    """Parse, load every task's tables, then write one report after the other."""
    args = parse_args()
    wanted = sort_by_task(args.names)
    output = (args.output or paths.reports_dir()).resolve()
    loaded = [load_evaluation(task, runs, args.dataset, output) for task, runs in wanted.items()]
    for evaluation in loaded:
        write_report(with_images(evaluation, args.data))
    print(f"all reports: {shown(html.write_index(output))}")


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="+", metavar="TASK|RUN", help="such as zoo5, zoo5/resnet18, zoo5/ensemble"
    )
    parser.add_argument(
        "--dataset", help="dataset of the tables (default: the only real one, else demo)"
    )
    parser.add_argument(
        "--data", help="folder with the images, for the grids (default: found in input/)"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="write there (default: reports/)"
    )
    return parser.parse_args()


def sort_by_task(names: Sequence[str]) -> dict[str, list[str]]:
    """Task -> its runs that are named, nothing checked yet."""
    wanted: dict[str, list[str]] = {}
    for name in names:
        task, slash, _ = name.partition("/")
        runs = wanted.setdefault(task, [])
        runs += [name] if slash else []
    return wanted


def with_images(evaluation: Evaluation, data: str | None) -> Evaluation:
    """The same with its galaxies' images; without, and with a word, where they are not there."""
    try:
        images = open_images(data, evaluation.catalog.dataset, evaluation.task.name)
    except InputError as error:
        note = f"No pictures of galaxies: {error}"
        print(note)
        return replace(evaluation, problems=[*evaluation.problems, note])
    return replace(evaluation, images=images)


def write_report(evaluation: Evaluation) -> None:
    """Write the page with what lies beside it, and print the scores."""
    task, dataset = evaluation.task, evaluation.catalog.dataset
    comparison = comparison_section(evaluation)
    ensemble = ensemble_section(evaluation)
    sections = [
        comparison,
        *([ensemble] if ensemble else []),
        *details(evaluation),
        *([symmetry] if (symmetry := symmetry_section(evaluation)) else []),
        history_section(evaluation),
    ]
    path = evaluation.folder / "index.html"
    about = f"Dataset {dataset}, {len(evaluation.catalog.ids)} training galaxies of the task."
    write_page(path, f"{task.name} on {dataset}", about, sections, index=html.INDEX)
    for caption, table in comparison.tables:
        print_scores(f"{task.name} on {dataset}, {caption}", table)
    for line in comparison.text.splitlines()[1:]:
        print(line)
    print(f"report: {shown(path)}")


def details(evaluation: Evaluation) -> list[HtmlSection]:
    """Sections on the results that are shown in detail."""
    if not evaluation.task.is_classes:
        pages = [vote_sections(evaluation, result) for result in evaluation.detailed]
        return [question_section(evaluation), *(section for page in pages for section in page)]
    noise = annotator_section(evaluation)
    pages = [class_sections(evaluation, result) for result in evaluation.detailed]
    return [*([noise] if noise else []), *(section for page in pages for section in page)]


if __name__ == "__main__":
    run_main(main)
