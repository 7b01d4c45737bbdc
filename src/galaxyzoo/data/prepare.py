"""Prepare a dataset: check its files in `input/`, split it or read its split, open its images."""

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from galaxyzoo.config import schema
from galaxyzoo.core import launch, paths
from galaxyzoo.core.artifact import Artifact, State
from galaxyzoo.core.errors import InputError, advise
from galaxyzoo.core.paths import BUNDLED, DEMOS
from galaxyzoo.data.catalog import (
    Catalog,
    dataset_dir,
    folds_dir,
    has_catalog,
    load_catalog,
    read_image_settings,
)
from galaxyzoo.data.image_cache import ImageCache, describe_bad, open_cache
from galaxyzoo.data.image_digests import check_digests
from galaxyzoo.data.readers import find
from galaxyzoo.data.readers.dataset_files import DatasetFiles
from galaxyzoo.data.readers.side_tables import KnownGroups, read_known_groups
from galaxyzoo.data.split import (
    DROP,
    check_own_folds,
    check_own_groups,
    find_changes,
    has_runs,
    images_of,
    make_catalog,
    update_catalog,
)
from galaxyzoo.data.stores import opening
from galaxyzoo.tasks.kinds import COMPETITION_TASK

DEFAULT_FOLDS = 5
_SPLITTING = "splitting a dataset into folds"


@dataclass(frozen=True)
class Dataset(Catalog):
    """A catalog with the files that it was made of, whose images can be trained on."""

    raw: DatasetFiles = field(kw_only=True)  # read and checked

    @classmethod
    def of(cls, catalog: Catalog, raw: DatasetFiles) -> "Dataset":
        """A whole catalog with its files."""
        data = cls(catalog.dataset, catalog.train, catalog.test_ids, catalog.about, raw=raw)
        vars(data).update(vars(catalog))  # its fingerprint too, which takes seconds
        return data

    def train_images(self, config: schema.ImageConfig) -> ImageCache:
        """Decoded training images in the catalog's order; an unreadable one is an error."""
        images = self.raw.train_images
        cache = open_cache(images, self.ids, config)
        if cache.problems:
            folder = paths.shown(dataset_dir(self.dataset))
            advice = f"replace them, or delete {folder} and split again with {DROP}"
            raise InputError(describe_bad(images, cache, advice))
        return cache

    def test_images(self, config: schema.ImageConfig) -> ImageCache:
        """Decoded test images in the sample submission's order; unreadable ones are marked."""
        return open_cache(self.raw.test_images, self.test_ids, config)


def prepare(
    data: str | None = None,
    n_folds: int | None = None,
    seed: int | None = None,
    tasks: set[str] | None = None,
    drop_bad: bool = False,
    update: bool = False,
) -> Dataset:
    """Find the input, check it, and make its catalog and folds, or read those made before.

    Where input of own labels has changed, the catalog is made again: known galaxies keep their
    folds.

    Args:
        data: folder of the input's files; default: found in `input/`, else the demo set.
        n_folds: number of folds; None: as in the existing split, 5 for a new one.
        seed: of the split; None: as in the existing split, 0 for a new one.
        tasks: what the data are for; default the competition's own task.
        drop_bad: whether a new split leaves out galaxies whose image cannot be used; else such an
            image is an error.
        update: make the catalog of changed input though runs are trained on the old one.
    """
    raw = find.open_input(data, tasks or {COMPETITION_TASK})
    return prepare_raw(raw, n_folds, seed, drop_bad, update)


def open_dataset(data: str | None, dataset: str, task: str) -> Dataset:
    """A prepared dataset with its images' files.

    Args:
        data: folder of the input's files that the user named; default: the dataset's own in
            `input/`, else what `input/` holds for the task.
        dataset: name of the dataset.
        task: name of the task.
    """
    raw = find.open_input(data or _own_folder(dataset), {task})
    if raw.dataset != dataset:  # before another dataset would be prepared
        raise InputError(f"input is '{raw.dataset}', not '{dataset}': name its folder with --data")
    return prepare_raw(raw)


def take_images(cache: ImageCache, ids: np.ndarray) -> np.ndarray:
    """Select images by id, (galaxy, H, W, 3) uint8; the cache's ids ascend."""
    return cache.images[np.searchsorted(cache.ids, ids)]


