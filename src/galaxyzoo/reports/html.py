"""One HTML page of text, tables and pictures; it needs no other file, so it can be sent around.

The page that links all reports to one site, which needs no server.
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from galaxyzoo.core import files, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import DEMO, is_ablation
from galaxyzoo.inference.score_card import card_path
from galaxyzoo.tasks.registry import TASKS

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 84rem;
  padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
table { border-collapse: collapse; font-size: .9rem; margin: 1rem 0; display: block;
  overflow-x: auto; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #8884;
  white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
td.text { white-space: normal; min-width: 9rem; }
nav a { display: inline-block; margin-right: 1.2rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
figure { margin: 1rem 0; } figcaption { font-size: .9rem; opacity: .8; }
img { max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
"""
_LONG = 28  # characters of a cell beyond which its line may be broken


@dataclass(frozen=True)
class Section:
    """A heading with what stands below it, in this order: text, tables, pictures."""

    title: str
    text: str = ""
    # caption, table; its index is not shown
    tables: Sequence[tuple[str, pd.DataFrame]] = field(default=())
    # caption, which is also the text for those who cannot see it; PNG file
    pictures: Sequence[tuple[str, Path]] = field(default=())
    # name, address relative to the page, what is there; at the end
    links: Sequence[tuple[str, str, str]] = field(default=())


def write_page(
    path: Path, title: str, about: str, sections: Sequence[Section], up: str | None = None
) -> None:
    """Write the page atomically, its pictures inside it.

    Args:
        path: the HTML file.
        title: heading, also of the browser's tab.
        about: a line or two below it.
        sections: in order.
        up: address of the page that links to this one.
    Raises:
        InputError: it cannot be written.
    """
    body = "\n".join(_section(section, i) for i, section in enumerate(sections))
    links = [f"<a href='#s{i}'>{escape(s.title)}</a>" for i, s in enumerate(sections)]
    if up:
        links.insert(0, f"<a href='{escape(up)}'>all reports</a>")
    files.write_text(
        path,
        f"<!doctype html>\n<html lang='en'>\n<head><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n<p>{escape(about)}</p>\n"
        f"<nav>{' '.join(links)}</nav>\n{body}\n</body>\n</html>\n",
    )


def _section(section: Section, number: int) -> str:
    parts = [f"<section><h2 id='s{number}'>{escape(section.title)}</h2>"]
    parts += [f"<p>{escape(line)}</p>" for line in section.text.splitlines() if line]
    parts += [_table(caption, table) for caption, table in section.tables]
    parts += [_picture(caption, path) for caption, path in section.pictures]
    if section.links:
        parts += ["<ul>", *(_link(*link) for link in section.links), "</ul>"]
    return "\n".join([*parts, "</section>"])


def _table(caption: str, table: pd.DataFrame) -> str:
    head = "".join(f"<th scope='col'>{escape(str(name))}</th>" for name in table.columns)
    rows = (
        "<tr>" + "".join(_cell(value) for value in row) + "</tr>"
        for row in table.itertuples(index=False)
    )
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>"
        f"{''.join(rows)}</tbody></table>"
    )


def _link(name: str, address: str, about: str) -> str:
    return f"<li><a href='{escape(quote(address))}'>{escape(name)}</a>: {escape(about)}</li>"


def _cell(value: object) -> str:
    """Numbers with four decimals, a dash for what is missing; long text may be broken."""
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "<td>–</td>"
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    name = " class='text'" if len(text) > _LONG else ""
    return f"<td{name}>{escape(text)}</td>"


def _picture(caption: str, path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return (
        f"<figure><img alt='{escape(caption)}' src='data:image/png;base64,{data}'>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


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
    with files.holding(folder / files.NAME, "writing the index of the reports"):
        found = sorted(page.parent for page in folder.glob("*/*/index.html"))
        datasets = sorted({report.parent.name for report in found}, key=lambda n: (n == DEMO, n))
        sections = [
            Section(dataset, links=[_page_link(r) for r in found if r.parent.name == dataset])
            for dataset in datasets
        ]
        write_page(path, "Galaxy Zoo ensemble: reports", "All reports made here.", sections)
    return path


def _page_link(report: Path) -> tuple[str, str, str]:
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
    runs = (path for path in (paths.oof_dir() / dataset / task).glob("*.json"))
    scores = _scores(path for path in runs if not is_ablation(path.stem))
    return f"{metric} {better(scores):.4f}, the best run's" if scores else "no score card is left"


def _scores(cards: Iterable[Path]) -> list[float]:
    """What the cards say that are there and are of all folds, no epoch chosen on them."""
    found = []
    for path in cards:
        try:
            card = files.read_json(path)
            folds = card.get("folds", [])
            if not card.get("selected_on_validation") and len(folds) == card.get(
                "n_folds", len(folds)
            ):
                found.append(float(card["score"]))
        except (InputError, AttributeError, KeyError, TypeError, ValueError):
            continue  # damaged, or of another kind, such as a hold-out's
    return found
