"""Decoding: the right pixels, clear refusals; a cache filled once, whatever interrupts it."""

import errno
import io
import json
import os
import re
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from bad_image_fixtures import claiming, with_orientation
from kaggle_fixtures import damage, draw_image, encode, write_zip

from galaxyzoo import images
from galaxyzoo.archives import ImageStore
from galaxyzoo.arrays import ArrayStore
from galaxyzoo.config import ImageConfig
from galaxyzoo.errors import InputError
from galaxyzoo.images import decode, open_cache

SMALL = ImageConfig(crop_px=400, cache_px=32)
N = 10


def sky(seed: int = 0) -> np.ndarray:
    """(424, 424, 3) uint8 as sharp as the competition's images: small stars, a little noise."""
    rng = np.random.default_rng(seed)
    image: np.ndarray = rng.normal(25, 3, (424, 424, 3))
    for y, x in rng.integers(0, 424, (80, 2)):
        image[y, x] += rng.uniform(500, 5000, 3)
    image = cv2.GaussianBlur(image, (0, 0), 2.0)
    y, x = np.mgrid[:424, :424]
    image += 150 * np.exp(-((x - 200) ** 2 + 2 * (y - 220) ** 2) / 3000)[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


def decode_slowly(data: bytes, crop_px: int, size_px: int) -> np.ndarray:
    """All of the image, the centre square, and each block's mean weighted by area."""
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    image = np.asarray(bgr, dtype=float)[..., ::-1]
    side = round(min(image.shape[:2]) * crop_px / 424)
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    edges = np.linspace(0, side, size_px + 1)
    pixels = np.arange(side)
    # (size, side): how much of pixel j lies in block i
    share = np.clip(
        np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels), 0, 1
    )
    share /= share.sum(axis=1, keepdims=True)
    square = image[top : top + side, left : left + side]
    return np.stack([share @ square[..., c] @ share.T for c in range(3)], axis=-1)


def quadrants(side: int = 424) -> np.ndarray:
    """Red, green, blue, white from top left to bottom right: any flip or swap shows."""
    image = np.zeros((side, side, 3), np.uint8)
    half = side // 2
    image[:half, :half, 0] = image[:half, half:, 1] = image[half:, :half, 2] = 255
    image[half:, half:] = 255
    return image


def png_claiming(side: int) -> bytes:
    data = bytearray(encode(np.zeros((16, 16, 3), np.uint8), end=".png"))
    data[16:24] = struct.pack(">II", side, side)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


# -- decode


@pytest.mark.parametrize(
    ("crop_px", "size_px", "mean", "most"),
    [
        (320, 160, 0.4, 2.5),  # the default, and other halvings
        (320, 80, 0.4, 2.5),
        (424, 53, 0.4, 2.5),
        (207, 160, 0.4, 0.6),  # shrunk by cv2 alone: rounding only
        (100, 53, 0.4, 0.6),
        (320, 53, 1.0, 10),  # halved, then shrunk by cv2 with the edge up to half a pixel off
        (424, 80, 1.0, 10),
        (207, 80, 1.0, 10),
    ],
)
def test_decoding_agrees_with_a_slow_plain_version(crop_px, size_px, mean, most):
    """In grey levels: the mean difference, and that of 99 % of values (the rest edge stars)."""
    data = encode(sky())
    got = decode(data, crop_px, size_px)
    assert got.shape == (size_px, size_px, 3)
    assert got.dtype == np.uint8
    difference = np.abs(got - decode_slowly(data, crop_px, size_px))
    assert difference.mean() < mean
    assert np.quantile(difference, 0.99) < most


@pytest.mark.parametrize("form", [".jpg", ".png"])
@pytest.mark.parametrize("size_px", [16, 64, 200])
def test_nothing_is_turned_mirrored_or_swapped(form, size_px):
    image = decode(encode(quadrants(), end=form), 212, size_px).astype(int)
    quarter = size_px // 4
    corners = [image[y, x] for y in (quarter, -quarter - 1) for x in (quarter, -quarter - 1)]
    expected = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    assert np.abs(np.array(corners) - expected).max() < 8


