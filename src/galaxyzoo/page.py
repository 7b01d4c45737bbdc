"""One HTML page of text, tables and pictures; it needs no other file, so it can be sent around."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from galaxyzoo import atomic

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
    atomic.write_text(
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
