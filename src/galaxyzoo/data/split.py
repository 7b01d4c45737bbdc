"""Split a dataset: join galaxies that belong together, deal folds, write the catalog."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from galaxyzoo.config import loading
from galaxyzoo.core import manifest, paths, versions
from galaxyzoo.core.errors import InputError
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
    save_catalog,
)
from galaxyzoo.data.folds import DUPLICATE_CORRELATION, join_groups, make_folds, near_duplicates
from galaxyzoo.data.image_cache import ImageCache, describe_bad, open_cache, parse_ids
from galaxyzoo.data.image_digests import record_images, remove_others
from galaxyzoo.data.readers.dataset_files import DatasetFiles
from galaxyzoo.data.readers.side_tables import GROUPS, KnownGroups
from galaxyzoo.data.stores.base import Images
from galaxyzoo.io.tables import FOLD, key_of
from galaxyzoo.io.writing import write_table
from galaxyzoo.tasks.registry import define_task

_NEAR_DUPLICATE = "near_duplicate"  # what galaxies share besides tables
DROP = "on_bad_image=drop (src/prepare.py: --on-bad-image drop)"


def update_catalog(
    before: Catalog, raw: DatasetFiles, known_groups: KnownGroups, drop_bad: bool
) -> Catalog:
    """Make the catalog of changed input, and print what changed; known galaxies keep their folds.

    Arguments as of `make_catalog`; galaxies with bad images stay dropped where they were.
    """
    changes = find_changes(before, raw, known_groups)
    drop_bad = drop_bad or bool(before.about["dropped_images"])
    catalog = make_catalog(raw, known_groups, before.n_folds, before.about["seed"], drop_bad)
    old = before.train[before.label_columns].idxmax(axis=1)
    new = catalog.train[catalog.label_columns].idxmax(axis=1)
    shared = old.index.intersection(new.index)
    changed = old[shared].ne(new[shared]).sum()
    is_same_split = catalog.fingerprint == before.fingerprint
    outcome = "trained runs stay valid" if is_same_split else "runs will be retrained"
    print(
        f"changed: {', '.join(changes)}; labels: {len(new) - len(shared):,} added, "
        f"{changed:,} changed, {len(old) - len(shared):,} removed; galaxies keep their folds; "
        f"{outcome}"
    )
    members = catalog.train.groupby(FOLD)[catalog.label_columns].sum()
    n_with = (members > 0).sum()
    for name in n_with.index[n_with < catalog.n_folds]:
        print(
            f"class '{name}' is in only {n_with[name]} of {catalog.n_folds} folds, as its galaxies "
            f"keep theirs: to split again, delete {paths.shown(dataset_dir(catalog.dataset))}"
        )
    return catalog


def make_catalog(
    raw: DatasetFiles, known_groups: KnownGroups, n_folds: int, seed: int, drop_bad: bool
) -> Catalog:
    """Make the catalog of a dataset's files and write it, in place of an earlier one of these.

    Args:
        raw: the files.
        known_groups: groups of their galaxies by tables.
        n_folds: number of folds.
        seed: of the split.
        drop_bad: whether to leave out galaxies whose image cannot be used.
    Raises:
        InputError: an image cannot be used, the galaxies do not fill the folds or are all in one
            group, a class of the user's own is too small, or earlier folds divide a group.
    """
    folder = dataset_dir(raw.dataset)
    is_update = has_catalog(raw.dataset)
    if not is_update and has_runs(folder):
        raise InputError(
            f"{paths.shown(folder)} contains trained runs but not their split (dataset.json): "
            "restore it, or delete the folder to split and train again"
        )
    occasion = "changed input" if is_update else "new split"
    for note in known_groups.notes:
        print(note)
    print(f"{raw.dataset}: {occasion}; finding near-duplicate images")
    raw, near, dropped = _find_near_duplicates(raw, drop_bad)
    groups = _Groups.of(raw.targets.index, near, known_groups)
    groups.refuse_single(raw.dataset)
    known_folds = _find_known_folds(raw, n_folds)
    is_earlier = (known_folds >= 0) & ~raw.targets.index.isin(raw.folds.index)
    train = raw.targets.copy()
    train.insert(0, FOLD, _deal(raw, groups.numbers, n_folds, seed, known_folds))
    train.insert(1, GROUP, groups.numbers)
    description = {
        "dataset": raw.dataset,
        "training_galaxies": len(train),
        "test_galaxies": len(raw.test_ids),
        "n_folds": n_folds,
        "seed": seed,
        "stratified_by": "" if raw.folds_from else "most telling answer, then its vote fraction",
        "key": key_of(train.index),
        "galaxy_ids": raw.galaxy_ids,
        "folds_from": raw.folds_from,
        "folds_as_in_earlier_datasets": int(is_earlier.sum()),
        "duplicate_correlation": DUPLICATE_CORRELATION,
        "known_groups": _digest_groups(known_groups, train.index),
        **groups.count(),
        "dropped_images": dropped,
        "code_version": versions.code_version(),
    }
    if raw.settings:
        description[SETTINGS] = raw.settings
    if raw.own_task:
        description[OWN_TASK] = define_task(raw.own_task)
    catalog = Catalog(raw.dataset, train, raw.test_ids, description)
    _check_groups(raw, train)
    if raw.task and raw.may_change:
        catalog.for_task(raw.task)  # refuses classes that are too small, before a file is written
    _write_groups(folder / GROUPS, train, groups.causes)
    description["images"] = record_images(folder, images_of(raw))
    save_catalog(catalog)
    remove_others(folder, description["images"])
    return load_catalog(raw.dataset)


@dataclass(frozen=True, eq=False)
class _Groups:
    """Which galaxies belong together, and why."""

    numbers: np.ndarray  # (galaxy,) of the groups, by all causes
    # what galaxies share -> (galaxy,) groups by it alone; in none: -1 or a group of its own
    causes: dict[str, np.ndarray]
    sources: dict[str, list[str]]  # what they share by tables -> columns and their tables

    @classmethod
    def of(cls, ids: pd.Index, near: np.ndarray, known_groups: KnownGroups) -> Self:
        """Join galaxies with near-identical images, and those that tables put together.

        Args:
            ids: (galaxy,) of the galaxies.
            near: (galaxy,) groups of near-duplicates.
            known_groups: groups by tables.
        """
        numbers = join_groups([near, known_groups.joined(ids)])
        causes = {_NEAR_DUPLICATE: near, **known_groups.of(ids)}
        return cls(numbers, causes, known_groups.sources)

    def refuse_single(self, dataset: str) -> None:
        """Refuse galaxies that all belong together, and name what joins them."""
        if len(np.unique(self.numbers)) > 1:
            return
        if len(self.numbers) == 1:
            raise InputError(f"{dataset} has a single galaxy: a split needs two or more")
        names = []
        for cause, numbers in self.causes.items():
            if (numbers == 0).all():
                names += self.sources.get(cause, ["near-duplicate images"])
        joined_by = ", ".join(names) or "near-duplicate images and tables together"
        raise InputError(
            f"{dataset}: all {len(self.numbers):,} galaxies are one group ({joined_by}): to split "
            "them into folds, correct or remove what joins them"
        )

    def count(self) -> dict[str, Any]:
        """Numbers of galaxies that share something with another one, for the split's record."""
        counts = {cause: int(_is_shared(self.causes[cause]).sum()) for cause in self.causes}
        record: dict[str, Any] = {"galaxies_with_a_near_duplicate": counts.pop(_NEAR_DUPLICATE)}
        if counts:
            record["galaxies_that_share"] = counts
            record["shared_by"] = self.sources
        return record