@pytest.mark.parametrize("shape", [(424, 424), (212, 212), (300, 424), (424, 300), (106, 850)])
def test_the_crop_is_the_middle_square(shape):
    """A white square that is exactly the part to keep, on black: white to its last row."""
    side = round(min(shape) * 200 / 424)
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    image = np.zeros((*shape, 3), np.uint8)
    image[top : top + side, left : left + side] = 255
    got = decode(encode(image, end=".png"), 200, 25)
    assert got.min() > 250
    wider = decode(encode(image, end=".png"), 240, 24)
    assert max(wider[0].max(), wider[-1].max(), wider[:, 0].max(), wider[:, -1].max()) < 5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_camera_orientation_is_ignored(orientation):
    plain = encode(quadrants())
    np.testing.assert_array_equal(
        decode(with_orientation(plain, orientation), 320, 32), decode(plain, 320, 32)
    )


def test_grey_and_transparent_images_are_read():
    grey = np.full((60, 60), 77, np.uint8)
    for end in (".jpg", ".png"):
        assert np.abs(decode(encode(grey, end=end), 424, 8).astype(int) - 77).max() <= 1
    rgba = np.dstack([np.full((60, 60), v, np.uint8) for v in (30, 60, 90, 128)])  # cv2 writes BGRA
    data = cv2.imencode(".png", rgba)[1].tobytes()
    assert decode(data, 424, 8)[0, 0].tolist() == [90, 60, 30]


def test_a_cmyk_image_is_read():
    pillow = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    pillow.new("RGB", (64, 64), (200, 40, 40)).convert("CMYK").save(file, "JPEG")
    assert np.abs(decode(file.getvalue(), 424, 8)[4, 4].astype(int) - [200, 40, 40]).max() < 12


@pytest.mark.parametrize("end", [".jpg", ".png"])
def test_an_image_of_one_pixel_is_read(end):
    assert decode(encode(np.full((1, 1, 3), 50, np.uint8), end=end), 320, 16).shape == (16, 16, 3)


