"""Versions of Python and of the packages that a training's numbers depend on, for its records."""

import importlib.metadata
import platform

import cv2
import torch

_PACKAGES = ("torchvision", "timm", "numpy", "albumentations")


def package_versions() -> dict[str, str]:
    """Name -> version: torch's with its build, and opencv, which comes under several names."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "opencv": cv2.__version__,
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }
