"""Networks by name: our CNN and every model of timm and torchvision, with one head and output.

One network on several views of each galaxy at once, their features pooled before the head.

Test-time views average predictions of a network that saw one view at a time; here the head learns
from all views together. The backbone works through every view, so a step costs that many times as
much, in time and in memory.
"""

import math
import re
from collections.abc import Callable

import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from galaxyzoo.config.schema import Config, ModelConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.geometry import DIHEDRAL, dihedral_view
from galaxyzoo.models.equivariant import D4CNN
from galaxyzoo.models.heads import build_head, build_output
from galaxyzoo.models.losses import first_log_concentrations
from galaxyzoo.models.pretrained import HUB, TORCHVISION, Start, load_pretrained
from galaxyzoo.tasks.registry import get_task


class GalaxyNet(nn.Module):
    """Backbone, head, output; takes raw images, so nothing else knows a network's normalisation."""

    mean: Tensor
    std: Tensor
    log_concentrations: Tensor | None

    def __init__(self, config: Config, backbone: nn.Module, features: int, start: Start) -> None:
        super().__init__()
        self.start = start
        self.backbone = backbone
        self.views = config.model.views
        pooled = count_features(self.views, features)
        self.head = build_head(config.head, pooled, len(get_task(config.task).columns))
        self.output = build_output(config.head.output)
        widths = first_log_concentrations() if config.loss == "votes" else None
        self.log_concentrations = None if widths is None else nn.Parameter(widths)
        # Saved with the weights: what they were trained with is what they are used with.
        self.register_buffer("mean", 255 * torch.tensor(start.mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(start.std).view(1, 3, 1, 1))

        self._frozen: list[nn.Module] = []

    @property
    def loss_parameters(self) -> tuple[Tensor, ...]:
        """What the loss takes beside predictions and targets: for `votes`, concentrations."""
        return () if self.log_concentrations is None else (self.log_concentrations,)

    def freeze(self, head_only: bool, top_blocks: int | None = None) -> None:
        """Choose what is trained from now on; norms of what is frozen keep their statistics.

        Args:
            head_only: train the head alone.
            top_blocks: else train also the backbone's last so many blocks; None: all of it.
        """
        blocks = _blocks(self.backbone)
        kept = 0 if head_only else len(blocks) if top_blocks is None else top_blocks
        self._frozen = blocks[: max(0, len(blocks) - kept)]
        self.requires_grad_(True)
        for block in self._frozen:
            block.requires_grad_(False)
        if self._frozen:  # such as a transformer's position embedding: before the first block
            for parameter in self.backbone.parameters(recurse=False):
                parameter.requires_grad_(False)

    def train(self, mode: bool = True) -> "GalaxyNet":
        """As of any module, but frozen blocks stay in eval mode."""
        super().train(mode)
        for block in self._frozen:
            block.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) images, values 0 to 255, uint8 or float -> (B, column) float32."""
        return self.output(self.head(self.features(images)).float())

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) images, values 0 to 255 -> (B, feature), what the head decides by."""
        normalised = (images.float() - self.mean) / self.std
        return pool_views(self.views, self.backbone, normalised)


