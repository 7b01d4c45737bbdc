"""Files of a fold: checkpoints and weights."""

import errno
import io
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from galaxyzoo.config.schema import Config
from galaxyzoo.core import files
from galaxyzoo.core.devices import get_device, is_out_of_memory, place
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.models.build import GalaxyNet, build_model

WEIGHTS = "weights.safetensors"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a nested dict of tensors and plain values atomically."""
    data = io.BytesIO()  # torch's own file writer reports a full disk as a RuntimeError
    torch.save(state, data)
    files.write_bytes(path, data.getbuffer())


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint without running code from it; None where there is none."""
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch raises pickle's, zip's and its own errors
        # Hours of training may be in it: what the system lacks is no reason to delete it.
        if is_out_of_memory(error):
            raise MemoryError(f"reading {shown(path)}") from None
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise InputError(f"cannot read {shown(path)}: {error.strerror}") from None
        reason = (str(error) or type(error).__name__).splitlines()[0][:100]
        raise InputError(
            f"{shown(path)} is not a readable checkpoint ({reason}): "
            "delete it to start the fold again"
        ) from None


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Write weights as safetensors, atomically."""
    files.write_bytes(path, save({name: tensor.contiguous() for name, tensor in weights.items()}))


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read weights from a safetensors file."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{shown(path)} is not a readable weights file ({error}): "
            "delete its folder to train again"
        ) from None


def load_fold_model(config: Config, folder: Path) -> GalaxyNet:
    """Load the trained network of a fold, on the device, in eval mode."""
    model, path = build_model(config, initialise=False), folder / WEIGHTS
    try:
        model.load_state_dict(load_weights(path))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{shown(path)} does not fit its config: {reason}") from None
    return place(model, get_device()).eval()
