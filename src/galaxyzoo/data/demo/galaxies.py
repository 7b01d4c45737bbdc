"""Demo galaxies: hidden parameters, from which both their votes and their pictures follow.

Some forty simulated volunteers walk down the decision tree. Each answers by odds that follow from
the galaxy's parameters; unclear pictures bring the answers closer to guesses and hide features. A
vote fraction is the share of all volunteers who arrive at an answer, so the tree's sums hold by
construction.

In pictures, lengths are in frames: they run from -0.5 to 0.5 both ways. Light is in units of the
sky's noise, bands in the order i, r, g, which become red, green and blue. Light is drawn on the
camera's pixels, of which a small galaxy covers few, and the finished picture is enlarged: so small
galaxies look as blurred as the competition's.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2

SMOOTH, DISK, ARTIFACT = "smooth", "disk", "artifact"
# Those that label rules ask for, with their places among the answers of question 8.
ODDITIES = {"ring": 0, "irregular": 3, "merger": 5}
# Chosen so that the mean votes come out near the competition's (training_solutions_rev1.csv).
_KIND_ODDS = {SMOOTH: 0.4, DISK: 0.58, ARTIFACT: 0.02}
_ODDITY_ODDS = (0.28, 0.36, 0.36)
_ARM_COUNT_ODDS = (0.1, 0.57, 0.14, 0.09, 0.06, 0.04)  # 1, 2, … 6 arms
MEAN_VOLUNTEERS = 43  # mean of the Galaxy Zoo 2 sample


@dataclass(frozen=True)
class Morphology:
    """Hidden parameters of one demo galaxy; shares and strengths run from 0 to 1."""

    kind: str  # SMOOTH, DISK or ARTIFACT
    sky_px: int  # camera pixels across the frame: few for small, blurred galaxies
    brightness: float  # surface brightness in units of the sky's noise
    size: float  # relative to the usual galaxy, which fills the middle half of the frame
    angle_rad: float  # position angle of the long axis
    axis_ratio: float  # short over long axis as seen
    sersic: float  # Sersic index of a smooth galaxy
    bulge: float  # prominence of a disk's bulge
    boxiness: float  # of the bulge: 0 elliptical, 1 boxy
    bar: float  # strength of the bar
    arms: float  # contrast of the spiral arms
    arm_count: int  # 1 to 6
    pitch_deg: float  # opening angle of the arms: small is tightly wound
    oddity: str | None  # one of ODDITIES
    oddness: float  # strength of the oddity; 0 without one

    @property
    def clarity(self) -> float:
        """Visibility of details, 0 to 1, which grows with resolution and brightness."""
        return _expit(1.4 * np.log(self.sky_px / 95) + 0.9 * np.log(self.brightness / 27))

    @property
    def edge_on(self) -> bool:
        """Check whether the picture shows a disk from the side."""
        return self.kind == DISK and self.axis_ratio < 0.27


def draw_morphology(rng: np.random.Generator) -> Morphology:
    """Draw one galaxy's hidden parameters.

    Source: own; frames after Galaxy Zoo 2's, 8.5 Petrosian radii wide at 0.396 arcsec a pixel.
    """
    kind = str(rng.choice(list(_KIND_ODDS), p=list(_KIND_ODDS.values())))
    is_odd = rng.random() < 0.22 and kind != ARTIFACT
    oddity = str(rng.choice([*ODDITIES], p=_ODDITY_ODDS)) if is_odd else None
    if oddity in ("ring", "irregular"):
        kind = DISK  # both are made of a disk's young stars
    disk = kind == DISK
    return Morphology(
        kind=kind,
        sky_px=int(np.clip(rng.lognormal(np.log(150), 0.45), 76, 424)),
        brightness=float(np.clip(rng.lognormal(np.log(34), 0.42), 10, 110)),
        size=float(rng.uniform(0.82, 1.25)),
        angle_rad=float(rng.uniform(0, np.pi)),
        axis_ratio=_axis_ratio(disk, oddity, rng),
        sersic=float(rng.uniform(1.3, 4.5)),
        bulge=float(rng.beta(1.6, 2)) * (0.3 if oddity == "irregular" else 1),
        boxiness=float(rng.random() > 0.7) * float(rng.uniform(0.5, 1)),
        bar=float(rng.uniform(0.4, 1)) if disk and rng.random() < 0.36 else 0.0,
        arms=float(rng.beta(2.2, 1.4)) if disk and oddity != "irregular" else 0.0,
        arm_count=int(rng.choice(6, p=_ARM_COUNT_ODDS)) + 1,
        pitch_deg=float(np.clip(rng.normal(17, 9), 7, 38)),
        oddity=oddity,
        oddness=float(rng.uniform(0.5, 1)) if oddity else 0.0,
    )


def simulate_votes(galaxy: Morphology, rng: np.random.Generator) -> np.ndarray:
    """Vote fractions of one galaxy, (37,) float64 in the tree's column order.

    Source: own; volunteers per galaxy after Willett et al. 2013.
    """
    odds = np.concatenate([*answer_odds(galaxy).values()])
    volunteers = 20 + int(rng.poisson(MEAN_VOLUNTEERS - 20))
    return GALAXY_ZOO_2.draw(odds[None], volunteers, rng)[0]


def answer_odds(galaxy: Morphology) -> dict[int, np.ndarray]:
    """Odds of each answer of a volunteer who is asked: question number -> (answer,), sum 1."""
    clarity = galaxy.clarity
    edge_on = _expit((0.3 - galaxy.axis_ratio) / 0.035)
    odds = {
        1: _smooth_or_features(galaxy, edge_on),
        2: _yes_no(edge_on if galaxy.kind == DISK else 0.3 * edge_on),
        3: _yes_no(_expit((galaxy.bar * clarity * _face_on(galaxy) - 0.33) / 0.07)),
        4: _yes_no(_expit((galaxy.arms * (0.3 + 0.7 * clarity) * _face_on(galaxy) - 0.27) / 0.07)),
        5: _nearest(galaxy.bulge if galaxy.kind == DISK else 0.85, (0.03, 0.28, 0.6, 1.0), 0.13),
        6: _yes_no(
            0.06 + 0.06 * (galaxy.kind == DISK) + 0.85 * galaxy.oddness * (0.35 + 0.65 * clarity)
        ),
        7: _nearest(np.log(galaxy.axis_ratio), np.log((0.93, 0.6, 0.27)), 0.2),
        8: _oddities(galaxy),
        9: _edge_on_bulge(galaxy),
        10: _nearest(galaxy.pitch_deg, (9, 20, 34), 5.5),
        11: _arm_count(galaxy),
    }
    guesses = 0.04 + 0.12 * (1 - clarity)  # 1 and 6 have theirs already
    return {n: p if n in (1, 6) else (1 - guesses) * p + guesses / len(p) for n, p in odds.items()}


def _axis_ratio(disk: bool, oddity: str | None, rng: np.random.Generator) -> float:
    """Projected axis ratio; disks point anywhere, smooth galaxies are mostly roundish."""
    if oddity in ("ring", "irregular"):
        return float(rng.uniform(0.5, 1))
    if disk:
        return float(np.hypot(rng.uniform(0, 1), 0.13) / np.hypot(1, 0.13))
    return float(0.2 + 0.8 * rng.beta(2.4, 1.2))


def _smooth_or_features(galaxy: Morphology, edge_on: float) -> np.ndarray:
    """Smooth, features or disk, star or artifact."""
    if galaxy.kind == ARTIFACT:
        return np.array((0.15, 0.07, 0.78))
    seen = 0.0
    if galaxy.kind == DISK:
        patterns = max(galaxy.arms, galaxy.bar, galaxy.oddness) * (0.4 + 0.6 * _face_on(galaxy))
        patterns *= 0.25 + 0.75 * galaxy.clarity
        seen = max(patterns, edge_on * (0.6 + 0.4 * galaxy.clarity))
    odd = 0.25 * galaxy.oddness * (galaxy.kind != DISK)
    featured = min(0.05 + 0.9 * _expit((seen - 0.37) / 0.085) + odd, 0.95)
    star = 0.015 + 0.02 * (1 - galaxy.clarity)
    return np.array((1 - star - featured, featured, star))


def _face_on(galaxy: Morphology) -> float:
    """Share of the disk's pattern that is visible at this inclination, 0 to 1."""
    return _expit((galaxy.axis_ratio - 0.36) / 0.06)


