"""Prepare a dataset: check its files in `input/`, group duplicates, deal folds, open its images."""

import shlex
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.config import loading, schema
from galaxyzoo.core import launch, manifest, paths
from galaxyzoo.core.artifact import Artifact, State
from galaxyzoo.core.errors import InputError, advise
from galaxyzoo.core.paths import BUNDLED, DEMOS
from galaxyzoo.data.catalog import (
    GROUP,
    OWN_TASK,
    SETTINGS,
    Catalog,
    dataset_dir,
    folds_dir,
    has_catalog,
    load_catalog,
    load_catalogs,
    read_image_settings,
    save_catalog,
)
from galaxyzoo.data.folds import DUPLICATE_CORRELATION, join_groups, make_folds, near_duplicates
from galaxyzoo.data.image_cache import ImageCache, describe_bad, open_cache, read_ids
from galaxyzoo.data.image_digests import check_digests, record_images, remove_others
from galaxyzoo.data.readers import find
from galaxyzoo.data.readers.dataset_files import DatasetFiles
from galaxyzoo.data.readers.side_tables import GROUPS, KnownGroups, read_known_groups
from galaxyzoo.data.stores import opening
from galaxyzoo.data.stores.base import Images
from galaxyzoo.io.tables import FOLD, GalaxyId, key_of
from galaxyzoo.io.writing import write_table
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import define_task

