"""Distillation: train a student on a teacher's predictions and on labels.

A labeled galaxy's target is the weighted mean of its label and the teacher's prediction. For MSE,
KL divergence and cross-entropy this has the same gradient as the weighted sum of two losses. An
unlabeled image's target is the prediction.

The student of fold k learns from the teacher's network of fold k, which saw no label of that fold.
A training on all galaxies takes each galaxy's prediction from the network that left it out, as for
a new galaxy; unlabeled images get the mean of all networks.

Source: Hinton et al. 2015 (arXiv 1503.02531), without a temperature: votes are soft already.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from galaxyzoo.config import loading
from galaxyzoo.config.schema import ORIGINAL_PX, Config, ImageConfig, TeacherConfig
from galaxyzoo.core import console, files, paths
from galaxyzoo.core.artifact import SealedFiles
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.duplicates import find_new
from galaxyzoo.data.image_cache import ImageCache, open_cache
from galaxyzoo.data.image_digests import digest_images
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.data.stores.base import Images
from galaxyzoo.data.stores.opening import open_images, read_settings_of
from galaxyzoo.inference.network import predict_each
from galaxyzoo.inference.predict import RunNetworks, load_run
from galaxyzoo.results import layout
from galaxyzoo.results.card import RunCard
from galaxyzoo.results.fold_files import is_refit
from galaxyzoo.training.fold_data import FoldData, Unlabeled, has_folds_of

_CHUNK = 4096  # images whose predictions are saved together


def find_teacher(config: Config, settings: TeacherConfig, catalog: Catalog) -> layout.RunFolder:
    """Find the teacher of a run, or refuse one that cannot teach it.

    Args:
        config: of the run or stage.
        settings: its teacher.
        catalog: the dataset that it is trained on.
    Raises:
        InputError: the teacher predicts other columns, or is not trained in all folds of the
            dataset; or the stage is on another dataset than its recipe, where a teacher may know
            galaxies that the recipe holds out.
    """
    if config.own_dataset:
        raise InputError(
            f"{config.title} cannot have a teacher: galaxies that {config.own_dataset} holds out "
            f"may be among those of {catalog.dataset} that it knows; remove `teacher`"
        )
    run = settings.run
    folder = layout.RunFolder(catalog.dataset, run)
    is_ready = len(folder.folds) == catalog.n_folds
    if run == BUNDLED:
        folder = layout.RunFolder(BUNDLED, _find_bundled(config))
    elif is_ready:
        fingerprint = catalog.for_task(config.predicted_task).fingerprint
        is_ready = loading.load_run_config(folder.path).fingerprint == fingerprint
    if run != BUNDLED and not is_ready:
        command = layout.train_command(catalog.dataset, run)
        raise InputError(
            f"{config.title} learns from {run}, which is not trained on this split of "
            f"{catalog.dataset}: type `{command}`"
        )
    columns = loading.load_run_config(folder.path).config.predicted_task.columns
    if columns != config.predicted_task.columns:
        raise InputError(f"{config.title}: teacher.run={run} predicts other columns")
    return folder


def _find_bundled(config: Config) -> str:
    """Name of the bundled run of a config's task."""
    runs = layout.bundled_runs(config.task)
    if not runs:
        raise InputError(f"{config.title}: weights/ has no networks of task {config.task}")
    return runs[0]


def digest_teacher(
    config: Config, settings: TeacherConfig, catalog: Catalog
) -> dict[str, str | None]:
    """Digests of all that a run learns from its teacher: networks, and unlabeled images.

    Arguments as of `find_teacher`.

    Returns:
        By the name of the run and the path of the images; None where one no longer exists.
    """
    run = settings.run
    digests: dict[str, str | None] = {}
    if run == BUNDLED:
        folder = layout.bundled_dir() / _find_bundled(config)
        digests[run] = layout.exported_files(folder).digest[:16]
    else:
        digests[run] = layout.digest_networks(catalog.dataset, run, catalog.n_folds)
    images = _find_unlabeled(settings, catalog.dataset)
    if settings.images:
        digests[settings.images] = digest_images(images) if images else None
    return digests


def open_unlabeled(settings: TeacherConfig, dataset: str) -> Images | None:
    """Open the unlabeled images, with the dataset's settings of images; None: there are none."""
    images = _find_unlabeled(settings, dataset)
    if settings.images and images is None:
        raise InputError(
            f"teacher.images: {paths.shown(paths.root() / settings.images)} is missing: correct "
            "the path, or add teacher.images=null"
        )
    return images


def _find_unlabeled(settings: TeacherConfig, dataset: str) -> Images | None:
    """Open the unlabeled images; None: there are none, or they are gone."""
    if settings.images is None or not (paths.root() / settings.images).exists():
        return None
    path = paths.root() / settings.images
    return open_images(path, read_settings_of(dataset)).stamped()


def count_unlabeled(config: Config, dataset: str) -> int:
    """Number of unlabeled images of a run, copies included; 0 if they are gone."""
    images = _find_unlabeled(config.teacher, dataset) if config.teacher else None
    return len(images) if images else 0


