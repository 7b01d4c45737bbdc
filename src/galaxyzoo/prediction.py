"""Predictions of a trained network: one function for out-of-fold, test and users' images alike."""

import numpy as np
import torch

from galaxyzoo import distributed
from galaxyzoo.config import Config, TTAConfig
from galaxyzoo.devices import autocast
from galaxyzoo.errors import FoldError
from galaxyzoo.images import ImageCache
from galaxyzoo.memory import is_out_of_memory, release
from galaxyzoo.models import GalaxyNet
from galaxyzoo.tasks import get_task
from galaxyzoo.views import count_views, iterate_views

# Images per forward pass, and on processors so few that what passes between layers stays in their
# caches (at 80 px twice as fast as 256). It does not depend on the machine any further, because
# results depend on it in their last bits.
_BATCH, _BATCH_CPU = 256, 32


def batch_of(device: torch.device) -> int:
    """Images per forward pass on a device, where they fit."""
    return _BATCH_CPU if device.type == "cpu" else _BATCH


def predict(
    model: GalaxyNet,
    cache: ImageCache,
    rows: np.ndarray,
    config: Config,
    tta: TTAConfig | None = None,
) -> np.ndarray:
    """The mean of `predict_views` alone; arguments and errors are the same."""
    return predict_views(model, cache, rows, config, tta)[0]


def predict_together(
    model: GalaxyNet,
    cache: ImageCache,
    rows: np.ndarray,
    config: Config,
    tta: TTAConfig | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """As `predict_views`, by all processes that train a fold: each a part, and all have the whole.

    Without `torchrun` it is the same.
    """
    own = rows[distributed.own_part(len(rows))]
    mean, spread = predict_views(model, cache, own, config, tta)
    return distributed.gather(mean), distributed.gather(spread)


def predict_views(
    model: GalaxyNet,
    cache: ImageCache,
    rows: np.ndarray,
    config: Config,
    tta: TTAConfig | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Average a network's predictions over the views of each image, and see how far they differ.

    Args:
        model: on the device where it is to run; put into eval mode here.
        cache: decoded images.
        rows: (n,) rows of the cache.
        config: of the network.
        tta: views; default the config's.
    Returns:
        Mean and standard deviation (of these views, so 0 for one) over views, both (n, column)
        float32, in the order of `rows`.
    Raises:
        FoldError: there is too little memory for one image.
    """
    tta = tta or config.tta
    model.eval()
    nothing = np.empty((0, len(get_task(config.task).columns)), np.float32)
    means, spreads = [nothing], [nothing]
    start, size = 0, batch_of(model.mean.device)
    while start < len(rows):
        images = cache.images[rows[start : start + size]]
        try:
            mean, spread = _over_views(model, images, config, tta)
            means.append(mean)
            spreads.append(spread)
            start += size
            continue
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if len(images) == 1:
            raise FoldError(
                f"{config.run}: out of memory while predicting one image: free some, or set "
                "GALAXYZOO_DEVICE=cpu"
            )
        size = len(images) // 2
        release()
    return np.concatenate(means), np.concatenate(spreads)


@torch.inference_mode()
def _over_views(
    model: GalaxyNet, images: np.ndarray, config: Config, tta: TTAConfig
) -> tuple[np.ndarray, np.ndarray]:
    """(B, cache_px, cache_px, 3) uint8 images -> (B, column) mean and standard deviation."""
    device = model.mean.device
    first: torch.Tensor | None = None
    # Deviations from the first view, which is near the mean: squares of the values themselves would
    # lose a small spread to rounding.
    total, moved, squares = (torch.zeros((), device=device) for _ in range(3))
    with autocast(config.train, device):
        for view in iterate_views(images, config.image, tta, device):
            values = model(view).float()
            first = values if first is None else first
            total = total + values
            moved, squares = moved + (values - first), squares + (values - first).square()
    count = count_views(tta)
    variance = (squares - moved.square() / count).clamp(min=0) / count
    return (total / count).cpu().numpy(), variance.sqrt().cpu().numpy()
