"""The config of a search's best trial, to be trained on all folds like any other run."""

from pathlib import Path

import yaml

from galaxyzoo import atomic
from galaxyzoo.config_files import load_config
from galaxyzoo.errors import InputError, one_line
from galaxyzoo.paths import CONFIGS, shown
from galaxyzoo.search_space import Search
from galaxyzoo.tuning import Outcome, Tuning

_WIDTH = 110
_NOT_THE_WINNERS = ("reference", "run")  # keys of the recipe that are not true of another one


def default_path(search: Search) -> Path:
    """Where the config of a search's best trial goes where the user names no file."""
    task = search.base.task
    return CONFIGS / task / f"{search.name.removeprefix(f'{task}_')}_tuned.yaml"


def check_free(path: Path, search: Search) -> None:
    """A config that something else than this search wrote is not written over.

    Raises:
        InputError: there is one, or the file's name makes no config.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"--output {shown(path)}: the name of a config ends in .yaml")
    if not path.exists():
        return
    if not path.is_file() or not _first_line(path).startswith(f"# {_mark(search)}"):
        raise InputError(
            f"{shown(path)} is there, and not by this search: name another file with --output"
        )


def write_config(path: Path, tuning: Tuning, best: Outcome, trials: int, command: str) -> str:
    """Write the best trial's config.

    Args:
        path: of the YAML.
        tuning: the search, carried out.
        best: the trial.
        trials: among how many it is the best.
        command: that found it.
    Returns:
        What to say of it.
    Raises:
        InputError: it cannot be written.
    """
    search = tuning.search
    values = {k: v for k, v in search.values(best.picks).items() if k not in _NOT_THE_WINNERS}
    values["about"] = f"best of {trials} trials from: {search.base.about or search.name}"
    told = explain(tuning, best, trials)
    lines = [
        _mark(search) + f" {trials} trials; found by",
        one_line(command),
        *told,
        f"python src/train.py {shown(path)}",
    ]
    comment = "".join(f"# {line}\n" for line in lines)
    text = yaml.safe_dump(
        values, sort_keys=False, allow_unicode=True, default_flow_style=None, width=_WIDTH
    )
    atomic.write_text(path, comment + text)
    load_config(str(path))
    return "\n".join(told)


def explain(tuning: Tuning, best: Outcome, trials: int) -> list[str]:
    """What the score of the best trial is, and is not, line by line."""
    config, catalog = tuning.search.config(best.picks, "winner"), tuning.catalog
    score = f"Trial {best.number}: validation {tuning.task.metric} {best.score:.5f}"
    epoch = ", and so was its epoch" if config.train.checkpoint == "best" else ""
    return [
        f"{score} on fold {tuning.fold} of {catalog.dataset}, one view.",
        f"It was chosen by that very score among {trials} trials{epoch}, which flatters it. What",
        "counts is the out-of-fold score of all folds, from training the config like any other run",
        f"(of which fold {tuning.fold} alone stays a little flattered):",
    ]


def _mark(search: Search) -> str:
    """How the comment of a config by a search begins."""
    return f"Tuned by the search {search.name}:"


def _first_line(path: Path) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.readline()