def _oddities(galaxy: Morphology) -> np.ndarray:
    """Ring, lens or arc, disturbed, irregular, other, merger, dust lane."""
    odds = np.array((0.06, 0.2, 0.17, 0.1, 0.19, 0.11, 0.17))
    if galaxy.oddity is not None:
        recognized = 0.45 + 0.5 * galaxy.clarity
        odds *= 1 - recognized
        odds[ODDITIES[galaxy.oddity]] += recognized
    return odds


def _edge_on_bulge(galaxy: Morphology) -> np.ndarray:
    """Rounded, boxy, no bulge."""
    bulge = _expit((galaxy.bulge - 0.22) / 0.06)
    boxy = 0.75 * galaxy.boxiness * (0.4 + 0.6 * galaxy.clarity)
    return np.array((bulge * (1 - boxy), bulge * boxy, 1 - bulge))


def _arm_count(galaxy: Morphology) -> np.ndarray:
    """1, 2, 3, 4, more than 4, can't tell."""
    lost = 0.9 * (1 - galaxy.clarity)
    return np.append(_nearest(min(galaxy.arm_count, 5), (1, 2, 3, 4, 5), 0.5) * (1 - lost), lost)


def _yes_no(yes: float) -> np.ndarray:
    return np.array((yes, 1 - yes))


