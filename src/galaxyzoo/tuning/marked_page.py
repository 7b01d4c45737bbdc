"""A page that people write, in which a program keeps one part up to date between two marks.

And a table as such a page holds it.
"""

from pathlib import Path

from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown

END = "<!-- end -->"


def replace_part(path: Path, name: str, text: str) -> None:
    """Put a text in place of what stands between a page's marks, and leave all else as it is.

    Args:
        path: the page.
        name: of the part: it begins below the line `<!-- name -->` and ends above the next
            `<!-- end -->`.
        text: Markdown.
    Raises:
        InputError: see `find_part`; or the page cannot be written.
    """
    page, start, end = find_part(path, name)
    files.write_bytes(path, f"{page[:start]}\n\n{text.strip()}\n\n{page[end:]}".encode())


def find_part(path: Path, name: str) -> tuple[str, int, int]:
    """The page's text, and where in it the part begins and ends.

    Raises:
        InputError: the page is not there or no text, or lacks a mark, or has it twice.
    """
    try:
        page = path.read_bytes().decode()  # as it is: reading as text would change its line ends
    except FileNotFoundError:
        raise InputError(f"--page {shown(path)} is missing: {_cure(name)}") from None
    except UnicodeDecodeError:
        raise InputError(f"--page {shown(path)} is not UTF-8 text") from None
    mark = f"<!-- {name} -->"
    if page.count(mark) != 1:
        how_often = "more than once" if mark in page else "not"
        raise InputError(f"--page {shown(path)}: `{mark}` is {how_often} in it: {_cure(name)}")
    start = page.index(mark) + len(mark)
    end = page.find(END, start)
    following = page.find("<!-- ", start)
    if end < 0 or following < end:
        raise InputError(f"--page {shown(path)}: `{mark}` has no `{END}` below it")
    return page, start, end


def _cure(name: str) -> str:
    return f"write the lines `<!-- {name} -->` and `{END}` where the tables are to stand"