class CNN(nn.Module):
    """A small plain convolutional network for galaxies, trained from scratch.

    A strided stem, then stages of two 3 × 3 convolutions with batch norm and ReLU, each followed by
    max-pooling; the features are the mean and the maximum over the last map, because a galaxy's
    rare details (a bar, an arm) are seen best by the maximum.

    Args:
        widths: channels of each stage.
    Source: own, in the manner of the VGG networks (Simonyan & Zisserman 2015).
    """

    def __init__(self, widths: tuple[int, ...] = (48, 96, 192, 320)) -> None:
        super().__init__()
        stem = nn.Conv2d(3, widths[0], 5, stride=2, padding=2, bias=False)
        stages: list[nn.Module] = [nn.Sequential(stem, nn.BatchNorm2d(widths[0]), nn.ReLU())]
        for inputs, outputs in zip((widths[0], *widths[:-1]), widths, strict=True):
            layers = [*_conv(inputs, outputs), *_conv(outputs, outputs), nn.MaxPool2d(2)]
            stages.append(nn.Sequential(*layers))
        self.stages = nn.Sequential(*stages)
        self.num_features = 2 * widths[-1]

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) normalised images -> (B, num_features)."""
        maps = self.stages(images)
        return torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)


_WORD = re.compile(
    r"conv(?P<channels>[1-9]\d*)(/(?P<stride>[1-9]))?|norm|pool|dropout(?P<share>0\.\d+)"
)


class Layers(nn.Module):
    """A plain stack of convolutions and pools, flattened: the networks of the source systems.

    Args:
        size_px: side of the input images.
        layers: words in order: `conv64` (3 × 3, 64 channels, same size, ReLU), `conv8/2` (stride
            2), `norm` (batch norm), `pool` (maximum of 2 × 2), `dropout0.2`. None: the pixels.
    Raises:
        InputError: a word that is none of these, or a pool too many for the image.
    Source: own.
    """

    def __init__(self, size_px: int, layers: tuple[str, ...] = ()) -> None:
        super().__init__()
        stack: list[nn.Module] = []
        channels = 3
        for word in layers:
            found = _WORD.fullmatch(word)
            if not found:
                raise InputError(
                    f"model.kwargs.layers: '{word}' is none of conv64, conv64/2, norm, pool, "
                    "dropout0.2"
                )
            if found["channels"]:
                stride, outputs = int(found["stride"] or 1), int(found["channels"])
                stack += [nn.Conv2d(channels, outputs, 3, stride, padding=1), nn.ReLU()]
                channels, size_px = outputs, -(-size_px // stride)
            elif word == "norm":
                stack.append(nn.BatchNorm2d(channels))
            elif word == "pool":
                stack.append(nn.MaxPool2d(2))
                size_px //= 2
            else:
                stack.append(nn.Dropout(float(found["share"])))
        if size_px < 1:
            raise InputError("model.kwargs.layers: too many pools for image.size_px")
        self.layers = nn.Sequential(*stack, nn.Flatten())
        self.num_features = channels * size_px**2

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) normalised images -> (B, num_features)."""
        return self.layers(images)


# To add a network of our own: a class with `num_features` and a forward pass to (B, num_features),
# and its name here; it is made with the side of its images and the config's `model.kwargs`.
OWN_MODELS: dict[str, Callable[..., "CNN | D4CNN | Layers"]] = {
    "cnn": lambda size_px, **kwargs: CNN(**kwargs),
    "d4cnn": D4CNN,
    "layers": Layers,
}


def build_model(config: Config, initialise: bool = True) -> GalaxyNet:
    """The config's network.

    Args:
        config: the run.
        initialise: whether to load pretrained weights (not needed where a checkpoint follows).
    Raises:
        InputError: unknown model, or pretrained weights that cannot be had, read or fitted.
    """
    size_px = view_side(config.model.views, config.image.size_px)
    return GalaxyNet(config, *start_backbone(config.model, size_px, config.run, initialise))


def start_backbone(
    model: ModelConfig, size_px: int, run: str, initialise: bool = True
) -> tuple[nn.Module, int, Start]:
    """A network without its classifier, the number of its features, and its first weights.

    Args:
        model: its config.
        size_px: side of the input images.
        run: name for messages.
        initialise: whether to load pretrained weights.
    Raises:
        InputError: unknown model, or pretrained weights that cannot be had, read or fitted.
    """
    backbone, features = _build_backbone(model, size_px)
    start = Start("scratch", model.mean, model.std)
    if initialise and model.pretrained:
        start = load_pretrained(backbone, model, run)
    return backbone, features, start


def _build_backbone(model: ModelConfig, size_px: int) -> tuple[nn.Module, int]:
    """The network without its classifier, and the number of its features."""
    if model.name in OWN_MODELS:
        try:
            own = OWN_MODELS[model.name](size_px, **model.kwargs)
        except TypeError as error:
            raise InputError(f"model.kwargs of '{model.name}': {error}") from None
        return own, own.num_features
    if model.name.startswith(TORCHVISION):
        return _build_torchvision(model)
    name = _architecture(model.name) if model.name.startswith(HUB) else model.name
    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name[:6]}*")[:3])
        raise InputError(
            f"unknown model '{name}': ours are {', '.join(OWN_MODELS)}; "
            f"timm has {near or 'hundreds'} …; torchvision's are named {TORCHVISION}resnet18"
        )
    backbone = timm.create_model(name, num_classes=0, **model.kwargs)
    return backbone, backbone.num_features  # type: ignore[return-value]


def _architecture(name: str) -> str:
    """The timm model in the name of a repository on the hub, so that only weights need the network.

    Raises:
        InputError: the repository's name does not end in one.
    """
    words = name.rpartition("/")[2].split("-")
    for start in range(len(words)):
        architecture = "-".join(words[start:])
        if timm.is_model(architecture):
            return architecture
    raise InputError(
        f"model.name '{name}': the repository's name must end in a timm model's, such as "
        f"{HUB}mwalmsley/zoobot-encoder-convnext_nano"
    )


