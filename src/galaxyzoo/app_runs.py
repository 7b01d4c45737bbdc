"""What the page asks of trained runs: a galaxy, its explanation, its like, the worst errors."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd

from galaxyzoo import catalogs, paths
from galaxyzoo.catalogs import Catalog
from galaxyzoo.config import Config
from galaxyzoo.decision_tree import GALAXY_ZOO_2
from galaxyzoo.errors import InputError
from galaxyzoo.explanations import explain
from galaxyzoo.fold_tables import DONE
from galaxyzoo.galaxy_images import open_prepared, take_images
from galaxyzoo.images import ImageCache
from galaxyzoo.inference import load_run_models
from galaxyzoo.models import GalaxyNet
from galaxyzoo.one_galaxy import Galaxy, decode_galaxy, find_galaxy, predict_galaxy
from galaxyzoo.paths import is_ablation, oof_csv
from galaxyzoo.preparation import Prepared
from galaxyzoo.similarity import FeatureTable, embed, open_features
from galaxyzoo.tables import FOLD, read_csv
from galaxyzoo.tasks import TASKS, Task, get_task

_RUNS_IN_MEMORY = 3
MAX_UPLOAD_BYTES = 20_000_000


@dataclass(frozen=True)
class Look:
    """A galaxy as a run sees it."""

    galaxy: Galaxy
    galaxy_id: int | None
    prediction: np.ndarray  # (column,)
    spread: np.ndarray  # (column,) over views


@dataclass(eq=False)
class LoadedRun:
    """A trained run with all that questions about it need."""

    dataset: str
    config: Config
    models: dict[int, GalaxyNet]
    catalog: Catalog  # galaxies of the task
    data: Prepared | None  # None where the images are gone
    # hooks of explanations are the network's own: one at a time
    _explaining: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _features: FeatureTable | None = field(default=None, repr=False)

    @property
    def task(self) -> Task:
        """The run's."""
        return get_task(self.config.task)

    @property
    def _prepared(self) -> Prepared:
        """The dataset with its images; InputError where these are gone."""
        if self.data is None:
            raise InputError(f"the images of '{self.dataset}' are no longer in input/")
        return self.data

    @cached_property
    def _images(self) -> ImageCache:
        """Decoded training images; errors as of `_prepared`."""
        return self._prepared.train_images(self.config.image)

    def look_at(self, galaxy_id: int) -> Look:
        """A galaxy of the dataset.

        Raises:
            InputError: there is no such galaxy, or its image cannot be used.
        """
        galaxy = find_galaxy(galaxy_id, self.config, self._prepared)
        return Look(galaxy, galaxy_id, *predict_galaxy(galaxy, self.config, self.models))

    def look_at_upload(self, encoded: bytes, name: str) -> Look:
        """A galaxy that somebody sends.

        Raises:
            InputError: too many bytes or pixels, or no image.
        """
        galaxy = Galaxy(name, decode_upload(encoded, self.config))
        return Look(galaxy, None, *predict_galaxy(galaxy, self.config, self.models))

    def explain(self, look: Look, column: int, method: str) -> tuple[np.ndarray, np.ndarray]:
        """(H, W, 3) uint8 what the network sees, and (H, W) 0 to 1 what speaks for an answer."""
        image = look.galaxy.as_input(self.config.image)
        with self._explaining:
            heat, _ = explain(self.models, image, column, method)
        return image[0], heat

    def find_similar(
        self, look: Look, count: int, report: Callable[[float], None] = lambda share: None
    ) -> list[tuple[int, float]]:
        """GalaxyIDs of the training galaxies most like it to the first network, and how much.

        Raises:
            InputError: the images are gone.
        """
        fold, model = next(iter(self.models.items()))
        if self._features is None:
            folder = paths.fold_dir(self.dataset, self.config.run, fold)
            self._features = open_features(folder, model, self._images, self.config, report)
        own = embed(model, look.galaxy.image[None], self.config)[0]
        found = self._features.nearest(own, count + 1)
        return [pair for pair in found if pair[0] != look.galaxy_id][:count]

    def thumbnails(self, ids: Sequence[int]) -> np.ndarray:
        """(galaxy, H, W, 3) uint8 of training galaxies.

        Raises:
            InputError: the images are gone.
        """
        return take_images(self._images, np.array(ids))

    def out_of_fold(self) -> pd.DataFrame:
        """Predictions by GalaxyID of the galaxies in finished folds.

        Raises:
            InputError: the table is missing or broken.
        """
        table = read_csv(oof_csv(self.dataset, self.config.run))
        return table.drop(columns=FOLD)[list(self.task.columns)]

    def worst(self, column: int | None, count: int) -> pd.DataFrame:
        """Galaxies with the largest errors, largest first.

        Args:
            column: of this answer; None: over all columns.
            count: how many.
        Returns:
            Indexed by GalaxyID: predicted, known (of the column, else the class or NaN), error.
        """
        predicted = self.out_of_fold()
        known = pd.DataFrame(
            self.catalog.targets(self.task.name), self.catalog.ids, list(self.task.columns)
        ).loc[predicted.index]
        off = (predicted - known).abs()
        if column is None:
            error = np.sqrt((off**2).mean(axis=1))
            table = pd.DataFrame({"predicted": np.nan, "known": np.nan, "error": error})
        else:
            name = self.task.columns[column]
            table = pd.DataFrame(
                {"predicted": predicted[name], "known": known[name], "error": off[name]}
            )
        return table.sort_values("error", ascending=False, kind="stable")[:count]


def decode_upload(encoded: bytes, config: Config) -> np.ndarray:
    """(cache_px, cache_px, 3) uint8 by the reader that training uses.

    Raises:
        InputError: too many bytes or pixels, or no image.
    """
    if len(encoded) > MAX_UPLOAD_BYTES:
        raise InputError(f"the file is larger than {MAX_UPLOAD_BYTES // 1_000_000} MB")
    return decode_galaxy(encoded, config.image, "this is no image that can be used")


def list_runs() -> list[tuple[str, str]]:
    """(dataset, run) of all that have a finished fold, newest first."""
    newest: dict[tuple[str, str], float] = {}
    for mark in paths.FOLDS.glob(f"*/*/*/fold_*/{DONE}"):
        dataset, task, stem = mark.relative_to(paths.FOLDS).parts[:3]
        if task in TASKS and not is_ablation(f"{task}/{stem}"):
            key = (dataset, f"{task}/{stem}")
            newest[key] = max(newest.get(key, 0.0), mark.stat().st_mtime)
    return sorted(newest, key=lambda key: -newest[key])


@lru_cache(maxsize=_RUNS_IN_MEMORY)
def load_run(dataset: str, run: str) -> LoadedRun:
    """A run, kept in memory.

    Raises:
        InputError: it is not trained, or damaged.
    """
    config, models = load_run_models(dataset, run)
    catalog = catalogs.load(dataset).for_task(get_task(config.task))
    try:
        data = open_prepared(None, dataset, config.task)
    except InputError:
        data = None
    return LoadedRun(dataset, config, models, catalog, data)


def classes_of_votes(prediction: np.ndarray) -> dict[str, str | None]:
    """What each class task's rule says of vote fractions; None where they are not clear enough.

    Args:
        prediction: (37,) vote fractions.
    """
    votes = pd.DataFrame(prediction[None], columns=list(GALAXY_ZOO_2.columns))
    found: dict[str, str | None] = {}
    for name, task in TASKS.items():
        if task.rule is not None:
            labels = task.rule.labels(votes)
            found[name] = (
                None if labels.empty else str(labels.columns[labels.to_numpy()[0].argmax()])
            )
    return found