DEFAULT_FOLDS = 5
_REDO = "remove it and rerun the command, which writes it again"
_DROP = "on_bad_image=drop (src/prepare.py: --on-bad-image drop)"


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
            advice = f"replace them, or delete {folder} and split again with {_DROP}"
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

    Where own labels have changed, the catalog is made again: known galaxies keep their folds.

    Args:
        data: folder of the input's files; default: found in `input/`, else the demo set.
        n_folds: number of folds; None: as in the existing split, 5 for a new one.
        seed: of the split; None: as in the existing split, 0 for a new one.
        tasks: what the data are for; default the competition's own task.
        drop_bad: whether a new split leaves out galaxies whose image cannot be used; else such an
            image is an error.
        update: make the catalog of changed labels though runs are trained on the old ones.
    """
    raw = find.open_input(data, tasks or {COMPETITION_TASK})
    return prepare_raw(raw, n_folds, seed, drop_bad, update)


def record_duplicates(data: Dataset, other: Dataset) -> None:
    """Record which galaxies of `other` are galaxies of `data` that their ids do not tell.

    They are found once, by their images, as near-duplicates within a dataset are. A stage on
    `other` leaves them out: they may be test galaxies, or belong to the fold to validate. Where the
    datasets share ids, a galaxy of the same id needs no record.
    """
    path = _copies_file(data.dataset, other.dataset)
    made_of = [catalog.about.get("images") for catalog in (data, other)]
    with advise(_REDO):
        is_known = path.exists() and not manifest.is_unsealed(path)
        if is_known and manifest.read_sealed(path)["made_of"] == made_of:
            return
    print(f"checking which galaxies {data.dataset} and {path.parent.name} share")
    image = other.raw.image
    caches = [data.train_images(image), data.test_images(image), other.train_images(image)]
    groups = near_duplicates(chain.from_iterable(cache.images for cache in caches))
    ids = np.concatenate([cache.ids for cache in caches[:2]])
    ours = pd.DataFrame({"id": ids, GROUP: groups[: len(ids)]})
    theirs = pd.DataFrame({"id": other.ids, GROUP: groups[len(ids) :]})
    pairs = theirs.merge(ours, on=GROUP, suffixes=("", "_own"))
    if data.shares_ids(other):
        pairs = pairs[pairs["id"] != pairs["id_own"]]
    copies = pairs["id"].unique().tolist()
    manifest.write_sealed(path, {"made_of": made_of, "copies": copies})


@advise(_REDO)
def read_duplicates(dataset: str, other: str) -> list[GalaxyId]:
    """Ids in `other` that `record_duplicates` has written for these datasets."""
    return manifest.read_sealed(_copies_file(dataset, other))["copies"]


def _copies_file(dataset: str, other: str) -> Path:
    return dataset_dir(other) / f"copies_of_{dataset}.json"


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
    """Make the catalog of what is found, or read it; other arguments as of `prepare`."""
    raw = _wrap_images(raw)
    activity = "splitting a dataset into folds"
    known = read_known_groups(raw)
    split = _Split(raw, known)
    if not has_catalog(raw.dataset):
        with split.make(activity):
            if not has_catalog(raw.dataset):  # else it came while this process waited
                k = DEFAULT_FOLDS if n_folds is None else n_folds
                return Dataset.of(_make_catalog(raw, known, k, seed or 0, drop_bad), raw)
    catalog = load_catalog(raw.dataset)
    _check_split(catalog, n_folds, seed)
    _check_own_groups(catalog, raw, known)
    is_unchanged = _is_unchanged(catalog, raw, known)
    folder = dataset_dir(raw.dataset)
    if not is_unchanged and raw.task is None:
        raise InputError(
            f"{paths.shown(raw.folder)} has changed since {paths.shown(folder)} was made: "
            f"restore the old files, or delete {paths.shown(folder)} to start again"
        )
    with advise(f"restore the originals, or delete {paths.shown(folder)} to split and train again"):
        check_digests(folder, catalog.about.get("images", ""), _images(raw))
    if not is_unchanged:
        if not update and any(folder.glob(f"*/*/{loading.CONFIG}")):
            raise InputError(
                f"labels in {paths.shown(raw.folder)} have changed since {paths.shown(folder)} was "
                f"made: to retrain, type `{launch.typed('train_folds')} --data {raw.dataset}`"
            )
        with split.make(activity) as filling:
            catalog = load_catalog(raw.dataset)
            if filling:
                catalog = _update_catalog(catalog, raw, known, drop_bad)
    return Dataset.of(catalog, raw)


def _wrap_images(raw: DatasetFiles) -> DatasetFiles:
    """Read images by the settings of the split, else by those typed; refuse others."""
    typed = [*raw.settings]
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
    known: KnownGroups

    @property
    def folder(self) -> Path:
        """Folder of all splits."""
        return folds_dir()

    def state(self) -> State:
        """Ask whether it is there; stale: of other labels or groups."""
        if not has_catalog(self.raw.dataset):
            return "absent"
        catalog = load_catalog(self.raw.dataset)
        return "finished" if _is_unchanged(catalog, self.raw, self.known) else "stale"


def _images(raw: DatasetFiles) -> list[Images]:
    return [raw.train_images.select(raw.targets.index), raw.test_images.select(raw.test_ids)]


def _update_catalog(
    before: Catalog, raw: DatasetFiles, known: KnownGroups, drop_bad: bool
) -> Catalog:
    """Make the catalog of changed labels; its known galaxies keep their folds."""
    drop_bad = drop_bad or bool(before.about["dropped_images"])
    now = _make_catalog(raw, known, before.n_folds, before.about["seed"], drop_bad)
    old, new = (c.train[c.label_columns] for c in (before, now))
    shared = old.index.intersection(new.index)
    changed = old.loc[shared].idxmax(axis=1).ne(new.loc[shared].idxmax(axis=1)).sum()
    print(
        f"labels: {len(new) - len(shared):,} added, {changed:,} changed, "
        f"{len(old) - len(shared):,} removed; galaxies keep their folds; runs will be retrained"
    )
    return now


def _make_catalog(
    raw: DatasetFiles, known: KnownGroups, n_folds: int, seed: int, drop_bad: bool
) -> Catalog:
    folder, is_known = dataset_dir(raw.dataset), has_catalog(raw.dataset)
    if not is_known and any(folder.glob(f"*/*/{loading.CONFIG}")):
        raise InputError(
            f"{paths.shown(folder)} contains trained runs but not their split (dataset.json): "
            "restore it, or delete the folder to split and train again"
        )
    occasion = "changed labels" if is_known else "new split"
    print(*known.notes, f"{raw.dataset}: {occasion}; finding near-duplicate images", sep="\n")
    cache = open_cache(raw.train_images, raw.targets.index.to_numpy(), raw.image)
    if cache.problems and not drop_bad:
        advice = f"replace them, or continue without them: {_DROP}"
        raise InputError(describe_bad(raw.train_images, cache, advice))
    near = near_duplicates(cache.images)
    if cache.problems:
        raw, near = _drop_bad(raw, cache, near)
    shared = known.of(raw.targets.index)
    groups = join_groups([near, known.joined(raw.targets.index)])
    known_folds = _known_folds(raw, n_folds)
    try:
        folds = make_folds(raw.targets.to_numpy(), groups, n_folds, seed, known_folds)
    except ValueError as error:
        raise InputError(f"--folds {n_folds}: {error}") from None
    known_ids = load_catalog(raw.dataset).ids if is_known else ()
    _check_groups(raw.dataset, raw.targets.index, groups, folds, raw.targets.index.isin(known_ids))
    train = raw.targets.copy()
    train.insert(0, FOLD, folds)
    train.insert(1, GROUP, groups)
    _write_groups(folder / GROUPS, train, {"near_duplicate": near, **shared})
    images = record_images(folder, _images(raw))
    description = {
        "dataset": raw.dataset,
        "training_galaxies": len(train),
        "test_galaxies": len(raw.test_ids),
        "n_folds": n_folds,
        "seed": seed,
        "stratified_by": "most telling answer, then its vote fraction",
        "key": key_of(raw.targets.index),
        "galaxy_ids": raw.galaxy_ids,
        "folds_as_in_earlier_datasets": int((known_folds >= 0).sum()),
        "duplicate_correlation": DUPLICATE_CORRELATION,
        "galaxies_with_a_near_duplicate": int(_is_shared(near).sum()),
        "dropped_images": {str(galaxy_id): why for galaxy_id, why in cache.problems.items()},
        "code_version": manifest.code_version(),
        "images": images,
    }
    if shared:
        counts = {name: int(_is_shared(numbers).sum()) for name, numbers in shared.items()}
        description |= {"galaxies_that_share": counts, "shared_by": known.sources}
    if raw.settings:
        description[SETTINGS] = raw.settings
    if raw.own_task:
        description[OWN_TASK] = define_task(raw.own_task)
    description["known_groups"] = _digest_groups(known, raw.targets.index)
    catalog = Catalog(raw.dataset, train, raw.test_ids, description)
    if raw.task:
        catalog.for_task(raw.task)  # every class is in every fold
    save_catalog(catalog)
    remove_others(folder, images)
    return load_catalog(raw.dataset)


def _is_shared(numbers: np.ndarray) -> np.ndarray:
    """(galaxy,) whether another galaxy has the same number; -1 is none."""
    return pd.Series(numbers).duplicated(keep=False).to_numpy() & (numbers >= 0)


def _digest_groups(known: KnownGroups, ids: np.ndarray | pd.Index) -> str:
    """Digest of which galaxies belong together by tables, however these spell it."""
    return manifest.digest([known.joined(ids).tobytes()])[:16]


def _write_groups(path: Path, train: pd.DataFrame, causes: dict[str, np.ndarray]) -> None:
    """Write who shares a fold with whom, and why; name classes that are one group."""
    is_shared = _is_shared(train[GROUP].to_numpy())
    table = pd.DataFrame({"joined": train[GROUP], **causes})[is_shared]
    write_table(path, table.reset_index())
    targets = train.drop(columns=[FOLD, GROUP])
    are_classes = targets.isin([0, 1]).all(axis=None)
    if not are_classes:
        return
    for name in targets.columns:
        members = train[GROUP][targets[name] == 1]
        if len(members) > members.nunique() == 1:
            print(f"the {len(members)} galaxies of class '{name}' form one group and share a fold")


def _drop_bad(
    raw: DatasetFiles, cache: ImageCache, groups: np.ndarray
) -> tuple[DatasetFiles, np.ndarray]:
    """Drop galaxies whose image cannot be used; number the groups of the others without gaps.

    A bad image is black, so it is in a group of its own.
    """
    if cache.unreadable.all():
        raise InputError(describe_bad(raw.train_images, cache, "replace them"))
    print(describe_bad(raw.train_images, cache, "dropping these galaxies"))
    readable = ~cache.unreadable
    renumbered = np.unique(groups[readable], return_inverse=True)[1]
    return replace(raw, targets=raw.targets[readable]), renumbered


def _known_folds(raw: DatasetFiles, n_folds: int) -> np.ndarray:
    """(galaxy,) fold that a galaxy has in a dataset prepared earlier, -1 where in none.

    A galaxy has one fold in every dataset that shares its id, so that weights trained without fold
    k of one may start fold k of another. A split into another number of folds cannot take part.
    """
    known = pd.Series(-1, raw.targets.index)
    for other in load_catalogs():
        shares_ids = raw.galaxy_ids and other.has_galaxy_ids
        if not (shares_ids or other.dataset == raw.dataset) or other.n_folds != n_folds:
            continue
        folds = other.train[FOLD].reindex(known.index).dropna().astype("int64")
        before = known[folds.index]
        clash = folds.index[(before >= 0) & (before != folds)]
        if len(clash):
            folder = paths.shown(dataset_dir(other.dataset))
            raise InputError(
                f"{other.key} {clash[0]} is in one fold of {other.dataset} and another one of "
                f"another dataset: delete {folder}/ and prepare it again"
            )
        known[folds.index] = folds
    return known.to_numpy()


def _check_own_groups(catalog: Catalog, raw: DatasetFiles, known: KnownGroups) -> None:
    """Refuse tables that put together what the dataset's own split has divided."""
    ids = catalog.train.index
    ids = ids[ids.isin(raw.train_images.ids)]
    folds = catalog.train[FOLD][ids].to_numpy()
    is_own = np.full(len(ids), True)
    _check_groups(catalog.dataset, ids, known.joined(ids), folds, is_own)


