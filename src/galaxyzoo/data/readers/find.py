"""Find the input that a command means, whatever its form: votes, classes, or the demo set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
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
    Raises:
        InputError: the folder of that name cannot be read, or has the classes of a known task.
    """
    folder = Path(data or paths.input_dir() / name)
    task = find_task(name)
    if task or folder.name != name or not (data or folder.is_dir()):
        return task
    raw = open_input(data or name, {name})
    if raw.task and not raw.own_task:
        known = raw.task.name
        raise InputError(
            f"{paths.shown(raw.folder)} has the classes of {known}: type {known} in place of "
            f"{name}, such as {known}/head"
        )
    return raw.own_task


def is_anything_there() -> bool:
    """Check whether `input/` holds any dataset besides the demo."""
    return bool(kaggle.competition_folders() or _search(input_places()).entries)


def _find_input(tasks: set[str]) -> DatasetFiles:
    """Find the dataset in `input/` that fits; the competition, or the demo, where none does."""
    candidates = _search(input_places())
    fitting = candidates.fitting(tasks)
    by_votes = tasks <= VOTE_TASKS
    competitions = kaggle.competition_folders() if by_votes else []
    candidates.pass_over_problems(bool(fitting or competitions) or COMPETITION_TASK in tasks)
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
        candidates = _search([path])
        fitting = candidates.fitting(tasks)
        has_votes = kaggle.holds_data(path)
        if not fitting and not has_votes:
            fitting = candidates.entries  # whose tasks are then named as wrong
        candidates.pass_over_problems(bool(fitting or has_votes))
        if fitting:
            return _open_single(fitting, tasks)
    return kaggle.open_dataset_files(kaggle.find_folder(data))


@dataclass
class _Candidates:
    """Datasets at some places, besides the competition and the demo."""

    entries: list[DatasetCandidate] = field(default_factory=list)
    # of files that are broken, or of no form: the command may need others
    problems: list[InputError] = field(default_factory=list)

    def look_at(self, places: Sequence[Path]) -> None:
        """Add the datasets of each form in turn that are right at these places."""
        for form in [*FORMS, *extras.load_all("datasets")]:
            for place in places:
                try:
                    candidate = form(place)
                except InputError as error:
                    self.problems.append(error)
                    continue
                if candidate:
                    self.entries.append(candidate)

    def fitting(self, tasks: set[str]) -> list[DatasetCandidate]:
        """Select the datasets that serve any of these tasks."""
        return [candidate for candidate in self.entries if tasks & candidate.tasks]

    def pass_over_problems(self, has_others: bool) -> None:
        """Print the problems; raise the first if there is no other dataset."""
        for problem in self.problems:
            if not has_others:
                raise problem
            print(f"skipped: {problem}")


def _search(places: Sequence[Path]) -> _Candidates:
    """Find datasets in files, or in folders and the files in them."""
    candidates = _Candidates()
    for path in places:
        n_before = len(candidates.entries)
        candidates.look_at([path])
        if path.is_dir():
            others = set(path.glob("[!.]*.*"))
            for candidate in candidates.entries[n_before:]:
                others.difference_update(candidate.images)
            candidates.look_at(sorted(others))
    return candidates


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
