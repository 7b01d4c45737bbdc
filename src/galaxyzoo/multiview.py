"""One network on several views of each galaxy at once, their features pooled before the head.

Test-time views average predictions of a network that saw one view at a time; here the head learns
from all views together. The backbone works through every view, so a step costs that many times as
much, in time and in memory.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from galaxyzoo.views import DIHEDRAL, dihedral_view

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
