"""Tasks by name: label columns, rules that make classes out of votes, coarser classes.

To add a task: one entry in `TASKS` and one folder of configs with the same name. A user's own
labels are a task too, named as their dataset, whose catalog and configs hold it.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from itertools import chain
from typing import Any

from galaxyzoo.core.errors import InputError
from galaxyzoo.tasks import label_rules
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.kinds import COMPETITION_TASK, ClassTask, Task, VoteTask
from galaxyzoo.tasks.label_rules import ClassRule

ENSEMBLE = "ensemble:"  # begins the names of ensembles where a run can stand too


def get_task(name: str) -> Task:
    """The task of that name, among `TASKS`.

    Examples:
        >>> get_task("zoo5").columns[-1]
        'spiral'
    """
    if name not in TASKS:
        raise InputError(f"unknown task '{name}': choose from {', '.join(TASKS)}")
    return TASKS[name]


def make_task(name: str, definition: Mapping[str, Any]) -> Task:
    """Make the task of a user's own labels.

    Args:
        name: of its dataset.
        definition: `columns`, the classes; `balanced`, whether they are judged by balanced
            accuracy.
    """
    columns = tuple(definition["columns"])
    balanced = definition.get("balanced", False)
    return ClassTask(name, columns, balanced=balanced)


def define_task(task: Task) -> dict[str, Any]:
    """Definition of a dataset's task, as of `make_task`."""
    assert isinstance(task, ClassTask)
    return {"columns": list(task.columns), "balanced": task.balanced}


def task_name(name: str) -> str:
    """Name of the task of a run, `gz37/cnn`, or of an ensemble as `ensemble_name` spells it."""
    if is_ensemble(name):
        return split_ensemble(name)[0] or COMPETITION_TASK
    return name.split("/")[0]


def is_ensemble(name: str) -> bool:
    """Check whether a name is an ensemble's."""
    return name.startswith(ENSEMBLE)


def split_ensemble(name: str) -> tuple[str, str]:
    """Split `ensemble:TASK/NAME` into task, empty where it is left out, and folder name."""
    task, _, stem = name.removeprefix(ENSEMBLE).rpartition("/")
    return task, stem


def ensemble_name(task: str, name: str) -> str:
    """`ensemble:NAME` of the competition's task, `ensemble:TASK/NAME` of any other."""
    if task == COMPETITION_TASK:
        return f"{ENSEMBLE}{name}"
    return f"{ENSEMBLE}{task}/{name}"


_HUBBLE_MACRO = {
    "elliptical": ("E_round", "E_intermediate", "E_cigar"),
    "spiral": ("edge_on_bulge", "edge_on_no_bulge", "S_early", "S_late", "SB"),
    # where the source system had its artifacts, which are too few here to learn and are dropped
    "peculiar": ("merger", "irregular"),
}
# Class names in the order of the numbers in astroNN's files
# (https://astronn.readthedocs.io/en/latest/galaxy10.html, "Galaxy10 SDSS" and "Galaxy10 DECaLS").
_GALAXY10 = (
    "disk_face_on_no_spiral",
    "smooth_completely_round",
    "smooth_in_between_round",
    "smooth_cigar_shaped",
    "disk_edge_on_rounded_bulge",
    "disk_edge_on_boxy_bulge",
    "disk_edge_on_no_bulge",
    "disk_face_on_tight_spiral",
    "disk_face_on_medium_spiral",
    "disk_face_on_loose_spiral",
)
_GALAXY10_DECALS = (
    "disturbed",
    "merging",
    "round_smooth",
    "in_between_round_smooth",
    "cigar_shaped_smooth",
    "barred_spiral",
    "unbarred_tight_spiral",
    "unbarred_loose_spiral",
    "edge_on_without_bulge",
    "edge_on_with_bulge",
)
TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        VoteTask(COMPETITION_TASK, GALAXY_ZOO_2.columns, GALAXY_ZOO_2),
        ClassTask(
            "elliptical_spiral",
            ("elliptical", "spiral"),
            ClassRule(label_rules.elliptical_spiral, label_rules.elliptical_spiral_shares),
        ),
        ClassTask(
            "hubble10",
            tuple(chain.from_iterable(_HUBBLE_MACRO.values())),
            ClassRule(label_rules.hubble10, label_rules.hubble10_shares),
            balanced=True,
            macro=_HUBBLE_MACRO,
        ),
        ClassTask("galaxy10", _GALAXY10),
        ClassTask("galaxy10_decals", _GALAXY10_DECALS),
        ClassTask(
            "anomaly4",
            ("normal", "ringed", "merger", "irregular"),
            ClassRule(label_rules.anomaly4, label_rules.anomaly4_shares),
            balanced=True,
        ),
        ClassTask(
            "zoo5",
            (
                "completely_round_smooth",
                "in_between_smooth",
                "cigar_shaped_smooth",
                "edge_on",
                "spiral",
            ),
            ClassRule(label_rules.zoo5, label_rules.zoo5_shares),
        ),
    )
}
VOTE_TASKS = frozenset(task.name for task in TASKS.values() if task.follows_votes)
CLASS_TASKS = {name: task for name, task in TASKS.items() if isinstance(task, ClassTask)}


def find_column(task: Task, answer: str, option: str) -> int:
    """Find the column of a name or an answer's wording.

    Args:
        task: of the columns.
        answer: `Class6.1`, or `odd`.
        option: how it was typed, for the error.
    Returns:
        Number of the column.
    Raises:
        InputError: no column is so named, or several are; it lists the three nearest.
    Examples:
        >>> task = get_task("gz37")
        >>> task.columns[find_column(task, "spiral arms", "answer")]
        'Class4.1'
    """
    wanted = answer.strip().lower().replace("_", " ")
    columns: dict[str, list[int]] = {}  # by spelling
    for column, name in enumerate(task.columns):
        for spelling in {name.replace("_", " ").lower(), task.text(column).lower()}:
            columns.setdefault(spelling, []).append(column)
    matching = columns.get(wanted, [])
    if len(matching) == 1:
        return matching[0]
    near = []
    for spelling in get_close_matches(wanted, columns, 3, cutoff=0):
        near.append(task.labels[columns[spelling][-1]])
    problem = "matches several answers" if matching else "matches no answer"
    raise InputError(f"{option} '{answer}' {problem} of {task.name}; nearest: {', '.join(near)}")
