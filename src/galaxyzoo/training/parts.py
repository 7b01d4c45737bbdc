"""Parts of the galaxies that a training learns from and is validated on.

A fold leaves its own galaxies out, a refit learns from all of them. The hold-out trains on 70 %,
validates each epoch on 15 % and scores on 15 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import GROUP, Catalog, load_catalog
from galaxyzoo.data.duplicates import read_duplicates
from galaxyzoo.data.folds import make_folds
from galaxyzoo.results.fold_files import (
    HOLDOUT,
    fold_name,
    is_refit,
    title_of,
    training_number,
)

TWENTIETHS = {"train": 14, "val": 3, "test": 3}  # of the galaxies, in a hold-out


@dataclass(frozen=True)
class Part:
    """Galaxies of one training."""

    name: str  # of its folder: fold_3, refit_0, holdout
    train_rows: np.ndarray  # rows of the dataset's training galaxies, ascending
    val_rows: np.ndarray  # likewise; none in a refit
    stream: int  # number by which its random numbers differ from those of the run's other parts

    @property
    def title(self) -> str:
        """Name for users, such as `fold 3`."""
        return title_of(self.name)

    def network_before(self, count: int) -> int:
        """Number of the network, of `count`, one a fold, that this training may learn from.

        Of fold k, that which left out fold k; of refits and the hold-out, which leave no fold out,
        any one.
        """
        return self.stream % count


def part_named(config: Config, catalog: Catalog, name: str) -> Part:
    """The part of a fold or refit, by its name, such as fold_3; arguments as of `fold_parts`."""
    if not is_refit(name):
        (part,) = fold_parts(config, catalog, [training_number(name)])
        return part
    labeled = catalog.for_task(config.predicted_task)
    rows = np.searchsorted(catalog.ids, labeled.ids)
    train_rows = rows[may_learn_from(config, labeled)]
    _check_train_rows(config, name, train_rows)
    return Part(name, train_rows, rows[:0], training_number(name))


def fold_parts(config: Config, catalog: Catalog, folds: Sequence[int]) -> list[Part]:
    """Make parts that leave one fold out each.

    Args:
        config: of the run or stage.
        catalog: the dataset's whole catalog.
        folds: their numbers.
    """
    labeled = catalog.for_task(config.predicted_task)
    rows = np.searchsorted(catalog.ids, labeled.ids)
    allowed = may_learn_from(config, labeled)
    parts = []
    for fold in folds:
        name = fold_name(fold)
        in_fold = labeled.folds == fold
        train_rows = rows[~in_fold & allowed]
        _check_train_rows(config, name, train_rows)
        parts.append(Part(name, train_rows, rows[in_fold], stream=fold))
    return parts


def split_holdout(catalog: Catalog, config: Config) -> pd.Series:
    """Split a task's galaxies as folds are: stratified, near-duplicates in the same part.

    Returns:
        id -> "train", "val" or "test".
    Raises:
        InputError: there are too few galaxies.
    """
    labeled = catalog.for_task(config.predicted_task)
    groups = labeled.train[GROUP].to_numpy()
    targets = labeled.targets(config.predicted_task)
    try:
        twentieths = make_folds(targets, groups, sum(TWENTIETHS.values()), seed=0)
    except ValueError as error:
        raise InputError(f"--holdout: {error}") from None
    part_of_twentieth = np.repeat(list(TWENTIETHS), list(TWENTIETHS.values()))
    return pd.Series(part_of_twentieth[twentieths], labeled.train.index)


def holdout_part(config: Config, catalog: Catalog, split: pd.Series) -> Part:
    """The training and validation galaxies of a hold-out, of those that a stage's task keeps.

    Args:
        config: of the run or stage.
        catalog: the dataset's whole catalog.
        split: as of `split_holdout`, for the run's task.
    """
    labeled = catalog.for_task(config.predicted_task)
    rows = np.searchsorted(catalog.ids, labeled.ids)
    in_train = labeled.train.index.isin(split.index[split == "train"])
    in_val = labeled.train.index.isin(split.index[split == "val"])
    name = HOLDOUT
    if config.is_earlier_stage:
        name = f"{HOLDOUT}_{config.stage}"
    _check_train_rows(config, name, rows[in_train])
    return Part(name, rows[in_train], rows[in_val], stream=catalog.n_folds)


def _check_train_rows(config: Config, name: str, rows: np.ndarray) -> None:
    """Refuse to train on fewer than the two galaxies that batch norm needs."""
    if len(rows) < 2:
        raise InputError(f"{config.title}: {title_of(name)} has fewer than two training galaxies")


def may_learn_from(config: Config, labeled: Catalog) -> np.ndarray:
    """(galaxy,) bool, galaxies that a stage may be trained on.

    On another dataset than the recipe's own these are no test galaxies of that one, nor copies of
    its galaxies that their ids do not tell.
    """
    if config.own_dataset is None:
        return np.ones(len(labeled.ids), bool)
    ids = labeled.train.index
    is_allowed = ~ids.isin(read_duplicates(config.own_dataset, labeled.dataset))
    recipe_catalog = load_catalog(config.own_dataset)
    if recipe_catalog.shares_ids(labeled):
        is_allowed &= ~ids.isin(recipe_catalog.test_ids)
    return is_allowed