def teach(
    fold: FoldData, config: Config, settings: TeacherConfig, data: Dataset, folder: Path
) -> FoldData:
    """Mix the teacher's predictions into a training's targets, and add the unlabeled images.

    Args:
        fold: labels, images and first weights of the training.
        config: of the run.
        settings: its teacher.
        data: the dataset that it is trained on.
        folder: folder of the training, which keeps the predictions.
    Returns:
        The fold data; targets of training rows are mixed, those of validation rows stay labels.
    Raises:
        InputError: as of `find_teacher` and `open_unlabeled`.
    """
    teacher = find_teacher(config, settings, data)
    fingerprint = loading.load_run_config(teacher.path).fingerprint
    has_same_folds = settings.run != BUNDLED or has_folds_of(data, fingerprint)
    is_optimistic = RunCard.of(teacher.dataset, teacher.run).is_optimistic
    leaks = fold.possible_leakage or is_optimistic or not has_same_folds
    networks = load_run(teacher.dataset, teacher.run).restrict(None, settings.tta)
    if not is_refit(fold.part.name):
        networks = networks.restrict([fold.part.network_before(len(networks.models))], None)

    rows = fold.part.train_rows
    images = data.train_images(networks.config.image).images
    key = str(data.about.get("images"))
    by_network = _predict(networks, images, rows, folder, "labeled", key)
    predictions = by_network.mean(axis=0)
    if is_refit(fold.part.name) and has_same_folds:
        # Networks have memorized their training galaxies: only the one that left a galaxy out
        # predicts it as it does a new one.
        predictions = by_network[data.folds[rows], np.arange(len(rows))]
    targets = fold.targets.copy()
    targets[rows] = (1 - settings.weight) * fold.targets[rows] + settings.weight * predictions
    taught = replace(fold, targets=targets, possible_leakage=leaks)
    unlabeled = open_unlabeled(settings, data.dataset)
    if unlabeled is None:
        return taught
    return _add_unlabeled(taught, config.image, unlabeled, settings, networks, data, folder)


def _add_unlabeled(
    fold: FoldData,
    image: ImageConfig,
    unlabeled: Images,
    settings: TeacherConfig,
    networks: RunNetworks,
    data: Dataset,
    folder: Path,
) -> FoldData:
    """Add the unlabeled images, as `image` has them, with the networks' mean predictions."""
    scale = settings.side_px / ORIGINAL_PX
    rows = find_new(data, unlabeled, scale)
    # Where these images show less sky, the teacher's field of view is a larger part of them.
    teacher_image = networks.config.image
    teacher_image = teacher_image.model_copy(update={"field_px": teacher_image.field_px / scale})
    teacher_config = networks.config.model_copy(update={"image": teacher_image})
    teacher = replace(networks, config=teacher_config)
    images = _decode(unlabeled, teacher_image).images
    predictions = _predict(teacher, images, rows, folder, "unlabeled", digest_images(unlabeled))
    targets = np.full((len(unlabeled), fold.targets.shape[1]), np.nan)
    targets[rows] = predictions.mean(axis=0)
    return replace(
        fold,
        targets=np.concatenate([fold.targets, targets]),
        unlabeled=Unlabeled(_decode(unlabeled, image), rows, scale),
    )


def _decode(unlabeled: Images, image: ImageConfig) -> ImageCache:
    """Decode unlabeled images; their ids are their names."""
    cache = open_cache(unlabeled, unlabeled.ids, image)
    return replace(cache, ids=unlabeled.names.to_numpy(object))


def _predict(
    networks: RunNetworks,
    images: np.ndarray,
    rows: np.ndarray,
    folder: Path,
    kind: str,
    images_digest: str,
) -> np.ndarray:
    """Predict rows of an image array with each network, in chunks that survive a kill.

    Args:
        networks: those that teach.
        images: (image, cache_px, cache_px, 3) uint8.
        rows: (n,) of the images.
        folder: of the training's files.
        kind: labeled or unlabeled.
        images_digest: of all that the images depend on.
    Returns:
        (network, n, column) float32, means over the views, in the order of rows.
    """
    config = networks.config
    made_by = {"teacher": networks.digest, "images": images_digest}
    advice = f"delete {paths.shown(folder)} to retrain"
    predictions = []
    starts = range(0, len(rows), _CHUNK)
    for start in console.ProgressBar(starts, "teacher's predictions", leave=False):
        name = f"{kind}_{start}.npy"
        path = folder / "teacher" / name
        stored = SealedFiles(path.with_suffix(".json"), made_by, advice, [name])
        with stored.make("predicting") as filling:
            if filling:
                chosen = rows[start : start + _CHUNK]
                values = predict_each(networks.choose(None), images, chosen, config, config.tta)
                with files.writing(path) as temporary, open(temporary, "wb") as file:
                    np.save(file, values)
        predictions.append(np.load(stored.path(name)))
    return np.concatenate(predictions, axis=1)
