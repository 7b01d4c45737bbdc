"""Images, targets and first weights of one training; these must not come from its held-out part."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from galaxyzoo.config import loading, schema
from galaxyzoo.core.artifact import SealedFiles
from galaxyzoo.core.errors import FoldError, InputError
from galaxyzoo.core.paths import BUNDLED, shown
from galaxyzoo.data.catalog import Catalog, dataset_dir, load_catalog, load_catalogs
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.results import fold_files, layout, table
from galaxyzoo.results.fold_files import FoldFiles
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training.parts import Part


@dataclass(frozen=True)
class Unlabeled:
    """Images without labels, of which a teacher's predictions are learned."""

    cache: ImageCache  # their ids are their names
    rows: np.ndarray  # of those to learn from, ascending
    scale: float  # zoom that gives them the scale of the images with labels


@dataclass(frozen=True)
class FoldData:
    """Images and targets that one training learns from, and where its first weights come from."""

    cache: ImageCache  # images of all training galaxies
    # (galaxy, column), in the cache's order; NaN for galaxies that the task does not keep. Images
    # without labels follow.
    targets: np.ndarray
    part: Part  # whose rows are those of the above
    fingerprint: str = ""  # of the task's galaxies, labels and folds
    weights: Path | None = None  # file of the first weights; None: pretrained or random ones
    origin: str = ""  # of these weights, for records, such as `timm a1_in1k, then small`
    possible_leakage: bool = False  # they were maybe trained on the galaxies to validate on
    history: Path | None = None  # of the stages before
    unlabeled: Unlabeled | None = None  # images without labels; their rows follow the galaxies'

    @property
    def train_rows(self) -> np.ndarray:
        """Rows to learn from."""
        if self.unlabeled is None:
            return self.part.train_rows
        return np.concatenate([self.part.train_rows, len(self.cache.ids) + self.unlabeled.rows])

    @property
    def val_rows(self) -> np.ndarray:
        """Rows to validate on."""
        return self.part.val_rows

    @property
    def images(self) -> list[np.ndarray]:
        """(image, cache_px, cache_px, 3) uint8 of the galaxies, and of those without labels."""
        if self.unlabeled is None:
            return [self.cache.images]
        return [self.cache.images, self.unlabeled.cache.images]

    def read(self, rows: np.ndarray) -> np.ndarray:
        """(B, cache_px, cache_px, 3) uint8 images of ascending rows."""
        if self.unlabeled is None:
            return self.cache.images[rows]
        n_labeled = np.searchsorted(rows, len(self.cache.ids))
        unlabeled = self.unlabeled.cache.images[rows[n_labeled:] - len(self.cache.ids)]
        return np.concatenate([self.cache.images[rows[:n_labeled]], unlabeled])

    def scales_of(self, rows: np.ndarray) -> np.ndarray:
        """(B,) zooms that give images the scale of those with labels."""
        scale = self.unlabeled.scale if self.unlabeled else 1.0
        return np.where(rows < len(self.cache.ids), 1.0, scale)

    @property
    def ids(self) -> np.ndarray:
        """(image,) ids of the galaxies, then names of images without labels."""
        if self.unlabeled is None:
            return self.cache.ids
        return np.concatenate([self.cache.ids.astype(object), self.unlabeled.cache.ids])


def make_fold_data(
    config: schema.Config, data: Dataset, part: Part, before: FoldFiles | None
) -> FoldData:
    """Collect images, targets and first weights of a training.

    The first weights are those of the stage before, else the networks in `weights/` if the config
    asks for them; without either `models.weights` fills a new network.

    Args:
        config: of the run or stage.
        data: its dataset.
        part: galaxies to learn from and to validate on.
        before: files of the stage before, trained on the same part; None: it is the first.
    """
    task = config.predicted_task
    cache = data.train_images(config.image)
    labeled = data.for_task(task)
    targets = np.full((len(cache.ids), len(task.columns)), np.nan)
    rows = np.searchsorted(cache.ids, labeled.ids)
    targets[rows] = labeled.targets(task)
    fold = FoldData(cache, targets, part, labeled.fingerprint)
    if before:
        return replace(
            fold,
            weights=before.path(fold_files.WEIGHTS),
            origin=origin_after(before, config),
            possible_leakage=before.notes.get("possible_leakage", False),
            history=before.path(fold_files.HISTORY),
        )
    if config.model.weights_file == BUNDLED:
        return start_from_bundled(fold, config, data)
    return fold