def _nearest(value: float, centers: tuple[float, ...] | np.ndarray, spread: float) -> np.ndarray:
    """Odds of answers that are places on a scale, from the true value and how judgments spread."""
    weights = np.exp(-0.5 * ((np.asarray(centers) - value) / spread) ** 2) + 1e-9
    return weights / weights.sum()


_RADIUS = 0.047  # scale length of the usual disk, in frames
OLD_STARS = np.array((1.22, 1.0, 0.66), np.float32)
DISK_STARS = np.array((1.06, 1.0, 0.9), np.float32)
YOUNG_STARS = np.array((0.86, 0.95, 1.18), np.float32)
FRAME_PX = 424
_STRETCH, _SOFTENING = 62.0, 7.0  # gray levels and noise units of the asinh stretch


def render_galaxy(galaxy: Morphology, rng: np.random.Generator) -> np.ndarray:
    """Draw a galaxy with its surroundings, (424, 424, 3) uint8 RGB.

    Source: own; stretch after Lupton et al. 2004 (PASP 116, 133), as the competition's.
    """
    light = _galaxy_light(galaxy, rng)
    _add_stars(light, rng)
    light = cv2.GaussianBlur(light, (0, 0), 1.6)  # the atmosphere's seeing
    light += 0.3 + rng.standard_normal(light.shape, np.float32) * np.sqrt(2.5 + 0.3 * light)
    mean = np.maximum(light.mean(axis=2, keepdims=True), 1e-3)
    levels = light * (_STRETCH * np.arcsinh(mean / _SOFTENING) / mean)
    levels *= 255 / np.maximum(levels.max(axis=2, keepdims=True), 255)  # bright pixels keep a color
    picture = cv2.resize(levels, (FRAME_PX, FRAME_PX), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _galaxy_light(galaxy: Morphology, rng: np.random.Generator) -> np.ndarray:
    """(sky_px, sky_px, 3) float32 light of a galaxy and its oddity."""
    x, y = _plane(galaxy.sky_px, galaxy.angle_rad)
    length = _RADIUS * galaxy.size
    if galaxy.kind == ARTIFACT:
        spikes = np.exp(-abs(y) / 0.004 - abs(x) / 0.1) + np.exp(-abs(x) / 0.004 - abs(y) / 0.1)
        halo = 26 / (1 + ((x * x + y * y) / 0.018**2) ** 1.3)
        light = (halo + 5 * spikes)[..., None] * DISK_STARS
    elif galaxy.kind != DISK:
        half_light = min(1.15 * length / np.sqrt(galaxy.axis_ratio), 0.08)
        profile = _sersic(np.hypot(x, y / galaxy.axis_ratio), half_light, galaxy.sersic)
        light = 0.32 * profile[..., None] * OLD_STARS
    elif galaxy.edge_on:
        light = _edge_on_disk(galaxy, x, y, 1.55 * length)
    else:
        light = _tilted_disk(galaxy, x, y / galaxy.axis_ratio, 1.25 * length, rng)
        light += _bulge(galaxy, x, y, 1.25 * length)
    if galaxy.oddity == "merger":
        shift = rng.uniform(2.2, 3.6) * _RADIUS
        partner = _sersic(np.hypot(x - shift, y / rng.uniform(0.5, 0.9)), 0.75 * _RADIUS, 1.8)
        bridge = np.exp(-((y / 0.022) ** 2) - ((x - shift / 2) / (0.8 * shift)) ** 4)
        light += galaxy.oddness * (0.45 * partner + 0.16 * bridge)[..., None] * DISK_STARS
    return galaxy.brightness * light


def _plane(n: int, angle_rad: float) -> tuple[np.ndarray, np.ndarray]:
    """(n, n) float32 places along and across the long axis, in frames."""
    axis = (np.arange(n, dtype=np.float32) + 0.5) / n - 0.5
    cos, sin = np.float32(np.cos(angle_rad)), np.float32(np.sin(angle_rad))
    return axis[None] * cos + axis[:, None] * sin, axis[:, None] * cos - axis[None] * sin


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
    young, bar = np.zeros_like(r), np.zeros_like(r)
    if galaxy.oddity == "irregular":
        for dx, dy in rng.normal(0, 1.2 * _RADIUS, (7, 2)):
            width = _RADIUS * rng.uniform(0.25, 0.8)
            young += 0.65 * np.exp(-((x - dx) ** 2 + (y - dy) ** 2) / width**2)
        young *= galaxy.oddness
        disk *= 1 - 0.85 * galaxy.oddness
    elif galaxy.arms > 0:
        turn = rng.choice((-1, 1)) / np.tan(np.radians(galaxy.pitch_deg))
        phase = np.arctan2(y, x) - np.float32(turn) * np.log(r / length)
        ridges = np.exp(2.4 * (np.cos(galaxy.arm_count * phase) - 1))
        outside = 1 / (1 + np.exp((0.95 * length - r) / (0.18 * length)))
        young = 2.5 * galaxy.arms * disk * ridges * outside
        disk *= 1 - 0.55 * galaxy.arms
    if galaxy.oddity == "ring":
        radius = 2.3 * _RADIUS * galaxy.size
        disk *= 1 - 0.6 * galaxy.oddness * np.exp(-((r / radius - 0.6) ** 2) / 0.09)
        young += 0.45 * galaxy.oddness * np.exp(-((r / radius - 1) ** 2) / 0.03)
    if galaxy.bar > 0:
        bar = np.exp(-((x / (1.35 * length)) ** 4) - (y / (0.32 * length)) ** 2)
        bar *= 0.95 * galaxy.bar
    return np.stack((disk, young, bar), axis=2) @ np.stack((DISK_STARS, YOUNG_STARS, OLD_STARS))


def _edge_on_disk(galaxy: Morphology, x: np.ndarray, y: np.ndarray, length: float) -> np.ndarray:
    """Thin disk from the side, with its bulge."""
    height = length * (0.1 + 0.75 * max(galaxy.axis_ratio - 0.13, 0))
    disk = np.exp(-np.hypot(x, 0.3 * length) / length) / np.cosh(np.minimum(abs(y) / height, 40))
    return 1.7 * disk[..., None] * DISK_STARS + _bulge(galaxy, x, y, 0.8 * length)


def _bulge(galaxy: Morphology, x: np.ndarray, y: np.ndarray, length: float) -> np.ndarray:
    """Bulge of a disk: rounder than the disk, boxy from the side where the galaxy says so."""
    flat = 0.62 if galaxy.edge_on else 0.5 + 0.5 * galaxy.axis_ratio
    power = 2 + 2.5 * galaxy.boxiness * galaxy.edge_on
    r = (abs(x) ** power + abs(y / flat) ** power) ** (1 / power)
    profile = _sersic(r, length * (0.2 + 0.55 * galaxy.bulge), 1.6)
    return (0.05 + 1.35 * galaxy.bulge) * profile[..., None] * OLD_STARS


def _add_stars(light: np.ndarray, rng: np.random.Generator) -> None:
    """Add stars and galaxies too small to have a shape; more pixels show more sky, so more."""
    n = len(light)
    for _ in range(rng.poisson(4 + 30 * (n / FRAME_PX) ** 2)):
        x, y = rng.integers(0, n, 2)
        flux, warmth = min(25 * rng.pareto(0.9) + 15, 6000), rng.uniform(-0.45, 0.45)
        light[y, x] += flux * np.array((1 + warmth, 1, 1 - warmth), np.float32)


def _expit(odds: float) -> float:
    """Probability of log odds; scipy's takes a quarter of a second to import."""
    return 1 / (1 + math.exp(-odds))
