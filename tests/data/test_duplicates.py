"""Copies of a validation galaxy: never trained on, under whatever name and in whatever dataset."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.manifest import read_sealed, write_sealed
from galaxyzoo.data.catalog import GROUP
from galaxyzoo.data.decoding import decode
from galaxyzoo.data.duplicates import read_duplicates, record_duplicates
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.training.parts import may_learn_from, split_holdout
from galaxyzoo.training.run import Run
from support.datasets import Competition, clear_competition, write_own_labels
from support.pictures import draw_image, draw_images, encode
from support.refusals import damage, one_line_refusal
from support.small_models import CLASSES, tiny_config


def noisier(picture: np.ndarray) -> bytes:
    noise = np.random.default_rng(0).normal(0, 2, picture.shape)
    return encode(np.clip(picture + noise, 0, 255).astype(np.uint8), end=".png")


encoded_again = partial(encode, quality=75)
CHANGES = (
    *(encoded_again, noisier),
    lambda picture: encode(np.clip(picture * 1.1, 0, 255).astype(np.uint8)),  # brighter
    lambda picture: encode(np.roll(picture, 1, axis=1)),  # shifted by two pixels of an original
    lambda picture: noisier(np.rot90(picture)),
    lambda picture: noisier(picture[:, ::-1]),  # mirrored
)


def plant(competition: Competition, pairs: dict[int, tuple[int, Any]]) -> None:
    """Give galaxies a changed copy of another one's image: copy -> (original, change)."""
    for copy, (original, change) in pairs.items():
        competition.images[copy] = change(decode(competition.images[original], 424, 212))


@pytest.mark.parametrize("n_folds", [3, 5])
def test_no_copy_of_a_validation_galaxy_is_trained_on(root, n_folds):
    competition = clear_competition(60, side_px=212)
    ids = competition.votes.index.to_numpy()
    pairs = {int(ids[30 + i]): (int(ids[i]), CHANGES[i % 6]) for i in range(16)}
    plant(competition, pairs)
    competition.write_zips(root / "input")
    data = prepare(n_folds=n_folds)
    fold_of = dict(zip(data.ids.tolist(), data.folds.tolist(), strict=True))
    assert [c for c, (o, _) in pairs.items() if fold_of[c] != fold_of[o]] == []
    assert data.about["galaxies_with_a_near_duplicate"] == 32
    group_of = data.train[GROUP]
    for config in (tiny_config(), tiny_config(**CLASSES)):
        run = Run(config, data)
        for fold in range(n_folds):
            part = run.load_data(f"fold_{fold}")
            assert len(part.val_rows) > 0
            groups = [
                set(group_of.loc[part.cache.ids[r]]) for r in (part.train_rows, part.val_rows)
            ]
            assert not groups[0] & groups[1]
        of_part = split_holdout(data, config)
        assert [c for c, (o, _) in pairs.items() if of_part[c] != of_part[o]] == []


@pytest.fixture
def two_sets(root: Path) -> tuple[Competition, Competition, np.ndarray]:
    """The second competition has all ids of the first one, and as many others."""
    first = clear_competition(18)
    second = clear_competition(36)
    ids = np.arange(101, 137)
    for competition, some in ((first, ids[:18]), (second, ids)):
        old = competition.votes.index
        competition.images |= {
            int(n): encode(draw_image(np.random.default_rng(int(n)), 212), 95) for n in some
        }
        for galaxy_id in old:
            del competition.images[galaxy_id]
        competition.votes.index = np.sort(some)
    second.test_ids = second.test_ids + 1_000_000
    for galaxy_id in second.test_ids:
        second.images[int(galaxy_id)] = second.images.pop(int(galaxy_id) - 1_000_000)
    return first, second, ids


def prepare_both(root: Path, first: Competition, second: Competition) -> list[Dataset]:
    for name, competition in (("first", first), ("second", second)):
        competition.write_zips(root / "input" / name)
    return [prepare(name, n_folds=5) for name in ("first", "second")]


