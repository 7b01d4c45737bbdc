"""OpenCV 4.13 warps int16, float64 and four channels of uint16 wrongly: none of these reach it."""

import ast
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.extras.explain import gradcam
from galaxyzoo.extras.explain.galaxy import Galaxy
from galaxyzoo.inference.predict import predict_stores
from galaxyzoo.training.augmentation import augment_batch
from support.fits_files import CUBE, write_fits
from support.small_models import small_config, untrained

WARPS = "warpAffine", "warpPerspective", "warpPolar", "remap"
DEEP = np.random.default_rng(0).integers(0, 2**16, (48, 48, 4), np.uint16)
FILES = {
    "int16.fits": write_fits(CUBE.astype(np.int16)),
    "float64.fits": write_fits(CUBE.astype(np.float64)),
    "uint16.png": cv2.imencode(".png", DEEP)[1].tobytes(),
}


@pytest.fixture
def warped(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """For each warp, the pixels' type and whether the map is inverse."""
    calls: list[tuple[str, bool]] = []
    warp_affine = cv2.warpAffine

    def record(image: np.ndarray, matrix: np.ndarray, size: Any, *more: Any, **named: Any) -> Any:
        flags = named.get("flags", more[1] if len(more) > 1 else 0)
        calls.append((str(image.dtype), bool(flags & cv2.WARP_INVERSE_MAP)))
        return warp_affine(image, matrix, size, *more, **named)

    monkeypatch.setattr(cv2, "warpAffine", record)
    return calls


@pytest.mark.parametrize("name", FILES)
def test_only_uint8_and_float32_are_warped_and_by_inverse_maps(tmp_path, warped, name):
    (tmp_path / name).write_bytes(FILES[name])
    run = untrained(small_config())
    predict_stores(run, [tmp_path])
    assert {*warped} == {("uint8", True)}

    wide = untrained(small_config(image={"size_px": 40, "field_px": 160}))
    both: Any = SimpleNamespace(runs=[run, wide], task=run.task)
    gradcam.explain(both, Galaxy(name, FILES[name], name), 0, "gradcam")
    assert {*warped} == {("uint8", True), ("float32", True)}


def test_training_images_are_warped_as_uint8(warped):
    config = small_config()
    images = np.zeros((2, config.image.cache_px, config.image.cache_px, 3), np.uint8)
    augment_batch(images, config.image, config.augment, np.random.default_rng(0))
    assert warped == [("uint8", True)] * 2


def test_no_other_module_warps():
    package = CODE_ROOT / "src" / "galaxyzoo"
    warping = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in WARPS:
                warping.add((path.relative_to(package).as_posix(), node.attr))
    assert warping == {
        ("data/geometry.py", "warpAffine"),
        ("extras/explain/gradcam.py", "warpAffine"),
    }
