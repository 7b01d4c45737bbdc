"""The HTML page: text is escaped, pictures are inside, nothing is fetched from elsewhere."""

import base64
import re
from pathlib import Path

import pandas as pd

from galaxyzoo.reports.html import Section, write_page

TEXT = "a <b> & 'c' \"d\""

ESCAPED = "a &lt;b&gt; &amp; &#x27;c&#x27; &quot;d&quot;"


def write(folder: Path, section: Section) -> str:
    write_page(folder / "index.html", TEXT, TEXT, [section])
    return (folder / "index.html").read_text(encoding="utf-8")


def test_text_is_escaped_everywhere(root: Path) -> None:
    (root / "x.png").write_bytes(b"picture")
    table = pd.DataFrame({TEXT: [TEXT]})
    html = write(root, Section(TEXT, TEXT, [(TEXT, table)], [(TEXT, root / "x.png")]))
    assert "<b>" not in html
    # tab, heading, line below it, link to the section, section, text, then the table's caption,
    # head and cell, the picture's two
    assert html.count(ESCAPED) == 11


def test_a_picture_is_inside_and_nothing_is_fetched(root: Path) -> None:
    data = bytes(range(256))
    (root / "x.png").write_bytes(data)
    html = write(root, Section("Pictures", pictures=[("one", root / "x.png")]))
    (root / "x.png").unlink()
    found = re.findall(r"src='data:image/png;base64,([^']*)'", html)
    assert [base64.b64decode(text) for text in found] == [data]
    assert not re.search(r"(src|href)='(?!data:|#s0')|https?://", html)


def test_cells_show_numbers_shortly_and_what_is_missing(root: Path) -> None:
    table = pd.DataFrame({"n": [6000, 2], "x": [0.123456, float("nan")]})
    table["mixed"] = pd.Series(["word", None], dtype=object)
    html = write(root, Section("Table", tables=[("numbers", table)]))
    rows = re.findall(r"<tr>(<td>.*?)</tr>", html)
    cells = [re.findall(r"<td>(.*?)</td>", row) for row in rows]
    assert cells == [["6000", "0.1235", "word"], ["2", "–", "–"]]


def test_each_line_of_text_is_a_paragraph(root: Path) -> None:
    assert "<p>one</p>\n<p>two</p>" in write(root, Section("Lines", "one\n\ntwo"))
