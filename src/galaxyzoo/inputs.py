"""Which input a command means, whatever its form: the competition, a labelled set, or the demo."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from galaxyzoo import kaggle, labelled
from galaxyzoo.errors import InputError
from galaxyzoo.paths import CACHE, DEMO, INPUT
from galaxyzoo.sources import Source
from galaxyzoo.tasks import COMPETITION_TASK, TASKS

# Forms of datasets whose files hold classes. Each module has `holds_data(path)`, `find_tasks(path)`
# and `read_source(path)`. To add one: such a module, and its name here.
CLASS_FORMS: tuple[ModuleType, ...] = (labelled,)


def open_input(data: str | None, tasks: set[str]) -> Source:
    """Find and read the input.

    Args:
        data: folder or file that the user named, or `demo`; default: what `input/` holds for the
            tasks, else the demo set.
        tasks: names of the tasks that it is for.
    Raises:
        InputError: nothing or more than one thing is found, or what is found is broken.
    """
    if data is not None:
        found = _form_of(data)
        return found[0].read_source(found[1]) if found else _read_competition(data)
    classified = [(form, path) for form, path in _class_sets() if tasks & form.find_tasks(path)]
    by_votes = all(name == COMPETITION_TASK or TASKS[name].rule for name in tasks)
    if by_votes and (not classified or kaggle.is_there()):
        if classified:
            names = ", ".join(path.name for _, path in classified)
            raise InputError(
                f"input/ holds the competition and {names}, both good for {', '.join(tasks)}: "
                f"add --data with one of them"
            )
        return _read_competition(None)
    if len(classified) != 1:
        names = ", ".join(path.name for _, path in classified)
        raise InputError(
            f"several datasets in input/: add --data with one of {names}"
            if classified
            else f"input/ holds no labels for task '{min(tasks)}' (README: Classification tasks)"
        )
    form, path = classified[0]
    return form.read_source(path)


def _read_competition(data: str | None) -> Source:
    return kaggle.read_source(kaggle.find_source(data))


def _form_of(data: str) -> tuple[ModuleType, Path] | None:
    """Form and path of what the user named; None where no class form knows it."""
    for path in (Path(data), INPUT / data):
        for form in CLASS_FORMS:
            if data != DEMO and form.holds_data(path):
                return form, path
    return None


def _class_sets() -> Iterator[tuple[ModuleType, Path]]:
    """All sets of classes in `input/`."""
    for path in (INPUT, *sorted(INPUT.glob("[!.]*"))):
        for form in CLASS_FORMS:
            if path.name not in (DEMO, CACHE.name) and form.holds_data(path):
                yield form, path
