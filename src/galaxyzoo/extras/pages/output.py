"""Where pages and pictures are written, and by what they are known."""

from pathlib import Path

from galaxyzoo.core.paths import root

MARK = "Galaxy Zoo ensemble"  # in each


def reports_dir() -> Path:
    """Folder of HTML reports."""
    return root() / "reports"


def has_mark(page: Path) -> bool:
    """Check whether a page or picture, or a folder's index.html, is one of this project."""
    if page.is_dir():
        page = page / "index.html"
    if not page.is_file():
        return False
    with open(page, "rb") as file:
        return MARK.encode() in file.read(1000)
