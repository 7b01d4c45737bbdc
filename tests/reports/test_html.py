"""The HTML page: text is escaped, pictures are inside, nothing is fetched from elsewhere."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from galaxyzoo.reports.html import HtmlSection, write_page

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    '" onmouseover="alert(1)',
    "</title></style><b>&lt;i&gt;</b>",
    "{{ 7 * 7 }}{% raw %}",
)


class Markup(HTMLParser):
    """Tags with their attributes' names, and all text, of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.texts: list[str] = []
        self.contents: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))
        self.contents += [value for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def write(folder: Path, *sections: HtmlSection, title: str = "title") -> str:
    write_page(folder / "index.html", title, title, sections)
    return (folder / "index.html").read_text(encoding="utf-8")


def page_about(folder: Path, text: str) -> Markup:
    """A page with the text wherever one can stand: as class, run, file, caption, link."""
    picture = folder / "x.png"
    picture.write_bytes(b"picture")
    section = HtmlSection(
        text,
        text,
        [(text, pd.DataFrame({text: [text]}))],
        [(text, picture)],
        [(text, f"{text}/index.html", text)],
    )
    return Markup(write(folder, section, title=text))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_of_classes_and_files_are_text(tmp_path: Path, text: str) -> None:
    page, plain = page_about(tmp_path, text), page_about(tmp_path, "x" * len(text))
    assert page.tags == plain.tags
    # title and heading, line below it, navigation, section, paragraph, table's caption, head and
    # cell, picture's caption, link and what is there
    assert sum(data.count(text) for data in page.texts) == 12
    assert page.contents.count(text) == 1  # what is read out for the picture


def test_a_picture_is_inside_and_nothing_is_fetched(root: Path) -> None:
    data = bytes(range(256))
    (root / "x.png").write_bytes(data)
    html = write(root, HtmlSection("Pictures", pictures=[("one", root / "x.png")]))
    (root / "x.png").unlink()
    found = re.findall(r'src="data:image/png;base64,([^"]*)"', html)
    assert [base64.b64decode(text) for text in found] == [data]
    assert not re.search(r"(src|href)=['\"](?!data:|#s0)|https?://", html)


def test_cells_show_numbers_shortly_and_what_is_missing(root: Path) -> None:
    table = pd.DataFrame({"n": [6000, 2], "x": [0.123456, float("nan")]})
    table["mixed"] = pd.Series(["word", None], dtype=object)
    html = write(root, HtmlSection("Table", tables=[("numbers", table)]))
    rows = re.findall(r"<tr>\s*(<td>.*?)</tr>", html, re.DOTALL)
    cells = [re.findall(r"<td>(.*?)</td>", row) for row in rows]
    assert cells == [["6000", "0.1235", "word"], ["2", "–", "–"]]


def test_each_line_of_text_is_a_paragraph(root: Path) -> None:
    assert "<p>one</p>\n<p>two</p>" in write(root, HtmlSection("Lines", "one\n\ntwo"))
