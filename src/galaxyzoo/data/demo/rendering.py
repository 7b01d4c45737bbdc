"""Draw pictures of demo galaxies.

Lengths are in frames: they run from -0.5 to 0.5 both ways. Light is in units of the sky's noise,
bands in the order i, r, g, which become red, green and blue. Light is drawn on the camera's pixels,
of which a small galaxy covers few, and the finished picture is enlarged: so small galaxies look as
blurred as the competition's.
"""

import cv2
import numpy as np

from galaxyzoo.data.demo.galaxies import ARTIFACT, DISK, Morphology

_RADIUS = 0.047  # scale length of the usual disk, in frames
_OLD_STARS = np.array((1.22, 1.0, 0.66), np.float32)
_DISK_STARS = np.array((1.06, 1.0, 0.9), np.float32)
_YOUNG_STARS = np.array((0.86, 0.95, 1.18), np.float32)
_FRAME_PX = 424
_STRETCH = 62.0  # gray levels of the asinh stretch
_SOFTENING = 7.0  # noise units, of the same


def render_galaxy(galaxy: Morphology, rng: np.random.Generator) -> np.ndarray:
    """Draw a galaxy with its surroundings, (424, 424, 3) uint8 RGB.

    Source: own; stretch after Lupton et al. 2004 (PASP 116, 133), as the competition's.
    """
    light = _galaxy_light(galaxy, rng)
    _add_stars(light, rng)
    light = cv2.GaussianBlur(light, (0, 0), 1.6)  # the atmosphere's seeing
    noise = rng.standard_normal(light.shape, np.float32)
    light += 0.3 + noise * np.sqrt(2.5 + 0.3 * light)
    mean = np.maximum(light.mean(axis=2, keepdims=True), 1e-3)
    levels = light * (_STRETCH * np.arcsinh(mean / _SOFTENING) / mean)
    brightest = levels.max(axis=2, keepdims=True)
    levels *= 255 / np.maximum(brightest, 255)  # bright pixels keep a color
    picture = cv2.resize(levels, (_FRAME_PX, _FRAME_PX), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _galaxy_light(galaxy: Morphology, rng: np.random.Generator) -> np.ndarray:
    """(sky_px, sky_px, 3) float32 light of a galaxy and its oddity."""
    x, y = _plane(galaxy.sky_px, galaxy.angle_rad)
    length = _RADIUS * galaxy.size
    if galaxy.kind == ARTIFACT:
        light = _bright_star(x, y)
    elif galaxy.kind != DISK:
        light = _smooth_galaxy(galaxy, x, y, length)
    elif galaxy.edge_on:
        light = _edge_on_disk(galaxy, x, y, 1.55 * length)
    else:
        light = _tilted_disk(galaxy, x, y / galaxy.axis_ratio, 1.25 * length, rng)
        light += _bulge(galaxy, x, y, 1.25 * length)
    if galaxy.oddity == "merger":
        light += _partner(galaxy, x, y, rng)
    return galaxy.brightness * light


def _bright_star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Star with a halo and four spikes."""
    spikes = np.exp(-abs(y) / 0.004 - abs(x) / 0.1) + np.exp(-abs(x) / 0.004 - abs(y) / 0.1)
    halo = 26 / (1 + ((x * x + y * y) / 0.018**2) ** 1.3)
    return (halo + 5 * spikes)[..., None] * _DISK_STARS


def _smooth_galaxy(galaxy: Morphology, x: np.ndarray, y: np.ndarray, length: float) -> np.ndarray:
    """Sersic profile on ellipses."""
    half_light = min(1.15 * length / np.sqrt(galaxy.axis_ratio), 0.08)
    profile = _sersic(np.hypot(x, y / galaxy.axis_ratio), half_light, galaxy.sersic)
    return 0.32 * profile[..., None] * _OLD_STARS


def _partner(
    galaxy: Morphology, x: np.ndarray, y: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Merging galaxy on the long axis, and a bridge of light to it."""
    distance = rng.uniform(2.2, 3.6) * _RADIUS
    axis_ratio = rng.uniform(0.5, 0.9)
    partner = _sersic(np.hypot(x - distance, y / axis_ratio), 0.75 * _RADIUS, 1.8)
    bridge = np.exp(-((y / 0.022) ** 2) - ((x - distance / 2) / (0.8 * distance)) ** 4)
    return galaxy.oddness * (0.45 * partner + 0.16 * bridge)[..., None] * _DISK_STARS


def _plane(n: int, angle_rad: float) -> tuple[np.ndarray, np.ndarray]:
    """(n, n) float32 places along and across the long axis, in frames."""
    axis = (np.arange(n, dtype=np.float32) + 0.5) / n - 0.5
    column, row = axis[None], axis[:, None]
    cos = np.float32(np.cos(angle_rad))
    sin = np.float32(np.sin(angle_rad))
    return column * cos + row * sin, row * cos - column * sin


def _sersic(r: np.ndarray, half_light: float, index: float) -> np.ndarray:
    """Sersic profile, 1 at the half-light radius."""
    b = 2 * index - 1 / 3
    return np.exp(b - b * ((r + 0.3 / len(r)) / half_light) ** (1 / index))


def _tilted_disk(
    galaxy: Morphology, x: np.ndarray, y: np.ndarray, length: float, rng: np.random.Generator
) -> np.ndarray:
    """Exponential disk with arms and a bar, or with a ring, or in patches; `y` in its own plane."""
    r = np.hypot(x, y) + 0.3 / len(x)
    disk = 0.95 * np.exp(-r / length)
    young = np.zeros_like(r)
    bar = np.zeros_like(r)
    if galaxy.oddity == "irregular":
        young = galaxy.oddness * _patches(x, y, rng)
        disk *= 1 - 0.85 * galaxy.oddness
    elif galaxy.arms > 0:
        winding = rng.choice((-1, 1)) / np.tan(np.radians(galaxy.pitch_deg))
        phase = np.arctan2(y, x) - np.float32(winding) * np.log(r / length)
        ridges = np.exp(2.4 * (np.cos(galaxy.arm_count * phase) - 1))
        outside = 1 / (1 + np.exp((0.95 * length - r) / (0.18 * length)))
        young = 2.5 * galaxy.arms * disk * ridges * outside
        disk *= 1 - 0.55 * galaxy.arms
    if galaxy.oddity == "ring":
        radii = r / (2.3 * _RADIUS * galaxy.size)  # 1 on the ring
        disk *= 1 - 0.6 * galaxy.oddness * np.exp(-((radii - 0.6) ** 2) / 0.09)
        young += 0.45 * galaxy.oddness * np.exp(-((radii - 1) ** 2) / 0.03)
    if galaxy.bar > 0:
        bar = np.exp(-((x / (1.35 * length)) ** 4) - (y / (0.32 * length)) ** 2)
        bar *= 0.95 * galaxy.bar
    light = np.stack((disk, young, bar), axis=2)
    return light @ np.stack((_DISK_STARS, _YOUNG_STARS, _OLD_STARS))


def _patches(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Seven patches of young stars, around the center at random."""
    light = np.zeros_like(x)
    for center_x, center_y in rng.normal(0, 1.2 * _RADIUS, (7, 2)):
        width = _RADIUS * rng.uniform(0.25, 0.8)
        light += 0.65 * np.exp(-((x - center_x) ** 2 + (y - center_y) ** 2) / width**2)
    return light


def _edge_on_disk(galaxy: Morphology, x: np.ndarray, y: np.ndarray, length: float) -> np.ndarray:
    """Thin disk from the side, with its bulge."""
    height = length * (0.1 + 0.75 * max(galaxy.axis_ratio - 0.13, 0))
    along = np.exp(-np.hypot(x, 0.3 * length) / length)
    disk = along / np.cosh(np.minimum(abs(y) / height, 40))
    return 1.7 * disk[..., None] * _DISK_STARS + _bulge(galaxy, x, y, 0.8 * length)


def _bulge(galaxy: Morphology, x: np.ndarray, y: np.ndarray, length: float) -> np.ndarray:
    """Bulge of a disk: rounder than the disk, boxy from the side where the galaxy says so."""
    axis_ratio = 0.5 + 0.5 * galaxy.axis_ratio
    if galaxy.edge_on:
        axis_ratio = 0.62
    power = 2 + 2.5 * galaxy.boxiness * galaxy.edge_on
    r = (abs(x) ** power + abs(y / axis_ratio) ** power) ** (1 / power)
    profile = _sersic(r, length * (0.2 + 0.55 * galaxy.bulge), 1.6)
    return (0.05 + 1.35 * galaxy.bulge) * profile[..., None] * _OLD_STARS


def _add_stars(light: np.ndarray, rng: np.random.Generator) -> None:
    """Add stars and galaxies too small to have a shape; more pixels show more sky, so more."""
    n = len(light)
    for _ in range(rng.poisson(4 + 30 * (n / _FRAME_PX) ** 2)):
        x, y = rng.integers(0, n, 2)
        flux = min(25 * rng.pareto(0.9) + 15, 6000)
        warmth = rng.uniform(-0.45, 0.45)
        light[y, x] += flux * np.array((1 + warmth, 1, 1 - warmth), np.float32)
