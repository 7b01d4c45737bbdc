"""Grad-CAM heat maps for an answer, by the methods of the grad-cam package, and their faithfulness.

A faithful map's hottest places carry the answer: without them the prediction changes more than
without the coldest. The package fills in a removed pixel from its neighbors (ROAD), so that the
hole itself gives nothing away.

Source: Selvaraju et al. 2017 (ICCV), Grad-CAM, and what the package names for the other methods
(github.com/jacobgil/pytorch-grad-cam); Rong et al. 2022 (ICML), "A consistent and efficient
evaluation strategy for attribution methods" (ROAD).
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType

import cv2
import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from galaxyzoo.config.schema import Config, ImageConfig
from galaxyzoo.core.console import Bar
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.geometry import DIHEDRAL, dihedral_view, warp, warp_matrix
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.explain.galaxy import Galaxy
from galaxyzoo.explain.layers import MapLayer, as_maps, find_layers, last_of_each_side, pick_layers
from galaxyzoo.inference.predict import Predictor, predict
from galaxyzoo.models.build import GalaxyNet
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import get_task


@dataclass(frozen=True)
class Method:
    """Method of the package."""

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
DEFAULT = "hirescam"  # the most faithful one
# Faithfulness on 40 galaxies (docs/explore.md)
_MEASURED = {"hirescam": 0.163, "layercam": 0.137, "gradcam++": 0.131, "gradcam": 0.101}
_MEASURED_CENTER = 0.134
FAST_METHODS = tuple(name for name, method in METHODS.items() if method.all_orientations)
CENTER, RANDOM = "center", "random"  # controls: a spot in the middle, and patches at random
CONTROLS = (CENTER, RANDOM)
_MIN_SIDE = 5  # cells; a map with fewer on a side shows no place
_REMOVED_SHARES = (0.3, 0.5, 0.7, 0.9)  # of the pixels
_CELLS = 6  # of a side of random patches
_SPOT_SIGMA = 0.25  # standard deviation of the spot over the image's side


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
    method: str = DEFAULT,
    layer: str | None = None,
) -> tuple[np.ndarray, str]:
    """Heat map of one image for an answer, averaged over a run's networks.

    Args:
        models: networks by fold.
        image: (1, H, W, 3) uint8, the network's input.
        column: index of the answer or class among the task's columns.
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


def explain(
    predictor: Predictor, galaxy: Galaxy, column: int, method: str, layer: str | None = None
) -> tuple[np.ndarray, np.ndarray, str]:
    """Heat map of a galaxy for an answer, of a run or averaged over an ensemble's runs.

    An ensemble for classes can have runs that predict votes; these have no map.

    Args:
        predictor: run or ensemble.
        galaxy: to explain.
        column: as of `average_gradcam`, which explains the other arguments.
        method: of `METHODS`.
        layer: of all networks.
    Returns:
        (H, W, 3) uint8 network input of the first run, (H, W) float32 heat map, 0 to 1, and names
        of the layers.
    """
    runs = [run for run in predictor.runs if run.task.name == predictor.task.name]
    if not runs:
        raise InputError(
            f"no run of this ensemble predicts {predictor.task.name}'s classes itself: name a run"
        )
    first, maps, names = runs[0].config.image, [], []
    for run in runs:
        image_config = run.config.image
        heat, name = average_gradcam(
            run.models, galaxy.as_input(image_config), column, method, layer
        )
        maps.append(_onto(heat, image_config, first))
        names.append(name)
    return galaxy.as_input(first)[0], np.mean(maps, axis=0), ", ".join(dict.fromkeys(names))


