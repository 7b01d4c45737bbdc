"""The files of `configs/`: which runs and ensembles there are, and how one is read.

The config saved in a trained run's folder, and what follows from it for other runs.
"""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from galaxyzoo.config.base import override, read_saved, read_yaml
from galaxyzoo.config.schema import PRETRAIN, Config, parse_config
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import CODE_ROOT, configs_dir, run_dir, shown
from galaxyzoo.tasks.registry import TASKS

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
    if path := _find_yaml(configs_dir(), run):
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
        for p in configs_dir().glob("*/*.yaml")
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
    return any(_needs_more(source, run, *behind) for source, _ in config.required_runs(""))


def all_ensembles() -> list[str]:
    """Names of all ensembles in `configs/ensembles/`."""
    return sorted(path.stem for path in configs_dir().glob("ensembles/*.yaml"))


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
    path = configs_dir() / "ensembles" / f"{name}.yaml"
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


CONFIG = "config.yaml"
WITHOUT_IDS = "without_ids"  # key in it
_ZOOBOT = "zoobot"  # in the names of weights that were trained on Galaxy Zoo's votes


def load_run_config(folder: Path) -> tuple[Config, str]:
    """The config saved in a run's folder, and the fingerprint of the data that it was trained on.

    Raises:
        InputError: there is none, or it is broken.
    """
    path = folder / CONFIG
    values = read_saved(
        path,
        f"{shown(folder)} holds no trained run (no {CONFIG})",
        f"{shown(path)} is damaged: delete {shown(folder)} to train again",
    )
    fingerprint = str(values.pop("data_fingerprint", ""))
    values.pop(WITHOUT_IDS, None)
    return parse_config(values, shown(path)), fingerprint


def load_without_ids(folder: Path) -> dict[str, str]:
    """Of a trained run, digests of the galaxies that it left out (`train.without`), by dataset."""
    values = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
    return dict(values.get(WITHOUT_IDS, {}))


def portable_config(config: Config, fingerprint: str) -> str:
    """A run's config to give away, as its folder has it but for a path of this machine.

    Args:
        config: of the run, resolved.
        fingerprint: of the data that it was trained on.
    Returns:
        YAML that `load_run_config` reads.
    """
    model = config.model.model_copy(update={"weights_file": None})
    values = config.model_copy(update={"model": model}).model_dump(mode="json")
    return yaml.safe_dump(
        {"data_fingerprint": fingerprint, **values}, sort_keys=False, allow_unicode=True
    )


class StageStart(NamedTuple):
    """A run behind another one."""

    config: Config
    dataset: str  # that it was trained on
    fingerprint: str  # of that dataset's galaxies, labels and folds
    shared: bool  # one of its folds serves all those of the other


def find_starts(config: Config, dataset: str, skip_missing: bool = False) -> Iterator[StageStart]:
    """The runs behind a run: those that it starts from or whose labels it learns, and so on.

    Args:
        config: the run.
        dataset: that it is trained on.
        skip_missing: pass over those that have left no config, and what is behind them.
    Yields:
        Each of them.
    Raises:
        InputError: one of them has left no config.
    """
    for run, of in config.required_runs(dataset):
        try:
            start, fingerprint = load_run_config(run_dir(of, run))
        except InputError:
            if skip_missing:
                continue
            raise
        shared = config.model.start_fold is not None and run == config.model.start_run
        yield StageStart(start, of, fingerprint, shared)
        yield from find_starts(start, of, skip_missing)


def is_selected_on_validation(config: Config, dataset: str) -> bool:
    """Whether an epoch was chosen on the fold that is scored, the run's own or one of its starts'.

    Args:
        config: the run.
        dataset: that it is trained on.
    Raises:
        InputError: a run that it starts from has left no config.
    """
    starts = (start.config for start in find_starts(config, dataset))
    return any(some.train.checkpoint == "best" for some in (config, *starts))


def possible_leakage(config: Config, dataset: str) -> bool:
    """Whether a network's first weights were trained on Galaxy Zoo, maybe on these very galaxies.

    So it is with Zoobot's encoders (`hf_hub:mwalmsley/zoobot-encoder-…`): what their out-of-fold
    predictions score may be memory.

    Args:
        config: the run.
        dataset: that it is trained on. Runs that it starts from count too, as far as their configs
            are still there.
    """
    starts = (start.config for start in find_starts(config, dataset, skip_missing=True))
    models = [some.model for some in (config, *starts)]
    names = (f"{model.name} {model.weights_file or ''}".lower() for model in models)
    return any(_ZOOBOT in name for name in names)
