"""Write an HTML report of a task's runs and its ensemble, from out-of-fold tables.

It compares all runs and ensembles, and shows errors, calibration and galaxies
for those you name, or else for the best.

    python3 src/evaluate.py zoo5
    python3 src/evaluate.py gz37/resnet18 ensemble:default --dataset kaggle-mini
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from galaxyzoo.config import loading
from galaxyzoo.core import console, launch, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.options import DataOptions, DatasetOptions, option, positional, read_options
from galaxyzoo.data.prepare import open_dataset
from galaxyzoo.data.readers.side_tables import sky_positions
from galaxyzoo.ensemble import fitted
from galaxyzoo.ensemble.model_listing import find_predictor, refuse_bare_ensemble
from galaxyzoo.extras.pages import html
from galaxyzoo.extras.pages.output import has_mark, reports_dir
from galaxyzoo.extras.reports import classes, evaluate, votes
from galaxyzoo.extras.reports.results import Result
from galaxyzoo.results.card import EnsembleCard
from galaxyzoo.results.console import print_holdout_table
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.tasks import kinds, registry


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(DatasetOptions, DataOptions):
    """Options of the command."""

    names: tuple[str, ...] = positional(
        "tasks, or runs and ensembles to show in detail, such as zoo5/resnet18",
        "TASK|RUN",
        nargs="+",
    )
    output: Path | None = option("folder for reports (default: reports/)", metavar="FOLDER")


def main() -> None:
    """Read the options, load every task's tables, then write one report after the other."""
    options = read_options(EvaluateOptions, __doc__)
    wanted = sort_by_task(options.names, options.dataset)
    if options.output:
        paths.check_output("--output", options.output, is_own=has_mark)
    output = (options.output or reports_dir()).resolve()
    evaluations = []
    for task, runs in wanted.items():
        evaluations.append(evaluate.load_evaluation(task, runs, options.dataset, output))
    for evaluation in evaluations:
        write_report(with_images(evaluation, options.data))
    index = paths.shown(html.write_index(output))
    last = evaluations[-1]
    result = last.shown[0]
    page = ""
    dataset = last.catalog.dataset
    if isinstance(result, Result) and has_networks(result, dataset):
        page = f"{launch.typed('app')} {launch.quote(result.run, '--dataset', dataset)}"
    launch.print_done(f"{index} lists all reports; {result.run}, {result.card.score_text}", page)


def has_networks(result: Result, dataset: str) -> bool:
    """Check whether a result's run or ensemble can still predict other galaxies."""
    if isinstance(result.card, EnsembleCard):
        return fitted.has_networks(result.card)
    return len(RunFolder(dataset, result.run).folds) > 0


def sort_by_task(names: Sequence[str], dataset: str | None) -> dict[str, list[str]]:
    """Task -> its named runs and ensembles; whether the runs exist is checked later."""
    wanted: dict[str, list[str]] = {}
    for word in names:
        name = loading.name_of(word)
        if registry.is_ensemble(name):
            _, full_name = find_predictor(name, dataset)
            wanted.setdefault(registry.task_name(full_name), []).append(full_name)
            continue
        refuse_bare_ensemble(name)
        task, is_run, _ = name.partition("/")
        runs = wanted.setdefault(task, [])
        if is_run:
            runs.append(name)
    return wanted


def with_images(evaluation: evaluate.Evaluation, data: str | None) -> evaluate.Evaluation:
    """Add the galaxies' images to an evaluation, or a note where there are none."""
    try:
        opened = open_dataset(data, evaluation.catalog.dataset, evaluation.task.name)
        images = opened.train_images(opened.raw.image)
        sky = sky_positions(opened.raw)
    except InputError as error:
        note = f"No galaxy images: {error}"
        print(note)
        return replace(evaluation, problems=[*evaluation.problems, note])
    return replace(evaluation, images=images, sky=sky)


def write_report(evaluation: evaluate.Evaluation) -> None:
    """Write the page with its tables, and print the scores."""
    title = f"{evaluation.task.name} on {evaluation.catalog.dataset}"
    comparison = evaluate.comparison_section(evaluation)
    ensemble = evaluate.ensemble_section(evaluation)
    holdout = evaluate.holdout_section(evaluation)
    sections = [comparison, ensemble, holdout, *detail_sections(evaluation)]
    path = evaluation.folder / "index.html"
    command = f"{launch.typed('evaluate')} {launch.quote(*sys.argv[1:])}"
    summary = evaluate.summarize(evaluation, command)
    csv = [(name, name, "") for name in evaluation.written]
    sections.append(html.HtmlSection("Tables", "These CSV files have full precision.", links=csv))
    shown_sections = [section for section in sections if section]
    html.write_page(path, title, summary, shown_sections, index=html.INDEX)
    if comparison:
        for caption, table in comparison.tables:
            console.print_table(f"{title}, {caption}", table)
        console.print_text(*comparison.text.splitlines()[1:])
    if evaluation.holdouts:
        print_holdout_table([result.card for result in evaluation.holdouts])
    print(f"report: {paths.shown(path)}")


def detail_sections(evaluation: evaluate.Evaluation) -> Iterator[html.HtmlSection | None]:
    """Sections on the results that are shown in detail."""
    is_votes = isinstance(evaluation.task, kinds.VoteTask)
    if is_votes and evaluation.results:
        yield votes.question_section(evaluation)
    build_sections = votes.vote_sections if is_votes else classes.class_sections
    for result in evaluation.shown:
        yield from build_sections(evaluation, result)
