"""Small pretrainings on a drawn competition, and the files that they leave."""

from pathlib import Path
from typing import Any

import pytest

from galaxyzoo.config.pretrain import PretrainConfig, parse_pretrain_config
from galaxyzoo.core.paths import run_dir
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.training.pretraining import Pretraining
from support.leak_fixtures import clear_competition
from support.small_models import SMALL

PRETRAIN: dict[str, Any] = {
    "run": "pretrain/small",
    "method": "simsiam",
    "image": {"crop_px": 424, "cache_px": 32, "field_px": 424, "size_px": 32},
    "model": SMALL["model"],
    "projection": {"hidden": 16, "size": 8},
    "train": {"epochs": 3, "batch_size": 8, "lr": 3e-3},
}


def pretrain_config(**sections: Any) -> PretrainConfig:
    values = dict(PRETRAIN)
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section} if isinstance(section, dict) else section
    return parse_pretrain_config(values, "test")


@pytest.fixture
def data(root: Path) -> Dataset:
    """Three folds of 36 galaxies, and 4 test galaxies."""
    clear_competition().write_zips(root / "input" / "votes")
    return prepare("votes", n_folds=3)


def written(config: PretrainConfig, data: Dataset) -> dict[str, bytes]:
    """What a pretraining leaves, but for the time that it took."""
    folder = run_dir(data.catalog.dataset, config.run)
    files = (path for path in folder.iterdir() if path.name not in ("timings.csv", ".lock"))
    return {path.name: path.read_bytes() for path in files}


def pretrain(data: Dataset, **sections: Any) -> dict[str, bytes]:
    config = pretrain_config(**sections)
    Pretraining(config, data).run()
    return written(config, data)


def folder(data: Dataset) -> Path:
    return run_dir(data.catalog.dataset, "pretrain/small")
