"""Whatever bytes lie in an image or zip: what it holds, or one line that says what is wrong."""

import io
import random
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from galaxyzoo.config.schema import ORIGINAL_PX
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.image_cache import decode
from galaxyzoo.io.archives import ImageStore
from support.fuzz_fixtures import CASES, PICTURE, SEEDS, SLOW, mutate
from support.kaggle_fixtures import encode, write_zip
from support.refusals import check_refusal


def sized_png(width: int, height: int) -> bytes:
    """A PNG whose header says another size than its pixels have."""
    data = bytearray(encode(PICTURE, end=".png"))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")  # of the header's chunk
    return bytes(data)


def sized_jpeg(width: int, height: int) -> bytes:
    data = bytearray(encode(PICTURE))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


SIDES = st.sampled_from([0, 1, 2, 59, 61, 500, 8192, 8193, 65535, 2**31 - 1, 2**32 - 1])


@CASES
@given(SEEDS, st.sampled_from([".jpg", ".png"]), st.integers(1, ORIGINAL_PX), st.data())
def test_any_bytes_are_an_image_or_a_value_error(
    seed: int, end: str, crop_px: int, data: st.DataObject
) -> None:
    rng = random.Random(seed)
    size_px = data.draw(st.integers(1, crop_px))
    try:
        image = decode(mutate(encode(PICTURE, end=end), rng), crop_px, size_px)
    except ValueError as error:
        check_refusal(InputError(error), "")
    else:
        assert image.shape == (size_px, size_px, 3)
        assert image.dtype == np.uint8


@CASES
@given(SIDES, SIDES, st.sampled_from([sized_jpeg, sized_png]))
def test_a_header_of_any_size_is_believed_only_up_to_8192_px(
    width: int, height: int, sized: Callable[[int, int], bytes]
) -> None:
    width, height = (side % 65536 if sized is sized_jpeg else side for side in (width, height))
    if min(width, height) >= 1 and max(width, height) <= 8192:
        try:
            assert decode(sized(width, height), 424, 64).shape == (64, 64, 3)
        except ValueError as error:
            check_refusal(InputError(error), "")
    else:
        with pytest.raises(ValueError, match=f"its size {width} × {height} px is outside"):
            decode(sized(width, height), 424, 64)


def decode_slowly(picture: np.ndarray, crop_px: int, size_px: int) -> np.ndarray:
    """The centre square, each pixel the mean or the nearest of what it covers."""
    height, width = picture.shape[:2]
    side = min(height, width) * crop_px / ORIGINAL_PX
    out = np.empty((size_px, size_px, 3))
    top, left = (height - side) / 2, (width - side) / 2
    for row in range(size_px):
        for column in range(size_px):
            span = [
                (start + place * side / size_px, start + (place + 1) * side / size_px)
                for start, place in ((top, row), (left, column))
            ]
            (r0, r1), (c0, c1) = (
                (int(np.floor(a)), max(int(np.ceil(b)), int(np.floor(a)) + 1)) for a, b in span
            )
            out[row, column] = picture[max(r0, 0) : r1, max(c0, 0) : c1].mean(axis=(0, 1))
    return out


@SLOW
@given(st.integers(1, 600), st.integers(1, 600), st.integers(1, ORIGINAL_PX), st.data())
def test_any_shape_crop_and_size_agree_with_a_slow_plain_version(
    height: int, width: int, crop_px: int, data: st.DataObject
) -> None:
    size_px = data.draw(st.integers(1, min(crop_px, 24)))
    rows, columns = np.mgrid[:height, :width]
    picture = np.stack([rows * 255 / 600, columns * 255 / 600, 0 * rows + 77], axis=2)
    picture = picture.astype(np.uint8)
    found = decode(encode(picture, end=".png"), crop_px, size_px)
    assert found.shape == (size_px, size_px, 3)
    assert found.dtype == np.uint8
    plain = decode_slowly(picture.astype(float), crop_px, size_px)
    # Smooth pictures: a pixel's place may differ by rounding, not by more.
    side = min(height, width)
    assert np.abs(found - plain).max() <= 255 / 600 * max(8, 2 * side / size_px) + 3


@CASES
@given(SEEDS)
def test_any_bytes_are_a_zip_of_images_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    rng = random.Random(seed)
    path = tmp_path_factory.getbasetemp() / "mutated.zip"
    kind = rng.choice(
        (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2)
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", kind) as archive:
        for galaxy_id in (11, 12, 13):
            archive.writestr(f"images/{galaxy_id}.jpg", encode(PICTURE[:20, :20]))
    path.write_bytes(mutate(content.getvalue(), rng))
    try:
        store = ImageStore.open(path)
        for galaxy_id in store.ids:
            try:
                assert isinstance(store.read(int(galaxy_id)), bytes)
            except InputError as error:
                check_refusal(error, "mutated.zip")
    except InputError as error:
        check_refusal(error, "mutated.zip")


def test_a_zip_whose_names_are_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "names.zip"
    write_zip(path, {"é/11.jpg": encode(PICTURE)})
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    with pytest.raises(InputError, match=r"names\.zip is not a whole zip file"):
        ImageStore.open(path)
