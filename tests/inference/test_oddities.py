"""Images that are unlike Galaxy Zoo's are counted, in whatever form they come."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core.console import ProgressBar
from galaxyzoo.data.stores.opening import open_all
from galaxyzoo.inference.chunks import Chunk
from galaxyzoo.inference.oddities import Oddities
from galaxyzoo.inference.predict import predict_stores
from support.pictures import draw_image, encode
from support.surveys import Brightness

RNG = np.random.default_rng(0)
GALAXY = draw_image(np.random.default_rng(1), 424)


def noise(height: int, width: int) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


PICTURES: dict[str, tuple[np.ndarray, list[str]]] = {
    "as Galaxy Zoo's": (GALAXY, []),
    "small": (cv2.resize(GALAXY, (96, 96)), ["size"]),
    "wide": (GALAXY[100:324], ["shape"]),
    "high, as trimmed at an edge": (GALAXY[:, 20:], ["shape"]),
    "a row less": (GALAXY[1:], ["size"]),
    "gray": (np.repeat(GALAXY[..., 1:2], 3, axis=2), ["gray"]),
    "noise": (noise(424, 424), ["noise"]),
}


def oddities_of(path: Path, image: ImageConfig) -> Oddities:
    [store] = open_all([path])
    chunk = Chunk(store)
    chunk.decode(image)
    assert chunk.problems == []
    return chunk.oddities


@pytest.mark.parametrize("crop_px", [207, 424])
@pytest.mark.parametrize("end", [".png", ".jpg"])
@pytest.mark.parametrize("kind", PICTURES)
def test_pictures_are_told_from_galaxy_zoos(tmp_path, kind, end, crop_px):
    picture, expected = PICTURES[kind]
    (tmp_path / f"a{end}").write_bytes(encode(picture, end=end))
    found = oddities_of(tmp_path / f"a{end}", ImageConfig(crop_px=crop_px, cache_px=64))
    assert list(found) == [name for name in ("gray", "shape", "size", "noise") if name in expected]


def test_a_galaxy_that_anyone_sees_is_no_noise_in_however_many_pixels(tmp_path):
    rows, columns = np.mgrid[:424, :424] - 211.5
    light = 60 * np.exp(-(rows**2 + columns**2) / 7200) + 90
    noisy = light[..., None] + RNG.normal(0, 30, (424, 424, 3))
    (tmp_path / "a.png").write_bytes(encode(noisy.clip(0, 255).astype(np.uint8), end=".png"))
    (tmp_path / "b.png").write_bytes(encode(noise(424, 424), end=".png"))
    for side in (64, 212, 424):
        image = ImageConfig(crop_px=424, cache_px=side)
        assert oddities_of(tmp_path / "a.png", image) == {}
        assert list(oddities_of(tmp_path / "b.png", image)) == ["noise"]


def test_16_bits_are_said_with_how_bright_they_are(tmp_path):
    """The PNG standard has 65,535 for white; cameras write 12 bits (4,095) as they are."""
    cv2.imwrite(str(tmp_path / "twelve.png"), GALAXY.astype(np.uint16) * 16)
    found = oddities_of(tmp_path / "twelve.png", ImageConfig(crop_px=424, cache_px=64))
    count, first = found["bits"]
    assert count == 1
    brightest = int(first.split("brightest value ")[1].removesuffix(" of 255"))
    assert 5 < brightest < 16


def test_an_alpha_channel_is_said(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.dstack([GALAXY, GALAXY[..., :1] | 128]))
    found = oddities_of(tmp_path / "a.png", ImageConfig(crop_px=424, cache_px=64))
    assert {kind: count for kind, (count, _) in found.items()} == {"alpha": 1}


def test_counts_are_of_all_images_and_name_the_first(tmp_path, monkeypatch):
    """Of chunks of 19 images, which several threads look at."""
    for number in range(31):
        picture = PICTURES["small" if number % 2 else "as Galaxy Zoo's"][0]
        (tmp_path / f"{number:02}.png").write_bytes(encode(picture, end=".png"))
    (tmp_path / "31.png").write_bytes(b"no image")
    said: list[str] = []
    monkeypatch.setattr(ProgressBar, "write", said.append)
    monkeypatch.setattr("galaxyzoo.inference.predict.CHUNK", 19)
    predict_stores(Brightness(), [tmp_path])
    size = "15 of 31 images: not 424 × 424 px, unlike Galaxy Zoo's (first: 01.png, 96 × 96)"
    assert said == [size]