def _check_groups(
    dataset: str, ids: pd.Index, groups: np.ndarray, folds: np.ndarray, is_own: np.ndarray
) -> None:
    """Refuse known folds that split a group: a copy of a validation galaxy would be trained on.

    Args:
        dataset: the dataset's name.
        ids: (galaxy,) for the message.
        groups: (galaxy,) group numbers.
        folds: (galaxy,) fold numbers.
        is_own: (galaxy,) whether the fold is that of the dataset's own earlier split.
    """
    order = np.lexsort((folds, groups))
    divided = (np.diff(groups[order]) == 0) & (np.diff(folds[order]) != 0)
    if not divided.any():
        return
    place = int(np.flatnonzero(divided)[0])
    pair = order[place : place + 2]
    first, second = ids[pair]
    if is_own[pair].all():
        folder = paths.shown(dataset_dir(dataset))
        splits, advice = folder, f"delete {folder} to split again"
    else:
        splits = f"earlier splits in {paths.shown(folds_dir())}/"
        advice = "delete one of these splits there and prepare its dataset last"
    raise InputError(
        f"{key_of(ids)} {first} and {second} belong together (near-duplicates, one group or "
        f"position), but {splits} put them into different folds: {advice}"
    )


def _is_unchanged(catalog: Catalog, raw: DatasetFiles, known: KnownGroups) -> bool:
    """Check whether a catalog has the input's galaxies, labels and groups.

    Earlier versions wrote no such digest of groups: there `_check_own_groups` has to do.
    """
    groups = _digest_groups(known, catalog.ids)
    dropped = [*read_ids(catalog.about.get("dropped_images", {}), catalog.ids)]
    targets = raw.targets.drop(index=dropped, errors="ignore")
    return (
        catalog.label_columns == list(targets.columns)
        and set(dropped) <= set(raw.targets.index)
        and np.array_equal(catalog.ids, targets.index.to_numpy())
        and np.array_equal(catalog.test_ids, raw.test_ids)
        and np.allclose(catalog.train[targets.columns], targets, rtol=0, atol=1e-9)
        and raw.own_task == catalog.task
        and catalog.about.get("known_groups", groups) == groups
        and catalog.fingerprint == catalog.about["fingerprint"]  # else an update was interrupted
    )


def _check_split(catalog: Catalog, n_folds: int | None, seed: int | None) -> None:
    """Refuse another number of folds, or another seed."""
    folder = paths.shown(dataset_dir(catalog.dataset))
    for key, value in {"n_folds": n_folds, "seed": seed}.items():
        if value is not None and value != catalog.about.get(key):
            raise InputError(
                f"{folder} was split with {key} {catalog.about.get(key)}, not {value}: delete "
                f"{folder} to split again"
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
