"""A trained run as one folder that others can use: weights, config, scores, model card, ONNX."""

import shutil
from pathlib import Path
from typing import Any

from galaxyzoo import atomic
from galaxyzoo.checkpoints import save_weights
from galaxyzoo.config import Config
from galaxyzoo.errors import InputError
from galaxyzoo.extras import require
from galaxyzoo.fold_models import WEIGHTS
from galaxyzoo.inference import load_run_models
from galaxyzoo.model_card import write_card
from galaxyzoo.models import GalaxyNet
from galaxyzoo.onnx_network import PACKAGES, write_onnx
from galaxyzoo.paths import CODE_ROOT, oof_csv, run_dir, shown
from galaxyzoo.run_configs import CONFIG, load_run_config, portable_config
from galaxyzoo.scores import card_path

CARD, SCORES, ONNX, LICENCE = "README.md", "oof.json", "model.onnx", "LICENSE"


def hand_over(dataset: str, run: str, folder: Path, with_onnx: bool = True) -> list[str]:
    """Write a run's folder, whole or not at all.

    It holds `config.yaml` and `fold_k/weights.safetensors` as the run's own folder does, so that
    the same functions read both; `oof.json`, the score card; `model.onnx`; `README.md`, the model
    card; and the code's licence.

    Args:
        dataset: that it was trained on.
        run: such as gz37/resnet18; its finished folds are taken.
        folder: to write; must not be there.
        with_onnx: whether to write the ONNX file, which needs the packages of `--extras`.
    Returns:
        Names of the files.
    Raises:
        InputError: the folder is there, packages are missing, the run is not trained, its score
            card is missing or of other folds, or the folder cannot be written.
    """
    atomic.check_free(folder)
    if with_onnx:
        require("ONNX", *PACKAGES, otherwise=", or add --no-onnx")
    config, networks = load_run_models(dataset, run)
    scores = _read_scores(dataset, config, sorted(networks))
    _, fingerprint = load_run_config(run_dir(dataset, run))
    with atomic.writing_folder(folder) as part:
        for fold, network in networks.items():
            (part / f"fold_{fold}").mkdir()
            save_weights(part / f"fold_{fold}" / WEIGHTS, network.state_dict())
        (part / CONFIG).write_text(portable_config(config, fingerprint), encoding="utf-8")
        atomic.write_json(part / SCORES, scores)
        shutil.copyfile(CODE_ROOT / LICENCE, part / LICENCE)
        difference = _write_onnx(part / ONNX, config, networks) if with_onnx else None
        write_card(part / CARD, config, scores, difference)
        return sorted(str(p.relative_to(part)) for p in part.rglob("*") if p.is_file())


def _read_scores(dataset: str, config: Config, folds: list[int]) -> dict[str, Any]:
    """The run's score card, which must be of these folds.

    Raises:
        InputError: it is not, or it is missing or damaged.
    """
    path = card_path(oof_csv(dataset, config.run))
    scores = atomic.read_json(path)
    of = scores.get("folds") if isinstance(scores, dict) else None
    if of != folds or scores.get("config") != config.digest():
        raise InputError(
            f"{shown(path)} is not of the folds that are trained ({', '.join(map(str, folds))}): "
            f"type `python src/train.py {config.run}` to write it again"
        )
    return scores


def _write_onnx(path: Path, config: Config, networks: dict[int, GalaxyNet]) -> float:
    return write_onnx(path, [*networks.values()], config.image.size_px, config.tta.dihedral)
