"""What every reader of input files gives: labels, ids, and where each image is, not yet decoded."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.io.archives import ImageStore


@dataclass(frozen=True)
class RawDataset:
    """A dataset as it lies in `input/`, read and checked."""

    dataset: str
    folder: Path  # for messages: where it was read from
    # indexed by GalaxyID ascending; the 37 vote fractions, or one-hot columns named as classes
    targets: pd.DataFrame
    test_ids: np.ndarray  # (test galaxy,) in the sample submission's order; may be empty
    train_images: ImageStore
    test_images: ImageStore
    # how its images are decoded where galaxies are compared
    image: ImageConfig = field(default_factory=ImageConfig)
    # whether its ids mean other galaxies than the same ids of other datasets
    own_ids: bool = False
