"""Galaxy10's HDF5 files: both kinds are read, found and prepared; every defect is named."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.data.image_cache import decode, open_cache
from galaxyzoo.data.prepare import prepare
from galaxyzoo.data.readers import galaxy10
from galaxyzoo.data.readers.arrays import ArrayStore
from galaxyzoo.data.readers.find import open_input
from galaxyzoo.tasks.registry import get_task
from support.kaggle_fixtures import draw_competition, draw_image

CONFIG = """
task: galaxy10
image: {crop_px: 424, cache_px: 69, field_px: 340, size_px: 32}
model: {name: cnn, kwargs: {widths: [8, 16]}}
head: {hidden: 16}
train: {epochs: 1, batch_size: 8}
"""


def draw(count: int = 40, side_px: int = 69) -> dict[str, np.ndarray]:
    """The arrays of a file: pictures that differ, classes in turn."""
    rng = np.random.default_rng(side_px)
    images = np.stack([draw_image(rng, side_px) for _ in range(count)])
    return {"images": images, "ans": np.arange(count, dtype=np.uint8) % 10}


def write(path: Path, arrays: dict[str, Any], **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values, **options)
    return path


@pytest.fixture
def sdss(root: Path) -> Path:
    return write(root / "input" / "Galaxy10.h5", draw())


@pytest.mark.parametrize(
    ("side_px", "name", "first", "cache_px"),
    [
        (69, "galaxy10", "disk_face_on_no_spiral", 69),
        (256, "galaxy10_decals", "disturbed", 128),
    ],
)
def test_the_side_of_the_images_says_which_file_it_is(root, side_px, name, first, cache_px):
    made = draw(12, side_px)
    write(root / "input" / "renamed.h5", made)
    source = open_input(None, {name})
    assert (source.dataset, source.own_ids, len(source.test_ids)) == (name, True, 0)
    assert list(source.targets.columns) == list(get_task(name).columns)
    assert source.targets.to_numpy().argmax(axis=1).tolist() == made["ans"].tolist()
    assert source.targets[first].tolist() == [1.0] + [0.0] * 9 + [1.0, 0.0]
    assert (source.image.crop_px, source.image.cache_px) == (424, cache_px)
    assert (decode(source.train_images.read(5), 424, side_px) == made["images"][5]).all()


def test_whole_images_reach_the_cache_unchanged(root, sdss):
    source = open_input(None, {"galaxy10"})
    cache = open_cache(source.train_images, source.targets.index.to_numpy(), source.image, True)
    assert (np.asarray(cache.images) == draw()["images"]).all()


def test_a_store_that_another_process_gets_opens_the_array_itself(root, sdss):
    """A search in several processes decodes in each, where its sizes differ from its recipe's."""
    store = open_input(None, {"galaxy10"}).train_images
    store.read(3)  # what is open here does not travel
    there = pickle.loads(pickle.dumps(store))
    assert (decode(there.read(5), 424, 69) == draw()["images"][5]).all()
    assert there.path == store.path


def test_it_is_found_in_a_subfolder_and_by_name(root, sdss):
    both = root / "input" / "both"
    both.mkdir()
    sdss.rename(both / "Galaxy10.h5")
    write(both / "Galaxy10_DECals.h5", draw(12, 256))
    for data in (None, "both", str(both), "both/Galaxy10.h5"):
        assert open_input(data, {"galaxy10"}).dataset == "galaxy10"
    assert open_input("both", {"galaxy10_decals"}).dataset == "galaxy10_decals"


def test_it_leaves_the_competition_beside_it_alone(root, sdss):
    draw_competition().write_zips(root / "input")
    assert open_input(None, {"gz37"}).dataset.startswith("kaggle-")
    assert open_input(str(root / "input"), {"gz37"}).dataset.startswith("kaggle-")
    assert open_input(str(root / "input"), {"galaxy10"}).dataset == "galaxy10"


def test_of_two_files_one_must_be_named(root, sdss):
    write(root / "input" / "copy.h5", draw())
    with pytest.raises(InputError, match=r"--data with one of Galaxy10\.h5, copy\.h5$"):
        open_input(None, {"galaxy10"})


def test_a_changed_file_is_decoded_again(root, sdss):
    before = galaxy10.read_source(sdss).train_images.digest_of(3)
    assert galaxy10.read_source(sdss).train_images.digest_of(3) == before
    made = draw()
    made["images"][3] += 1
    write(sdss, made)
    assert galaxy10.read_source(sdss).train_images.digest_of(3) != before


