"""Distillation: a student learns a teacher's predictions besides labels, also of other images.

Both losses are linear in what is learned, up to a constant, so that a galaxy's target is the mean
of its label and its prediction, weighted as the losses are. An image without a label has its
prediction alone.

The student of fold k learns from the teacher's network of fold k alone, which saw no label of that
fold either. One that is trained on all galaxies learns from all networks, of a labeled galaxy from
the one that left it out: that predicts it as it does a new galaxy.

Source: Hinton et al. 2015 (arXiv 1503.02531), without a temperature: votes are soft already.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from galaxyzoo.config import loading
from galaxyzoo.config.schema import ORIGINAL_PX, Config, TeacherConfig
from galaxyzoo.core import console, files, manifest, paths
from galaxyzoo.core.artifact import SealedFiles
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.catalog import Catalog, dataset_dir
from galaxyzoo.data.folds import near_duplicates
from galaxyzoo.data.image_cache import ImageCache, open_cache
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.data.stores.base import Images
from galaxyzoo.data.stores.opening import open_images
from galaxyzoo.inference.network import predict_each
from galaxyzoo.inference.predict import RunNetworks, load_run
from galaxyzoo.results import layout
from galaxyzoo.results.fold_files import is_refit
from galaxyzoo.training.fold_data import FoldData, has_folds_of

_CHUNK = 4096  # images whose predictions are saved together
_ADVICE = "delete it to predict again"


def find_teacher(config: Config, catalog: Catalog) -> layout.RunFolder:
    """Find the teacher of a run, or refuse one that cannot teach it.

    Args:
        config: of the run, with a teacher.
        catalog: the dataset that it is trained on.
    Raises:
        InputError: the teacher predicts other columns, has another split, or is not fully trained.
    """
    assert config.teacher is not None
    run = config.teacher.run
    folder = layout.RunFolder(catalog.dataset, run)
    if run == BUNDLED:
        runs = layout.bundled_runs(config.task)
        if not runs:
            raise InputError(f"{config.run}: weights/ has no networks of task {config.task}")
        folder = layout.RunFolder(BUNDLED, runs[0])
    elif len(folder.folds) < catalog.n_folds:
        command = layout.train_command(catalog.dataset, run)
        raise InputError(f"{config.run} learns from {run}, which is not trained: type `{command}`")
    saved = loading.load_run_config(folder.path)
    if saved.config.predicted_task.columns != config.predicted_task.columns:
        raise InputError(f"{config.run}: teacher.run={run} predicts other columns")
    fingerprint = catalog.for_task(config.predicted_task).fingerprint
    if run != BUNDLED and saved.fingerprint != fingerprint:
        raise InputError(
            f"{config.run} learns from {run}, which was trained on another split of "
            f"{catalog.dataset}: delete {paths.shown(folder.path)} to retrain it"
        )
    return folder


def digest_teacher(config: Config, catalog: Catalog) -> str | None:
    """Digest of the teacher's networks; None where a fold of it is missing by now."""
    assert config.teacher is not None
    if config.teacher.run == BUNDLED:
        return layout.exported_files(find_teacher(config, catalog).path).digest[:16]
    return layout.digest_networks(catalog.dataset, config.teacher.run, catalog.n_folds)


def open_unlabeled(settings: TeacherConfig) -> Images | None:
    """Open the images without labels; None: the config has none."""
    if settings.images is None:
        return None
    path = paths.root() / settings.images
    if not path.exists():
        raise InputError(
            f"teacher.images: {paths.shown(path)} is missing: correct the path, or learn without "
            "it by teacher.images=null"
        )
    return open_images(path).stamped()


def teach(fold: FoldData, config: Config, data: Dataset, folder: Path) -> FoldData:
    """Add the teacher's predictions to a training's targets, and the images without labels.

    Predictions are computed once, and kept.

    Args:
        fold: what it learns without a teacher.
        config: of the run, with a teacher.
        data: the dataset that it is trained on.
        folder: of its files.
    Raises:
        InputError: as of `find_teacher` and `open_unlabeled`.
    """
    assert config.teacher is not None
    settings = config.teacher
    teacher = find_teacher(config, data)
    networks = load_run(teacher.dataset, teacher.run).restrict(None, settings.tta)
    fingerprint = loading.load_run_config(teacher.path).fingerprint
    has_same_folds = settings.run != BUNDLED or has_folds_of(data, fingerprint)
    part = fold.part
    if not is_refit(part.name):
        networks = networks.restrict([part.stream], None)
    folder /= "teacher"

    rows = part.train_rows
    images = data.train_images(networks.config.image).images
    made_by = {"teacher": networks.digest, "images": data.about.get("images")}
    by_network = _predict(networks, images, rows, folder / "labeled", made_by)
    predictions = by_network.mean(axis=0)
    if is_refit(part.name) and has_same_folds:
        predictions = by_network[data.folds[rows], np.arange(len(rows))]  # the one that left it out
    targets = fold.targets.copy()
    targets[rows] += settings.weight * (predictions - targets[rows])
    leaks = fold.possible_leakage or not has_same_folds
    fold = replace(fold, targets=targets, possible_leakage=leaks)

    unlabeled = open_unlabeled(settings)
    if unlabeled is None:
        return fold
    scale = settings.side_px / ORIGINAL_PX
    cache = _decode(unlabeled, config)
    rows = _find_new(data, config, unlabeled, scale)
    geometry = networks.config.image
    wider = geometry.model_copy(update={"field_px": geometry.field_px / scale})
    scaled = replace(networks, config=networks.config.model_copy(update={"image": wider}))
    images = _decode(unlabeled, scaled.config).images
    made_by = {"teacher": scaled.digest, "images": _digest_of(unlabeled)}
    predictions = _predict(scaled, images, rows, folder / "unlabeled", made_by).mean(axis=0)
    more_targets = np.full((len(cache.ids), targets.shape[1]), np.nan)
    more_targets[rows] = predictions
    train_rows = np.concatenate([part.train_rows, len(targets) + rows])
    return replace(
        fold,
        targets=np.concatenate([targets, more_targets]),
        part=replace(part, train_rows=train_rows),
        unlabeled=cache,
        scale=scale,
    )


