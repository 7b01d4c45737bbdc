"""Decoding: the right pixels, and clear refusals of what is no image."""

import io
import re

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from galaxyzoo.data import decoding
from galaxyzoo.data.decoding import decode
from galaxyzoo.inference.pictures import to_pixels
from support.bad_image_fixtures import JPEG, KINDS
from support.fuzz_fixtures import SLOW
from support.pictures import encode
from support.strategies import crops
from support.thoroughness import thorough


def sky(seed: int = 0) -> np.ndarray:
    """(424, 424, 3) uint8 as sharp as the competition's images: small stars, a little noise."""
    rng = np.random.default_rng(seed)
    image: np.ndarray = rng.normal(25, 3, (424, 424, 3))
    for y, x in rng.integers(0, 424, (80, 2)):
        image[y, x] += rng.uniform(500, 5000, 3)
    image = cv2.GaussianBlur(image, (0, 0), 2.0)
    rows, columns = np.mgrid[:424, :424]
    squared_distance = (columns - 200) ** 2 + 2 * (rows - 220) ** 2
    galaxy = 150 * np.exp(-squared_distance / 3000)
    image += galaxy[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


def decode_slowly(data: bytes, crop_px: int, size_px: int) -> np.ndarray:
    """All of the image, the center square, and each block's mean weighted by area."""
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    image = np.asarray(bgr, dtype=float)[..., ::-1]
    height, width, _ = image.shape
    side = max(1, round(min(height, width) * crop_px / 424))
    top = (height - side) // 2
    left = (width - side) // 2
    square = image[top : top + side, left : left + side]
    block_px = side / size_px
    shares = np.zeros((size_px, side))  # of a block, how much lies in a pixel
    for block in range(size_px):
        for pixel in range(side):
            start = max(block * block_px, pixel)
            end = min((block + 1) * block_px, pixel + 1)
            shares[block, pixel] = max(0, end - start) / block_px
    channels = [shares @ square[..., channel] @ shares.T for channel in range(3)]
    return np.stack(channels, axis=-1)


def quadrants(side: int = 424) -> np.ndarray:
    """Red, green, blue, white from top left to bottom right: any flip or swap shows."""
    image = np.zeros((side, side, 3), np.uint8)
    half = side // 2
    image[:half, :half] = 255, 0, 0
    image[:half, half:] = 0, 255, 0
    image[half:, :half] = 0, 0, 255
    image[half:, half:] = 255
    return image


OTHER_FORMS = {
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "JPEG 2000 stream": b"\xff\x4f\xff\x51",
    "WebP": b"RIFF\x24\0\0\0WEBPVP8 ",
    "TIFF": b"II*\0",
    "GIF": b"GIF89a",
    "BMP": b"BM",
    "OpenEXR": b"\x76\x2f\x31\x01",
    "AVIF": b"\0\0\0\x1cftypavif",
    "Radiance": b"#?RADIANCE\n",
    "PNM": b"P6 2 2 255\n",
    "Sun raster": b"\x59\xa6\x6a\x95",
    "Photoshop": b"8BPS\0\x01",
    "DirectDraw": b"DDS ",
    "FITS": b"SIMPLE  =                    T",
}


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_no_library_is_given_another_form(monkeypatch, form):
    """Each has known vulnerabilities in some of them."""

    def opened(*_: object, **__: object) -> None:
        pytest.fail("a library opened it")

    monkeypatch.setattr(decoding, "simplejpeg", None)
    monkeypatch.setattr(cv2, "imdecode", opened)
    monkeypatch.setattr(Image, "open", opened)
    with pytest.raises(ValueError, match="neither JPEG nor PNG"):
        decode(OTHER_FORMS[form] + bytes(200), 424, 64)


def test_pillow_opens_jpegs_alone(monkeypatch):
    monkeypatch.setattr(decoding, "simplejpeg", None)
    with pytest.raises(ValueError, match="Pillow cannot read it"):
        decoding.read_header(encode(sky(), end=".png"))


@pytest.mark.parametrize(
    ("crop_px", "size_px", "mean", "most"),
    [
        (320, 160, 0.4, 2.5),  # the default
        (207, 160, 0.4, 0.6),  # shrunk by cv2 alone: rounding only
        (320, 53, 1.0, 10),  # halved, then shrunk by cv2 with the edge up to half a pixel off
    ],
)
def test_decoding_agrees_with_a_slow_plain_version(crop_px, size_px, mean, most):
    """In gray levels: the mean difference, and that of 99 % of values (the rest edge stars)."""
    data = encode(sky())
    got = decode(data, crop_px, size_px)
    assert got.shape == (size_px, size_px, 3)
    assert got.dtype == np.uint8
    difference = np.abs(got - decode_slowly(data, crop_px, size_px))
    assert difference.mean() < mean
    assert np.quantile(difference, 0.99) < most


@SLOW
@given(st.integers(1, 600), st.integers(1, 600), crops(largest_px=24))
def test_any_shape_crop_and_size_agree_with_a_slow_plain_version(height, width, crop):
    crop_px, size_px = crop
    rows, columns = np.mgrid[:height, :width]
    picture = np.stack([rows * 255 / 600, columns * 255 / 600, 0 * rows + 77], axis=2)
    png = encode(picture.astype(np.uint8), end=".png")
    found = decode(png, crop_px, size_px)
    assert found.shape == (size_px, size_px, 3)
    assert found.dtype == np.uint8
    # Smooth pictures: a pixel's place may differ by rounding, not by more.
    most = 255 / 600 * max(8, 2 * min(height, width) / size_px) + 3
    assert np.abs(found - decode_slowly(png, crop_px, size_px)).max() <= most


@pytest.mark.parametrize("form", [".jpg", ".png"])
@pytest.mark.parametrize("size_px", [16, 64, 200])
def test_nothing_is_turned_mirrored_or_swapped(form, size_px):
    image = decode(encode(quadrants(), end=form), 212, size_px).astype(int)
    centers = image[size_px // 4 :: size_px // 2, size_px // 4 :: size_px // 2]
    expected = [[(255, 0, 0), (0, 255, 0)], [(0, 0, 255), (255, 255, 255)]]
    assert np.abs(centers - expected).max() < 8


@pytest.mark.parametrize("shape", [(424, 424), (212, 212), (300, 424), (424, 300), (106, 850)])
def test_the_crop_is_the_middle_square(shape):
    """A white square that is exactly the part to keep, on black: white to its last row."""
    height, width = shape
    side = round(min(shape) * 200 / 424)
    top = (height - side) // 2
    left = (width - side) // 2
    image = np.zeros((height, width, 3), np.uint8)
    image[top : top + side, left : left + side] = 255
    png = encode(image, end=".png")
    assert decode(png, 200, 25).min() > 250
    wider = decode(png, 240, 24)
    wider[1:-1, 1:-1] = 0  # but for its edge
    assert wider.max() < 5


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_of_file_is_decoded_or_refused_with_a_reason(kind, capfd):
    if kind.refusal:
        with pytest.raises(ValueError, match=re.escape(kind.refusal)):
            decode(kind.data, 424, 32)
    else:
        image = decode(kind.data, 424, 32)
        assert image.shape == (32, 32, 3)
        if kind.close is not None:
            assert np.abs(image - decode(JPEG, 424, 32).astype(int)).mean() <= kind.close
    printed = capfd.readouterr().err
    assert "Corrupt" not in printed
    assert "libpng" not in printed


@settings(max_examples=thorough(150, 5000), deadline=None)
@given(st.integers(0, len(JPEG) - 16), st.booleans(), st.sampled_from([16, 53, 106]))
def test_a_jpeg_cut_off_anywhere_is_refused(place, ended, size_px):
    """But for its last bytes, where all pixels may be there."""
    with pytest.raises(ValueError, match=r"empty|truncated|damaged|JPEG"):
        decode(JPEG[:place] + (b"\xff\xd9" if ended else b""), 424, size_px)


@pytest.mark.parametrize("place", range(0, len(JPEG) - 16, 97))
def test_pillow_refuses_cut_off_jpegs_too(place, monkeypatch):
    close = decode(JPEG, 424, 53).astype(int)
    monkeypatch.setattr(decoding, "simplejpeg", None)
    assert np.abs(decode(JPEG, 424, 53) - close).mean() < 1
    with pytest.raises(ValueError, match=r"empty|truncated|damaged|JPEG"):
        decode(JPEG[:place], 424, 53)


@pytest.mark.parametrize("seed", range(20))
def test_pixels_give_what_a_png_of_them_gives(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(20, 600, 2)
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    png = cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
    crop_px = int(rng.integers(50, 425))
    for size_px in (crop_px, crop_px // 2, crop_px // 5):
        assert np.array_equal(decode(pixels, crop_px, size_px), decode(png, crop_px, size_px))


CLEAR = np.zeros((60, 60), bool)
CLEAR[:9] = True
GRAY = np.where(CLEAR, 250, np.arange(60, dtype=np.uint8))  # of 250 what is clear, 0 to 59 the rest
COLOR = Image.fromarray(np.dstack([GRAY, GRAY, GRAY]))
OPACITY = Image.fromarray(np.where(CLEAR, 0, 255).astype(np.uint8))
RGBA = COLOR.copy()
RGBA.putalpha(OPACITY)
PALETTE = Image.fromarray(GRAY, "P")
PALETTE.putpalette(np.repeat(np.arange(256, dtype=np.uint8), 3).tobytes())
TRANSPARENT = {  # images, how they are saved
    "RGBA": (RGBA, {}),
    "palette": (PALETTE, {"transparency": 250}),
    "RGB": (COLOR, {"transparency": (250, 250, 250)}),
}


@pytest.mark.parametrize(("image", "options"), TRANSPARENT.values(), ids=TRANSPARENT)
@pytest.mark.parametrize("size_px", [60, 20])
def test_transparent_pixels_are_over_black(image, options, size_px):
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    opaque = np.where(CLEAR, 0, GRAY)
    expected = decode(np.dstack([opaque, opaque, opaque]), 424, size_px)
    np.testing.assert_array_equal(decode(file.getvalue(), 424, size_px), expected)
    np.testing.assert_array_equal(decode(to_pixels(Image.open(file), 0), 424, size_px), expected)
