"""The images and targets that one training learns from and validates on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from galaxyzoo.images import ImageCache
from galaxyzoo.pseudo_labels import PseudoLabelled


@dataclass(frozen=True)
class FoldData:
    """What one fold trains and validates on."""

    cache: ImageCache  # images of all training galaxies
    # (galaxy, column), rows as the cache has them; NaN for galaxies that the task does not keep
    targets: np.ndarray
    train_rows: np.ndarray  # rows of the above; every fold but this one
    val_rows: np.ndarray
    fold: int
    # what the loss is taken against, where that is not the targets
    soft_targets: np.ndarray | None = None
    # trained weights whose backbone is the start
    start_weights: Path | None = None
    # images that are trained on with predicted targets; their rows come after the cache's
    pseudo: PseudoLabelled | None = None

    def images(self, rows: np.ndarray) -> np.ndarray:
        """(row, cache_px, cache_px, 3) uint8 of ascending rows."""
        own = self.cache.images[rows[rows < len(self.cache.ids)]]
        if self.pseudo is None:
            return own
        return np.concatenate([own, self.pseudo.read(rows[len(own) :] - len(self.cache.ids))])

    @property
    def ids(self) -> np.ndarray:
        """(row,) GalaxyIDs of all rows."""
        return np.concatenate([self.cache.ids, *([self.pseudo.ids] if self.pseudo else [])])
