"""The config saved in a trained run's folder, and what follows from it for other runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from galaxyzoo.config import Config, parse_config
from galaxyzoo.errors import InputError
from galaxyzoo.paths import run_dir, shown
from galaxyzoo.settings import read_saved

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


class Start(NamedTuple):
    """A run behind another one."""

    config: Config
    dataset: str  # that it was trained on
    fingerprint: str  # of that dataset's galaxies, labels and folds
    shared: bool  # one of its folds serves all those of the other


def find_starts(config: Config, dataset: str, skip_missing: bool = False) -> Iterator[Start]:
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
    for run, of in config.sources(dataset):
        try:
            start, fingerprint = load_run_config(run_dir(of, run))
        except InputError:
            if skip_missing:
                continue
            raise
        shared = config.model.start_fold is not None and run == config.model.start_run
        yield Start(start, of, fingerprint, shared)
        yield from find_starts(start, of, skip_missing)


def is_optimistic(config: Config, dataset: str) -> bool:
    """Whether an epoch was chosen on the fold that is scored, the run's own or one of its starts'.

    Args:
        config: the run.
        dataset: that it is trained on.
    Raises:
        InputError: a run that it starts from has left no config.
    """
    starts = (start.config for start in find_starts(config, dataset))
    return any(some.train.checkpoint == "best" for some in (config, *starts))


def perhaps_seen(config: Config, dataset: str) -> bool:
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
