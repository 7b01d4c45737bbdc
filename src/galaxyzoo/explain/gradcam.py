"""Grad-CAM heat maps for an answer, by the methods of the grad-cam package, and their faithfulness.

A faithful map's hottest places carry the answer: without them the prediction changes more than
without the coldest. A removed pixel is filled in from its neighbours (ROAD), so that the hole
itself gives nothing away.

Source: Selvaraju et al. 2017 (ICCV), Grad-CAM, and what the package names for the other methods
(github.com/jacobgil/pytorch-grad-cam); Rong et al. 2022 (ICML), "A consistent and efficient
evaluation strategy for attribution methods" (ROAD), as in the same package.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType

import cv2
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.geometry import DIHEDRAL, dihedral_view, warp, warp_matrix
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.explain.layers import MapLayer, as_maps, find_layers, last_of_each_side, pick_layers
from galaxyzoo.inference.predict import predict
from galaxyzoo.models.build import GalaxyNet
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import get_task


@dataclass(frozen=True)
class Method:
    """One of the package's methods."""

    class_name: str
    # whether its maps are averaged over the image's eight orientations; the others take minutes
    all_orientations: bool = True


METHODS = {
    "gradcam": Method("GradCAM"),
    "gradcam++": Method("GradCAMPlusPlus"),
    "hirescam": Method("HiResCAM"),
    "layercam": Method("LayerCAM"),
    "xgradcam": Method("XGradCAM"),
    "eigencam": Method("EigenCAM"),
    "scorecam": Method("ScoreCAM", all_orientations=False),
    "ablationcam": Method("AblationCAM", all_orientations=False),
}
FAST_METHODS = tuple(name for name, method in METHODS.items() if method.all_orientations)
CENTRE, RANDOM = "centre", "random"  # controls: a spot in the middle, and patches at random
CONTROLS = (CENTRE, RANDOM)
_FINEST_USEFUL = 5  # cells of a side below which a map shows no place
_REMOVED_PERCENT = (10, 30, 50, 70)
_CELLS = 6  # of a side of random patches
_SPOT = 0.25  # standard deviation of the spot over the image's side


def find_method(name: str) -> str:
    """The key in `METHODS` of a name in any case, with or without hyphens."""
    wanted = name.lower().replace("-", "").replace("_", "").replace("plusplus", "++")
    if wanted not in METHODS:
        raise InputError(f"no method '{name}': there are {', '.join(METHODS)}")
    return wanted


def average_gradcam(
    models: Mapping[int, GalaxyNet],
    image: np.ndarray,
    column: int,
    method: str = "gradcam",
    layer: str | None = None,
) -> tuple[np.ndarray, str]:
    """Heat map of one image for an answer, averaged over a run's networks.

    Args:
        models: networks by fold.
        image: (1, H, W, 3) uint8, the network's input.
        column: the answer's or class's place among the task's columns.
        method: of `METHODS`.
        layer: default: the deepest layer whose maps show places.
    Returns:
        (H, W) float32, 0 to 1, and the layer's name.
    """
    maps = []
    for model in models.values():
        used = choose_layer(model, image.shape[1], layer)
        maps.append(compute_gradcam(model, image, [column], method, used)[0])
    return np.mean(maps, axis=0), used.name


def compute_gradcam(
    model: GalaxyNet,
    images: np.ndarray,
    columns: Sequence[int],
    method: str = "gradcam",
    layer: MapLayer | None = None,
) -> np.ndarray:
    """Heat maps of one network, averaged over the eight orientations where the method is fast.

    Args:
        model: trained; left in eval mode, with all gradients gone.
        images: (B, H, W, 3) uint8, of the network's input size.
        columns: (B,) answer or class explained in each image.
        method: of `METHODS`.
        layer: default as `choose_layer`.
    Returns:
        (B, H, W) float32, 0 to 1, the maximum of each image 1 (all 0 where no place counts).
    """
    layer = layer or choose_layer(model, images.shape[1])
    device = model.mean.device
    batch = torch.from_numpy(images).permute(0, 3, 1, 2).float().to(device)
    targets = [answer_of(column) for column in columns]
    chosen = METHODS[method]
    maps = np.zeros(images.shape[:3], np.float32)
    kind = getattr(_import_package(), chosen.class_name)
    with kind(
        model=model,
        target_layers=[layer.module],
        reshape_transform=partial(as_maps, backbone=model.backbone),
    ) as explainer:
        if hasattr(explainer, "batch_size"):
            explainer.batch_size = 32
        for number in range(DIHEDRAL if chosen.all_orientations else 1):
            view = dihedral_view(batch, number).contiguous().requires_grad_()
            turned = explainer(view, targets)
            maps += turn_back(torch.from_numpy(np.asarray(turned, np.float32)), number).numpy()
    model.zero_grad(set_to_none=True)
    largest = maps.max(axis=(1, 2), keepdims=True)
    return np.divide(maps, largest, out=np.zeros_like(maps), where=largest > 0)


def choose_layer(model: GalaxyNet, size_px: int, name: str | None = None) -> MapLayer:
    """The named layer; by default the deepest one whose maps are fine enough to show a place."""
    layers = find_layers(model, size_px)
    if name is not None:
        return pick_layers(layers, [name])[0]
    last = last_of_each_side(layers)
    fine = [layer for layer in last if layer.side >= _FINEST_USEFUL]
    return fine[-1] if fine else last[0]


