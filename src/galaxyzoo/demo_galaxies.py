"""What a demo galaxy is like: the hidden parameters that make both its picture and its votes."""

from dataclasses import dataclass

import numpy as np

SMOOTH, DISK, ARTIFACT = "smooth", "disk", "artifact"
ODDITIES = (
    "ring",
    "lens",
    "disturbed",
    "irregular",
    "other",
    "merger",
    "dust lane",
)  # the answers of question 8
EDGE_ON_BELOW = 0.27  # axis ratio under which a disk is drawn from the side

# Chosen so that the mean votes come out near the competition's (training_solutions_rev1.csv).
_KIND_ODDS = {SMOOTH: 0.4, DISK: 0.58, ARTIFACT: 0.02}
_ODD_SHARE = 0.22
_ODDITY_ODDS = (0.14, 0.09, 0.17, 0.18, 0.16, 0.18, 0.08)
_ARM_COUNT_ODDS = (0.1, 0.57, 0.14, 0.09, 0.06, 0.04)  # 1, 2, … 6 arms


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
    flocculence: float  # how far the arms break into patches
    oddity: str | None  # one of ODDITIES
    oddness: float  # strength of the oddity; 0 without one

    @property
    def clarity(self) -> float:
        """How well details can be seen, 0 to 1: grows with resolution and brightness."""
        return sigmoid(1.4 * np.log(self.sky_px / 95) + 0.9 * np.log(self.brightness / 27))

    @property
    def edge_on(self) -> bool:
        """Whether the picture shows a disk from the side."""
        return self.kind == DISK and self.axis_ratio < EDGE_ON_BELOW


def sigmoid(x: float) -> float:
    """Logistic function."""
    return float(1 / (1 + np.exp(-x)))


def sample(rng: np.random.Generator) -> Morphology:
    """Draw one galaxy's hidden parameters.

    Source: own; frames after Galaxy Zoo 2's, 8.5 Petrosian radii wide at 0.396 arcsec a pixel.
    """
    kind = str(rng.choice(list(_KIND_ODDS), p=list(_KIND_ODDS.values())))
    oddity = (
        str(rng.choice(ODDITIES, p=_ODDITY_ODDS))
        if rng.random() < _ODD_SHARE and kind != ARTIFACT
        else None
    )
    if oddity in ("ring", "irregular"):
        kind = DISK  # both are made of a disk's young stars
    disk = kind == DISK
    sky_px = int(np.clip(rng.lognormal(np.log(150), 0.45), 76, 424))
    return Morphology(
        kind=kind,
        sky_px=sky_px,
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
        flocculence=float(rng.beta(1.2, 2)),
        oddity=oddity,
        oddness=float(rng.uniform(0.5, 1)) if oddity else 0.0,
    )


def _axis_ratio(disk: bool, oddity: str | None, rng: np.random.Generator) -> float:
    """Projected axis ratio; disks point anywhere, smooth galaxies are mostly roundish."""
    if oddity in ("ring", "irregular"):
        return float(rng.uniform(0.5, 1))
    if disk:
        return float(np.hypot(rng.uniform(0, 1), 0.13) / np.hypot(1, 0.13))
    return float(0.2 + 0.8 * rng.beta(2.4, 1.2))
