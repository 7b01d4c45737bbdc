"""Features of images, computed once for each network and image."""

from contextlib import suppress
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from galaxyzoo.config.schema import Config
from galaxyzoo.core import files, manifest, paths
from galaxyzoo.core.artifact import Artifact, State
from galaxyzoo.inference.predict import compute_features, fuse_for_inference
from galaxyzoo.models.build import GalaxyNet


def cached_features(model: GalaxyNet, images: np.ndarray, config: Config) -> np.ndarray:
    """Features before the head, mean over the config's views, of which the new ones are computed.

    Args:
        images: (n, cache_px, cache_px, 3) uint8.
    Returns:
        (n, feature) float32.
    """
    settings = config.model_dump_json(include={"image", "model", "tta"}) + config.train.amp
    state = {**model.backbone.state_dict(), "mean": model.mean, "std": model.std}
    weights = (value.cpu().numpy().tobytes() for value in state.values())
    name = manifest.digest([settings, *weights])[:16]
    keys = [manifest.digest([image.tobytes()])[:32] for image in images]
    cache = _FeatureCache(paths.cache_dir() / "features" / f"{name}.npz", keys)
    if cache.state() != "finished":  # else no lock is needed, whose folder may be read-only
        with cache.make("computing features") as filling:
            if filling:
                new = [row for row, key in enumerate(keys) if key not in cache.known]
                network = fuse_for_inference(model)
                computed = compute_features(network, images[new], config, config.tta)
                cache.add([keys[row] for row in new], computed)
    return np.stack([cache.known[key] for key in keys])


class _FeatureCache(Artifact):
    """Features in an `.npz` file; finished where it has those of all images.

    Args:
        path: the file.
        keys: of the images, digests of their pixels.
    """

    def __init__(self, path: Path, keys: list[str]) -> None:
        self.path = path
        self.keys = keys
        self.known: dict[str, np.ndarray] = {}  # as last read: features by key

    @property
    def folder(self) -> Path:
        """Folder of all such files."""
        return self.path.parent

    @property
    def lock(self) -> Path:
        """A lock of its own."""
        return self.path.with_suffix(".lock")

    def state(self) -> State:
        """Read what is there, and ask whether it is enough; a damaged file is made again."""
        self.known = {}
        damaged = OSError, ValueError, KeyError, EOFError, BadZipFile
        with suppress(*damaged), np.load(self.path) as stored:
            self.known = dict(zip(stored["keys"].tolist(), stored["features"], strict=True))
        return "finished" if self.known.keys() >= {*self.keys} else "unfinished"

    def add(self, keys: list[str], features: np.ndarray) -> None:
        """Write the features of more images beside the others."""
        self.known |= zip(keys, features, strict=True)
        with files.writing(self.path) as temporary, open(temporary, "wb") as file:
            values = np.stack([*self.known.values()])
            np.savez(file, keys=np.array([*self.known]), features=values)