def answer_of(column: int) -> Callable[[Tensor], Tensor]:
    """The package's target: one column of (column,) or (B, column) predictions."""
    return lambda output: output[..., column]


def turn_back(maps: Tensor, number: int) -> Tensor:
    """Undo `dihedral_view` of the same number: (B, H, W) maps of a view -> of the image."""
    upright = torch.rot90(maps, -(number % 4), dims=(-2, -1))
    return upright.flip(-1) if number >= 4 else upright


def likeliest(predictions: np.ndarray, task: Task) -> list[int]:
    """(galaxy,) the likeliest class, or answer to the first question, of (galaxy, column)."""
    return [int(i) for i in predictions[:, task.groups[0]].argmax(axis=1)]


@dataclass(frozen=True)
class Faithfulness:
    """Of one method, galaxy by galaxy."""

    method: str
    # (galaxy,) how much more the answer falls without the hottest than without the coldest places
    scores: np.ndarray

    @property
    def cells(self) -> tuple[str, str, str]:
        """Method, mean and standard error as text."""
        count = len(self.scores)
        error = self.scores.std(ddof=1) / np.sqrt(count) if count > 1 else float("nan")
        return self.method, f"{self.scores.mean():+.4f}", f"± {error:.4f}"


def measure_faithfulness(
    config: Config, models: Mapping[int, GalaxyNet], data: Dataset, count: int, layer: str | None
) -> list[Faithfulness]:
    """Score the fast methods and the controls on out-of-fold galaxies.

    Args:
        config: of the run.
        models: its networks by fold.
        data: its dataset.
        count: galaxies, drawn from the finished folds; each explained for its likeliest class, or
            answer to question 1.
        layer: as in `average_gradcam`.
    """
    task = get_task(config.task)
    catalog = data.catalog.for_task(task)
    open_rows = np.flatnonzero(np.isin(catalog.folds, list(models)))
    if count > len(open_rows):
        raise InputError(f"--faithfulness {count}: there are {len(open_rows)} galaxies")
    drawn = np.random.default_rng(0).choice(open_rows, count, replace=False)
    cache = data.train_images(config.image)
    found: dict[str, list[np.ndarray]] = {name: [] for name in (*FAST_METHODS, *CONTROLS)}
    with tqdm(total=len(found) * len(models), desc="removing pixels", leave=False) as bar:
        for fold, model in models.items():
            some = drawn[catalog.folds[drawn] == fold]
            rows = np.sort(np.searchsorted(cache.ids, catalog.ids[some]))
            columns = likeliest(predict(model, cache, rows, config), task)
            images = warp(cache.images[rows], warp_matrix(config.image), config.image.size_px)
            used = choose_layer(model, config.image.size_px, layer)
            for name, scores in found.items():
                if len(rows):
                    maps = _make_maps(model, images, columns, name, used)
                    scores.append(score_maps(model, images, columns, maps))
                bar.update()
    return [Faithfulness(name, np.concatenate(scores)) for name, scores in found.items()]


def score_maps(
    model: GalaxyNet, images: np.ndarray, columns: Sequence[int], maps: np.ndarray
) -> np.ndarray:
    """Half the difference between removing the coldest and the hottest places first.

    Args:
        model: not trained on these galaxies.
        images: (galaxy, H, W, 3) uint8, of its input size.
        columns: (galaxy,) answer or class explained.
        maps: (galaxy, H, W) heat.
    Returns:
        (galaxy,), positive for a faithful map.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorch_grad_cam.metrics.road import ROADCombined

    torch.manual_seed(0)  # of the noise in filled-in pixels
    score = ROADCombined(percentiles=list(_REMOVED_PERCENT))
    batch = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    targets = [answer_of(column) for column in columns]
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the package, about numpy
        found = [
            score(batch[i : i + 1], maps[i : i + 1], targets[i : i + 1], model)
            for i in range(len(images))
        ]
    return np.array(found, dtype=float).reshape(len(images))


def centre_spot(side: int) -> np.ndarray:
    """(side, side) float32, 1 in the middle: where the galaxy is, whatever is asked."""
    place = (np.arange(side) - (side - 1) / 2) / (_SPOT * side)
    falling = np.exp(-(place**2) / 2).astype(np.float32)
    return np.outer(falling, falling) / falling.max() ** 2


def random_patches(count: int, side: int, seed: int = 0) -> np.ndarray:
    """(count, side, side) float32, 0 to 1: smooth patches about as large as a heat map's."""
    cells = np.random.default_rng(seed).random((count, _CELLS, _CELLS), np.float32)
    maps = [cv2.resize(some, (side, side), interpolation=cv2.INTER_CUBIC) for some in cells]
    return np.clip(maps, 0, 1)


def _make_maps(
    model: GalaxyNet, images: np.ndarray, columns: Sequence[int], method: str, layer: MapLayer
) -> np.ndarray:
    """(galaxy, H, W) heat maps of a method or control."""
    if method == CENTRE:
        return np.repeat(centre_spot(images.shape[1])[None], len(images), axis=0)
    if method == RANDOM:
        return random_patches(*images.shape[:2])
    return compute_gradcam(model, images, columns, method, layer)


def _import_package() -> ModuleType:
    """Imported only when it is used: it takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pytorch_grad_cam

    return pytorch_grad_cam
