"""Build networks by name: our own, and every model of timm and torchvision, with one head."""

import copy
import math
import re
import warnings
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn

from galaxyzoo.config.schema import Config, ModelConfig
from galaxyzoo.core import devices
from galaxyzoo.core.errors import InputError, located, reason_of
from galaxyzoo.core.paths import shown
from galaxyzoo.models import equivariant, heads
from galaxyzoo.models.placement import place
from galaxyzoo.models.weights import (
    HUB,
    TORCHVISION,
    PretrainedWeights,
    Triple,
    load_pretrained,
    load_weights,
)


class GalaxyNet(nn.Module):
    """Backbone, head and output; takes raw images, normalization is part of the network."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, config: Config, backbone: nn.Module, features: int, start: PretrainedWeights
    ) -> None:
        super().__init__()
        self.start = start
        self.backbone = backbone
        columns = len(config.head_task.columns)
        self.head = heads.build_head(config.head, features, columns)
        self.output = heads.build_output(config.head.output, config.predicted_task)
        # Buffers, so that they are saved with the weights.
        self.register_buffer("mean", _per_channel(start.mean))
        self.register_buffer("std", _per_channel(start.std))
        self._frozen = config.train.freeze == "backbone"
        self.backbone.requires_grad_(not self._frozen)

    def train(self, mode: bool = True) -> "GalaxyNet":
        """Switch to training mode, except a frozen backbone, whose norms keep their statistics."""
        super().train(mode)
        if self._frozen:
            self.backbone.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) images, values 0 to 255, uint8 or float -> (B, column) float32."""
        return self.output(self.head(self.features(images)).float())

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) images, values 0 to 255 -> (B, feature), the input of the head."""
        return self.backbone((images.float() - self.mean) / self.std)


def _per_channel(values: Triple) -> Tensor:
    """(1, 3, 1, 1) values of [0, 1] in the range of images, 0 to 255."""
    return 255 * torch.tensor(values).view(1, 3, 1, 1)


class CNN(nn.Module):
    """Small plain convolutional network for galaxies, trained from scratch.

    A strided stem, then stages of two 3 × 3 convolutions with batch norm and ReLU, each followed by
    max-pooling; the features are the mean and the maximum over the last map, because the maximum
    keeps small details (a bar, an arm) that the mean hides.

    Args:
        size_px: side of the input images, which the stem and each stage halve.
        widths: channels of each stage.
    Source: own, in the manner of the VGG networks (Simonyan & Zisserman 2015).
    """

    def __init__(self, size_px: int, widths: tuple[int, ...] = (48, 96, 192, 320)) -> None:
        super().__init__()
        smallest = 2 ** (1 + len(widths)) - 1
        if size_px < smallest:
            raise InputError(f"image.size_px: cnn needs images of at least {smallest} px")
        stem = nn.Conv2d(3, widths[0], 5, stride=2, padding=2, bias=False)
        stages: list[nn.Module] = [nn.Sequential(stem, nn.BatchNorm2d(widths[0]), nn.ReLU())]
        inputs = widths[0]
        for outputs in widths:
            layers = _conv(inputs, outputs) + _conv(outputs, outputs)
            stages.append(nn.Sequential(*layers, nn.MaxPool2d(2)))
            inputs = outputs
        self.stages = nn.Sequential(*stages)
        self.num_features = 2 * widths[-1]

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) normalized images -> (B, num_features)."""
        maps = self.stages(images)
        return torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)


_LAYER = re.compile(
    r"conv(?P<channels>[1-9]\d*)(/(?P<stride>[1-9]))?|norm|pool|dropout(?P<share>0\.\d+)"
)


