"""Predictions of a trained network: one function for out-of-fold, test and users' images alike."""

import numpy as np
import torch

from galaxyzoo.config import Config, TTAConfig
from galaxyzoo.devices import autocast
from galaxyzoo.images import ImageCache
from galaxyzoo.models import GalaxyNet
from galaxyzoo.tasks import get_task
from galaxyzoo.views import count_views, iterate_views

BATCH = 256  # images per forward pass; fixed, so that results do not depend on the machine's memory


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
    """
    tta = tta or config.tta
    device = model.mean.device
    model.eval()
    out = [np.empty((0, len(get_task(config.task).columns)), np.float32)]
    with torch.inference_mode(), autocast(config.train, device):
        for start in range(0, len(rows), BATCH):
            images = cache.images[rows[start : start + BATCH]]
            total = sum(
                model(view).float() for view in iterate_views(images, config.image, tta, device)
            )
            out.append((total / count_views(tta)).cpu().numpy())
    return np.concatenate(out)
