"""One fold's network as the start of all folds of a dataset that it never learned from."""

from pathlib import Path

import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.training import fold_data
from galaxyzoo.training.run import Run
from support.class_fixtures import holdout_config
from support.fold_data_fixtures import IMAGE, MODEL, other_dataset

RUN = "elliptical_spiral/cnn"

SHARED = {**MODEL, "start_run": RUN, "start_dataset": "labelled", "start_fold": 0}


@pytest.fixture
def labelled(voted: Dataset, root: Path) -> Dataset:
    """20 galaxies of the competition, two of them for test there, and 12 that it has not."""
    shared = [*voted.catalog.ids[:18].tolist(), *voted.catalog.test_ids[:2].tolist()]
    return other_dataset(root, [*shared, *range(1, 13)])


def trained(data: Dataset, **changes: object) -> Run:
    """A run whose fold 0 is trained."""
    settings = {"model": {k: MODEL[k] for k in ("name", "kwargs")}, "run": RUN, **changes}
    run = Run(holdout_config(**settings), data)
    run.begin()
    run.train_one(0)
    return run


def test_galaxies_of_other_datasets_are_validated_on_but_not_learned(
    voted: Dataset,
    labelled: Dataset,
) -> None:
    cache = labelled.train_images(IMAGE)
    config = holdout_config(train={"without": [voted.catalog.dataset]})
    for fold in range(3):
        data = fold_data.make_fold_data(config, labelled, cache, fold)
        whole = fold_data.make_fold_data(holdout_config(), labelled, cache, fold)
        own = set(whole.ids[whole.train_rows]) & set(range(1, 13))
        assert set(data.ids[data.train_rows]) == own
        assert data.val_rows.tolist() == whole.val_rows.tolist()


def test_nothing_left_to_learn_from_is_said_before_anything_starts(labelled: Dataset) -> None:
    config = holdout_config(train={"without": ["labelled"]})
    with pytest.raises(InputError, match=r"train\.without leaves fold 0 nothing to train on"):
        Run(config, labelled).check()
    with pytest.raises(InputError, match="folds/lost holds no split"):
        Run(holdout_config(train={"without": ["lost"]}), labelled).check()


def test_every_fold_starts_from_the_one_network(voted: Dataset, labelled: Dataset) -> None:
    start = trained(labelled, train={"without": [voted.catalog.dataset], "epochs": 1})
    config = holdout_config(model=SHARED)
    Run(config, voted).check()
    found = {fold_data.find_start_weights(config, voted.catalog, fold) for fold in range(3)}
    assert found == {start.folder / "fold_0" / "weights.safetensors"}
    data = fold_data.make_fold_data(config, voted, voted.train_images(IMAGE), 2)
    assert data.start_weights in found


def test_a_start_that_knows_the_datasets_galaxies_is_refused(
    voted: Dataset,
    labelled: Dataset,
) -> None:
    trained(labelled, train={"epochs": 1})
    with pytest.raises(InputError, match=r"cannot let all folds start.* not trained with train\.w"):
        Run(holdout_config(model=SHARED), voted).check()


def test_a_start_that_left_out_other_galaxies_is_refused(
    voted: Dataset,
    labelled: Dataset,
) -> None:
    trained(labelled, train={"without": [voted.catalog.dataset], "epochs": 1})
    fewer = Catalog(voted.catalog.dataset, voted.catalog.train[:-1], voted.catalog.test_ids)
    config = holdout_config(model=SHARED)
    fold_data.check_required_runs(config, voted.catalog)
    with pytest.raises(InputError, match="or that had other galaxies then"):
        fold_data.check_required_runs(config, fewer)


def test_a_start_with_labels_behind_it_is_refused(voted: Dataset, labelled: Dataset) -> None:
    """What is behind it learned from the dataset's galaxies, though it did not itself."""
    dataset = voted.catalog.dataset
    trained(voted, train={"epochs": 1})
    behind = {**MODEL, "start_run": RUN, "start_dataset": dataset}
    name = "elliptical_spiral/second"
    trained(labelled, model=behind, train={"without": [dataset], "epochs": 1}, run=name)
    config = holdout_config(model={**SHARED, "start_run": name})
    with pytest.raises(InputError, match=f"second: that starts from {RUN}, which may have learned"):
        Run(config, voted).check()


def test_the_way_back_to_the_networks_own_dataset_is_refused(
    voted: Dataset,
    labelled: Dataset,
) -> None:
    """Its fold 0 knows galaxies of every other fold of its own dataset."""
    dataset = voted.catalog.dataset
    trained(labelled, train={"without": [dataset], "epochs": 1})
    trained(voted, model=SHARED, train={"epochs": 1}, run="elliptical_spiral/there")
    start = {**MODEL, "start_run": "elliptical_spiral/there", "start_dataset": dataset}
    with pytest.raises(InputError, match=r"was not trained with train\.without=\[labelled\]"):
        Run(holdout_config(model=start), labelled).check()