def test_a_copy_follows_its_originals_fold_in_another_dataset(root, two_sets):
    first, second, ids = two_sets
    pairs = {int(ids[20 + i]): (int(ids[i]), CHANGES[i % 6]) for i in range(12)}
    plant(second, pairs)
    catalogs = prepare_both(root, first, second)
    in_first = catalogs[0].train["fold"]
    in_second = catalogs[1].train["fold"]
    for copy, (original, _) in pairs.items():
        assert in_second[copy] == in_second[original] == in_first[original]


def test_copies_under_another_id_are_noted_and_anew_for_other_galaxies(root, two_sets):
    first, second, ids = two_sets
    plant(second, {int(ids[20]): (int(ids[0]), encoded_again)})
    own, other = prepare_both(root, first, second)
    record_duplicates(own, other)
    names = own.dataset, other.dataset
    assert read_duplicates(*names) == [ids[20]]
    (noted,) = (root / "folds").glob("*/copies_of_*.json")
    made_of = read_sealed(noted)["made_of"]
    write_sealed(noted, {"made_of": ["other", "galaxies"], "copies": []})
    record_duplicates(own, other)
    assert read_duplicates(*names) == [ids[20]]
    files.write_json(noted, {"made_of": made_of, "copies": []})  # as the last version wrote it
    assert "earlier version" in one_line_refusal(read_duplicates, *names)
    record_duplicates(own, other)
    assert read_duplicates(*names) == [ids[20]]
    noted.unlink()
    assert f"{noted.name} is missing: remove it" in one_line_refusal(read_duplicates, *names)
    record_duplicates(own, other)
    assert read_duplicates(*names) == [ids[20]]
    text = noted.read_text()
    for changed in damage(text, f'"copies": [\n    {ids[20]}\n  ]', '"copies": []'):
        noted.write_text(changed)
        for use in (partial(record_duplicates, own, other), partial(read_duplicates, *names)):
            message = one_line_refusal(use)
            assert f"folds/{names[1]}/{noted.name} " in message
            assert message.endswith(": remove it and rerun the command, which writes it again")
        assert noted.read_text() == changed


def test_copies_that_other_datasets_put_into_different_folds_are_refused(root, two_sets):
    first, second, _ = two_sets
    first.write_zips(root / "input" / "first")
    before = prepare("first", n_folds=5)
    in_0 = int(before.ids[before.folds == 0][0])
    in_1 = int(before.ids[before.folds == 1][0])
    plant(second, {in_1: (in_0, encoded_again)})
    second.write_zips(root / "input" / "second")
    with pytest.raises(InputError, match=f"{in_0} and {in_1} belong together"):
        prepare("second", n_folds=5)
    assert len(list((root / "folds").glob("*/dataset.json"))) == 1


def test_galaxies_of_two_own_datasets_are_known_by_their_images_alone(root):
    """Numbers by which both name their galaxies mean nothing, neither for folds nor for copies."""
    images = draw_images(60)
    own_images = {f"g{number:02}": images[number] for number in range(24)}
    other_images = {f"g{number:02}": images[30 + number] for number in range(20)}
    other_images |= {"g05": images[5], "x0": np.rot90(images[1]), "x1": images[23][:, ::-1]}
    other_images |= {"y0": images[50], "y1": images[51]}  # of which x1 is a test galaxy of `own`
    classes = ["ring", "plain"] * 11 + ["", ""]
    write_own_labels(root / "input/own", own_images, classes)
    write_own_labels(root / "input/other", other_images, classes)
    own = prepare("own", n_folds=3, tasks={"own"})
    other = prepare("other", n_folds=3, tasks={"other"})
    record_duplicates(own, other)
    assert sorted(map(str, read_duplicates("own", "other"))) == ["g05", "x0", "x1"]
    assert own.find_difference(other) is None
    assert other.about["folds_as_in_earlier_datasets"] == 0
    stage = tiny_config().model_copy(update={"own_dataset": "own"})
    allowed = other.ids[may_learn_from(stage, other)]
    assert set(other.ids) - set(allowed) == {"g05", "x0", "x1"}
