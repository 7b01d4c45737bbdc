"""Export a trained run or ensemble as one folder: weights, config, scores, model card and ONNX."""

import shutil
from pathlib import Path

from galaxyzoo.config.loading import CONFIG, load_run_config, portable_config
from galaxyzoo.config.schema import Config
from galaxyzoo.core import files, launch, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.catalog import data_option, load_catalog
from galaxyzoo.ensemble.fitted import load_ensemble, save_fitted
from galaxyzoo.extras.export import model_card, onnx
from galaxyzoo.extras.intervals.intervals import FEWEST_FOLDS, INTERVALS_FILE, VoteIntervals
from galaxyzoo.extras.pages import templates
from galaxyzoo.inference import predict
from galaxyzoo.models.weights import save_weights
from galaxyzoo.results import layout
from galaxyzoo.results.card import RunCard
from galaxyzoo.results.fold_files import WEIGHTS, fold_name
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import ensemble_name

ONNX = "model.onnx"
MODEL_CARD = "README.md"
LICENSE = "LICENSE"


def export_run(
    dataset: str, run: str, folder: Path, with_onnx: bool = True, in_half: bool = False
) -> None:
    """Write a run's folder, whole or not at all.

    It holds `config.yaml` and `fold_k/weights.safetensors` as the run's own folder does, so that
    the same functions read both; `oof.json`, the score card; `intervals.safetensors`, what makes
    intervals around predicted votes; `digests.json`, by which these are checked when they are
    read; `model.onnx`; `README.md`, the model card; and the code's license.

    Args:
        dataset: that the run was trained on.
        run: such as gz37/resnet18; its finished folds are exported.
        folder: must not exist.
        with_onnx: whether to write the ONNX file, which needs the packages of `--extras`.
        in_half: whether weights are rounded to half precision; networks compute as before.
    Raises:
        InputError: packages for ONNX are missing, the network cannot be exported, or the run's card
            does not fit its folds.
    """
    if with_onnx:
        launch.require("ONNX", *onnx.PACKAGES, otherwise=", or add --no-onnx")
    trained = predict.load_run(dataset, run)
    config = trained.config
    networks = trained.models
    scores = read_scores(dataset, config, sorted(networks))
    trained_folder = layout.RunFolder(dataset, run)
    fingerprint = load_run_config(trained_folder.path).fingerprint
    with files.writing_folder(folder) as new:
        for fold, network in networks.items():
            fold_folder = new / fold_name(fold)
            fold_folder.mkdir()
            if in_half:
                network.half()
            save_weights(fold_folder / WEIGHTS, network.state_dict())
            network.float()  # of rounded weights, so that ONNX is of what is kept
        (new / CONFIG).write_text(portable_config(config, fingerprint), encoding="utf-8")
        shutil.copyfile(trained_folder.card, new / layout.SCORES)
        catalog = load_catalog(dataset)
        if config.task == COMPETITION_TASK and len(networks) == catalog.n_folds >= FEWEST_FOLDS:
            save_fitted(new / INTERVALS_FILE, VoteIntervals.calibrate(run, catalog))
        digest = layout.digest_networks(dataset, run, catalog.n_folds) or ""
        provenance = {"run": run, "networks": digest}
        layout.exported_files(new, provenance, list_files(new)).seal({})
        difference = None
        if with_onnx:
            size_px = config.image.size_px
            dihedral = config.tta.dihedral
            difference = onnx.write_onnx(new / ONNX, list(networks.values()), size_px, dihedral)
        shutil.copyfile(paths.RESOURCES / LICENSE, new / LICENSE)
        model_card.write_card(
            new / MODEL_CARD, config, config.predicted_task, scores, difference, in_half
        )


def export_bundled(run: str, folder: Path) -> None:
    """Copy a bundled run's folder and add the ONNX file, whole or not at all."""
    launch.require("ONNX", *onnx.PACKAGES)
    trained = predict.load_run(BUNDLED, run)
    networks = list(trained.models.values())
    with files.writing_folder(folder) as new:
        others = shutil.ignore_patterns(layout.STUDENT)  # it has a card of its own
        bundled = layout.RunFolder(BUNDLED, run).path
        shutil.copytree(bundled, new, ignore=others, dirs_exist_ok=True)
        # Of one view: these networks are equivariant, so others say the same.
        onnx.write_onnx(new / ONNX, networks, trained.config.image.size_px, dihedral=False)


def export_ensemble(ensemble: layout.EnsembleFolder, folder: Path, with_onnx: bool = True) -> None:
    """Write an ensemble's folder, whole or not at all: what was fitted, and its runs' folders.

    Args:
        ensemble: the one that is exported.
        folder: must not exist.
        with_onnx: as of `export_run`, which writes the runs.
    """
    card, _ = load_ensemble(ensemble)
    with files.writing_folder(folder) as new:
        for run in card.members:
            export_run(ensemble.dataset, run, new / run, with_onnx)
        shutil.copyfile(ensemble.card, new / layout.ENSEMBLE_CARD)
        shutil.copyfile(ensemble.fitted, new / layout.ENSEMBLE_MODEL)
        shutil.copyfile(paths.RESOURCES / LICENSE, new / LICENSE)
        title = ensemble_name(ensemble.task, ensemble.name)
        text = templates.render("ensemble_card.md.j2", title=title, card=card)
        (new / MODEL_CARD).write_text(text, encoding="utf-8")


def read_scores(dataset: str, config: Config, folds: list[int]) -> RunCard:
    """Read a run's score card; an `InputError` unless it is of these settings and folds."""
    scores = RunCard.of(dataset, config.run)
    if scores.folds != folds or scores.config != config.digest():
        folder = layout.RunFolder(dataset, config.run)
        raise InputError(
            f"{paths.shown(folder.card)} does not match the trained folds "
            f"({', '.join(map(str, folds))}) or the settings in "
            f"{paths.shown(folder.path / CONFIG)}: type `{launch.typed('train')} "
            f"{launch.quote(config.run)}{data_option(dataset)}` to rewrite the card"
        )
    return scores


def list_files(folder: Path) -> list[str]:
    """Paths of all files below a folder, from it, sorted."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
