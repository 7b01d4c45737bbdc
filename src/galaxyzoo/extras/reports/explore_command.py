"""Write an HTML page on a dataset before training: votes, class counts, galaxies.

python3 src/explore.py
python3 src/explore.py --data zoo5
python3 src/explore.py --data kaggle-mini --task hubble10
python3 src/prepare.py --audit               leaks between the folds and to test galaxies
python3 src/prepare.py --audit FOLDER --fail
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from galaxyzoo.core import launch, paths
from galaxyzoo.core.options import DataOptions, option, read_options
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.data.readers.find import find_named_task
from galaxyzoo.extras.pages import html
from galaxyzoo.extras.pages.output import has_mark, reports_dir
from galaxyzoo.extras.reports import explore
from galaxyzoo.tasks import kinds, registry


@dataclass(frozen=True, kw_only=True)
class ExploreOptions(DataOptions):
    """Options of the command."""

    task: str | None = option("show only this task's classes (default: all tasks)")
    output: Path | None = option(
        "folder for the page (default: reports/<dataset>/explore, or audit)", metavar="FOLDER"
    )
    audit: tuple[Path, ...] | None = option(
        "search the split for leaks: galaxies that belong together, but are in several folds, in "
        "the test set or among other images (FOLDER: a folder, zip or list of them)",
        nargs="*",
        metavar="FOLDER",
    )
    fail: bool = option("exit with status 1 if there are leaks between folds", False, needs="audit")


def main() -> None:
    """Read the options, prepare the dataset, write its page."""
    options = read_options(ExploreOptions, __doc__)
    if options.output:
        paths.check_output("--output", options.output, is_own=has_mark)
    wanted = None
    if options.task:
        wanted = find_named_task(options.task, options.data) or registry.get_task(options.task)
    data = prepare(options.data, tasks={wanted.name} if wanted else None)
    tasks = [task for task in data.labeled_tasks if isinstance(task, kinds.ClassTask)]
    if wanted:
        tasks = [task for task in tasks if task.name == wanted.name]  # by the labels of today
        if not tasks:
            data.labels(wanted)  # refuses a task that it has no labels for
    name = "explore" if options.audit is None else "audit"
    folder = options.output or reports_dir() / data.dataset / name
    if options.audit is None:
        title = "the data"
        sections = explore.explore_votes(data)
        sections += explore.explore_classes(data, tasks, folder)
        sections += explore.explore_samples(data, tasks)
    else:
        title = "leaks"
        sections = explore.explore_leaks(data, options.audit, folder)
    page = folder / "index.html"
    index = None if options.output else html.INDEX
    html.write_page(page, f"{data.dataset}: {title}", _summarize(data), sections, index)
    if not options.output:
        print(f"all reports: {paths.shown(html.write_index(reports_dir()))}")
    plan = f"{launch.typed('train_folds')} --plan"
    has_default_task = data.has_votes or data.task
    if not has_default_task:
        plan += f" {launch.quote(tasks[0].name)} stages=null"
    plan += launch.data_option(options.data)
    errors = [section for section in sections if "(error)" in section.title and section.galleries]
    if errors:
        plan = ""  # such a split is not for training
    launch.print_done(f"{paths.shown(page.resolve())} and its tables", plan)
    if options.fail and errors:
        sys.exit("error: folds divide galaxies that belong together (printed above)")


def _summarize(data: Dataset) -> dict[str, str]:
    """Lines on top of the page."""
    copies = data.about.get("galaxies_with_a_near_duplicate", "not counted")
    return {
        "Training": f"{len(data.ids):,} galaxies in {data.n_folds} folds",
        "Test": f"{len(data.test_ids):,} galaxies",
        "Labels": "37 vote fractions" if data.has_votes else "one class per galaxy",
        "Copies": f"{copies} training galaxies with a near-duplicate",
        "Made": html.describe_origin(),
    }
