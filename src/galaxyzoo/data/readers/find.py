"""Which input a command means, whatever its form: votes, classes, or the demo."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import DEMO, cache_dir, input_dir
from galaxyzoo.data.readers import arrays, class_folders, galaxy10, gz2, kaggle, labelled
from galaxyzoo.data.readers.source import Source
from galaxyzoo.tasks.registry import TASKS

# Forms of datasets besides the competition's: folders, and single files. Each module has
# `holds_data(path)`, `find_tasks(path)` and `read_source(path)`. To add one: such a module, and its
# name here.
FOLDER_FORMS: tuple[ModuleType, ...] = (labelled, gz2, class_folders)
FILE_FORMS: tuple[ModuleType, ...] = (galaxy10, arrays)
Found = tuple[ModuleType, Path]


def open_input(data: str | None, tasks: set[str]) -> Source:
    """Find and read the input; arguments and errors as of `_open_input`.

    Raises:
        InputError: also where its name, which every later message holds, cannot be printed.
    """
    source = _open_input(data, tasks)
    if not source.dataset.isprintable():
        raise InputError(f"rename {source.folder.name!r}: its name holds control characters")
    return source


def _open_input(data: str | None, tasks: set[str]) -> Source:
    """Find and read the input.

    Args:
        data: folder or file that the user named, or `demo`; default: what `input/` holds for the
            tasks, else the demo set.
        tasks: names of the tasks that it is for.
    Raises:
        InputError: nothing or more than one thing is found, or what is found is broken.
    """
    if data is not None:
        named = _find_named(data, tasks)
        return _read(named) if named else _read_competition(data)
    found = _fitting(_all_sets(), tasks)
    by_votes = all(TASKS[name].tasks_of_votes for name in tasks)
    competitions = kaggle.places() if by_votes else []
    if by_votes and not found:
        return _read_competition(None)
    if not found:
        raise InputError(
            f"input/ holds no labels for task '{min(tasks)}' (docs/tasks.md: Input forms)"
        )
    _check_single([*competitions, *(path for _, path in found)], tasks)
    return _read(found[0])


def is_anything_there() -> bool:
    """Whether `input/` holds any dataset, the demo aside."""
    return bool(kaggle.places()) or next(_all_sets(), None) is not None


def _find_named(data: str, tasks: set[str]) -> Found | None:
    """What the user named: a dataset, or a folder with one in a file; None: the competition."""
    for path in (Path(data), input_dir() / data) if data != DEMO else ():
        found = list(_sets_at(path))
        fitting = _fitting(found, tasks)
        if not fitting and not kaggle.holds_data(path):
            fitting = found
        if fitting:
            _check_single([place for _, place in fitting], tasks)
            return fitting[0]
    return None


def _all_sets() -> Iterator[Found]:
    """All datasets in `input/` and its subfolders, the competition and the demo aside."""
    for path in (input_dir(), *sorted(input_dir().glob("[!.]*"))):
        if path.is_dir() and path.name not in (DEMO, cache_dir().name):
            yield from _sets_at(path)


def _sets_at(path: Path) -> Iterator[Found]:
    """A file, or a folder and the files in it, where they are datasets."""
    places = [path, *sorted(path.glob("[!.]*.*"))] if path.is_dir() else [path]
    yield from ((form, path) for form in FOLDER_FORMS if form.holds_data(path))
    yield from ((form, place) for place in places for form in FILE_FORMS if form.holds_data(place))


def _fitting(found: Iterable[Found], tasks: set[str]) -> list[Found]:
    return [(form, path) for form, path in found if tasks & form.find_tasks(path)]


def _check_single(places: list[Path], tasks: set[str]) -> None:
    if len(places) > 1:
        names = ", ".join(_name(path) for path in places)
        raise InputError(
            f"several datasets are good for {', '.join(sorted(tasks))}: add --data with one of "
            f"{names}"
        )


def _name(path: Path) -> str:
    """What a user may name a dataset by; of the competition's files in `input/` itself, `input`."""
    inside = path.is_relative_to(input_dir()) and path != input_dir()
    return str(path.relative_to(input_dir())) if inside else path.name


def _read(found: Found) -> Source:
    form, path = found
    return form.read_source(path)


def _read_competition(data: str | None) -> Source:
    return kaggle.read_source(kaggle.find_source(data))
