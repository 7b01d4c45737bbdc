"""The camera of the demo set: sky around a galaxy, point spread, noise, the survey's own stretch.

Light is laid down on the camera's pixels, of which a small galaxy covers few, and only the finished
picture is enlarged: so small galaxies look as blurred as they do in the survey.
"""

import cv2
import numpy as np

from galaxyzoo.demo_galaxies import ARTIFACT, Morphology
from galaxyzoo.demo_light import DISK_STARS, OLD_STARS, coloured, galaxy_light

FRAME_PX = 424
_STRETCH, _SOFTENING = 62.0, 7.0  # grey levels and noise units of the asinh stretch


def render(galaxy: Morphology, rng: np.random.Generator) -> np.ndarray:
    """Draw a galaxy with its surroundings.

    Returns:
        (424, 424, 3) uint8, RGB.
    Source: own; stretch after Lupton et al. 2004 (PASP 116, 133), as the survey's own pictures.
    """
    light = galaxy_light(galaxy, rng)
    _add_field(light, rng)
    if galaxy.kind == ARTIFACT:
        _add_artifact(light, rng)
    seeing_px = rng.uniform(1.1, 1.6)
    light = cv2.GaussianBlur(light, (0, 0), seeing_px)
    light = _misaligned(light, rng)
    light += 0.3 + rng.standard_normal(light.shape, np.float32) * np.sqrt(1 + 0.15 * light)
    picture = cv2.resize(_stretched(light), (FRAME_PX, FRAME_PX), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _misaligned(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift the outer bands by part of a pixel, for the survey's coloured fringes."""
    shifts = rng.normal(0, 0.13, (3, 2)) * np.array((1, 0, 1))[:, None]
    bands = [
        cv2.warpAffine(light[..., b], np.array([[1, 0, x], [0, 1, y]]), light.shape[:2])
        for b, (x, y) in enumerate(shifts)
    ]
    return np.stack(bands, axis=2)


def _stretched(light: np.ndarray) -> np.ndarray:
    """Light -> grey levels 0 to 255, float32; saturated pixels keep their colour."""
    mean = np.maximum(light.mean(axis=2, keepdims=True), 1e-3)
    levels = light * (_STRETCH * np.arcsinh(mean / _SOFTENING) / mean)
    return levels * (255 / np.maximum(levels.max(axis=2, keepdims=True), 255))


def _add_field(light: np.ndarray, rng: np.random.Generator) -> None:
    """Add stars and small galaxies; more camera pixels show more sky, so more of both."""
    n = len(light)
    for _ in range(rng.poisson(3 + 26 * (n / 424) ** 2)):
        x, y = rng.integers(0, n, 2)
        flux = min(25 * rng.pareto(0.9) + 15, 6000)
        warmth = rng.uniform(-0.45, 0.45)
        light[y, x] += flux * np.array((1 + warmth, 1, 1 - warmth), np.float32)
    for _ in range(rng.poisson(2 + 10 * (n / 424) ** 2)):
        _add_small_galaxy(light, rng)


def _add_small_galaxy(light: np.ndarray, rng: np.random.Generator) -> None:
    x, y = rng.uniform(0, len(light), 2)
    reach = 12
    left, top = max(int(x) - reach, 0), max(int(y) - reach, 0)
    patch = light[top : int(y) + reach, left : int(x) + reach]
    rows, columns = np.ogrid[: patch.shape[0], : patch.shape[1]]
    dx, dy = (columns - (x - left)).astype(np.float32), (rows - (y - top)).astype(np.float32)
    tilt = rng.uniform(-0.7, 0.7)
    r = np.sqrt(dx * dx + dy * dy + 2 * tilt * dx * dy) / rng.uniform(0.7, 1.8)
    colour = DISK_STARS + rng.uniform(-0.1, 0.9) * (OLD_STARS - DISK_STARS) * 1.5
    patch += coloured(rng.uniform(4, 22) * np.exp(-r), colour)


def _add_artifact(light: np.ndarray, rng: np.random.Generator) -> None:
    """Add a saturated star with spikes, or a satellite's trail."""
    n = len(light)
    axis = (np.arange(n, dtype=np.float32) + 0.5) / n - 0.5
    x, y = axis[None] - rng.normal(0, 0.02), axis[:, None] - rng.normal(0, 0.02)
    if rng.random() < 0.7:
        halo = 900 / (1 + ((x * x + y * y) / 0.018**2) ** 1.3)
        spikes = np.exp(-np.abs(y) / 0.004 - np.abs(x) / 0.1) + np.exp(
            -np.abs(x) / 0.004 - np.abs(y) / 0.1
        )
        warmth = rng.uniform(-0.15, 0.3)
        light += coloured(halo + 160 * spikes, np.array((1 + warmth, 1, 1 - warmth), np.float32))
    else:
        turn = rng.uniform(0, np.pi)
        across = np.abs(x * np.sin(turn) - y * np.cos(turn))
        # The filters are exposed one after another, so a moving light is seen in one band only.
        band = np.eye(3, dtype=np.float32)[rng.integers(3)]
        light += coloured(70 * np.exp(-((across / 0.008) ** 2)), band + 0.05)
