"""Find the input that a command means, whatever its form: votes, classes, or the demo set."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from galaxyzoo.core import extras, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import BUNDLED, DEMOS, RECORDS
from galaxyzoo.data.catalog import find_task, input_places
from galaxyzoo.data.readers import kaggle, labeled
from galaxyzoo.data.readers.dataset_files import DatasetCandidate, DatasetFiles
from galaxyzoo.tasks.kinds import COMPETITION_TASK, Task
from galaxyzoo.tasks.registry import VOTE_TASKS

# Forms of datasets besides the competition's and those of extras. Each function gives the dataset
# at a path, a folder or a file in it; None where the path is not of its form.
Form = Callable[[Path], DatasetCandidate | None]
FORMS: tuple[Form, ...] = (labeled.find_table, labeled.find_class_folders)


def open_input(data: str | None, tasks: set[str], settings: Sequence[str] = ()) -> DatasetFiles:
    """Find and read the input.

    Args:
        data: place that the user named, or a demo; default: by the tasks in `input/`, else `DEMO`.
        tasks: names of the tasks that it is for.
        settings: of forms of images, as they are typed; default those of its split.
    """
    raw = _find_input(tasks) if data is None else _find_named(data, tasks)
    odd = {sign for sign in raw.dataset if sign in "*?[" or not sign.isprintable()}
    if odd or raw.dataset in (BUNDLED, RECORDS):
        reason = f"contains {min(odd)!r}" if odd else "is reserved"
        raise InputError(f"rename {raw.folder.name!r}: its name {reason}")
    return replace(raw, settings=settings)


def find_named_task(name: str, data: str | None = None) -> Task | None:
    """Find a task by name, also of own labels whose dataset is not prepared yet; None: unknown.

    Args:
        name: of a task, perhaps of the labels' folder.
        data: as of `open_input`.
    """
    folder = Path(data or paths.input_dir() / name)
    task = find_task(name)
    if task or folder.name != name or not (data or folder.is_dir()):
        return task
    return open_input(data or name, {name}).own_task


def is_anything_there() -> bool:
    """Check whether `input/` holds any dataset besides the demo."""
    return bool(kaggle.competition_folders() or next(_all_sets([]), None))


def _find_input(tasks: set[str]) -> DatasetFiles:
    problems: list[InputError] = []
    fitting = _fitting(_all_sets(problems), tasks)
    by_votes = tasks <= VOTE_TASKS
    competitions = kaggle.competition_folders() if by_votes else []
    _pass_over(problems, bool(fitting or competitions) or COMPETITION_TASK in tasks)
    if fitting:
        return _open_single(fitting, tasks, competitions)
    if by_votes:
        return kaggle.open_dataset_files(kaggle.find_folder())
    raise InputError(
        f"input/ has no labels for task '{min(tasks)}': see Input forms in docs/tasks.md"
    )


def _find_named(data: str, tasks: set[str]) -> DatasetFiles:
    """Find what the user named: a dataset, a folder with one in a file, or the competition."""
    places = [Path(data), paths.input_dir() / data]
    if data in DEMOS:
        places = []  # a demo is drawn where it is missing
    for path in places:
        problems: list[InputError] = []
        candidates = list(_sets_at(path, problems))
        fitting = _fitting(candidates, tasks)
        has_votes = kaggle.holds_data(path)
        if not fitting and not has_votes:
            fitting = candidates  # whose tasks are then named as wrong
        _pass_over(problems, bool(fitting or has_votes))
        if fitting:
            return _open_single(fitting, tasks)
    return kaggle.open_dataset_files(kaggle.find_folder(data))


def _pass_over(problems: list[InputError], has_others: bool) -> None:
    """Print the problems of broken files; raise the first if there is no other dataset."""
    for problem in problems:
        if not has_others:
            raise problem
        print(f"skipped: {problem}")


def _all_sets(problems: list[InputError]) -> Iterator[DatasetCandidate]:
    """Find all datasets in `input/` and its subfolders besides the competition and the demo.

    Args:
        problems: takes those of files that are broken, or of no form: the command may need others.
    """
    for path in input_places():
        yield from _sets_at(path, problems)


def _sets_at(path: Path, problems: list[InputError]) -> Iterator[DatasetCandidate]:
    """Find datasets in a file, or in a folder and the files in it; arguments as of `_all_sets`."""
    candidates = list(_sets_in([path], problems))
    yield from candidates
    if path.is_dir():
        others = set(path.glob("[!.]*.*"))
        for candidate in candidates:
            others.difference_update(candidate.images)
        yield from _sets_in(sorted(others), problems)


def _sets_in(places: Sequence[Path], problems: list[InputError]) -> Iterator[DatasetCandidate]:
    """Find datasets of each form in turn at places; other arguments as of `_all_sets`."""
    for form in [*FORMS, *extras.load_all("datasets")]:
        for place in places:
            try:
                candidate = form(place)
            except InputError as error:
                problems.append(error)
                continue
            if candidate:
                yield candidate


def _fitting(candidates: Iterable[DatasetCandidate], tasks: set[str]) -> list[DatasetCandidate]:
    return [candidate for candidate in candidates if tasks & candidate.tasks]


def _open_single(
    fitting: Sequence[DatasetCandidate], tasks: set[str], competitions: Sequence[Path] = ()
) -> DatasetFiles:
    """Open the first dataset that fits; refuse several, also of the competition's folders."""
    places = [*competitions, *(candidate.path for candidate in fitting)]
    if len(places) > 1:
        names = ", ".join(_name(path) for path in places)
        raise InputError(
            f"several datasets fit {', '.join(sorted(tasks))}: add --data with one of {names}"
        )
    return fitting[0].open()


def _name(path: Path) -> str:
    """Name of a dataset for users; the competition's files in `input/` itself are `input`."""
    top = paths.input_dir()
    if path == top or not path.is_relative_to(top):
        return path.name
    return str(path.relative_to(top))
