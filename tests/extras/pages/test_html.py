"""The HTML page: text is escaped, pictures are inside, nothing is fetched from elsewhere."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.extras.pages import html
from galaxyzoo.extras.pages.charts import Chart, Line
from galaxyzoo.extras.pages.html import GalaxyCard, HtmlSection, Shaded, VoteBar, write_page
from support.pictures import read_embedded

END = np.array([0.0, 1.0])
GRAY = np.full((8, 8, 3), 90, np.uint8)
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
    write_page(folder / "index.html", title, {title: title}, sections)
    return (folder / "index.html").read_text(encoding="utf-8")


def page_about(folder: Path, text: str) -> Markup:
    """A page with the text wherever one can stand: as class, run, file, caption, link."""
    galaxy = GalaxyCard(text, GRAY, [text], [VoteBar(text, 0.5, 0.25)], [(text, "#")])
    section = HtmlSection(
        text,
        text,
        [(text, pd.DataFrame({text: [text, Shaded(text, 0.5)]}))],
        [(text, [Chart(text, text, text, [Line(END, END, 0, text)])])],
        [(text, [galaxy])],
        [(text, f"{text}/index.html", text)],
    )
    return Markup(write(folder, section, title=text))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_of_classes_and_files_are_text(tmp_path, text):
    page = page_about(tmp_path, text)
    plain = page_about(tmp_path, "x" * len(text))
    assert page.tags == plain.tags
    # title, heading, both sides of the summary's line, navigation, section, paragraph; a table's
    # caption, head and two cells; a chart's caption, title, axes and legend; a gallery's
    # caption, name, note, answer and link; a link and what is there
    assert sum(data.count(text) for data in page.texts) == 23
    # the page's description (twice); read out: the table, the chart (thrice), the galaxy, its
    # button, its bar (twice)
    assert sum(content.count(text) for content in page.contents if content) == 10


@pytest.mark.parametrize("text", ["RMSE 0.0800", *HOSTILE])
def test_the_index_says_of_each_report_what_is_in_it_and_when_it_was_written(tmp_path, text):
    write(tmp_path / "mine" / "gz37", title=text)
    (tmp_path / "mine" / "old").mkdir()
    (tmp_path / "mine" / "old" / "index.html").write_text("<title>of an earlier version</title>")
    page = Markup(html.write_index(tmp_path).read_text(encoding="utf-8"))
    entries = [data for data in page.texts if text in data]
    assert len(entries) == 1
    date = r"\(\d{4}-\d\d-\d\d \d\d:\d\d\)"
    assert re.fullmatch(f": {re.escape(text)}: {re.escape(text)} {date}", entries[0].strip())
    assert ("dl", "class") not in page.tags  # an empty box


def test_only_a_position_in_degrees_has_a_link():
    assert [len(html.sky_links(x, 2.5)) for x in ("1.5", None, "", "12:34:56.7")] == [1, 0, 0, 0]


def test_pictures_are_inside_and_nothing_is_fetched(root):
    image = np.full((200, 400, 3), (250, 10, 10), np.uint8)
    sky = "https://www.legacysurvey.org/viewer?ra=1&dec=2"
    galaxy = GalaxyCard("7", image, links=[("sky", sky)])
    page = write(root, HtmlSection("Pictures", galleries=[("g", [galaxy])]))
    (jpeg,) = map(read_embedded, re.findall(r'(?:src|href)="data:[^,]*,([^"]*)"', page))
    assert jpeg.shape == (160, 320, 3)
    assert np.abs(jpeg.mean(axis=(0, 1)) - (10, 10, 250)).max() < 5
    addresses = re.findall(r"(?:src|href)=['\"](?!data:|#s0)([^'\"]*)|url\(|@import", page)
    assert [address.replace("&amp;", "&") for address in addresses] == [sky]  # followed by hand