def _find_near_duplicates(
    raw: DatasetFiles, drop_bad: bool
) -> tuple[DatasetFiles, np.ndarray, dict[str, str]]:
    """Decode the training images, and find those that are nearly the same.

    Returns:
        The files, without galaxies whose image cannot be used; (galaxy,) groups of near-duplicates;
        and id -> reason of the galaxies that were dropped.
    """
    cache = open_cache(raw.train_images, raw.targets.index.to_numpy(), raw.image)
    if cache.problems and not drop_bad:
        advice = f"replace them, or continue without them: {DROP}"
        raise InputError(describe_bad(raw.train_images, cache, advice))
    near = near_duplicates(cache.images)
    if cache.problems:
        raw, near = _drop_bad(raw, cache, near)
    dropped = {str(galaxy_id): reason for galaxy_id, reason in cache.problems.items()}
    return raw, near, dropped


def _deal(
    raw: DatasetFiles, groups: np.ndarray, n_folds: int, seed: int, known_folds: np.ndarray
) -> np.ndarray:
    """(galaxy,) folds, of which those that are known stay; arguments as of `make_folds`."""
    try:
        return make_folds(raw.targets.to_numpy(), groups, n_folds, seed, known_folds)
    except ValueError as error:
        source = raw.folds_from or f"--folds {n_folds}"
        raise InputError(f"{source}: {error}") from None