def _find_new(data: Dataset, config: Config, unlabeled: Images, scale: float) -> np.ndarray:
    """Find the images without labels that show no galaxy of the dataset, of training or test.

    They are found once, by what they show.

    Args:
        data: the dataset.
        config: of the run.
        unlabeled: the images.
        scale: side of their sky, as a share of that of the dataset's images.
    Returns:
        (image,) rows of those that can be read and are new, ascending.
    Raises:
        InputError: there are none.
    """
    key = manifest.digest([str(data.about.get("images")), _digest_of(unlabeled), str(scale)])
    mark = dataset_dir(data.dataset) / f"copies_{key[:12]}.json"
    stored = SealedFiles(mark, {}, _ADVICE)
    cache = _decode(unlabeled, config)
    with stored.make_if_needed("comparing images") as filling:
        if filling:
            print(f"looking for galaxies of {data.dataset} in {paths.shown(unlabeled.path)}")
            train = data.train_images(config.image).images
            test = data.test_images(config.image).images
            pictures = [_cut_centers(train, scale), _cut_centers(test, scale)]
            pictures.append(_cut_centers(cache.images, 1 / scale))
            groups = near_duplicates(chain.from_iterable(pictures))
            n_known = len(train) + len(test)
            is_copy = np.isin(groups[n_known:], groups[:n_known])
            filling.notes = {"copies": np.flatnonzero(is_copy).tolist()}
    is_new = ~cache.unreadable
    is_new[stored.notes["copies"]] = False
    if not is_new.any():
        raise InputError(
            f"teacher.images: {paths.shown(unlabeled.path)} shows no galaxies but those of "
            f"{data.dataset}: add teacher.images=null"
        )
    return np.flatnonzero(is_new)


def _cut_centers(images: np.ndarray, share: float) -> Iterator[np.ndarray]:
    """Cut the center square of images, of this share of their side, or whole above 1."""
    side = images.shape[1]
    keep = max(1, round(side * min(share, 1.0)))
    start = (side - keep) // 2
    for image in images:
        yield image[start : start + keep, start : start + keep]


def _decode(unlabeled: Images, config: Config) -> ImageCache:
    """Decoded images without labels, as a config wants them; their ids are their names."""
    cache = open_cache(unlabeled, unlabeled.ids, config.image)
    return replace(cache, ids=unlabeled.names.to_numpy(object))


def _digest_of(unlabeled: Images) -> str:
    return manifest.digest(map(repr, unlabeled.identities()))


def _predict(
    networks: RunNetworks,
    images: np.ndarray,
    rows: np.ndarray,
    place: Path,
    made_by: manifest.Provenance,
) -> np.ndarray:
    """Predict some images with each network, unless that is done.

    Args:
        networks: those that teach.
        images: (image, cache_px, cache_px, 3) uint8.
        rows: (n,) of the images.
        place: path that the files' names begin with.
        made_by: what the predictions depend on.
    Returns:
        (network, n, column) means over the views.
    """
    predictions = []
    starts = range(0, len(rows), _CHUNK)
    for start in console.ProgressBar(starts, "teacher's predictions", leave=False):
        name = f"{place.name}_{start}.npy"
        stored = SealedFiles(place.with_name(f"{name}.json"), made_by, _ADVICE, [name])
        with stored.make("predicting") as filling:
            if filling:
                config = networks.config
                chosen = rows[start : start + _CHUNK]
                values = predict_each(networks.choose(None), images, chosen, config, config.tta)
                with files.writing(place.with_name(name)) as path, open(path, "wb") as file:
                    np.save(file, values)
        predictions.append(np.load(stored.path(name)))
    return np.concatenate(predictions, axis=1)
