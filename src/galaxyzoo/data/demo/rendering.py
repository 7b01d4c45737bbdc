"""Draw demo galaxies: first their light, then the sky around, blur, noise and the survey's stretch.

Lengths are in frames: the picture runs from -0.5 to 0.5 both ways. Light is in units of the sky's
noise, bands in the order i, r, g, which become red, green and blue. Strengths and sizes were tuned
by eye against the competition's pictures.

Light is drawn on the camera's pixels, of which a small galaxy covers few, and only the finished
picture is enlarged: so small galaxies look as blurred as they do in the survey.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from galaxyzoo.data.demo.galaxies import ARTIFACT, DISK, Morphology

Light = np.ndarray  # (sky_px, sky_px, 3) float32
Rng = np.random.Generator
RADIUS = 0.047  # scale length of the usual disk, in frames
OLD_STARS = np.array((1.22, 1.0, 0.66), np.float32)
DISK_STARS = np.array((1.06, 1.0, 0.9), np.float32)
YOUNG_STARS = np.array((0.86, 0.95, 1.18), np.float32)
FRAME_PX = 424
_STRETCH, _SOFTENING = 62.0, 7.0  # gray levels and noise units of the asinh stretch


@dataclass(frozen=True)
class Plane:
    """Every pixel's place in a galaxy's own plane, in frames; (sky_px, sky_px) float32 each."""

    x: np.ndarray  # along the long axis
    y: np.ndarray  # across it, as seen
    y_disk: np.ndarray  # across it, in the plane of the disk
    r: np.ndarray  # radius in the plane of the disk
    texture: np.ndarray  # smooth noise, about -2 to 2


def render(galaxy: Morphology, rng: Rng) -> np.ndarray:
    """Draw a galaxy with its surroundings, (424, 424, 3) uint8 RGB.

    Source: own; stretch after Lupton et al. 2004 (PASP 116, 133), as the survey's own pictures.
    """
    light = _galaxy_light(galaxy, rng)
    _add_field(light, rng)
    if galaxy.kind == ARTIFACT:
        _add_artifact(light, rng)
    seeing_px = rng.uniform(1.1, 1.6)
    light = cv2.GaussianBlur(light, (0, 0), seeing_px)
    light = _misaligned(light, rng)
    light += 0.3 + rng.standard_normal(light.shape, np.float32) * np.sqrt(1 + 0.15 * light)
    picture = cv2.resize(_stretched(light), (FRAME_PX, FRAME_PX), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _galaxy_light(galaxy: Morphology, rng: Rng) -> np.ndarray:
    """Light of a galaxy, with what is odd about it: Sersic profiles, exponential disks, spirals."""
    plane = _plane(galaxy, rng)
    if galaxy.kind == DISK:
        light = _edge_on_disk(galaxy, plane) if galaxy.edge_on else _tilted_disk(galaxy, plane, rng)
    else:
        light = _smooth(galaxy, plane)
    if galaxy.oddity is not None:
        light = _ODD_PAINTERS[galaxy.oddity](galaxy, plane, light, rng)
    return light


def _colored(light: Light, color: np.ndarray) -> np.ndarray:
    """Light of one color: (n, m), (3,) -> (n, m, 3)."""
    return light[..., None] * color


def _plane(galaxy: Morphology, rng: Rng) -> Plane:
    n = galaxy.sky_px
    axis = (np.arange(n, dtype=np.float32) + 0.5) / n - 0.5
    cos, sin = np.float32(np.cos(galaxy.angle_rad)), np.float32(np.sin(galaxy.angle_rad))
    x = axis[None] * cos + axis[:, None] * sin
    y = axis[:, None] * cos - axis[None] * sin
    texture = 0.8 * _smooth_noise(n, 22, rng) + 0.6 * _smooth_noise(n, 60, rng)
    y_disk = y / np.float32(galaxy.axis_ratio)
    pixel = 0.4 / n  # keeps cusps from depending on where the pixel's center falls
    return Plane(x, y, y_disk, np.sqrt(x * x + y_disk * y_disk + pixel * pixel), texture)


def _smooth_noise(n: int, cells: int, rng: Rng) -> np.ndarray:
    """(n, n) noise of unit variance in patches, `cells` of them along a side of the frame."""
    return cv2.resize(
        rng.standard_normal((cells, cells), np.float32), (n, n), interpolation=cv2.INTER_CUBIC
    )


def _sersic(r: np.ndarray, half_light: float, index: float) -> np.ndarray:
    """Sersic profile, 1 at the half-light radius."""
    b = 2 * index - 1 / 3
    return np.exp(b - b * np.exp(np.log(r / half_light) / index))


def _smooth(galaxy: Morphology, plane: Plane) -> np.ndarray:
    length = RADIUS * galaxy.size * 1.15 / np.sqrt(galaxy.axis_ratio)
    light = galaxy.brightness * 0.32 * _sersic(plane.r, min(length, 0.08), galaxy.sersic)
    old = 0.35 + 0.65 * galaxy.sersic / 4.5  # the more concentrated, the older its stars
    return _colored(light, OLD_STARS * old + DISK_STARS * (1 - old))


def _tilted_disk(galaxy: Morphology, plane: Plane, rng: Rng) -> np.ndarray:
    """Disk with arms, bar and bulge, seen from above or aslant."""
    length = RADIUS * galaxy.size * 1.25
    disk = galaxy.brightness * 0.95 * np.exp(-plane.r / length)
    light = _colored(disk * (1 - 0.55 * galaxy.arms), DISK_STARS)
    if galaxy.arms > 0:
        light += _colored(disk * 1.9 * galaxy.arms * _arms(galaxy, plane, length, rng), YOUNG_STARS)
    if galaxy.bar > 0:
        across = np.abs(plane.y_disk) / (0.32 * length)
        bar = np.exp(-((np.abs(plane.x) / (1.35 * length)) ** 4) - across**2)
        light += _colored(galaxy.brightness * 0.95 * galaxy.bar * bar, OLD_STARS)
    return light + _bulge(galaxy, plane, length)


def _arms(galaxy: Morphology, plane: Plane, length: float, rng: Rng) -> np.ndarray:
    """Strength of logarithmic spiral arms, 0 to about 2, with knots and breaks."""
    turn = rng.choice((-1, 1)) / np.tan(np.radians(galaxy.pitch_deg))
    phase = np.arctan2(plane.y_disk, plane.x) - np.float32(turn) * np.log(plane.r / (1.2 * length))
    wander = np.float32(0.25 + 1.3 * galaxy.flocculence) * plane.texture
    ridges = np.exp(2.4 * (np.cos(galaxy.arm_count * phase + wander) - 1))
    inside = 1 / (1 + np.exp((0.95 * length - plane.r) / (0.18 * length)))
    return ridges * inside * np.exp(0.35 * plane.texture) * 1.3


def _bulge(galaxy: Morphology, plane: Plane, length: float) -> np.ndarray:
    """Bulge of a disk: rounder than the disk, boxy from the side where the galaxy says so."""
    flat = 0.62 if galaxy.edge_on else 0.5 + 0.5 * galaxy.axis_ratio
    power = 2 + 2.5 * galaxy.boxiness * galaxy.edge_on
    r = (np.abs(plane.x) ** power + np.abs(plane.y / flat) ** power) ** (1 / power)
    half_light = length * (0.2 + 0.55 * galaxy.bulge)
    strength = galaxy.brightness * (0.05 + 1.35 * galaxy.bulge)
    return _colored(strength * _sersic(r + 0.3 / galaxy.sky_px, half_light, 1.6), OLD_STARS)


def _edge_on_disk(galaxy: Morphology, plane: Plane) -> np.ndarray:
    length = RADIUS * galaxy.size * 1.55
    height = length * (0.1 + 0.75 * max(galaxy.axis_ratio - 0.13, 0))
    along = np.exp(-np.sqrt(plane.x**2 + (0.3 * length) ** 2) / length)
    disk = galaxy.brightness * 1.7 * along / np.cosh(np.minimum(np.abs(plane.y) / height, 40))
    blue = np.float32(galaxy.arms * 0.6)
    light = _colored(disk, DISK_STARS * (1 - blue) + YOUNG_STARS * blue)
    return light + _bulge(galaxy, plane, length * 0.8)


def _ring(galaxy: Morphology, plane: Plane, light: Light, rng: Rng) -> Light:
    radius = RADIUS * galaxy.size * rng.uniform(2.0, 2.6)
    ring = np.exp(-(((plane.r - radius) / (0.17 * radius)) ** 2)) * np.exp(0.2 * plane.texture)
    gap = np.exp(-(((plane.r - 0.6 * radius) / (0.3 * radius)) ** 2))
    dimmed = light * (1 - 0.6 * galaxy.oddness * gap)[..., None]
    return dimmed + _colored(galaxy.brightness * 0.45 * galaxy.oddness * ring, YOUNG_STARS)


def _irregular(galaxy: Morphology, plane: Plane, light: Light, rng: Rng) -> Light:
    """Patches of young stars around no clear center."""
    patches = np.zeros_like(plane.r)
    for _ in range(rng.integers(5, 10)):
        x, y = rng.normal(0, 1.2 * RADIUS, 2)
        width = RADIUS * rng.uniform(0.25, 0.8)
        r2 = (plane.x - x) ** 2 + (plane.y_disk - y) ** 2
        patches += rng.uniform(0.3, 1) * np.exp(-r2 / width**2)
    patches *= galaxy.brightness * galaxy.oddness * np.exp(0.4 * plane.texture)
    return light * (1 - 0.85 * galaxy.oddness) + _colored(patches, YOUNG_STARS)


def _merger(galaxy: Morphology, plane: Plane, light: Light, rng: Rng) -> Light:
    """A second galaxy close by, and a bridge of stars between the two."""
    side, distance = rng.choice((-1, 1)), rng.uniform(2.2, 3.6) * RADIUS
    x, y = plane.x - side * distance, plane.y - rng.uniform(-0.03, 0.03)
    tilt, flat = rng.uniform(0, np.pi), rng.uniform(0.45, 0.9)
    along = x * np.cos(tilt) + y * np.sin(tilt)
    across = (y * np.cos(tilt) - x * np.sin(tilt)) / flat
    r = np.sqrt(along**2 + across**2) + 0.3 / galaxy.sky_px
    partner = 0.45 * _sersic(r, 0.75 * RADIUS, 1.8)
    length = (plane.x * side - distance / 2) / (0.8 * distance)
    bridge = np.exp(-((plane.y / 0.022) ** 2) - length**4)
    stars = _colored(partner + 0.16 * bridge, DISK_STARS if rng.random() < 0.5 else OLD_STARS)
    return light + galaxy.brightness * galaxy.oddness * stars


_ODD_PAINTERS = {
    "ring": _ring,
    "irregular": _irregular,
    "merger": _merger,
}


def _misaligned(light: Light, rng: Rng) -> np.ndarray:
    """Shift the outer bands by part of a pixel, for the survey's colored fringes."""
    shifts = rng.normal(0, 0.13, (3, 2)) * np.array((1, 0, 1))[:, None]
    bands = [
        cv2.warpAffine(light[..., b], np.array([[1, 0, x], [0, 1, y]]), light.shape[:2])
        for b, (x, y) in enumerate(shifts)
    ]
    return np.stack(bands, axis=2)


