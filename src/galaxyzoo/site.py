"""The page that links all reports to one site, which needs no server."""

from collections.abc import Iterable
from pathlib import Path

from galaxyzoo import atomic, locks, paths
from galaxyzoo.errors import InputError
from galaxyzoo.page import Section, write_page
from galaxyzoo.paths import DEMO, is_ablation
from galaxyzoo.scores import card_path
from galaxyzoo.tasks import TASKS

UP = "../../index.html"  # from a report to the page
EXPLORE = "explore"


def write_index(folder: Path) -> Path:
    """Link the reports that are there, with the score of each task's ensemble or best run.

    Args:
        folder: of all reports.
    Returns:
        The page.
    Raises:
        InputError: it cannot be written.
    """
    path = folder / "index.html"
    # The list too: one that was found before another command's report must not be written after it.
    with locks.holding(folder / locks.NAME, "writing the index of the reports"):
        found = sorted(page.parent for page in folder.glob("*/*/index.html"))
        datasets = sorted({report.parent.name for report in found}, key=lambda n: (n == DEMO, n))
        sections = [
            Section(dataset, links=[_link(r) for r in found if r.parent.name == dataset])
            for dataset in datasets
        ]
        write_page(path, "Galaxy Zoo ensemble: reports", "All reports made here.", sections)
    return path


def _link(report: Path) -> tuple[str, str, str]:
    """Name, address and a word on a report."""
    dataset, name = report.parent.name, report.name
    address = f"{dataset}/{name}/index.html"
    if name == EXPLORE:
        return "explore", address, "the dataset before any training"
    return name, address, _describe(dataset, name)


def _describe(dataset: str, task: str) -> str:
    """The score of a task's ensemble, or of its best run."""
    if task not in TASKS:
        return "a report"
    metric, better = TASKS[task].metric, min if TASKS[task].lower_is_better else max
    ensemble = _scores([card_path(paths.ensemble_csv(dataset, task))])
    if ensemble:
        return f"{metric} {ensemble[0]:.4f}, the ensemble's"
    runs = (path for path in (paths.OOF / dataset / task).glob("*.json"))
    scores = _scores(path for path in runs if not is_ablation(path.stem))
    return f"{metric} {better(scores):.4f}, the best run's" if scores else "no score card is left"


def _scores(cards: Iterable[Path]) -> list[float]:
    """What the cards say that are there and are of all folds, no epoch chosen on them."""
    found = []
    for path in cards:
        try:
            card = atomic.read_json(path)
            folds = card.get("folds", [])
            if not card.get("optimistic") and len(folds) == card.get("n_folds", len(folds)):
                found.append(float(card["score"]))
        except (InputError, AttributeError, KeyError, TypeError, ValueError):
            continue  # damaged, or of another kind, such as a hold-out's
    return found