def prepare_raw(
    raw: DatasetFiles,
    n_folds: int | None = None,
    seed: int | None = None,
    drop_bad: bool = False,
    update: bool = False,
) -> Dataset:
    """Make the catalog of what is found, or read it; other arguments as of `prepare`.

    Raises:
        InputError: the files or their images changed since the split (of own labels: after a run
            was trained, without `update`), or another split is asked for.
    """
    raw = _wrap_images(raw)
    split = _Split(raw, read_known_groups(raw))
    if not has_catalog(raw.dataset):
        with split.make(_SPLITTING):
            if not has_catalog(raw.dataset):  # else it came while this process waited
                if n_folds is None:
                    n_folds = raw.folds.nunique() or DEFAULT_FOLDS
                catalog = make_catalog(raw, split.known_groups, n_folds, seed or 0, drop_bad)
                return Dataset.of(catalog, raw)
    return _open_split(split, n_folds, seed, drop_bad, update)


def _open_split(
    split: "_Split", n_folds: int | None, seed: int | None, drop_bad: bool, update: bool
) -> Dataset:
    """Read a catalog that is there, or update it where own labels changed; as of `prepare_raw`."""
    known_groups = split.known_groups
    catalog = load_catalog(split.raw.dataset)
    _check_split(catalog, n_folds, seed)
    raw = replace(split.raw, folds_from=catalog.about.get("folds_from", ""))
    check_own_folds(catalog, raw)
    check_own_groups(catalog, raw, known_groups)
    changes = find_changes(catalog, raw, known_groups)
    folder = dataset_dir(raw.dataset)
    if changes and not raw.may_change:
        raise InputError(
            f"{paths.shown(raw.folder)} has changed since {paths.shown(folder)} was made: "
            f"restore the old files, or delete {paths.shown(folder)} to start again"
        )
    with advise(f"restore the originals, or delete {paths.shown(folder)} to split and train again"):
        check_digests(folder, catalog.about.get("images", ""), images_of(raw))
    if not changes:
        return Dataset.of(catalog, raw)
    if not update and has_runs(folder):
        command = f"{launch.typed('train_folds')} --data {launch.quote(raw.dataset)}"
        raise InputError(
            f"{paths.shown(raw.folder)} has changed ({', '.join(changes)}) since "
            f"{paths.shown(folder)} was made: to update it and its runs, type `{command}`"
        )
    with split.make(_SPLITTING) as filling:
        catalog = load_catalog(raw.dataset)
        if filling:
            catalog = update_catalog(catalog, raw, known_groups, drop_bad)
    return Dataset.of(catalog, raw)


def _wrap_images(raw: DatasetFiles) -> DatasetFiles:
    """Read images by the settings of the split, else by those typed; refuse others."""
    typed = list(raw.settings)
    if has_catalog(raw.dataset):
        split_with = read_image_settings(raw.dataset)
        if typed not in ([], split_with):
            folder = paths.shown(dataset_dir(raw.dataset))
            before = shlex.join(split_with) or "default settings of images"
            raise InputError(
                f"{folder} was split with {before}, not {shlex.join(typed)}: delete {folder} to "
                "split and train again"
            )
        typed = split_with
    settings = opening.read_settings(typed)
    return replace(
        raw,
        train_images=opening.wrap(raw.train_images, settings),
        test_images=opening.wrap(raw.test_images, settings),
        settings=typed,
    )


@dataclass(frozen=True)
class _Split(Artifact):
    """The catalog of a dataset's files.

    Catalogs of all datasets have one lock: a new one takes over the folds of galaxies that it
    shares.
    """

    raw: DatasetFiles
    known_groups: KnownGroups

    @property
    def folder(self) -> Path:
        """Folder of all splits."""
        return folds_dir()

    def state(self) -> State:
        """Ask whether it is there; stale: the input has changed since."""
        if not has_catalog(self.raw.dataset):
            return "absent"
        catalog = load_catalog(self.raw.dataset)
        changes = find_changes(catalog, self.raw, self.known_groups)
        return "stale" if changes else "finished"


def _check_split(catalog: Catalog, n_folds: int | None, seed: int | None) -> None:
    """Refuse another number of folds, or another seed."""
    folder = paths.shown(dataset_dir(catalog.dataset))
    for key, value in {"n_folds": n_folds, "seed": seed}.items():
        before = catalog.about.get(key)
        if value is not None and value != before:
            raise InputError(
                f"{folder} was split with {key} {before}, not {value}: delete {folder} to split "
                "again"
            )


def _own_folder(dataset: str) -> str | None:
    """The dataset's name where `input/` has its folder, None where it may lie in `input/` itself.

    An empty `input/` is refused: the demo set would be drawn.
    """
    if dataset == BUNDLED:
        raise InputError("the bundled networks have no galaxy catalog: name an image instead")
    if dataset in DEMOS or (paths.input_dir() / dataset).exists():
        return dataset
    if find.is_anything_there():
        return None
    raise InputError(f"{paths.shown(paths.input_dir())}/ no longer contains dataset '{dataset}'")
