"""Networks: backbones, the D4-equivariant CNN, heads, losses, pretrained weights.

In: a `Config`. Out: a `GalaxyNet`, (B, 3, H, W) images to (B, C) predictions.
"""