def has_runs(folder: Path) -> bool:
    """Check whether any run was trained on the dataset of a folder."""
    return any(folder.glob(f"*/*/{loading.CONFIG}"))


def images_of(raw: DatasetFiles) -> list[Images]:
    """Training and test images of its galaxies."""
    return [raw.train_images.select(raw.targets.index), raw.test_images.select(raw.test_ids)]


def _is_shared(numbers: np.ndarray) -> np.ndarray:
    """(galaxy,) whether another galaxy has the same number; -1 is none."""
    return pd.Series(numbers).duplicated(keep=False).to_numpy() & (numbers >= 0)


def _digest_groups(known_groups: KnownGroups, ids: np.ndarray | pd.Index) -> str:
    """Digest of which galaxies belong together by tables, however these spell it."""
    return manifest.digest([known_groups.joined(ids).tobytes()])[:16]


def _write_groups(path: Path, train: pd.DataFrame, causes: dict[str, np.ndarray]) -> None:
    """Write who shares a fold with whom, and why; name classes that are one group."""
    is_shared = _is_shared(train[GROUP].to_numpy())
    table = pd.DataFrame({"joined": train[GROUP], **causes})[is_shared]
    write_table(path, table.reset_index())
    for cause in causes:
        divided = find_divided(table.join(train[FOLD]), cause)
        if len(divided):
            print(
                f"sets divided over folds ({cause.replace('_', '-')}): "
                f"{divided[cause].nunique():,}, such as {key_of(train.index)} {divided.index[0]} "
                f"and {divided.index[1]}"
            )
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


def _find_known_folds(raw: DatasetFiles, n_folds: int) -> np.ndarray:
    """(galaxy,) fold that a galaxy has in a table or any earlier split, -1 where it has none.

    A galaxy has one fold in every dataset that shares its id, so that weights trained without fold
    k of one may start fold k of another. A split into another number of folds cannot take part.
    """
    known_folds = pd.Series(-1, raw.targets.index)
    known_folds.update(raw.folds)
    for other in load_catalogs():
        has_these_galaxies = raw.galaxy_ids and other.has_galaxy_ids
        has_these_galaxies = has_these_galaxies or other.dataset == raw.dataset
        if not has_these_galaxies or other.n_folds != n_folds:
            continue
        folds = other.train[FOLD].reindex(known_folds.index).dropna().astype("int64")
        before = known_folds[folds.index]
        clash = folds.index[(before >= 0) & (before != folds)]
        if len(clash):
            folder = paths.shown(dataset_dir(other.dataset))
            raise InputError(
                f"{other.key} {clash[0]} is in one fold of {other.dataset} and another one of "
                f"another dataset or --folds-from: delete {folder}/ and prepare it again"
            )
        known_folds[folds.index] = folds
    return known_folds.to_numpy()


