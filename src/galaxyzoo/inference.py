"""Trained runs on images that belong to no dataset."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from galaxyzoo.archives import IMAGE_ENDS, ImageStore, list_images
from galaxyzoo.config import Config
from galaxyzoo.errors import InputError, one_line
from galaxyzoo.fold_models import load_fold_model
from galaxyzoo.fold_tables import DONE
from galaxyzoo.images import ImageCache, decode_many
from galaxyzoo.models import GalaxyNet
from galaxyzoo.paths import dataset_dir, run_dir, shown
from galaxyzoo.prediction import predict
from galaxyzoo.run_configs import load_run_config
from galaxyzoo.tables import ID
from galaxyzoo.tasks import get_task

_CHUNK = 1024  # images decoded at once


def load_run_models(dataset: str, run: str) -> tuple[Config, dict[int, GalaxyNet]]:
    """A run's config and the networks of its finished folds, by fold.

    Raises:
        InputError: the run is not trained on that dataset.
    """
    folder = run_dir(dataset, run)
    folds = {int(path.parent.name[5:]): path.parent for path in folder.glob(f"fold_*/{DONE}")}
    if not folds:
        trained = sorted(
            str(p.parent.parent.relative_to(dataset_dir(dataset)))
            for p in folder.parent.parent.glob(f"*/*/fold_0/{DONE}")
        )
        known = f": trained are {', '.join(trained)}" if trained else ""
        raise InputError(f"run '{run}' has no finished fold on dataset '{dataset}'{known}")
    config, _ = load_run_config(folder)
    return config, {fold: load_fold_model(config, folds[fold]) for fold in sorted(folds)}


def predict_stores(
    config: Config, models: list[GalaxyNet], paths: list[Path]
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Predict all images of some folders, zips and files.

    Args:
        config: of the run.
        models: networks to average.
        paths: folders, zips or single images.
    Returns:
        Table of the task's columns, made valid as a submission is, indexed by GalaxyID where every
        file is named by one, else by `image` (the file's name); and (name, reason) of each image
        that could not be read.
    Raises:
        InputError: a path holds no image, or none of the images can be read.
    """
    stores = _stores(paths)
    labels = _row_labels([store.names[int(i)] for store in stores for i in store.ids])
    tables, unreadable = [], []
    for store in stores:
        for start in tqdm(
            range(0, len(store.ids), _CHUNK), desc=one_line(store.path.name), leave=False
        ):
            ids = store.ids[start : start + _CHUNK]
            table, problems = _predict_chunk(config, models, store, ids)
            tables.append(table)
            unreadable += problems
    predictions = pd.concat(tables)
    if predictions.empty:
        name, why = unreadable[0]
        raise InputError(f"none of the {len(unreadable)} images can be read (first: {name}: {why})")
    predictions.index = pd.Index([labels[name] for name in predictions.index], name=labels[""])
    return predictions, unreadable


def _predict_chunk(
    config: Config, models: list[GalaxyNet], store: ImageStore, ids: np.ndarray
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Predict some images of a store: table by name, and (name, reason) of the unreadable."""
    task = get_task(config.task)
    images, problems = decode_many(store, ids, config.image)
    unreadable = np.isin(ids, list(problems))
    cache, good = ImageCache(ids, images, unreadable), np.flatnonzero(~unreadable)
    values = np.empty((0, len(task.columns)))
    if len(good):
        mean = np.mean([predict(model, cache, good, config) for model in models], axis=0)
        values = task.make_valid(mean)
    names = [store.names[int(i)] for i in ids[good]]
    table = pd.DataFrame(values, index=names, columns=list(task.columns))
    return table, [(store.names[i], why) for i, why in problems.items()]


def _stores(paths: list[Path]) -> list[ImageStore]:
    """One store per folder or zip, and one for all single files; each numbers from 0."""
    stores, files = [], []
    for path in paths:
        if path.suffix.lower() in IMAGE_ENDS:
            if not path.is_file():
                raise InputError(f"{shown(path)} is missing")
            files.append(str(path.resolve()))
        else:
            stores.append(ImageStore.numbered(path, [name for name, _ in list_images(path)]))
    if files:
        stores.append(ImageStore.numbered(Path.cwd(), files))
    return stores


def _row_labels(names: list[str]) -> dict[str, str | int]:
    """What stands in the table's first column for each name; under "" the column's own name.

    GalaxyIDs where every file is named by one and none is repeated, else the names.
    """
    stems = [Path(name).stem for name in names]
    if all(stem.isdecimal() for stem in stems) and len(set(stems)) == len(stems):
        return {"": ID, **{name: int(stem) for name, stem in zip(names, stems, strict=True)}}
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(f"image '{repeated[0]}' is named twice: predict the folders one by one")
    return {"": "image", **{name: name for name in names}}
