"""The cache of decoded images: filled once, whatever interrupts it; bad images are marked."""

import errno
import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core.errors import InputError, UnavailableError
from galaxyzoo.data import decoding, image_cache, parallel_decoding
from galaxyzoo.data.decoding import decode
from galaxyzoo.data.image_cache import describe_bad, open_cache
from galaxyzoo.data.stores.base import MAX_IMAGE_BYTES, Images
from galaxyzoo.data.stores.opening import open_by_galaxy_id
from support.kills import Killed
from support.pictures import draw_image, encode, write_zip

SMALL = ImageConfig(crop_px=400, cache_px=32)
N = 10


@pytest.fixture
def encoded() -> dict[int, bytes]:
    rng = np.random.default_rng(3)
    return {100 + i: encode(draw_image(rng, 60)) for i in range(N)}


def make_zip(root: Path, encoded: dict[int, bytes]) -> Images:
    path = root / "input" / "pictures.zip"
    write_zip(path, {f"pictures/{i}.jpg": data for i, data in encoded.items()})
    return open_by_galaxy_id(path)


def make_folder(root: Path, encoded: dict[int, bytes]) -> Images:
    folder = root / "input" / "pictures"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for i, data in encoded.items():
        (folder / f"{i}.jpg").write_bytes(data)
    return open_by_galaxy_id(folder)


