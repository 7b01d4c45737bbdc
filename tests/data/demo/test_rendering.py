"""Pictures of demo galaxies show their parameters."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest

from galaxyzoo.data.demo import galaxies, rendering


@dataclass
class Shape:
    """A drawn galaxy inside the contour at half of its peak."""

    axis_ratio: float
    angle_rad: float
    area_px: int


def measure(galaxy):
    """Shape of a galaxy, by the moments of its light's contour."""
    gray = rendering.render_galaxy(galaxy, np.random.default_rng(1)).astype(np.float32).mean(axis=2)
    gray = cv2.GaussianBlur(gray, (0, 0), 2)
    peak = gray[204:220, 204:220].max()
    parts = cv2.connectedComponents((gray > peak / 2).astype(np.uint8))[1]
    y, x = np.nonzero(parts == parts[212, 212])
    (minor, major), axes = np.linalg.eigh(np.cov(x, y))
    x_major, y_major = axes[:, 1]
    angle_rad = np.arctan2(y_major, x_major) % np.pi
    return Shape(np.sqrt(minor / major), angle_rad, len(x))


def test_a_drawn_galaxy_has_the_axis_ratio_and_the_angle_of_its_parameters():
    plain = replace(galaxies.draw_morphology(np.random.default_rng(0)), sky_px=424, brightness=110)
    plain = replace(plain, size=1.0, angle_rad=0.7, sersic=1.0, bulge=0.0, bar=0.0, arms=0.0)
    plain = replace(plain, oddity=None, oddness=0.0)
    smooth = replace(plain, kind=galaxies.SMOOTH)
    disk = replace(plain, kind=galaxies.DISK)
    shapes = []
    for kind, ratio in ((smooth, 0.5), (smooth, 0.95), (disk, 0.13), (disk, 0.26), (disk, 0.7)):
        shape = measure(replace(kind, axis_ratio=ratio))
        assert shape.axis_ratio == pytest.approx(ratio, abs=0.03)
        assert shape.angle_rad == pytest.approx(0.7, abs=0.03)
        shapes.append(shape)
    areas = [shape.area_px for shape in shapes[:2]]
    assert max(areas) < 1.1 * min(areas)  # the flatter smooth one is the longer one
    for ratio, drawn in ((0.3, 0.53), (0.95, 0.96)):
        shape = measure(replace(disk, axis_ratio=ratio, bulge=1.0))
        assert shape.axis_ratio == pytest.approx(drawn, abs=0.03)
