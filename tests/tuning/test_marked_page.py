"""A part of a page is replaced, and every other byte of it stays."""

from pathlib import Path

import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.tuning.marked_page import replace_part

PAGE = "# Äpfel\r\n\n<!-- a -->\nold\n<!-- end -->\nbetween \n<!-- b -->\n<!-- end -->\n\nlast"


def test_only_what_stands_between_the_marks_changes(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_bytes(PAGE.encode())
    replace_part(path, "b", "| new |\n")
    replace_part(path, "a", "\nnewer")
    expected = PAGE.replace("\nold\n", "\n\nnewer\n\n").replace(
        "<!-- b -->\n", "<!-- b -->\n\n| new |\n\n"
    )
    assert path.read_bytes() == expected.encode()
    replace_part(path, "a", "newer")
    assert path.read_bytes() == expected.encode()


@pytest.mark.parametrize(
    ("page", "named"),
    [
        (None, r"page\.md is missing: write the lines `<!-- a -->` and `<!-- end -->`"),
        (b"\xff", "is not UTF-8 text"),
        (b"text", "`<!-- a -->` is not in it"),
        (b"<!-- a -->\n<!-- end -->\n<!-- a -->\n<!-- end -->", "is more than once in it"),
        (b"<!-- a -->\n", "`<!-- a -->` has no `<!-- end -->` below it"),
        (b"<!-- end -->\n<!-- a -->\n", "has no `<!-- end -->` below it"),
        (b"<!-- a -->\n<!-- b -->\n<!-- end -->", "has no `<!-- end -->` below it"),
    ],
)
def test_a_page_without_the_marks_is_refused_and_left(
    tmp_path: Path, page: bytes | None, named: str
) -> None:
    path = tmp_path / "page.md"
    if page is not None:
        path.write_bytes(page)
    with pytest.raises(InputError, match=named):
        replace_part(path, "a", "new")
    assert (path.read_bytes() if path.exists() else None) == page