MAKERS = pytest.mark.parametrize("make", [make_zip, make_folder], ids=["zip", "folder"])


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one entry for every image that is decoded."""
    seen: list[int] = []

    def counting(data: bytes, *sizes: int) -> np.ndarray:
        seen.append(len(data))
        return decode(data, *sizes)

    monkeypatch.setattr(decoding, "decode", counting)
    return seen


@MAKERS
def test_the_cache_holds_what_decode_gives_in_the_order_asked_for(root, encoded, make, count):
    """Decoded once, however often it is opened."""
    store = make(root, encoded)
    ids = np.array([105, 100, 109, 103])
    for images in (store, open_by_galaxy_id(store.path)):
        cache = open_cache(images, ids, SMALL)
        assert len(count) == len(ids)
        assert cache.ids.tolist() == ids.tolist()
        assert not cache.unreadable.any()
        expected = [decode(encoded[i], 400, 32) for i in ids.tolist()]
        np.testing.assert_array_equal(cache.images, expected)
    with pytest.raises(ValueError, match="read-only"):
        cache.images[0, 0, 0, 0] = 1


@MAKERS
@pytest.mark.parametrize("change", ["crop", "size", "order", "number", "picture"])
def test_other_settings_or_other_images_are_another_cache(root, encoded, make, change):
    store = make(root, encoded)
    open_cache(store, store.ids, SMALL)
    ids, config = store.ids, SMALL
    if change == "crop":
        config = ImageConfig(crop_px=300, cache_px=32)
    elif change == "size":
        config = ImageConfig(crop_px=400, cache_px=16)
    elif change == "picture":
        store = make(root, encoded | {104: encode(draw_image(np.random.default_rng(99), 60))})
    else:
        ids = ids[::-1] if change == "order" else ids[:-1]
    after = open_cache(store, ids, config)
    assert after.images.shape == (len(ids), config.cache_px, config.cache_px, 3)
    expected = [decode(store.read(int(i)), config.crop_px, config.cache_px) for i in ids]
    np.testing.assert_array_equal(after.images, expected)
    assert len(list((root / "input" / "cache").glob("*.npy"))) == 2


def test_a_fill_that_was_killed_leaves_nothing_that_is_believed(root, encoded, monkeypatch):
    store = make_zip(root, encoded)
    plain = image_cache.decode_many
    done = []

    def dying(*arguments, **keywords):
        done.append(1)
        if len(done) > 2:
            raise Killed
        return plain(*arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(image_cache, "decode_many", dying)
        with pytest.raises(Killed):
            open_cache(store, store.ids, SMALL, chunk=4)
    cache = open_cache(store, store.ids, SMALL, chunk=4)
    expected = [decode(encoded[int(i)], 400, 32) for i in store.ids]
    np.testing.assert_array_equal(cache.images, expected)
    left = sorted(p.suffix for p in (root / "input" / "cache").iterdir() if p.suffix != ".lock")
    assert left == [".json", ".npy"]


@MAKERS
def test_processes_make_the_same_cache_as_threads(root, encoded, make, monkeypatch):
    store = make(root, encoded | {104: encoded[104][:300]})
    plain = open_cache(store, store.ids, SMALL)
    shutil.rmtree(root / "input" / "cache")
    for name, value in {"_cores": lambda: 8, "_MANY": N, "in_threads": None}.items():
        monkeypatch.setattr(parallel_decoding, name, value)
    cache = open_cache(store, store.ids, SMALL, chunk=4)
    np.testing.assert_array_equal(cache.images, plain.images)
    assert cache.problems == plain.problems
    assert [*cache.problems] == [104]


def flip_a_bit(array: Path) -> None:
    np.load(array, mmap_mode="r+")[4, 3, 2] ^= 1


def change_notes(array: Path, **others: object) -> None:
    notes = array.with_suffix(".json")
    notes.write_text(json.dumps(json.loads(notes.read_text()) | others))


def of_another_cache(array: Path) -> None:
    store = open_by_galaxy_id(array.parent.parent / "pictures.zip")
    open_cache(store, store.ids[::-1], SMALL)
    (other,) = set(array.parent.glob("*.npy")) - {array}
    for end in (".json", ".npy"):
        other.with_suffix(end).replace(array.with_suffix(end))


SPOILT = {
    "one bit": flip_a_bit,
    "header": lambda array: array.write_bytes(array.read_bytes().replace(b"False", b"True ")),
    "unreadable": lambda array: change_notes(array, notes={"unreadable": {"104": "empty"}}),
    "another's notes and images": of_another_cache,
    "shape": lambda array: np.save(array, np.zeros((2, 2), np.uint8)),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_spoilt_cache_is_named_and_decoded_again(root, encoded, spoil, capsys):
    store = make_zip(root, encoded)
    before = np.array(open_cache(store, store.ids, SMALL).images)
    array = next((root / "input" / "cache").glob("*.npy"))
    spoil(array)
    os.utime(array, ns=(1, 1))  # a change within one tick of the clock needs another process
    again = open_cache(store, store.ids, SMALL)
    np.testing.assert_array_equal(again.images, before)
    assert f"input/cache/{array.name} is damaged" in capsys.readouterr().out
    whole = open_cache(store, store.ids, SMALL)
    np.testing.assert_array_equal(whole.images, before)
    assert not capsys.readouterr().out


@MAKERS
def test_a_bad_image_is_black_and_named(root, encoded, make):
    bad = {102: b"", 105: b"<html>", 107: encoded[107][:200]}
    store = make(root, encoded | bad)
    for _ in range(2):  # decoded, then out of the cache
        cache = open_cache(store, store.ids, SMALL)
        assert cache.ids[cache.unreadable].tolist() == sorted(bad)
        assert cache.images[cache.unreadable].max() == 0
        assert cache.images[~cache.unreadable].reshape(N - 3, -1).max(axis=1).min() > 0
        message = describe_bad(store, cache, "replace them")
        assert "3 of 10 images cannot be used: replace them; first: " in message
        assert all(f"{i}.jpg" in message for i in bad)
    # Where they are repaired nothing stale is in the way.
    assert not open_cache(make(root, encoded), store.ids, SMALL).unreadable.any()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.ESTALE])
def test_what_the_system_lacks_is_no_images_fault(root, encoded, monkeypatch, number):
    """It would stay in the cache for ever, and the images are as they were."""
    store = make_folder(root, encoded)

    def refused(_: Path) -> bytes:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refused)
        with pytest.raises(InputError, match=rf"jpg cannot be read .*{os.strerror(number)}"):
            open_cache(store, store.ids, SMALL)
    assert not open_cache(store, store.ids, SMALL).unreadable.any()
    zipped = make_zip(root, encoded)

    def refuse(_: Path) -> zipfile.ZipFile:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(zipfile, "ZipFile", refuse)
        with pytest.raises(UnavailableError, match=rf"zip cannot be read .*{os.strerror(number)}"):
            zipped.load(0)


@MAKERS
def test_an_image_beyond_reason_is_not_read(root, encoded, make):
    encoded[104] += b"\0" * MAX_IMAGE_BYTES
    cache = open_cache(make(root, encoded), np.array([*encoded]), SMALL)
    assert cache.ids[cache.unreadable].tolist() == [104]
    assert "is larger than 50,000,000 bytes" in cache.problems[104]
