"""Training images made of two galaxies, whose targets are mixed in the same shares."""

import cv2
import numpy as np

from galaxyzoo.config import AugmentConfig


def mix_batch(
    images: np.ndarray, targets: np.ndarray, augment: AugmentConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mix each image of a batch with another one of it, as the settings ask; else hand back both.

    With both mixup and cutmix on, half of the batches get the one and half the other. A galaxy's
    share of its own image is drawn anew for each. Questions' sums are linear in the votes, so mixed
    votes obey the decision tree as before.

    Args:
        images: (B, H, W, 3) uint8.
        targets: (B, column) float, of the same galaxies.
        augment: settings.
        rng: all that is drawn comes from it; nothing is where mixing is off.
    Returns:
        Mixed images, uint8, and targets, of the given shapes and types.
    Source: Zhang et al. 2018 (ICLR), mixup; Yun et al. 2019 (ICCV), CutMix.
    """
    if not (augment.mixup or augment.cutmix):
        return images, targets
    partners = rng.permutation(len(images))
    both = augment.mixup > 0 and augment.cutmix > 0
    cut = rng.random() < 0.5 if both else augment.cutmix > 0
    alpha = augment.cutmix if cut else augment.mixup
    shares = rng.beta(alpha, alpha, len(images))
    if cut:
        images, shares = _paste(images, partners, shares, rng)
    else:
        images = _blend(images, partners, shares)
    own = shares[:, None].astype(targets.dtype)
    return images, own * targets + (1 - own) * targets[partners]


def _blend(images: np.ndarray, partners: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Each image times its share plus its partner times the rest, rounded."""
    pairs = zip(images, images[partners], shares, strict=True)
    return np.stack([cv2.addWeighted(own, s, other, 1 - s, 0) for own, other, s in pairs])


def _paste(
    images: np.ndarray, partners: np.ndarray, shares: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Paste a box of each one's partner over it; returns the images and what is left of each.

    The box has about the image's shape and 1 - share of its area, and its centre anywhere; what of
    it lies outside the image is cut off, and the share goes up.
    """
    mixed, left = images.copy(), np.ones(len(images))
    size = np.array(images.shape[1:3])
    centres = rng.integers(0, size, (len(images), 2))
    halves = np.sqrt(1 - shares)[:, None] * size / 2
    starts = np.clip(np.rint(centres - halves), 0, size).astype(int)
    ends = np.clip(np.rint(centres + halves), 0, size).astype(int)
    for i, ((top, start), (bottom, end)) in enumerate(zip(starts, ends, strict=True)):
        mixed[i, top:bottom, start:end] = images[partners[i], top:bottom, start:end]
        left[i] -= (bottom - top) * (end - start) / size.prod()
    return mixed, left
