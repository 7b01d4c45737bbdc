"""The files of `configs/`: which runs and ensembles there are, and how one is read."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from galaxyzoo.config import PRETRAIN, Config, parse_config
from galaxyzoo.errors import InputError
from galaxyzoo.paths import CODE_ROOT, CONFIGS, shown
from galaxyzoo.settings import override, read_yaml
from galaxyzoo.tasks import TASKS

# Folders of configs whose files hold something else than a task's runs
_NO_RUNS = ("ensembles", "ablations", "tuning", PRETRAIN)


def config_path(run: str, known: Sequence[str] | None = None) -> Path:
    """The YAML that a user means by `gz37/resnet18`, `configs/gz37/resnet18.yaml` or any YAML path.

    Args:
        run: what the user wrote.
        known: names to suggest; default all runs.
    Raises:
        InputError: there is no such file, with the nearest run names.
    """
    if path := _find_yaml(CONFIGS, run):
        return path
    word = run.removeprefix("configs/").removesuffix(".yaml")
    ensembles = all_ensembles() if known is None else []
    runs = all_runs() if known is None else list(known)
    near = difflib.get_close_matches(word, [*runs, *ensembles], n=3)
    there = (
        f"there are {', '.join(runs)}"
        if known is not None
        else f"there are tasks ({', '.join(TASKS)}), ensembles ({', '.join(ensembles)}), and runs, "
        "one for each file in configs/<task>/, such as gz37/cnn"
    )
    hint = f"did you mean {', '.join(near)}?" if near else there
    raise InputError(f"no run '{run}' (no such file in configs/): {hint}")


def listed_path(folder: Path, name: str, what: str) -> Path:
    """The YAML that a user means by a name in a folder of `configs/`, or any YAML path.

    Args:
        folder: whose files are all of one kind.
        name: what the user wrote.
        what: that kind, for the message.
    Raises:
        InputError: there is no such file, with the names that there are.
    """
    if path := _find_yaml(folder, name):
        return path
    known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
    raise InputError(f"no {what} '{name}': known are {known}")


def _find_yaml(folder: Path, name: str) -> Path | None:
    given = Path(name)
    for path in (folder / f"{name}.yaml", given, CODE_ROOT / given):
        if path.suffix in (".yaml", ".yml") and path.is_file():
            return path.resolve()
    return None


def all_runs() -> list[str]:
    """Names of all runs of tasks in `configs/`, `<task>/<stem>`."""
    return sorted(
        f"{p.parent.name}/{p.stem}"
        for p in CONFIGS.glob("*/*.yaml")
        if p.parent.name not in _NO_RUNS
    )


def own_runs(task: str) -> list[str]:
    """A task's runs that are ours and need no other dataset and no GPU, nor do their starts."""
    runs = [run for run in all_runs() if run.startswith(f"{task}/")]
    return [run for run in runs if not run.startswith(f"{task}/source_") and not _needs_more(run)]


def _needs_more(run: str, *behind: str) -> bool:
    if run in behind:
        return False  # a circle: refused where it is to be trained
    config = load_config(run)
    if config.needs_other_dataset or config.needs_gpu:
        return True
    return any(_needs_more(source, run, *behind) for source, _ in config.sources(""))


def all_ensembles() -> list[str]:
    """Names of all ensembles in `configs/ensembles/`."""
    return sorted(path.stem for path in CONFIGS.glob("ensembles/*.yaml"))


def runs_of(word: str) -> list[str]:
    """The runs that a user means by a task, an ensemble or a run's own name.

    Raises:
        InputError: the ensemble's file is broken.
    """
    if word in TASKS:
        return own_runs(word)
    return load_ensemble(word) if word in all_ensembles() else [word]


def load_config(run: str, overrides: Sequence[str] = ()) -> Config:
    """Read a run's YAML, lay `section.key=value` overrides on top, and check everything.

    Raises:
        InputError: no such run, not YAML, an unknown key, a wrong type or range; the message names
            the key.
    """
    path = config_path(run)
    if path.parent.name == PRETRAIN:
        raise InputError(
            f"{shown(path)} learns without labels: type `python src/pretrain.py {run}`"
        )
    values = read_yaml(path)
    for word in overrides:
        override(values, word)
    return parse_config({**values, "run": f"{values.get('task')}/{path.stem}"}, shown(path))


def load_ensemble(name: str) -> list[str]:
    """Runs named by `configs/ensembles/<name>.yaml`, in its order.

    Raises:
        InputError: no such file, or it holds anything but `runs:` with a list of run names.
    """
    path = CONFIGS / "ensembles" / f"{name}.yaml"
    if not path.is_file():
        raise InputError(f"no ensemble '{name}': there is no {shown(path)}")
    values = read_yaml(path)
    runs = values.get("runs")
    if (
        set(values) - {"runs", "about"}
        or not isinstance(runs, list)
        or not all(isinstance(r, str) for r in runs)
    ):
        raise InputError(
            f"{shown(path)}: expected `runs:` with a list of run names, and no other key but "
            "`about:`"
        )
    return runs