def _onto(heat: np.ndarray, source: ImageConfig, target: ImageConfig) -> np.ndarray:
    """Resample a heat map onto the network input of another config."""
    if (source.size_px, source.field_px) == (target.size_px, target.field_px):
        return heat
    step = (target.field_px / target.size_px) / (source.field_px / source.size_px)
    shift = (source.size_px - 1) / 2 - step * (target.size_px - 1) / 2
    matrix = np.array([[step, 0, shift], [0, step, shift]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(heat, matrix, (target.size_px, target.size_px), flags=flags)


def compute_gradcam(
    model: GalaxyNet,
    images: np.ndarray,
    columns: Sequence[int],
    method: str = DEFAULT,
    layer: MapLayer | None = None,
) -> np.ndarray:
    """Heat maps of one network, averaged over the eight orientations where the method is fast.

    Args:
        model: trained; left in eval mode, all gradients cleared.
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
    chosen = METHODS[method]
    orientations = range(DIHEDRAL if chosen.all_orientations else 1)
    # All in one batch: passes of one image each take ten times as long where cores are shared.
    views = torch.cat([dihedral_view(batch, number) for number in orientations]).requires_grad_()
    targets = [answer_of(column) for column in columns] * len(orientations)
    cam_class = getattr(_import_package(), chosen.class_name)
    with cam_class(
        model=model,
        target_layers=[layer.module],
        reshape_transform=partial(as_maps, backbone=model.backbone),
    ) as explainer:
        if hasattr(explainer, "batch_size"):
            explainer.batch_size = 32
        turned = torch.from_numpy(np.asarray(explainer(views, targets), np.float32))
    upright = map(undo_dihedral, turned.split(len(batch)), orientations)
    maps = torch.stack([*upright]).sum(dim=0).numpy()
    model.zero_grad(set_to_none=True)
    largest = maps.max(axis=(1, 2), keepdims=True)
    return np.divide(maps, largest, out=np.zeros_like(maps), where=largest > 0)


def choose_layer(model: GalaxyNet, size_px: int, name: str | None = None) -> MapLayer:
    """The named layer; by default the deepest one whose maps are fine enough to show a place."""
    layers = find_layers(model, torch.zeros(1, 3, size_px, size_px))
    if name is not None:
        return pick_layers(layers, [name])[0]
    if not any(layer.late for layer in layers):
        raise InputError(
            "no late layer of this network has maps of the image, only its stem: take another run"
        )
    last = last_of_each_side(layers)
    last = [layer for layer in last if layer.tokens == last[-1].tokens]  # no transformer's stem
    fine = [layer for layer in last if layer.side >= _MIN_SIDE]
    return fine[-1] if fine else last[0]


def answer_of(column: int) -> Callable[[Tensor], Tensor]:
    """The package's target: one column of (column,) or (B, column) predictions."""
    return lambda output: output[..., column]


def undo_dihedral(maps: Tensor, number: int) -> Tensor:
    """Undo `dihedral_view` of the same number: (B, H, W) maps of a view -> of the image."""
    upright = torch.rot90(maps, -(number % 4), dims=(-2, -1))
    return upright.flip(-1) if number >= 4 else upright


def likeliest(predictions: np.ndarray, task: Task) -> list[int]:
    """(galaxy,) the likeliest class, or answer to the first question, of (galaxy, column)."""
    return [int(i) for i in predictions[:, task.groups[0]].argmax(axis=1)]


def describe_faithfulness(method: str) -> str:
    """Describe how faithful a method was where it was measured, as the end of a caption."""
    if method not in _MEASURED:
        return "faithfulness not measured"
    return (
        f"faithfulness {_MEASURED[method]:.2f}, of a spot in the middle {_MEASURED_CENTER:.2f} "
        "(measured with gz37/cnn)"
    )


def measure_faithfulness(
    config: Config, models: Mapping[int, GalaxyNet], data: Dataset, count: int, layer: str | None
) -> dict[str, np.ndarray]:
    """Score the fast methods and the controls on out-of-fold galaxies.

    Args:
        config: of the run.
        models: its networks by fold.
        data: its dataset.
        count: galaxies, drawn from the finished folds; each explained for its likeliest class, or
            answer to question 1.
        layer: as in `average_gradcam`.
    Returns:
        Method -> (galaxy,) how much more the answer falls without the hottest than without the
        coldest places.
    """
    task = get_task(config.task)
    catalog = data.catalog.for_task(task)
    held_out_rows = np.flatnonzero(np.isin(catalog.folds, list(models)))
    if count > len(held_out_rows):
        raise InputError(f"--faithfulness {count}: there are {len(held_out_rows)} galaxies")
    drawn = np.random.default_rng(0).choice(held_out_rows, count, replace=False)
    cache, side = data.train_images(config.image), config.image.size_px
    patches = random_patches(count, side)
    scores: list[np.ndarray] = []  # of each galaxy, (method,)
    # One galaxy is too little work for several threads: where cores are shared, they mostly wait.
    with (
        threadpool_limits(1),
        Bar(total=count, desc="removing pixels", unit="galaxy", leave=False) as bar,
    ):
        for fold, model in models.items():
            in_fold = drawn[catalog.folds[drawn] == fold]
            rows = np.sort(np.searchsorted(cache.ids, catalog.ids[in_fold]))
            columns = likeliest(predict(model, cache, rows, config), task)
            images = warp(cache.images[rows], warp_matrix(config.image), side)
            used = choose_layer(model, side, layer)
            for image, column in zip(images, columns, strict=True):
                maps = [
                    compute_gradcam(model, image[None], [column], name, used)[0]
                    for name in FAST_METHODS
                ]
                maps += [center_spot(side), patches[len(scores)]]
                scores.append(score_maps(model, image, column, np.stack(maps)))
                bar.update()
    return dict(zip((*FAST_METHODS, *CONTROLS), np.transpose(scores), strict=True))


def score_maps(model: GalaxyNet, image: np.ndarray, column: int, maps: np.ndarray) -> np.ndarray:
    """Half the difference of the predictions without the coldest and without the hottest places.

    Args:
        model: not trained on this galaxy.
        image: (H, H, 3) uint8, of its input size.
        column: answer or class explained.
        maps: (map, H, H) heat.
    Returns:
        (map,) means over `_REMOVED_SHARES`, positive for a faithful map.
    """
    fill_in = _import_package().metrics.road.NoisyLinearImputer(noise=0)
    pixels = torch.from_numpy(image).permute(2, 0, 1).float()
    # By rank: the package's threshold would remove all pixels of a map that is mostly 0.
    rank = maps.reshape(len(maps), -1).argsort(axis=1, kind="stable").argsort(axis=1)
    counts = [round(share * rank.shape[1]) for share in _REMOVED_SHARES]
    masks = [
        torch.from_numpy(chosen.reshape(image.shape[:2]).astype(np.float32))
        for places in rank
        for count in counts
        for chosen in (places >= count, places < len(places) - count)
    ]
    batch = torch.stack([fill_in(pixels, mask) for mask in masks])
    with torch.inference_mode():
        answers = answer_of(column)(model(batch.to(model.mean.device))).double().cpu().numpy()
    without_coldest, without_hottest = answers.reshape(len(maps), -1, 2).mean(axis=1).T
    return (without_coldest - without_hottest) / 2


def center_spot(side: int) -> np.ndarray:
    """(side, side) float32, 1 in the middle: where the galaxy is, whatever is asked."""
    offset = (np.arange(side) - (side - 1) / 2) / (_SPOT_SIGMA * side)
    gaussian = np.exp(-(offset**2) / 2).astype(np.float32)
    return np.outer(gaussian, gaussian) / gaussian.max() ** 2


def random_patches(count: int, side: int, seed: int = 0) -> np.ndarray:
    """(count, side, side) float32, 0 to 1: smooth patches about as large as a heat map's."""
    cells = np.random.default_rng(seed).random((count, _CELLS, _CELLS), np.float32)
    maps = [cv2.resize(cell, (side, side), interpolation=cv2.INTER_CUBIC) for cell in cells]
    return np.clip(maps, 0, 1)


def _import_package() -> ModuleType:
    """Imported only when it is used: it takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pytorch_grad_cam
        import pytorch_grad_cam.metrics.road

    return pytorch_grad_cam
