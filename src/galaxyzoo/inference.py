"""Trained runs on images that belong to no dataset."""

from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from galaxyzoo.archives import IMAGE_ENDS, ImageStore, list_images
from galaxyzoo.config import Config
from galaxyzoo.errors import InputError
from galaxyzoo.fold_tables import DONE
from galaxyzoo.images import ImageCache, decode_many
from galaxyzoo.models import GalaxyNet
from galaxyzoo.paths import run_dir, shown
from galaxyzoo.prediction import predict
from galaxyzoo.runs import load_fold_model, load_run_config
from galaxyzoo.tables import ID
from galaxyzoo.tasks import get_task

_CHUNK = 1024  # images decoded at once


def load_run_models(dataset: str, run: str) -> tuple[Config, list[GalaxyNet]]:
    """A run's config and the networks of its finished folds.

    Raises:
        InputError: the run is not trained on that dataset.
    """
    folder = run_dir(dataset, run)
    folds = sorted(path.parent for path in folder.glob(f"fold_*/{DONE}"))
    if not folds:
        trained = sorted(
            str(p.parent.parent.relative_to(run_dir(dataset, ".")))
            for p in folder.parent.parent.glob(f"*/*/fold_0/{DONE}")
        )
        known = f": trained are {', '.join(trained)}" if trained else ""
        raise InputError(f"run '{run}' has no finished fold on dataset '{dataset}'{known}")
    config, _ = load_run_config(folder)
    return config, [load_fold_model(config, fold) for fold in folds]


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
    task = get_task(config.task)
    tables, unreadable = [], []
    for store in _stores(paths):
        for start in tqdm(
            range(0, len(store.ids), _CHUNK), desc=str(store.path.name or "images"), leave=False
        ):
            ids = store.ids[start : start + _CHUNK]
            images, problems = decode_many(store, ids, config.image)
            unreadable += [(store.names[i], why) for i, why in problems.items()]
            good = np.flatnonzero(~np.isin(ids, list(problems)))
            if len(good) == 0:
                continue
            cache = ImageCache(ids, images, ~np.isin(np.arange(len(ids)), good))
            mean = np.mean([predict(model, cache, good, config) for model in models], axis=0)
            names = [store.names[int(i)] for i in ids[good]]
            tables.append(
                pd.DataFrame(task.make_valid(mean), index=names, columns=list(task.columns))
            )
    if not tables:
        raise InputError(
            f"none of the {len(unreadable)} images can be read (first: {': '.join(unreadable[0])})"
        )
    return _name_rows(pd.concat(tables)), unreadable


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


def _name_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Index by GalaxyID where every name is one and none is repeated, else by the name."""
    stems = [Path(name).stem for name in table.index]
    if all(stem.isdecimal() for stem in stems) and len(set(stems)) == len(stems):
        table.index = pd.Index([int(stem) for stem in stems], name=ID)
        return table
    if table.index.duplicated().any():
        raise InputError(f"image '{table.index[table.index.duplicated()][0]}' is named twice")
    # A name from outside must not become a formula where the table is opened as a spreadsheet.
    table.index = pd.Index(
        [f"./{name}" if name[0] in "=+-@\t\r" else name for name in table.index], name="image"
    )
    return table