JPEG = encode(draw_image(np.random.default_rng(5)))
PNG = encode(draw_image(np.random.default_rng(5)), end=".png")
UNUSABLE = {
    "empty": (b"", "empty"),
    "text": (b"<html>Not found</html>", "neither JPEG nor PNG"),
    "GIF": (b"GIF89a" + b"\0" * 50, "neither JPEG nor PNG"),
    "JPEG cut in half": (JPEG[: len(JPEG) // 2], "cut off"),
    "JPEG without its last byte": (JPEG[:-1], "cut off"),
    "first bytes of a JPEG": (JPEG[:3], "cut off"),
    "PNG cut in half": (PNG[: len(PNG) // 2], "cut off"),
    "JPEG header alone": (b"\xff\xd8\xff\xd9", "damaged"),
    "JPEG of nothing but fill": (b"\xff" + b"\xd8" + b"\xff" * 40 + b"\xff\xd9", "damaged"),
    "JPEG of 60000 px": (claiming(60_000), "60000 × 60000"),
    "JPEG of no height": (claiming(0), "0 × 0"),
    "PNG of 60000 px": (png_claiming(60_000), "60000 × 60000"),
    "PNG whose pixels are missing": (PNG[:60] + PNG[-12:], "cut off"),
}


@pytest.mark.parametrize(("data", "why"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_used_is_refused_with_a_reason(data, why):
    with pytest.raises(ValueError, match=why):
        decode(data, 320, 32)


def test_a_huge_claim_is_refused_before_anything_is_decoded(monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ValueError, match="60000"):
        decode(claiming(60_000), 320, 32)


# -- cache


@pytest.fixture
def encoded() -> dict[int, bytes]:
    rng = np.random.default_rng(3)
    return {100 + i: encode(draw_image(rng, 60)) for i in range(N)}


def make_zip(root: Path, encoded: dict[int, bytes]) -> ImageStore:
    path = root / "input" / "pictures.zip"
    write_zip(path, {f"pictures/{i}.jpg": data for i, data in encoded.items()})
    return ImageStore.open(path)


def make_folder(root: Path, encoded: dict[int, bytes]) -> ImageStore:
    folder = root / "input" / "pictures"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for i, data in encoded.items():
        (folder / f"{i}.jpg").write_bytes(data)
    return ImageStore.open(folder)


MAKERS = pytest.mark.parametrize("make", [make_zip, make_folder], ids=["zip", "folder"])


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one entry for every image that is decoded."""
    seen: list[int] = []

    def counting(data: bytes, *sizes: int) -> np.ndarray:
        seen.append(len(data))
        return decode(data, *sizes)

    monkeypatch.setattr(images, "decode", counting)
    return seen


@MAKERS
def test_the_cache_holds_what_decode_gives_in_the_order_asked_for(root, encoded, make):
    ids = [105, 100, 109, 103]
    cache = open_cache(make(root, encoded), ids, SMALL, strict=True)
    assert cache.ids.tolist() == ids
    assert not cache.unreadable.any()
    for i, image in zip(ids, cache.images, strict=True):
        np.testing.assert_array_equal(image, decode(encoded[i], 400, 32))
    with pytest.raises(ValueError, match="read-only"):
        cache.images[0, 0, 0, 0] = 1


@MAKERS
def test_a_second_opening_decodes_nothing(root, encoded, make, count):
    store = make(root, encoded)
    first = open_cache(store, store.ids, SMALL, strict=True)
    assert len(count) == N
    again = open_cache(ImageStore.open(store.path), store.ids, SMALL, strict=True)
    assert len(count) == N
    np.testing.assert_array_equal(again.images, first.images)


def other_crop(store: ImageStore, encoded: dict[int, bytes], make: Callable) -> tuple:
    return store, store.ids, ImageConfig(crop_px=300, cache_px=32)


def other_size(store: ImageStore, encoded: dict[int, bytes], make: Callable) -> tuple:
    return store, store.ids, ImageConfig(crop_px=400, cache_px=16)


def other_order(store: ImageStore, encoded: dict[int, bytes], make: Callable) -> tuple:
    return store, store.ids[::-1], SMALL


def fewer(store: ImageStore, encoded: dict[int, bytes], make: Callable) -> tuple:
    return store, store.ids[:-1], SMALL


def other_picture(store: ImageStore, encoded: dict[int, bytes], make: Callable) -> tuple:
    image = encode(draw_image(np.random.default_rng(99), 60))
    return make(store.path.parents[1], encoded | {104: image}), store.ids, SMALL


@MAKERS
@pytest.mark.parametrize(
    "change", [other_crop, other_size, other_order, fewer, other_picture], ids=lambda f: f.__name__
)
def test_other_settings_or_other_images_are_another_cache(root, encoded, make, change):
    store = make(root, encoded)
    before = np.array(open_cache(store, store.ids, SMALL, strict=True).images)
    store, ids, config = change(store, encoded, make)
    after = open_cache(store, ids, config, strict=True)
    assert after.images.shape == (len(ids), config.cache_px, config.cache_px, 3)
    expected = [decode(store.read(int(i)), config.crop_px, config.cache_px) for i in ids]
    np.testing.assert_array_equal(after.images, expected)
    assert len(list((root / "input" / "cache").glob("*.npy"))) == 2
    assert len(before) == N


class Killed(BaseException):
    """Stands for a process that is killed."""


def fill_killed_after(chunks: int, store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = images.decode_many
    done: list[int] = []

    def dying(*arguments, **keywords):
        if len(done) == chunks:
            raise Killed
        done.append(1)
        return plain(*arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(images, "decode_many", dying)
        with pytest.raises(Killed):
            open_cache(store, store.ids, SMALL, strict=False)


@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_an_interrupted_fill_goes_on_and_equals_an_undisturbed_one(
    root, encoded, count, chunks, monkeypatch
):
    encoded[101] = b"no image"  # noted before the interruption, still known after it
    monkeypatch.setattr(images, "CHUNK", 4)
    store = make_zip(root, encoded)
    fill_killed_after(chunks, store, monkeypatch)
    before = len(count)
    assert before == 4 * chunks
    cache = open_cache(store, store.ids, SMALL, strict=False)
    assert len(count) == N
    for i, image, bad in zip(store.ids, cache.images, cache.unreadable, strict=True):
        assert bad == (i == 101)
        expected = 0 if bad else decode(encoded[int(i)], 400, 32)
        np.testing.assert_array_equal(image, np.broadcast_to(expected, (32, 32, 3)))
    left = sorted(p.suffix for p in (root / "input" / "cache").iterdir() if p.suffix != ".lock")
    assert left == [".json", ".npy"]


def test_a_fill_whose_array_was_deleted_starts_again_however_often_it_is_killed(
    root, encoded, monkeypatch
):
    monkeypatch.setattr(images, "CHUNK", 4)
    store = make_zip(root, encoded)
    for chunks in (2, 0):
        fill_killed_after(chunks, store, monkeypatch)
        if chunks:
            next((root / "input" / "cache").glob("*.part.npy")).unlink()
    cache = open_cache(store, store.ids, SMALL, strict=True)
    np.testing.assert_array_equal(
        cache.images, [decode(encoded[int(i)], 400, 32) for i in store.ids]
    )


@pytest.mark.parametrize(
    "notes", ["", "[]", "{}", '{"images": "x", "unreadable": {}}', '{"images": 4']
)
def test_a_fill_whose_notes_are_damaged_starts_again(root, encoded, monkeypatch, notes):
    monkeypatch.setattr(images, "CHUNK", 4)
    store = make_zip(root, encoded)
    fill_killed_after(2, store, monkeypatch)
    next((root / "input" / "cache").glob("*.json")).write_text(notes)
    cache = open_cache(store, store.ids, SMALL, strict=True)
    np.testing.assert_array_equal(
        cache.images, [decode(encoded[int(i)], 400, 32) for i in store.ids]
    )


@MAKERS
def test_a_bad_test_image_is_black_and_marked_and_a_bad_training_image_an_error(
    root, encoded, make
):
    bad = {102: b"", 105: b"<html>", 107: encoded[107][:200]}
    store = make(root, encoded | bad)
    for _ in range(2):  # decoded, then out of the cache
        cache = open_cache(store, store.ids, SMALL, strict=False)
        assert cache.ids[cache.unreadable].tolist() == sorted(bad)
        assert cache.images[cache.unreadable].max() == 0
        assert cache.images[~cache.unreadable].reshape(N - 3, -1).max(axis=1).min() > 0
        with pytest.raises(InputError) as caught:
            open_cache(store, store.ids, SMALL, strict=True)
        message = str(caught.value)
        assert "3 of 10 images" in message
        assert all(f"{i}.jpg" in message for i in bad)
        assert "\n" not in message
    open_cache(
        make(root, encoded), store.ids, SMALL, strict=True
    )  # repaired: nothing stale is in the way


def test_only_the_first_bad_images_are_listed(root, encoded, monkeypatch):
    monkeypatch.setattr(images, "LISTED", 5)
    store = make_zip(root, dict.fromkeys(encoded, b"x"))
    with pytest.raises(InputError) as caught:
        open_cache(store, store.ids, SMALL, strict=True)
    assert str(caught.value).count(".jpg") == 5
    assert "10 of 10" in str(caught.value)
    listed = re.search(r"all are listed in (input/cache/\S+\.json);", str(caught.value))
    assert listed
    assert len(json.loads((root / listed[1]).read_text())["unreadable"]) == 10


def test_a_damaged_member_of_a_zip_is_noticed_by_its_checksum(root, encoded):
    store = make_zip(root, encoded)
    damage(store.path, "pictures/103.jpg")
    with pytest.raises(InputError, match=r"103\.jpg.*CRC"):
        open_cache(ImageStore.open(store.path), store.ids, SMALL, strict=True)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.ESTALE])
def test_what_the_system_lacks_is_no_images_fault(root, encoded, monkeypatch, number):
    """It would stay in the cache for ever, and the images are as they were."""
    (root / "pictures").mkdir()
    for name, data in encoded.items():
        (root / f"pictures/{name}.jpg").write_bytes(data)
    store = ImageStore.open(root / "pictures")

    def refused(_: Path) -> bytes:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refused)
        with pytest.raises(InputError, match=rf"jpg cannot be read .*{os.strerror(number)}"):
            open_cache(store, store.ids, SMALL, strict=False)
    assert not open_cache(store, store.ids, SMALL, strict=False).unreadable.any()


def test_a_file_that_got_the_right_to_be_read_is_tried_again(root, encoded, monkeypatch):
    (root / "pictures").mkdir()
    for name, data in encoded.items():
        (root / f"pictures/{name}.jpg").write_bytes(data)
    locked = root / "pictures/103.jpg"
    locked.chmod(0)
    read = Path.read_bytes

    def read_as_a_user(path: Path) -> bytes:
        """The tests may run as root, who may read everything."""
        if not path.stat().st_mode & 0o400:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_as_a_user)
    for mode, bad in ((0, [103]), (0o644, [])):
        locked.chmod(mode)
        store = ImageStore.open(root / "pictures")
        cache = open_cache(store, store.ids, SMALL, strict=False)
        assert cache.ids[cache.unreadable].tolist() == bad


def test_nor_is_it_an_arrays(root, monkeypatch):
    def refused() -> np.ndarray:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    store = ArrayStore.of_rows(root / "a.h5", 3, 0, refused)
    with pytest.raises(InputError, match=r"a\.h5 cannot be read .*open files"):
        open_cache(store, store.ids, SMALL, strict=False)
    store.open_array = lambda: np.stack([draw_image(np.random.default_rng(i)) for i in range(3)])
    assert not open_cache(store, store.ids, SMALL, strict=False).unreadable.any()


def test_nor_is_memory_that_is_used_up(root, encoded, monkeypatch):
    store = make_zip(root, encoded)
    lack = cv2.error("Insufficient memory")
    lack.code = cv2.Error.StsNoMem

    def refused(*_: object, **__: object) -> None:
        raise lack

    with monkeypatch.context() as patch:
        patch.setattr(cv2, "resize", refused)
        with pytest.raises(MemoryError, match=r"decoding .*\.jpg"):
            open_cache(store, store.ids, SMALL, strict=False)
    assert not open_cache(store, store.ids, SMALL, strict=False).unreadable.any()


@MAKERS
def test_an_image_beyond_reason_is_not_read(root, encoded, make, monkeypatch):
    monkeypatch.setattr("galaxyzoo.archives.MAX_IMAGE_BYTES", max(map(len, encoded.values())) - 1)
    cache = open_cache(make(root, encoded), list(encoded), SMALL, strict=False)
    assert 1 <= cache.unreadable.sum() < N


def test_a_file_that_vanishes_is_marked(root, encoded):
    store = make_folder(root, encoded)
    (store.path / "104.jpg").unlink()
    cache = open_cache(store, store.ids, SMALL, strict=False)
    assert cache.ids[cache.unreadable].tolist() == [104]


def test_a_full_disk_is_said_before_anything_is_written(root, encoded, monkeypatch):
    usage = shutil.disk_usage(root)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match="input/cache needs"):
        open_cache(make_zip(root, encoded), list(encoded), SMALL, strict=True)
    assert not list((root / "input" / "cache").glob("*.np*"))


def test_a_cache_folder_that_cannot_be_made_is_named(root, encoded):
    shutil.rmtree(root / "input" / "cache")
    (root / "input" / "cache").write_text("a file in its place")
    with pytest.raises(InputError, match="input/cache"):
        open_cache(make_zip(root, encoded), list(encoded), SMALL, strict=True)


def spoil_notes(array: Path) -> None:
    array.with_suffix(".json").write_text(json.dumps({})[:1])


def spoil_keys(array: Path) -> None:
    array.with_suffix(".json").write_text("{}")


def spoil_shape(array: Path) -> None:
    np.save(array, np.zeros((2, 2), np.uint8))


def spoil_type(array: Path) -> None:
    np.save(array, np.zeros((N, 32, 32, 3), np.int8))


def spoil_end(array: Path) -> None:
    array.write_bytes(array.read_bytes()[:-1])


def spoil_head(array: Path) -> None:
    array.write_bytes(b"")


@pytest.mark.parametrize(
    "spoil",
    [spoil_notes, spoil_keys, spoil_shape, spoil_type, spoil_end, spoil_head],
    ids=lambda f: f.__name__,
)
def test_a_spoilt_cache_is_named_and_decoded_again(root, encoded, spoil, capsys):
    store = make_zip(root, encoded)
    before = np.array(open_cache(store, store.ids, SMALL, strict=True).images)
    array = next((root / "input" / "cache").glob("*.npy"))
    spoil(array)
    for said in (f"input/cache/{array.name} is damaged", ""):
        cache = open_cache(store, store.ids, SMALL, strict=True)
        np.testing.assert_array_equal(cache.images, before)
        out = capsys.readouterr().out
        assert said in out if said else not out