def origin_after(before: FoldFiles, config: schema.Config) -> str:
    """Describe where the first weights of a stage come from: of the stage before, from there."""
    return f"{before.notes['start']}, then {config.earlier[-1].stage}"


def start_from_bundled(data: FoldData, config: schema.Config, catalog: Catalog) -> FoldData:
    """Start from the networks in `weights/`.

    Where all galaxies are of their training and in its folds, fold k starts from the network that
    left out fold k. On others any of them may have been trained on any galaxy.
    """
    bundled = find_bundled(config)
    run = bundled.folder.relative_to(layout.bundled_dir()).as_posix()
    left_out = data.part.network_before(len(fold_files.exported_trainings(bundled)))
    path = bundled.folder / fold_files.fold_name(left_out) / fold_files.WEIGHTS
    fingerprint = loading.load_run_config(bundled.folder).fingerprint
    return replace(
        data,
        weights=path,
        origin=f"weights/{run} ({table.digest_table(path)})",
        possible_leakage=not has_folds_of(catalog, fingerprint),
    )


def find_bundled(config: schema.Config) -> SealedFiles:
    """Find the run in `weights/` whose networks are of a config's kind, and check its files.

    An InputError says that there is none, or that a file has changed.
    """
    for run in layout.bundled_runs(COMPETITION_TASK):
        bundled = layout.exported_files(layout.bundled_dir() / run)
        bundled.check()
        saved = loading.load_run_config(bundled.folder).config
        if (saved.model.name, saved.model.kwargs) != (config.model.name, config.model.kwargs):
            continue
        if config.keeps_head and saved.head.hidden != config.head.hidden:
            raise InputError(
                f"{config.title}: the head of the bundled networks has head.hidden="
                f"{saved.head.hidden}: set it, too"
            )
        return bundled
    raise InputError(f"{config.title}: weights/ has no {config.model.name} networks of this kind")


def has_folds_of(catalog: Catalog, fingerprint: str) -> bool:
    """Check whether the galaxies are in the same folds as those of votes of that fingerprint."""
    votes = get_task(COMPETITION_TASK)
    if catalog.has_labels(votes):
        return catalog.for_task(votes).fingerprint == fingerprint
    if not catalog.has_galaxy_ids:
        return False
    for prepared in load_catalogs():
        if not prepared.has_labels(votes):
            continue
        if prepared.for_task(votes).fingerprint != fingerprint:
            continue
        has_all = np.isin(catalog.ids, prepared.ids).all()
        if has_all and catalog.find_difference(prepared) is None:
            return True
    return False


def find_stage_before(config: schema.Config, catalog: Catalog, name: str) -> FoldFiles | None:
    """Find the same training of the stage before, finished on the current split; None: no stage.

    A galaxy must have the same fold in the datasets of both stages, else the first weights may have
    been trained on galaxies of the fold to validate on.

    Args:
        config: of the run or stage.
        catalog: the whole catalog of its dataset.
        name: of the fold or refit, such as fold_3.
    """
    if not config.earlier:
        return None
    before = config.stages[-2]
    dataset = check_dataset_before(config, catalog)
    fingerprint = dataset.for_task(before.predicted_task).fingerprint
    files = layout.trained_files(before, dataset.dataset, fingerprint, name)
    if files.state() in ("absent", "unfinished"):
        raise FoldError(
            f"{config.title} starts from {before.title} on {dataset.dataset}, whose training is "
            f"unfinished: {shown(files.folder)}"
        )
    return files


def check_dataset_before(config: schema.Config, catalog: Catalog) -> Catalog:
    """Load the catalog of the stage before; refuse it if a galaxy is in another fold there.

    A first stage on another dataset is compared with the recipe's own. Where the two share no ids,
    a galaxy of both is known by its images, and no stage learns from it.
    """
    dataset = config.own_dataset or catalog.dataset
    start = dataset
    if config.earlier:
        before = config.earlier[-1]
        dataset = config.dataset_of(before, catalog.dataset)
        start = before.title
    if dataset == catalog.dataset:
        return catalog
    other = load_catalog(dataset)
    difference = catalog.find_difference(other)
    if difference:
        raise InputError(
            f"{config.title} cannot start from {start}, because {difference} differs between "
            f"{catalog.dataset} and {other.dataset}: delete "
            f"{shown(dataset_dir(catalog.dataset))} to split and train {catalog.dataset} again"
        )
    return other
