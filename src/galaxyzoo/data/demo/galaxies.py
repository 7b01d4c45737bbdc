"""Demo galaxies: hidden parameters, and the votes that follow from them.

Some forty simulated volunteers walk down the decision tree. Each answers by odds that follow from
the galaxy's parameters; unclear pictures bring the answers closer to guesses and hide features. A
vote fraction is the share of all volunteers who arrive at an answer, so the tree's sums hold by
construction.
"""

import math
from dataclasses import dataclass

import numpy as np

from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2

SMOOTH = "smooth"
DISK = "disk"
ARTIFACT = "artifact"
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
    oddity = None
    if rng.random() < 0.22 and kind != ARTIFACT:
        oddity = str(rng.choice(list(ODDITIES), p=_ODDITY_ODDS))
    if oddity in ("ring", "irregular"):
        kind = DISK  # both are made of a disk's young stars
    is_disk = kind == DISK
    # The order of these lines is that of the random numbers: another would draw other galaxies.
    sky_px = np.clip(rng.lognormal(np.log(150), 0.45), 76, 424)
    brightness = np.clip(rng.lognormal(np.log(34), 0.42), 10, 110)
    size = rng.uniform(0.82, 1.25)
    angle_rad = rng.uniform(0, np.pi)
    axis_ratio = _axis_ratio(is_disk, oddity, rng)
    sersic = rng.uniform(1.3, 4.5)
    bulge = rng.beta(1.6, 2)
    if oddity == "irregular":
        bulge *= 0.3
    is_boxy = rng.random() > 0.7
    boxiness = is_boxy * rng.uniform(0.5, 1)
    bar = 0.0
    if is_disk and rng.random() < 0.36:
        bar = rng.uniform(0.4, 1)
    arms = 0.0
    if is_disk and oddity != "irregular":
        arms = rng.beta(2.2, 1.4)
    arm_count = rng.choice(6, p=_ARM_COUNT_ODDS) + 1
    pitch_deg = np.clip(rng.normal(17, 9), 7, 38)
    oddness = 0.0
    if oddity:
        oddness = rng.uniform(0.5, 1)
    return Morphology(
        kind=kind,
        sky_px=int(sky_px),
        brightness=float(brightness),
        size=size,
        angle_rad=angle_rad,
        axis_ratio=axis_ratio,
        sersic=sersic,
        bulge=bulge,
        boxiness=boxiness,
        bar=bar,
        arms=arms,
        arm_count=int(arm_count),
        pitch_deg=float(pitch_deg),
        oddity=oddity,
        oddness=oddness,
    )


def simulate_votes(galaxy: Morphology, rng: np.random.Generator) -> np.ndarray:
    """Vote fractions of one galaxy, (37,) float64 in the tree's column order.

    Source: own; volunteers per galaxy after Willett et al. 2013.
    """
    odds = np.concatenate(list(answer_odds(galaxy).values()))
    volunteers = 20 + int(rng.poisson(MEAN_VOLUNTEERS - 20))
    return GALAXY_ZOO_2.draw(odds[None], volunteers, rng)[0]


def answer_odds(galaxy: Morphology) -> dict[int, np.ndarray]:
    """Odds of each answer of a volunteer who is asked: question number -> (answer,), sum 1."""
    clarity = galaxy.clarity
    is_disk = galaxy.kind == DISK
    edge_on = _expit((0.3 - galaxy.axis_ratio) / 0.035)
    visible_bar = galaxy.bar * clarity * _face_on(galaxy)
    visible_arms = galaxy.arms * (0.3 + 0.7 * clarity) * _face_on(galaxy)
    visible_oddity = galaxy.oddness * (0.35 + 0.65 * clarity)
    odds = {
        1: _smooth_or_features(galaxy, edge_on),
        2: _yes_no(edge_on if is_disk else 0.3 * edge_on),
        3: _yes_no(_expit((visible_bar - 0.33) / 0.07)),
        4: _yes_no(_expit((visible_arms - 0.27) / 0.07)),
        5: _nearest(galaxy.bulge if is_disk else 0.85, (0.03, 0.28, 0.6, 1.0), 0.13),
        6: _yes_no(0.06 + 0.06 * is_disk + 0.85 * visible_oddity),
        7: _nearest(np.log(galaxy.axis_ratio), np.log((0.93, 0.6, 0.27)), 0.2),
        8: _oddities(galaxy),
        9: _edge_on_bulge(galaxy),
        10: _nearest(galaxy.pitch_deg, (9, 20, 34), 5.5),
        11: _arm_count(galaxy),
    }
    guesses = 0.04 + 0.12 * (1 - clarity)
    for question, knowing in odds.items():
        if question not in (1, 6):  # which have theirs already
            odds[question] = (1 - guesses) * knowing + guesses / len(knowing)
    return odds


def _axis_ratio(is_disk: bool, oddity: str | None, rng: np.random.Generator) -> float:
    """Projected axis ratio; disks point anywhere, smooth galaxies are mostly roundish."""
    if oddity in ("ring", "irregular"):
        return rng.uniform(0.5, 1)
    if is_disk:
        return float(np.hypot(rng.uniform(0, 1), 0.13) / np.hypot(1, 0.13))
    return 0.2 + 0.8 * rng.beta(2.4, 1.2)


def _smooth_or_features(galaxy: Morphology, edge_on: float) -> np.ndarray:
    """Smooth, features or disk, star or artifact."""
    if galaxy.kind == ARTIFACT:
        return np.array((0.15, 0.07, 0.78))
    seen = 0.0
    odd = 0.25 * galaxy.oddness
    if galaxy.kind == DISK:
        patterns = max(galaxy.arms, galaxy.bar, galaxy.oddness)
        patterns *= 0.4 + 0.6 * _face_on(galaxy)
        patterns *= 0.25 + 0.75 * galaxy.clarity
        seen = max(patterns, edge_on * (0.6 + 0.4 * galaxy.clarity))
        odd = 0.0  # it is part of the disk's patterns
    featured = 0.05 + 0.9 * _expit((seen - 0.37) / 0.085) + odd
    featured = min(featured, 0.95)
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
    cannot_tell = 0.9 * (1 - galaxy.clarity)
    counts = _nearest(min(galaxy.arm_count, 5), (1, 2, 3, 4, 5), 0.5)
    return np.append(counts * (1 - cannot_tell), cannot_tell)


def _yes_no(yes: float) -> np.ndarray:
    return np.array((yes, 1 - yes))


def _nearest(value: float, centers: tuple[float, ...] | np.ndarray, spread: float) -> np.ndarray:
    """Odds of answers that are places on a scale, from the true value and how judgments spread."""
    weights = np.exp(-0.5 * ((np.asarray(centers) - value) / spread) ** 2) + 1e-9
    return weights / weights.sum()


def _expit(odds: float) -> float:
    """Probability of log odds; scipy's takes a quarter of a second to import."""
    return 1 / (1 + math.exp(-odds))