def _stretched(light: np.ndarray) -> np.ndarray:
    """Light -> gray levels 0 to 255, float32; saturated pixels keep their color."""
    mean = np.maximum(light.mean(axis=2, keepdims=True), 1e-3)
    levels = light * (_STRETCH * np.arcsinh(mean / _SOFTENING) / mean)
    return levels * (255 / np.maximum(levels.max(axis=2, keepdims=True), 255))


def _add_field(light: Light, rng: Rng) -> None:
    """Add stars and small galaxies; more camera pixels show more sky, so more of both."""
    n = len(light)
    for _ in range(rng.poisson(3 + 26 * (n / 424) ** 2)):
        x, y = rng.integers(0, n, 2)
        flux = min(25 * rng.pareto(0.9) + 15, 6000)
        warmth = rng.uniform(-0.45, 0.45)
        light[y, x] += flux * np.array((1 + warmth, 1, 1 - warmth), np.float32)
    for _ in range(rng.poisson(2 + 10 * (n / 424) ** 2)):
        _add_small_galaxy(light, rng)


def _add_small_galaxy(light: Light, rng: Rng) -> None:
    x, y = rng.uniform(0, len(light), 2)
    reach = 12
    left, top = max(int(x) - reach, 0), max(int(y) - reach, 0)
    patch = light[top : int(y) + reach, left : int(x) + reach]
    rows, columns = np.ogrid[: patch.shape[0], : patch.shape[1]]
    dx, dy = (columns - (x - left)).astype(np.float32), (rows - (y - top)).astype(np.float32)
    tilt = rng.uniform(-0.7, 0.7)
    r = np.sqrt(dx * dx + dy * dy + 2 * tilt * dx * dy) / rng.uniform(0.7, 1.8)
    color = DISK_STARS + rng.uniform(-0.1, 0.9) * (OLD_STARS - DISK_STARS) * 1.5
    patch += _colored(rng.uniform(4, 22) * np.exp(-r), color)


def _add_artifact(light: Light, rng: Rng) -> None:
    """Add a saturated star with spikes."""
    n = len(light)
    axis = (np.arange(n, dtype=np.float32) + 0.5) / n - 0.5
    x, y = axis[None] - rng.normal(0, 0.02), axis[:, None] - rng.normal(0, 0.02)
    halo = 900 / (1 + ((x * x + y * y) / 0.018**2) ** 1.3)
    spikes = np.exp(-np.abs(y) / 0.004 - np.abs(x) / 0.1)
    spikes = spikes + np.exp(-np.abs(x) / 0.004 - np.abs(y) / 0.1)
    warmth = rng.uniform(-0.15, 0.3)
    light += _colored(halo + 160 * spikes, np.array((1 + warmth, 1, 1 - warmth), np.float32))
