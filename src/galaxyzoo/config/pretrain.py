"""Typed configuration of a pretraining on unlabelled images."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from galaxyzoo.config.base import Settings, parse_with, read_saved
from galaxyzoo.config.loading import config_path
from galaxyzoo.config.schema import (
    OWN_TEST,
    OWN_TRAIN,
    PRETRAIN,
    AugmentConfig,
    ImageConfig,
    ModelConfig,
    Positive,
    TrainConfig,
)
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import configs_dir, shown

# What may change between two calls of a pretraining
_NOT_IN_DIGEST: Any = {
    "about": True,
    "train": {"deterministic": True},
    "model": {"start_head": True},  # not for it
}


class ProjectionConfig(Settings):
    """Projector and predictor on top of the backbone, which are not kept."""

    # units of the projector's hidden layers
    hidden: int = Field(512, ge=1)
    # length of a projection
    size: int = Field(256, ge=2)
    # units of the predictor's hidden layer; null: a quarter of `size`
    predictor: int | None = Field(None, ge=1)


class PretrainTrainConfig(Settings):
    """Keys of `train` in a run's config that a pretraining has too, with the same meaning."""

    epochs: int = Field(50, ge=1)
    # galaxies, each seen twice; batch norm must see more than a pair of them
    batch_size: int = Field(128, ge=4)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = Field(1e-3, gt=0)
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = Field(0.1, ge=0, lt=1)
    weight_decay: float = Field(0.02, ge=0)
    clip_norm: float | None = Field(None, gt=0)
    amp: Literal["auto", "bf16", "fp32"] = "auto"
    deterministic: bool = False
    seed: int = Field(0, ge=0)

    def as_train(self) -> TrainConfig:
        """The same settings for optimizers, schedules and precision."""
        return TrainConfig.model_validate(self.model_dump())


class PretrainConfig(Settings):
    """Everything that determines a pretraining's weights, apart from the data and the machine."""

    # "pretrain/<stem>", set when loaded
    run: str = ""
    # what it is, for reports
    about: str = ""
    method: Literal["simsiam"]
    # "train" and "test": the dataset's own images; others: datasets in input/, without the galaxies
    # that the own dataset has too
    images: tuple[str, ...] = Field((OWN_TRAIN, OWN_TEST), min_length=1)
    # side, in original pixels, of what the images of a dataset show, where that is not all
    shown_px: dict[str, Positive] = Field(default_factory=dict)
    image: ImageConfig = ImageConfig()
    # without start_run, start_dataset and start_head
    model: ModelConfig
    projection: ProjectionConfig = ProjectionConfig()
    # drawn twice for each image
    augment: AugmentConfig = AugmentConfig()
    train: PretrainTrainConfig = PretrainTrainConfig()

    def digest(self) -> str:
        """Digest of all that changes the result."""
        values = self.model_dump(mode="json", exclude=_NOT_IN_DIGEST)
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def all_pretrainings() -> list[str]:
    """Names of all pretrainings in `configs/`, `pretrain/<stem>`."""
    return sorted(f"{PRETRAIN}/{path.stem}" for path in configs_dir().glob(f"{PRETRAIN}/*.yaml"))


def load_pretrain_config(run: str, overrides: Sequence[str] = ()) -> PretrainConfig:
    """Read a pretraining's YAML, apply `section.key=value` overrides, and check everything."""
    path = config_path(run, all_pretrainings())
    named = {"run": f"{PRETRAIN}/{path.stem}"}
    return parse_with(overrides, path, lambda values, s: parse_pretrain_config(values | named, s))


def parse_pretrain_config(values: dict[str, Any], source: str) -> PretrainConfig:
    """Check a nested dict of settings, read from `source`, and return the typed config."""
    if "task" in values:
        raise InputError(f"{source} is a task's run: python3 src/train.py learns from labels")
    config = PretrainConfig.parse(values, source)
    problem = _find_contradiction(config)
    if problem:
        raise InputError(f"{source}: {problem}")
    return config


def load_saved(path: Path) -> tuple[PretrainConfig, dict[str, str]]:
    """The config saved with a pretraining, and its digests `dataset_ids` and `image_ids`."""
    values = read_saved(
        path,
        f"{shown(path.parent)} holds no pretraining (no {path.name})",
        f"{shown(path)} is damaged: delete {shown(path.parent)} to start again",
    )
    digests = {key: str(values.pop(key, "")) for key in ("dataset_ids", "image_ids")}
    return parse_pretrain_config(values, shown(path)), digests


def _find_contradiction(config: PretrainConfig) -> str | None:
    """The first contradiction as one line; None where there is none."""
    if config.image.cache_px > config.image.crop_px:
        return "image.cache_px must not exceed image.crop_px (the cache never enlarges)"
    if config.model.start_run or config.model.start_dataset:
        return "model.start_run is not for pretraining: that network has learned labels"
    if config.model.start_head:
        return "model.start_head is not for pretraining, which starts from no run"
    strange = [name for name in config.shown_px if name not in config.images]
    if strange:
        return f"shown_px: '{strange[0]}' is not among the images"
    return None