def _build_torchvision(model: ModelConfig) -> tuple[nn.Module, int]:
    """A torchvision classifier whose last linear layer passes its input through."""
    name = model.name.removeprefix(TORCHVISION)
    if name not in torchvision.models.list_models(module=torchvision.models):
        raise InputError(f"unknown model '{model.name}': torchvision has no classifier '{name}'")
    backbone = torchvision.models.get_model(name, weights=None, **model.kwargs)
    last, layer = [(n, m) for n, m in backbone.named_modules() if isinstance(m, nn.Linear)][-1]
    backbone.set_submodule(last, nn.Identity())
    return backbone, layer.in_features


def _blocks(backbone: nn.Module) -> list[nn.Module]:
    """The backbone's parts with weights in order; those of a sequence one by one."""
    parts = (
        part
        for child in backbone.children()
        for part in (child.children() if isinstance(child, nn.Sequential) else (child,))
    )
    return [part for part in parts if any(True for _ in part.parameters())]


def _conv(inputs: int, outputs: int) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]


_PART = 45 / 69  # side of the winner's corner parts over that of the view


def count_features(views: str, features: int) -> int:
    """How many features the head gets, of a backbone that makes so many of one view."""
    return 2 * DIHEDRAL * features if views == "winner16" else features


def view_side(views: str, size_px: int) -> int:
    """Side of what the backbone gets, of images with such a side."""
    return round(_PART * inner_side(size_px)) if views == "winner16" else size_px


def pool_views(views: str, backbone: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Features of a batch, all views in one pass through the backbone.

    Args:
        views: `one`; `cyclic4`: the quarter turns, and `dihedral8`: those and their mirror images,
            both averaged, so that the features of a turned image are the same; `winner16`: see
            `winner_parts`, one after another.
        backbone: (n, 3, h, w) normalised images -> (n, features).
        images: (B, 3, H, W) normalised, H == W.
    Returns:
        (B, `count_features`).
    """
    if views == "one":
        return backbone(images)
    if views == "winner16":
        seen = winner_parts(images)
    else:
        seen = [dihedral_view(images, i) for i in range(4 if views == "cyclic4" else DIHEDRAL)]
    joined = torch.cat(seen).contiguous(memory_format=torch.channels_last)
    # Not len(images): an exported network takes batches of any size.
    features = backbone(joined).unflatten(0, (len(seen), images.shape[0]))  # (view, B, features)
    if views == "winner16":
        return features.transpose(0, 1).flatten(1)
    return features.mean(dim=0)


def winner_parts(images: Tensor) -> list[Tensor]:
    """Sixteen overlapping parts: two orientations, mirrored or not, four corners each.

    The parts of a view are turned so that the galaxy's centre is near the lower right corner of
    each. The view that is turned by 45° must lie within the image, so both are its middle, smaller
    by the square root of 2: `image.field_px` has to be larger by as much.

    Args:
        images: (B, C, H, W), H == W.
    Returns:
        (B, C, h, h) each, h about 0.46 H.
    Source: S. Dieleman's winning solution of the competition (github.com/benanne/kaggle-galaxies):
        views of 69 px cut into parts of 45 px.
    """
    side = inner_side(images.shape[-1])
    part, edge = view_side("winner16", images.shape[-1]), (images.shape[-1] - side) // 2
    upright = images[:, :, edge : edge + side, edge : edge + side]
    views = (dihedral_view(v, i) for v in (upright, _turn(images, 45.0, side)) for i in range(8))
    return [view[:, :, :part, :part] for view in views]


def inner_side(size_px: int) -> int:
    """Side of the largest centred square that stays within an image when it is turned."""
    side = math.floor(size_px / math.sqrt(2))
    return side - (size_px - side) % 2  # an equal edge on both sides


def _turn(images: Tensor, angle_deg: float, side: int) -> Tensor:
    """The middle of each image, turned counter-clockwise, sampled bilinearly."""
    scale, angle = side / images.shape[-1], math.radians(angle_deg)
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    # From places in the result to places in the image, both from -1 to 1, y downwards.
    matrix = images.new_tensor([[[cos, -sin, 0.0], [sin, cos, 0.0]]])
    grid = functional.affine_grid(matrix, [1, 1, side, side], align_corners=False)
    grid = grid.expand(images.shape[0], -1, -1, -1)
    return functional.grid_sample(images, grid, mode="bilinear", align_corners=False)
