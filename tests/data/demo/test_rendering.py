"""Pictures of demo galaxies show their parameters."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from galaxyzoo.data.demo import galaxies, rendering


def measure(galaxy):
    """Axis ratio, angle (rad) and area (px) inside the contour at half of a drawn galaxy's peak."""
    gray = rendering.render_galaxy(galaxy, np.random.default_rng(1)).astype(np.float32).mean(axis=2)
    gray = cv2.GaussianBlur(gray, (0, 0), 2)
    inside = (gray > gray[204:220, 204:220].max() / 2).astype(np.uint8)
    parts = cv2.connectedComponents(inside)[1]
    y, x = np.nonzero(parts == parts[212, 212])
    moments, axes = np.linalg.eigh(np.cov(x, y))
    return np.sqrt(moments[0] / moments[1]), np.arctan2(axes[1, 1], axes[0, 1]) % np.pi, len(x)


def test_a_drawn_galaxy_has_the_axis_ratio_and_the_angle_of_its_parameters():
    plain = replace(galaxies.draw_morphology(np.random.default_rng(0)), sky_px=424, brightness=110)
    plain = replace(plain, size=1.0, angle_rad=0.7, sersic=1.0, bulge=0.0, bar=0.0, arms=0.0)
    plain = replace(plain, oddity=None, oddness=0.0)
    areas = set()
    for kind, ratios in ((galaxies.SMOOTH, (0.5, 0.95)), (galaxies.DISK, (0.13, 0.26, 0.7))):
        for ratio in ratios:
            galaxy = replace(plain, kind=kind, axis_ratio=ratio)
            assert measure(galaxy)[:2] == pytest.approx((ratio, 0.7), abs=0.03)
            areas |= {measure(galaxy)[2]} if kind == galaxies.SMOOTH else set()
    assert max(areas) < 1.1 * min(areas)  # the flatter one is the longer one
    bulges = [replace(plain, kind=galaxies.DISK, axis_ratio=q, bulge=1.0) for q in (0.3, 0.95)]
    assert [measure(b)[0] for b in bulges] == pytest.approx([0.53, 0.96], abs=0.03)
