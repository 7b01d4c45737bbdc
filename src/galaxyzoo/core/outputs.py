"""Whether a command may write to a path that the user named."""

from collections.abc import Callable, Iterable
from pathlib import Path

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import cache_dir, root, shown

MARK = "Galaxy Zoo ensemble"  # in the pages and pictures that are written
SURVEY_JOB = "job.json"  # in the folder of a survey
_ARTEFACTS = ("folds", "oof", "submissions")


def check_output(
    option: str,
    path: Path,
    inputs: Iterable[Path] = (),
    is_own: Callable[[Path], bool] = lambda path: False,
) -> None:
    """Refuse to write where something would be lost.

    Args:
        option: that names the path, for the message.
        path: file or folder to write.
        inputs: files and folders that the command reads.
        is_own: checks whether an existing path is this command's own output, which it may replace.
    Raises:
        InputError: the path is an input or holds one, is another command's artefact, or exists and
            is not `is_own`.
    """
    target, where = path.resolve(), f"{option} {shown(path)}"
    if any(each.resolve().is_relative_to(target) for each in inputs):
        raise InputError(f"{where} is read by this command: name another")
    inner = [*target.parents][1:]  # a table may lie beside a survey's parts
    folders = [*(root() / name for name in _ARTEFACTS), cache_dir()]
    folders += [folder for folder in inner if (folder / SURVEY_JOB).exists()]
    for folder in folders:
        if target.is_relative_to(folder):
            raise InputError(f"{where} is among the files of {shown(folder)}/: name another place")
    is_empty = path.is_dir() and not any(path.iterdir())
    if (path.exists() or path.is_symlink()) and not is_empty and not is_own(path):
        raise InputError(f"{where} exists and is not from this command: move it, or name another")


def has_mark(page: Path) -> bool:
    """Check whether a page or picture, or a folder's index.html, is one of this project."""
    page = page / "index.html" if page.is_dir() else page
    if not page.is_file():
        return False
    with open(page, "rb") as file:
        return MARK.encode() in file.read(1000)
