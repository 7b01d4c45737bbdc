"""Predict decoded images with networks: means over the views of each image.

Out-of-fold, test and users' predictions are made by the same function.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import numpy as np
import torch
from timm.utils import reparameterize_model
from torch import Tensor

from galaxyzoo.config import schema
from galaxyzoo.core import devices, memory
from galaxyzoo.core.errors import FoldError
from galaxyzoo.data.geometry import iterate_views
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.models.build import GalaxyNet

# Images per forward pass; on processors so few that activations stay in their caches (at 80 px
# twice as fast as 256). It depends on nothing else of the machine: the last bits of results depend
# on it.
_BATCH = 256
_BATCH_CPU = 32


def batch_size_for(device: torch.device) -> int:
    """Images per forward pass on a device, where they fit."""
    return _BATCH_CPU if device.type == "cpu" else _BATCH


def predict(
    model: GalaxyNet,
    cache: ImageCache,
    rows: np.ndarray,
    config: schema.Config,
    tta: schema.TTAConfig | None = None,
) -> np.ndarray:
    """Mean of a network's predictions over the views of each image.

    Args:
        model: on the device where it is to run; put into eval mode here.
        rows: (n,) rows of the cache.
        tta: views; default the config's.
    Returns:
        (n, column) float32, in the order of `rows`.
    """
    fused = fuse_for_inference(model)
    predictions = predict_each([fused], cache.images, rows, config, tta or config.tta)
    return predictions[0]


def predict_each(
    models: Sequence[GalaxyNet],
    images: np.ndarray,
    rows: np.ndarray,
    config: schema.Config,
    tta: schema.TTAConfig,
) -> np.ndarray:
    """Predict with several networks; a view is made once for all of them.

    Args:
        models: fused for inference, on one device.
        images: (image, cache_px, cache_px, 3) uint8.
        rows: (n,) rows of the images.
    Returns:
        (network, n, column) float32, means over the views.
    """
    device = models[0].mean.device
    columns = len(config.predicted_task.columns)

    def predict_batch(batch: slice) -> Tensor:
        return _predict_batch(models, images[rows[batch]], config, tta)

    # They stay on the device until the end: fetching each would let a GPU wait.
    means = [torch.empty((len(models), 0, columns), device=device)]
    means += _in_batches(predict_batch, len(rows), batch_size_for(device), config.run)
    return torch.cat(means, dim=1).cpu().numpy()


def _in_batches(
    compute: Callable[[slice], Tensor], count: int, size: int, run: str
) -> Iterator[Tensor]:
    """Compute `count` images in batches of `size`, of half as many where memory runs out.

    A FoldError says what to do where there is too little for one image.
    """
    start = 0
    while start < count:
        size = min(size, count - start)
        computed = None
        try:
            computed = compute(slice(start, start + size))
        except (RuntimeError, MemoryError) as error:
            if not memory.is_out_of_memory(error):
                raise
        if computed is not None:
            start += size
            yield computed
            continue
        if size == 1:
            raise FoldError(
                f"{run}: out of memory while predicting one image: free some memory, or set "
                "GALAXYZOO_DEVICE=cpu"
            )
        size //= 2
        memory.release()


def fuse_for_inference(model: GalaxyNet) -> GalaxyNet:
    """Return a copy in eval mode, with fused layers where they can be."""
    return cast(GalaxyNet, reparameterize_model(model.eval()))


@torch.inference_mode()
def _predict_batch(
    models: Sequence[GalaxyNet], images: np.ndarray, config: schema.Config, tta: schema.TTAConfig
) -> Tensor:
    """(B, cache_px, cache_px, 3) uint8 images -> (network, B, column) means over the views."""
    device = models[0].mean.device
    totals = [torch.zeros((), device=device) for _ in models]
    with devices.autocast(config.train.amp, device):
        for view in iterate_views(images, config.image, tta, device):
            for i, model in enumerate(models):
                totals[i] = totals[i] + model(view).float()
    return torch.stack(totals) / tta.n_views


def compute_features(
    model: GalaxyNet, images: np.ndarray, config: schema.Config, tta: schema.TTAConfig
) -> np.ndarray:
    """Features before the head, averaged over views, (n, feature) float32.

    Arguments as of `predict_with_features`.
    """
    return predict_with_features(model, images, config, tta)[1]


@torch.inference_mode()
def predict_with_features(
    model: GalaxyNet, images: np.ndarray, config: schema.Config, tta: schema.TTAConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions, and the features before the head that they are made of, averaged over views.

    Args:
        model: a network.
        images: (n, cache_px, cache_px, 3) uint8.
        config: of its run.
        tta: the views.
    Returns:
        (n, column) and (n, feature) float32.
    """
    model.eval()
    device = model.mean.device

    def compute(batch: slice) -> Tensor:
        by_view = []
        with devices.autocast(config.train.amp, device):
            for view in iterate_views(images[batch], config.image, tta, device):
                features = model.features(view)
                predictions = model.output(model.head(features).float())
                by_view.append(torch.cat([predictions.float(), features.float()], dim=1))
            return torch.stack(by_view).mean(dim=0)

    count = len(images) or 1  # an empty batch, too, has the columns
    batches = _in_batches(compute, count, batch_size_for(device), config.run)
    both = np.concatenate([batch.cpu().numpy() for batch in batches])
    n_columns = len(config.predicted_task.columns)
    return both[:, :n_columns], both[:, n_columns:]
