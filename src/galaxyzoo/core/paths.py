"""The project's folders, and paths as messages print them."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
INSTALLED = (_PACKAGE / "configs").is_dir()  # a wheel has them inside; a checkout's are two above
# The checkout; of an installed package the current folder, whichever that is when a path is used.
CODE_ROOT = Path() if INSTALLED else _PACKAGE.parents[1]
RESOURCES = _PACKAGE if INSTALLED else CODE_ROOT  # folder of configs/, weights/ and LICENSE


def root() -> Path:
    """The project's folder: `GALAXYZOO_ROOT`, else the checkout, installed the current folder.

    Read at each call, so that tests and notebooks can keep a whole set of artifacts elsewhere.
    """
    return Path(os.environ.get("GALAXYZOO_ROOT") or CODE_ROOT).resolve()


def configs_dir() -> Path:
    """Folder of the YAML configs: `GALAXYZOO_CONFIGS` where that is set, else the code's own."""
    return Path(os.environ.get("GALAXYZOO_CONFIGS") or RESOURCES / "configs").resolve()


def input_dir() -> Path:
    """Folder of users' files and of the demo set."""
    return root() / "input"


def cache_dir() -> Path:
    """Folder of decoded images; safe to delete."""
    return input_dir() / "cache"


def reports_dir() -> Path:
    """Folder of HTML reports."""
    return root() / "reports"


def shown(path: Path) -> str:
    """Format a path for messages: relative to the project if inside."""
    for folder in (root(), CODE_ROOT, RESOURCES, Path.cwd()):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return str(path)
