"""Pretrain a network on unlabelled images, for runs to start from its weights."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from galaxyzoo.config.base import changed_settings
from galaxyzoo.config.loading import CONFIG
from galaxyzoo.config.pretrain import PretrainConfig, load_saved
from galaxyzoo.core import files
from galaxyzoo.core.console import Bar
from galaxyzoo.core.devices import is_out_of_memory
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import run_dir, shown
from galaxyzoo.core.version import code_version
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.inference.artifacts import WEIGHTS, load_checkpoint, save_checkpoint, save_weights
from galaxyzoo.inference.fold_files import HISTORY, PRETRAINED, FoldFiles
from galaxyzoo.models.build import start_backbone
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.training.augmentation import check_transforms
from galaxyzoo.training.fold import (
    CHECKPOINT,
    TIMINGS,
    note_timing,
    read_timings,
    write_history,
)
from galaxyzoo.training.pseudo_labels import UnlabelledImages, find_unlabelled_images
from galaxyzoo.training.self_supervision import Pretrainer


@dataclass(frozen=True)
class Pretraining:
    """One config on the images of one prepared dataset, and of others; reads no label."""

    config: PretrainConfig
    data: Dataset
    task: str = COMPETITION_TASK  # for which other datasets are opened, where they hold several

    @property
    def folder(self) -> Path:
        """Where its config, history and weights are."""
        return run_dir(self.data.catalog.dataset, self.config.run)

    @property
    def files(self) -> FoldFiles:
        """What it leaves, marked by what made it."""
        galaxies = self.data.catalog.ids_fingerprint
        made_by = {"config": self.config.digest(), "galaxies": galaxies}
        return FoldFiles(self.folder, made_by, PRETRAINED)

    def check(self) -> None:
        """Refuse, before anything starts, mistakes that would fail later, and other settings."""
        check_transforms(self.config.augment.transforms)
        start_backbone(self.config.model, self.config.image.size_px, self.config.run, False)
        path, where = self.folder / CONFIG, shown(self.folder)
        if not path.exists():
            return
        saved, digests = load_saved(path)
        if digests["dataset_ids"] != self.data.catalog.ids_fingerprint:
            raise InputError(
                f"{where} was pretrained on other galaxies than '{self.data.catalog.dataset}' has "
                "now: delete it to pretrain again"
            )
        if saved.digest() != self.config.digest():
            raise InputError(
                f"{where} was pretrained with other settings "
                f"({changed_settings(saved, self.config)}): delete it to pretrain again, or give "
                "the new settings a config file of their own"
            )

    def run(self) -> dict[str, Any]:
        """Pretrain to the end, from the last whole epoch; a finished one is not done again.

        Writes `weights.safetensors` (backbone and normalisation), `config.yaml`, `history.csv`,
        `timings.csv` and, last, `pretraining.json` into `folder`.

        Returns:
            The content of `pretraining.json`.
        """
        with files.holding(self.folder / files.LOCK, f"pretraining {self.config.run}"):
            self.check()
            if not self.files.is_done:
                self._pretrain()
            (self.folder / CHECKPOINT).unlink(missing_ok=True)
            self.files.check()
            return self.files.notes

    def minutes(self) -> float:
        """Minutes of all its epochs."""
        path = self.folder / TIMINGS
        return sum(read_timings(path).values()) / 60 if path.exists() else 0.0

    def _pretrain(self) -> None:
        config = self.config
        found = find_unlabelled_images(
            config.images, config.shown_px, config.image, self.data, {self.task}, config.run
        )
        opened = [part.readable(config.image) for part in found]
        self._save_config([part for part, _ in opened])
        try:
            trainer = self._train([images for _, images in opened])
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise InputError(
                f"{config.run}: out of memory on batches of {config.train.batch_size} galaxies: "
                f"delete {shown(self.folder)} and pretrain anew with a smaller train.batch_size"
            ) from None
        save_weights(self.folder / WEIGHTS, trainer.model.encoder.backbone_weights())
        last = {key: trainer.history[-1][key] for key in ("loss", "projection_std")}
        counts = {"epochs": trainer.epoch, "images": trainer.count}
        summary = {"start": trainer.start, **counts, **last, "healthy_std": trainer.healthy_spread}
        self.files.finish([WEIGHTS, HISTORY], summary)

    def _train(self, images: Sequence[np.ndarray]) -> Pretrainer:
        """Train from the last checkpoint, or from the start, to the end."""
        config, folder = self.config, self.folder
        state = load_checkpoint(folder / CHECKPOINT, self.files.made_by)
        trainer = Pretrainer(config, images, initialise=state is None)
        if state is not None:
            trainer.resume(state)
        steps, epochs = trainer.steps_per_epoch, config.train.epochs
        done = trainer.epoch * steps
        with Bar(
            total=epochs * steps, initial=done, desc=config.run, unit="step", leave=False
        ) as bar:
            while trainer.epoch < epochs:
                started = time.perf_counter()
                row = trainer.run_epoch(bar)
                share = row["projection_std"] / trainer.healthy_spread
                text = f"epoch {trainer.epoch}, loss {row['loss']:.4f}, spread {share:.0%}"
                bar.set_postfix_str(text, refresh=False)
                save_checkpoint(folder / CHECKPOINT, trainer.state(), self.files.made_by)
                write_history(folder / HISTORY, trainer.history)
                note_timing(folder / TIMINGS, trainer.epoch, time.perf_counter() - started)
        write_history(folder / HISTORY, trainer.history)  # a kill may have come before the last row
        return trainer

    def _save_config(self, parts: Sequence[UnlabelledImages]) -> None:
        """Save the config of a new pretraining; of an interrupted one, compare the images."""
        path, digest = self.folder / CONFIG, hashlib.sha256()
        for part in parts:
            digest.update(f"{part.name}\n".encode())
            digest.update(np.ascontiguousarray(part.ids, dtype="<i8").tobytes())
        image_ids = digest.hexdigest()[:16]
        if path.exists():
            if load_saved(path)[1]["image_ids"] != image_ids:
                raise InputError(
                    f"{shown(self.folder)} was begun on other images: bring them back, or delete "
                    "it to pretrain again"
                )
            return
        head = {
            "dataset_ids": self.data.catalog.ids_fingerprint,
            "image_ids": image_ids,
            "code_version": code_version(),
        }
        values = {**head, **self.config.model_dump(mode="json")}
        files.write_text(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
