"""Versions of the project and of the packages that results depend on, for records."""

import importlib.metadata
import platform
import subprocess
from functools import cache

from galaxyzoo import __version__
from galaxyzoo.core import paths

_PACKAGES = ("torchvision", "timm", "numpy", "albumentations")


def package_versions() -> dict[str, str]:
    """Name -> version: torch's with its build, and opencv, which comes under several names."""
    import cv2  # only here: the ensembler asks for the version, and needs neither of them
    import torch

    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "opencv": cv2.__version__,
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }


@cache
def code_version() -> str:
    """The project's version, and the git commit where the code lies in a checkout."""
    if paths.INSTALLED:  # git would find whatever repository the current folder is in
        return __version__
    command = ["git", "-C", str(paths.CODE_ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return __version__  # no git, or a copy without its history
    return f"{__version__}+{commit}"
