"""Features of decoded images, computed once for each image and network."""

from contextlib import suppress
from zipfile import BadZipFile

import numpy as np

from galaxyzoo.config.schema import Config
from galaxyzoo.core import files, manifest, paths
from galaxyzoo.inference.predict import compute_features, fuse_for_inference
from galaxyzoo.models.build import GalaxyNet

FEATURES = "features"  # folder in the cache


def cached_features(model: GalaxyNet, images: np.ndarray, config: Config) -> np.ndarray:
    """Features before the head, mean over the config's views, of which the new ones are computed.

    Args:
        images: (n, cache_px, cache_px, 3) uint8.
    Returns:
        (n, feature) float32.
    """
    settings = config.model_dump_json(include={"image": True, "tta": True, "train": {"amp"}})
    weights = (value.cpu().numpy().tobytes() for value in model.backbone.state_dict().values())
    path = paths.cache_dir() / FEATURES / f"{manifest.digest([settings, *weights])[:16]}.npz"
    keys = np.array([manifest.digest([image.tobytes()])[:32] for image in images])
    known: dict[str, np.ndarray] = {}
    # A damaged cache is made again.
    with suppress(OSError, ValueError, KeyError, EOFError, BadZipFile), np.load(path) as stored:
        known = dict(zip(stored["keys"].tolist(), stored["features"], strict=True))
    new = np.flatnonzero([key not in known for key in keys])
    if len(new):
        computed = compute_features(fuse_for_inference(model), images[new], config, config.tta)
        known |= zip(keys[new].tolist(), computed, strict=True)
        with files.writing(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, keys=np.array([*known]), features=np.stack([*known.values()]))
    return np.stack([known[key] for key in keys.tolist()])
