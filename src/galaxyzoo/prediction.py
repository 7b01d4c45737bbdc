"""Predictions of a trained network: one function for out-of-fold, test and users' images alike."""

import numpy as np
import torch

from galaxyzoo.config import Config, TTAConfig
from galaxyzoo.devices import autocast
from galaxyzoo.errors import FoldError
from galaxyzoo.images import ImageCache
from galaxyzoo.memory import is_out_of_memory, release
from galaxyzoo.models import GalaxyNet
from galaxyzoo.tasks import get_task
from galaxyzoo.views import count_views, iterate_views

# Images per forward pass: the same on all machines on which they fit, because results depend on it
# in their last bits.
BATCH = 256


def predict(
    model: GalaxyNet,
    cache: ImageCache,
    rows: np.ndarray,
    config: Config,
    tta: TTAConfig | None = None,
) -> np.ndarray:
    """Average a network's predictions over the views of each image.

    Args:
        model: on the device where it is to run; put into eval mode here.
        cache: decoded images.
        rows: (n,) rows of the cache.
        config: of the network.
        tta: views; default the config's.
    Returns:
        (n, column) float32, mean over views, in the order of `rows`.
    Raises:
        FoldError: there is too little memory for one image.
    """
    tta = tta or config.tta
    model.eval()
    out = [np.empty((0, len(get_task(config.task).columns)), np.float32)]
    start, size = 0, BATCH
    while start < len(rows):
        images = cache.images[rows[start : start + size]]
        try:
            out.append(_mean_of_views(model, images, config, tta))
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
    return np.concatenate(out)


@torch.inference_mode()
def _mean_of_views(
    model: GalaxyNet, images: np.ndarray, config: Config, tta: TTAConfig
) -> np.ndarray:
    """(B, cache_px, cache_px, 3) uint8 images -> (B, column) predictions."""
    device = model.mean.device
    with autocast(config.train, device):
        total = sum(
            model(view).float() for view in iterate_views(images, config.image, tta, device)
        )
        return (total / count_views(tta)).cpu().numpy()