def check_own_folds(catalog: Catalog, raw: DatasetFiles) -> None:
    """Refuse a split of other folds than those of a table (`raw.folds`)."""
    if catalog.train[FOLD].sub(raw.folds).any():
        raise InputError(
            f"{paths.shown(dataset_dir(raw.dataset))} has other folds than --folds-from: "
            "delete that folder to split again"
        )


def check_own_groups(catalog: Catalog, raw: DatasetFiles, known_groups: KnownGroups) -> None:
    """Refuse a split that divides galaxies of a group."""
    train = catalog.train[catalog.train.index.isin(raw.train_images.ids)]
    groups = join_groups([train[GROUP].to_numpy(), known_groups.joined(train.index)])
    _check_groups(raw, train.assign(group=groups))


def find_divided(train: pd.DataFrame, group: str) -> pd.DataFrame:
    """Find groups that folds divide: one galaxy of each in each of its folds, group after group.

    Args:
        train: by id; `fold` and group numbers, -1 in none.
        group: name of the column of groups.
    """
    firsts = train[train[group] >= 0].drop_duplicates([group, FOLD])
    return firsts[firsts.duplicated(group, keep=False)].sort_values(group)


def _check_groups(raw: DatasetFiles, train: pd.DataFrame) -> None:
    """Refuse known folds that split a group: a copy of a validation galaxy would be trained on.

    Folds of a table may, unless `raw.is_strict`.

    Args:
        raw: the files.
        train: by id; `fold` and `group`.
    """
    pair = find_divided(train, GROUP).index[:2]
    may_divide = raw.folds_from and not raw.is_strict
    if pair.empty or may_divide:
        return
    if has_catalog(raw.dataset) and pair.isin(load_catalog(raw.dataset).ids).all():
        splits = paths.shown(dataset_dir(raw.dataset))
        advice = f"delete {splits} to split again"
    elif raw.folds_from:
        splits = "the folds of --folds-from"
        advice = "mend them, or leave out --strict"
    else:
        splits = f"earlier splits in {paths.shown(folds_dir())}/"
        advice = "delete one of these splits there and prepare its dataset last"
    raise InputError(
        f"{key_of(pair)} {pair[0]} and {pair[1]} belong together (near-duplicates, one group or "
        f"position), but {splits} put them into different folds: {advice}"
    )


def find_changes(catalog: Catalog, raw: DatasetFiles, known_groups: KnownGroups) -> list[str]:
    """Name what differs between a catalog and the input that it was made of.

    Earlier versions wrote no digest of groups: there `check_own_groups` has to do.

    Returns:
        Some of "labels", "order of classes", "galaxies to predict", "groups", "metric"; empty where
        nothing changed.
    """
    if catalog.fingerprint != catalog.about["fingerprint"]:
        return ["labels"]  # an update was interrupted
    dropped = list(parse_ids(catalog.about.get("dropped_images", {}), catalog.ids))
    targets = raw.targets.drop(index=dropped, errors="ignore")
    has_these_labels = (
        set(catalog.label_columns) == set(targets.columns)
        and set(dropped) <= set(raw.targets.index)
        and np.array_equal(catalog.ids, targets.index.to_numpy())
        and np.allclose(catalog.train[targets.columns], targets, rtol=0, atol=1e-9)
    )
    has_this_order = catalog.label_columns == list(targets.columns)
    changes = []
    if not has_these_labels:
        changes.append("labels")
    elif not has_this_order:
        changes.append("order of classes")
    elif not np.array_equal(catalog.test_ids, raw.test_ids):
        changes.append("galaxies to predict")
    groups = _digest_groups(known_groups, catalog.ids)
    if catalog.about.get("known_groups", groups) != groups:
        changes.append("groups")
    if has_these_labels and has_this_order and raw.own_task != catalog.task:
        changes.append("metric")
    return changes
