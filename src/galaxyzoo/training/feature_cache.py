"""Features of images, computed once for each network and image."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from galaxyzoo.config.schema import Config
from galaxyzoo.core import files, manifest, paths
from galaxyzoo.core.artifact import Artifact, State
from galaxyzoo.inference.network import compute_features, fuse_for_inference
from galaxyzoo.models.build import GalaxyNet


def cached_features(model: GalaxyNet, images: np.ndarray, config: Config) -> np.ndarray:
    """Features before the head, mean over the config's views, of which the new ones are computed.

    Args:
        images: (n, cache_px, cache_px, 3) uint8.
    Returns:
        (n, feature) float32.
    """
    keys = [manifest.digest([image.tobytes()])[:32] for image in images]
    name = _digest_network(model, config)[:16]
    cache = _FeatureCache(paths.cache_dir() / "features" / f"{name}.npz", keys)
    with cache.make_if_needed("computing features") as filling:
        if filling:
            new = [row for row, key in enumerate(keys) if key not in cache.features]
            network = fuse_for_inference(model)
            computed = compute_features(network, images[new], config, config.tta)
            cache.add([keys[row] for row in new], computed)
    return np.stack([cache.features[key] for key in keys])


def _digest_network(model: GalaxyNet, config: Config) -> str:
    """Digest of all that features depend on besides the image: weights, settings, precision."""
    settings = config.model_dump_json(include={"image", "model", "tta"}) + config.train.amp
    content: list[str | bytes] = [settings]
    weights = {**model.backbone.state_dict(), "mean": model.mean, "std": model.std}
    for tensor in weights.values():
        content.append(tensor.cpu().numpy().tobytes())
    return manifest.digest(content)


class _FeatureCache(Artifact):
    """Features in an `.npz` file; finished where it has those of all images.

    Args:
        path: the file.
        keys: of the images, digests of their pixels.
    """

    def __init__(self, path: Path, keys: list[str]) -> None:
        self.path = path
        self.keys = keys
        self.features: dict[str, np.ndarray] = {}  # by key, as last read

    @property
    def folder(self) -> Path:
        """Folder of all such files."""
        return self.path.parent

    @property
    def lock(self) -> Path:
        """A lock of its own."""
        return self.path.with_suffix(".lock")

    def state(self) -> State:
        """Read the file, and ask whether it has all images; a damaged one is made again."""
        try:
            self.features = self._read()
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            self.features = {}
        missing = set(self.keys) - self.features.keys()
        return "unfinished" if missing else "finished"

    def _read(self) -> dict[str, np.ndarray]:
        with np.load(self.path) as stored:
            return dict(zip(stored["keys"].tolist(), stored["features"], strict=True))

    def add(self, keys: list[str], features: np.ndarray) -> None:
        """Write the features of more images beside the others."""
        self.features.update(zip(keys, features, strict=True))
        stored_keys = np.array(list(self.features))
        stored_features = np.stack(list(self.features.values()))
        with files.writing(self.path) as temporary, open(temporary, "wb") as file:
            np.savez(file, keys=stored_keys, features=stored_features)