class Layers(nn.Module):
    """A plain stack of convolutions and pools, flattened: the networks of the source systems.

    Args:
        size_px: side of the input images.
        layers: in order: `conv64` (3 × 3, 64 channels, same size, ReLU), `conv8/2` (stride 2),
            `norm` (batch norm), `pool` (maximum of 2 × 2), `dropout0.2`. Empty: the pixels.
    """

    def __init__(self, size_px: int, layers: tuple[str, ...] = ()) -> None:
        super().__init__()
        stack: list[nn.Module] = []
        channels = 3
        for layer in layers:
            match = _LAYER.fullmatch(layer)
            if not match:
                raise InputError(
                    f"model.kwargs.layers: unknown layer '{layer}': write conv64, conv64/2, norm, "
                    "pool or dropout0.2, with other numbers if you like"
                )
            if match["channels"]:
                stride = int(match["stride"] or 1)
                outputs = int(match["channels"])
                stack += [nn.Conv2d(channels, outputs, 3, stride, padding=1), nn.ReLU()]
                channels = outputs
                size_px = math.ceil(size_px / stride)
            elif layer == "norm":
                stack.append(nn.BatchNorm2d(channels))
            elif layer == "pool":
                stack.append(nn.MaxPool2d(2))
                size_px //= 2
            else:
                stack.append(nn.Dropout(float(match["share"])))
        if size_px < 1:
            raise InputError("model.kwargs.layers: too many pooling layers for image.size_px")
        self.layers = nn.Sequential(*stack, nn.Flatten())
        self.num_features = channels * size_px**2

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) normalized images -> (B, num_features)."""
        return self.layers(images)


# To add a network of our own: a class with `num_features` and a forward pass to (B, num_features),
# and its name here; its arguments are the side of the images and the config's `model.kwargs`.
OWN_MODELS: dict[str, type[nn.Module]] = {"cnn": CNN, "d4cnn": equivariant.D4CNN, "layers": Layers}


def build_model(config: Config, initialize: bool = True) -> GalaxyNet:
    """Build the network of a config.

    Args:
        initialize: whether to load pretrained weights (not needed before a checkpoint is loaded).
    Examples:
        >>> import torch
        >>> from galaxyzoo.config.loading import load_config
        >>> config = load_config("gz37/cnn")
        >>> size_px = config.image.size_px
        >>> build_model(config)(torch.zeros(2, 3, size_px, size_px)).shape
        torch.Size([2, 37])
    """
    backbone, features, start = start_backbone(
        config.model, config.image.size_px, config.title, initialize
    )
    return GalaxyNet(config, backbone, features, start)


def load_network(config: Config, path: Path) -> GalaxyNet:
    """Load a trained network from its weights, on the device, in eval mode.

    Of a finished fold, check the file first (`SealedFiles.path`). Weights of another network are an
    InputError, an unreadable file is a `DamageError`.
    """
    model = build_model(config, initialize=False)
    try:
        model.load_state_dict(load_weights(path))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{shown(path)} does not match its config: {reason}") from None
    return place(model, devices.get_device()).eval()


def start_backbone(
    model: ModelConfig, size_px: int, run: str, initialize: bool = True
) -> tuple[nn.Module, int, PretrainedWeights]:
    """Build a network without its classifier; returns the number of its features and its start too.

    Args:
        size_px: side of the input images.
        run: name for messages.
    Raises:
        InputError: no network has that name, or it rejects the arguments or images of that size.
    """
    with located(run):
        backbone, features, kwargs = _build_backbone(model, size_px)
    model = model.model_copy(update={"kwargs": kwargs})
    if model.pretrained and hasattr(backbone, "transform_input"):
        # As torchvision does for the weights of its Inceptions.
        backbone.transform_input = True  # type: ignore[assignment]
    start = PretrainedWeights("scratch", model.mean, model.std)
    if initialize and model.loads_weights:
        start = load_pretrained(backbone, model, run)
    return backbone, features, start


def _build_backbone(model: ModelConfig, size_px: int) -> tuple[nn.Module, int, dict[str, Any]]:
    """A network that takes the images, its features, its arguments.

    Raises:
        InputError: as of `start_backbone`.
    """
    if model.name not in OWN_MODELS:
        return _build_package_backbone(model, size_px)
    try:
        backbone: Any = OWN_MODELS[model.name](size_px, **model.kwargs)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - as the networks of packages below
        raise _rejection(model, size_px, reason_of(error)) from None
    return backbone, backbone.num_features, model.kwargs


def _build_package_backbone(
    model: ModelConfig, size_px: int
) -> tuple[nn.Module, int, dict[str, Any]]:
    """A network of timm or torchvision that takes the images, its features, its arguments.

    Networks for one size of images are tried with that size in the arguments that they have for it.
    Where all are rejected, an InputError has the first reason.
    """
    build = _find_builder(model.name)
    reasons = []
    square = [size_px, size_px]
    for size in ({}, {"img_size": size_px}, {"image_size": size_px}, {"input_size": square}):
        kwargs: dict[str, Any] = {**size, **model.kwargs}
        try:
            backbone = build(kwargs)
            return backbone, _count_features(backbone, size_px), kwargs
        except Exception as error:  # noqa: BLE001 - networks check their input in many ways
            reasons.append(reason_of(error))
    raise _rejection(model, size_px, reasons[0])


def _rejection(model: ModelConfig, size_px: int, reason: str) -> InputError:
    """Error of a network that rejects its arguments or the size of the images."""
    return InputError(
        f"model.name '{model.name}' with model.kwargs={model.kwargs} rejects "
        f"image.size_px={size_px}: change one of the three ({reason[:200]})"
    )


def _count_features(backbone: nn.Module, size_px: int) -> int:
    """Columns of the features that a network returns in training; a ValueError if it has others.

    Source: own; timm's `num_features` is another number where a layer follows the pooling.
    """
    network = copy.deepcopy(backbone)  # norms and caches of the network itself stay untouched
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        features = network.train()(torch.zeros(2, 3, size_px, size_px))
    if not (isinstance(features, Tensor) and features.ndim == 2 and len(features) == 2):
        raise ValueError("it does not return one vector per image")
    return features.shape[1]


def _find_builder(name: str) -> Callable[[dict[str, Any]], nn.Module]:
    """Find the function that builds a network of timm or torchvision from its arguments.

    An InputError names similar networks where there is none of that name.
    """
    if name.startswith(TORCHVISION):
        classifier = name.removeprefix(TORCHVISION)
        classifiers = torchvision.models.list_models(torchvision.models)
        if classifier not in classifiers:
            near = [TORCHVISION + other for other in get_close_matches(classifier, classifiers)]
            raise _unknown(name, near, "torchvision has no such classifier")
        return partial(_build_torchvision, classifier)
    if name.startswith(HUB):
        name = _architecture(name)
    if not timm.is_model(name):
        near = get_close_matches(name.partition(".")[0], [*OWN_MODELS, *timm.list_models()])
        choices = (
            f"choose ours ({', '.join(OWN_MODELS)}), timm's (hundreds) or torchvision's "
            f"({TORCHVISION}resnet18, …)"
        )
        raise _unknown(name, near, choices)
    return lambda kwargs: timm.create_model(name, num_classes=0, **kwargs)


def _unknown(name: str, near: Sequence[str], otherwise: str) -> InputError:
    """Error of a name that no network has, with near ones or, if there are none, other advice."""
    advice = f"did you mean {' or '.join(near)}?" if near else otherwise
    return InputError(f"model.name: unknown model '{name}': {advice}")


def _architecture(name: str) -> str:
    """Find the timm model in a hub repository's name, so that building it needs no network access.

    An InputError says what such a name must end in.
    """
    architecture = name.rpartition("/")[2]
    while architecture:
        if timm.is_model(architecture):
            return architecture
        architecture = architecture.partition("-")[2]
    raise InputError(
        f"model.name '{name}': the repository name must end in a timm model name, as in "
        f"{HUB}mwalmsley/zoobot-encoder-convnext_nano"
    )


def _build_torchvision(name: str, kwargs: dict[str, Any]) -> nn.Module:
    """A torchvision classifier whose last layer with weights passes its input through."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of GoogLeNet's initialization
        backbone = torchvision.models.get_model(name, weights=None, **kwargs)
    if getattr(backbone, "aux_logits", False):  # classifiers of inner layers, in training alone
        backbone.aux_logits = False
        for child, _ in list(backbone.named_children()):
            if child.lower().startswith("aux"):
                setattr(backbone, child, None)
    layers = dict(backbone.named_modules())
    linear = [path for path, layer in layers.items() if isinstance(layer, nn.Linear)]
    convolutions = [path for path, layer in layers.items() if isinstance(layer, nn.Conv2d)]
    last = (linear or convolutions)[-1]
    backbone.set_submodule(last, nn.Identity())
    return backbone


def _conv(inputs: int, outputs: int) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]
