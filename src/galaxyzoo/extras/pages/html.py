"""HTML reports: one page per report, which holds its pictures, and an index of all reports."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import unescape
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from galaxyzoo.core import files, versions
from galaxyzoo.extras.pages import templates
from galaxyzoo.extras.pages.charts import Chart
from galaxyzoo.extras.pages.output import MARK
from galaxyzoo.results.layout import real_first

INDEX = "../../index.html"  # from a report's page to the index
_GALAXY_PX = 160  # of a gallery
_SKY = "https://www.legacysurvey.org/viewer?ra={:.5f}&dec={:.5f}&zoom=16&layer=ls-dr10"
_DESCRIPTION = re.compile(r'<meta name="description" content="([^"]*)">')
_NUMBER = re.compile(r"[+-]?\d[\d.]*( ± [\d.]+)?$|same$|–$|nan$")  # text of a cell set on the right


class Shaded(NamedTuple):
    """Cell of a table with a background as strong as its share, 0 to 1."""

    text: str
    share: float


class VoteBar(NamedTuple):
    """VoteBar of a galaxy's answer: the predicted vote fraction, and a mark at the volunteers'."""

    answer: str
    predicted: float
    known: float


@dataclass(frozen=True)
class GalaxyCard:
    """A galaxy of a gallery."""

    name: str  # GalaxyID or file name
    image: np.ndarray  # (H, W, 3) uint8
    notes: Sequence[str] = ()  # a line each
    bars: Sequence[VoteBar] = ()
    links: Sequence[tuple[str, str]] = ()  # text, address


def sky_links(*position: object) -> list[tuple[str, str]]:
    """A link to a sky viewer at `ra` and `dec` in degrees; none where they are no such numbers."""
    degrees = pd.to_numeric(pd.Series(position, dtype=object), errors="coerce").astype(float)
    if np.isfinite(degrees).sum() != 2:
        return []
    return [("sky", _SKY.format(*degrees))]


@dataclass(frozen=True)
class HtmlSection:
    """A heading with text, tables, charts, galleries and links below it, in this order."""

    title: str
    text: str = ""  # a paragraph per line
    # caption, table; the table's index is not shown
    tables: Sequence[tuple[str, pd.DataFrame]] = field(default=())
    charts: Sequence[tuple[str, Sequence[Chart]]] = field(default=())
    galleries: Sequence[tuple[str, Sequence[GalaxyCard]]] = field(default=())
    # name, address relative to the page, what is there
    links: Sequence[tuple[str, str, str]] = field(default=())


def describe_origin(source: str = "") -> str:
    """Date, what made a page, and the version of the code."""
    return f"{datetime.now():%Y-%m-%d %H:%M}{source}, version {versions.code_version()}"


def write_page(
    path: Path,
    title: str,
    summary: Mapping[str, str],
    sections: Sequence[HtmlSection],
    index: str | None = None,
) -> None:
    """Write a page atomically; it needs no other file.

    Args:
        path: the HTML file.
        title: heading, also of the browser's tab.
        summary: a few lines on top, each with its name; the index shows the first.
        sections: in order.
        index: address of the page that links to this one.
    """
    name, text = next(iter(summary.items()), (title, ""))
    page = templates.render(
        "report.html.j2",
        mark=MARK,
        description=f"{name}: {text} ({datetime.now():%Y-%m-%d %H:%M})",
        title=title,
        summary=summary,
        sections=sections,
        index=index,
        cell_text=_cell_text,
        is_number=_NUMBER.match,
        as_jpeg=_as_jpeg,
    )
    files.write_text(path, page)


def _cell_text(value: object) -> str:
    """Floats with four decimals, a dash for a missing value."""
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "–"
    if isinstance(value, Shaded):
        return value.text
    if isinstance(value, float):
        return f"{value:.4f}"
    return str(value)


def _as_jpeg(image: np.ndarray) -> str:
    """(H, W, 3) uint8 as the address of an embedded JPEG, the shorter side 160 px or less."""
    scale = min(1.0, _GALAXY_PX / min(image.shape[:2]))
    resized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return templates.jpeg_address(resized)


def write_index(folder: Path) -> Path:
    """Write the page that links to all reports of a folder; returns its path."""
    path = folder / "index.html"
    # The lock also covers the listing: a list from before another command's report must not
    # be written after it.
    with files.hold_lock(folder / files.LOCK, "writing the index of the reports"):
        links: dict[str, list[tuple[str, str, str]]] = {}  # of each dataset
        for page in sorted(folder.glob("*/*/index.html")):
            report = page.parent
            links.setdefault(report.parent.name, []).append(_link(report))
        datasets = sorted(links, key=real_first)
        sections = [HtmlSection(dataset, links=links[dataset]) for dataset in datasets]
        write_page(path, "Galaxy Zoo ensemble: reports", {}, sections)
    return path


def _link(report: Path) -> tuple[str, str, str]:
    """Name and address of a report for the index, and the description in the head of its page."""
    with open(report / "index.html", encoding="utf-8", errors="replace") as file:
        head = file.read(2000)
    described = _DESCRIPTION.search(head)  # pages of earlier versions have none
    description = unescape(described[1]) if described else ""
    return report.name, f"{report.parent.name}/{report.name}/index.html", description
