"""K-fold training, test-time augmentation and stacking for galaxy morphology (Galaxy Zoo)."""

# Python 3.7 reads this file, core/errors.py, core/paths.py and core/launch.py as far as the line
# that names the version needed, or starts the .venv's: no annotation is evaluated.
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from galaxyzoo.core.errors import InputError

if TYPE_CHECKING:
    from galaxyzoo.inference.pictures import Model

__all__ = ["InputError", "__version__", "load"]  # what a minor release keeps
__version__ = "1.0.0"


def load(
    name: str | None = None,
    dataset: str | None = None,
    folds: Sequence[int] | None = None,
    views: int | None = None,
) -> Model:
    """Load a trained run or ensemble, to predict pictures: `load().predict(images)`.

    Args:
        name: a run, gz37/d4cnn, or an ensemble, ensemble:default; default the best at hand, which
            `galaxyzoo predict` takes too.
        dataset: that it was trained on; default the only one.
        folds: whose networks alone predict; default all, or the student of the bundled ones:
            `range(5)` for those.
        views: orientations of each picture, 1 or 8; default each run's own.
    Raises:
        InputError: there is none of that name.
        ValueError: another number of views.
    Examples:
        >>> import numpy as np
        >>> images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
        >>> load(folds=[0], views=1).predict(images).shape  # of fold 0, in one view
        (2, 37)
    """
    # Only here: they import torch, and this module is imported before every other.
    from galaxyzoo.ensemble.model_listing import choose_default, find_predictor
    from galaxyzoo.inference.load_model import load_predictor
    from galaxyzoo.inference.pictures import Model

    if name is None:
        best, _ = choose_default(dataset)
        dataset, name = best.dataset, best.name
    else:
        dataset, name = find_predictor(name, dataset)
    return Model(name, dataset, load_predictor(dataset, name, folds, views, by_student=True))