def test_a_compressed_file_is_unpacked_block_by_block(root, monkeypatch):
    """Piece by piece its rows would be unpacked again for every image."""
    made = draw(60)
    path = write(root / "input" / "g.h5", made, compression="gzip", chunks=None)
    with h5py.File(path) as file:
        chunk_rows = file["images"].chunks[0]
    store = galaxy10.read_source(path).train_images
    assert isinstance(store, ArrayStore)
    assert store.block_rows == chunk_rows
    reads: list[int] = []
    real = store._read_block

    def counted(number: int) -> np.ndarray:
        reads.append(number)
        return real(number)

    monkeypatch.setattr(store, "_read_block", counted)
    decoded = np.stack([decode(store.read(row), 424, 69) for row in range(60)])
    assert reads == list(range(-(-60 // chunk_rows)))
    assert (decoded == made["images"]).all()


def no_images(path: Path) -> None:
    write(path, {"data": draw()["images"], "ans": draw()["ans"]})


def no_classes(path: Path) -> None:
    write(path, {"images": draw()["images"]})


def grey_images(path: Path) -> None:
    write(path, draw() | {"images": draw()["images"][..., 0]})


def other_side(path: Path) -> None:
    write(path, draw(12, 64))


def float_images(path: Path) -> None:
    write(path, draw() | {"images": draw()["images"] / 255})


def float_classes(path: Path) -> None:
    write(path, draw() | {"ans": draw()["ans"] / 2})


def one_hot_classes(path: Path) -> None:
    write(path, draw() | {"ans": np.eye(10, dtype=int)[draw()["ans"]]})


def too_few_classes(path: Path) -> None:
    write(path, draw() | {"ans": draw()["ans"][:-1]})


def class_too_large(path: Path) -> None:
    write(path, draw() | {"ans": draw()["ans"] + 1})


def class_too_small(path: Path) -> None:
    write(path, draw() | {"ans": draw()["ans"].astype(int) - 1})


def no_rows(path: Path) -> None:
    write(path, {name: values[:0] for name, values in draw().items()})


def truncated(path: Path) -> None:
    write(path, draw())
    path.write_bytes(path.read_bytes()[:-5000])


def web_page(path: Path) -> None:
    path.write_text("<html>Please log in</html>")


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (no_images, "no array 'images' (found 'ans', 'data')"),
        (no_classes, "no array 'ans' (found 'images')"),
        (grey_images, "'images' is uint8 of shape (40, 69, 69), expected"),
        (other_side, "shape (12, 64, 64, 3), expected uint8 colour images of 69 × 69 or 256 × 256"),
        (float_images, "'images' is float64"),
        (float_classes, "'ans' is float64"),
        (one_hot_classes, "'ans' is int64 of shape (40, 10)"),
        (too_few_classes, "'ans' is uint8 of shape (39,), expected whole numbers, one for each"),
        (class_too_large, "'ans' of image 9 is 10, outside 0 to 9 (4 such images)"),
        (class_too_small, "'ans' of image 0 is -1, outside 0 to 9 (4 such images)"),
        (no_rows, "holds no galaxy"),
        (truncated, "is not a whole HDF5 file ("),
        (web_page, "is not a whole HDF5 file (26 bytes"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_wrong_is_said_in_one_line(
    root: Path, spoil: Callable[[Path], None], named: str
) -> None:
    spoil(root / "input" / "Galaxy10.h5")
    for data in (None, "Galaxy10.h5"):
        with pytest.raises(InputError) as caught:
            open_input(data, {"galaxy10"})
        message = str(caught.value)
        assert message.startswith("input/Galaxy10.h5")
        assert named in message
        assert "\n" not in message


def test_a_file_damaged_inside_is_named_when_it_is_decoded(root):
    made = draw() | {"images": np.random.default_rng(0).integers(0, 256, (40, 69, 69, 3), np.uint8)}
    path = write(root / "input" / "Galaxy10.h5", made, compression="gzip")
    with h5py.File(path) as file:
        start = file["images"].id.get_chunk_info(0).byte_offset
    data = bytearray(path.read_bytes())
    data[start + 100 : start + 200] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"input/Galaxy10\.h5 is damaged \(") as caught:
        prepare(tasks={"galaxy10"})
    assert "\n" not in str(caught.value)


def test_a_class_with_too_few_members_is_named(root):
    write(root / "input" / "Galaxy10.h5", draw(25))
    catalog = prepare(tasks={"galaxy10"}, n_folds=3).catalog
    with pytest.raises(InputError, match="class 'disk_edge_on_boxy_bulge' has 2 galaxies, too few"):
        catalog.for_task(get_task("galaxy10"))


def test_the_commands_train_and_ensemble_without_test_galaxies(tmp_path):
    (tmp_path / "input").mkdir()
    write(tmp_path / "input" / "Galaxy10.h5", draw(60))
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    command = [sys.executable, str(CODE_ROOT / "src/train.py"), "tiny.yaml", "--folds", "3"]
    environment = {"GALAXYZOO_ROOT": str(tmp_path), "GALAXYZOO_DEVICE": "cpu"}
    result = subprocess.run(
        [*command, "--ensemble"],
        env={**os.environ, **environment, "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    oof = pd.read_csv(tmp_path / "oof/galaxy10/galaxy10/tiny.csv", index_col="GalaxyID")
    assert oof.index.tolist() == list(range(60))
    for name in ("tiny.csv", "predictions.csv"):
        lines = (tmp_path / "submissions/galaxy10/galaxy10" / name).read_text().splitlines()
        assert lines == [",".join(["GalaxyID", "class", *get_task("galaxy10").columns])]
    assert (tmp_path / "submissions/galaxy10/galaxy10/predictions.json").exists()
