"""Find the input that a command means, whatever its form: votes, classes, or the demo set."""

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from pathlib import Path

import pandas as pd

from galaxyzoo.config.names import BUNDLED, DEMOS, RECORDS
from galaxyzoo.core import extras, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import input_places
from galaxyzoo.data.readers import kaggle, labeled
from galaxyzoo.data.readers.dataset_files import DatasetCandidate, DatasetFiles
from galaxyzoo.data.stores.base import IDS, POSITION, stem_of
from galaxyzoo.io.tables import read_table
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import get_task

# Forms of datasets besides the competition's and those of extras. Each function gives the dataset
# at a path, a folder or a file in it; None where the path is not of its form.
Form = Callable[[Path], DatasetCandidate | None]
FORMS: tuple[Form, ...] = (labeled.find_table, labeled.find_class_folders)


def open_input(data: str | None, tasks: set[str]) -> DatasetFiles:
    """Find and read the input.

    Args:
        data: folder or file that the user named, or one of `DEMOS`; default: what `input/` holds
            for the tasks, else the demo set.
        tasks: names of the tasks that it is for.
    """
    raw = _find_input(tasks) if data is None else _find_named(data, tasks)
    if not raw.dataset.isprintable():  # every later message holds it
        raise InputError(f"rename {raw.folder.name!r}: its name holds control characters")
    if raw.dataset == BUNDLED:
        raise InputError(f"rename {raw.folder.name!r}: so the networks in weights/ are called")
    if raw.dataset == RECORDS:
        raise InputError(f"rename {raw.folder.name!r}: submissions/{RECORDS}/ is not for commands")
    return raw


def sky_positions(raw: DatasetFiles) -> dict[int, tuple[float, float]]:
    """`ra` and `dec` in degrees by GalaxyID, where a table of votes or labels has both."""
    if raw.table is None:
        return {}
    keys, names = ("dr7objid", *IDS, "file"), raw.train_images.names
    table = read_table(raw.table, wanted={*keys, *POSITION}.__contains__, texts=keys)
    key = next((name for name in keys if name in table), None)
    if key is None or not {*POSITION} <= {*table}:
        return {}
    degrees = [pd.to_numeric(table[name], errors="coerce") for name in POSITION]
    places = dict(zip(map(stem_of, table[key]), zip(*degrees, strict=True), strict=True))
    matched = {i: places.get(stem_of(names[i]), places.get(str(i))) for i in raw.targets.index}
    return {i: place for i, place in matched.items() if place}


def is_anything_there() -> bool:
    """Check whether `input/` holds any dataset besides the demo."""
    return bool(kaggle.competition_folders()) or next(_all_sets([]), None) is not None


def _find_input(tasks: set[str]) -> DatasetFiles:
    problems: list[InputError] = []
    fitting = _fitting(_all_sets(problems), tasks)
    by_votes = all(COMPETITION_TASK in get_task(name).tasks_of_votes for name in tasks)
    is_needed = COMPETITION_TASK not in tasks and not (by_votes and kaggle.competition_folders())
    if problems and not fitting and is_needed:
        raise problems[0]
    _pass_over(problems)
    if by_votes and not fitting:
        return kaggle.open_dataset_files(kaggle.find_folder())
    if not fitting:
        raise InputError(
            f"input/ holds no labels for task '{min(tasks)}' (docs/tasks.md: Input forms)"
        )
    competitions = kaggle.competition_folders() if by_votes else []
    _check_single([*competitions, *(candidate.path for candidate in fitting)], tasks)
    return fitting[0].open()


def _find_named(data: str, tasks: set[str]) -> DatasetFiles:
    """Find what the user named: a dataset, a folder with one in a file, or the competition."""
    for path in (Path(data), paths.input_dir() / data) if data not in DEMOS else ():
        has_votes = kaggle.holds_data(path)
        problems: list[InputError] | None = [] if has_votes else None
        candidates = list(_sets_at(path, problems))
        _pass_over(problems or [])
        fitting = _fitting(candidates, tasks)
        if not fitting and not has_votes:
            fitting = candidates
        if fitting:
            _check_single([candidate.path for candidate in fitting], tasks)
            return fitting[0].open()
    return kaggle.open_dataset_files(kaggle.find_folder(data))


def _pass_over(problems: list[InputError]) -> None:
    for problem in problems:
        print(f"passed over: {problem}")


def _all_sets(problems: list[InputError]) -> Iterator[DatasetCandidate]:
    """Find all datasets in `input/` and its subfolders besides the competition and the demo.

    Args:
        problems: takes those of files that are broken, or of no form: the command may need others.
    """
    for path in input_places():
        yield from _sets_at(path, problems)


def _sets_at(path: Path, problems: list[InputError] | None = None) -> Iterator[DatasetCandidate]:
    """A file, or a folder and the files in it, where they are datasets."""
    places = [path, *sorted(path.glob("[!.]*.*"))] if path.is_dir() else [path]
    table_images = labeled.image_files(path)  # of the folder's table of labels
    files = [place for place in places if place not in table_images]
    for find, place in product([*FORMS, *extras.load_all("datasets")], files):
        try:
            candidate = find(place)
        except InputError as error:
            if problems is None:
                raise
            problems.append(error)
        else:
            yield from [candidate] if candidate else []


def _fitting(candidates: Iterable[DatasetCandidate], tasks: set[str]) -> list[DatasetCandidate]:
    return [candidate for candidate in candidates if tasks & candidate.tasks]


def _check_single(places: list[Path], tasks: set[str]) -> None:
    if len(places) > 1:
        names = ", ".join(_name(path) for path in places)
        raise InputError(
            f"several datasets are good for {', '.join(sorted(tasks))}: add --data with one of "
            f"{names}"
        )


def _name(path: Path) -> str:
    """Name of a dataset for users; the competition's files in `input/` itself are `input`."""
    inside = path.is_relative_to(paths.input_dir()) and path != paths.input_dir()
    return str(path.relative_to(paths.input_dir())) if inside else path.name
