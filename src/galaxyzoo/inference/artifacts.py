"""Networks on disk: checkpoints and weights."""

import errno
import io
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from galaxyzoo.config.schema import Config
from galaxyzoo.core import devices, files, manifest, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.models.build import GalaxyNet, build_model
from galaxyzoo.results.layout import WEIGHTS


def save_checkpoint(path: Path, state: dict[str, Any], provenance: manifest.Provenance) -> None:
    """Write a nested dict of tensors and plain values, a checksum behind it, atomically."""
    data = io.BytesIO()  # torch's own file writer reports a full disk as a RuntimeError
    torch.save({**state, "format": manifest.FORMAT, "made_by": dict(provenance)}, data)
    data.write(bytes.fromhex(manifest.digest([data.getbuffer()])))
    files.write_bytes(path, data.getbuffer())


def load_checkpoint(path: Path, provenance: manifest.Provenance) -> dict[str, Any] | None:
    """Read a checkpoint without running code from it; None where there is none.

    One that is damaged, or of other settings, galaxies or another fold, is refused.
    """
    if not path.exists():
        return None
    advice = "delete it to restart the fold"
    try:
        data = path.read_bytes()
        body = io.BytesIO(data[:-32])
        if bytes.fromhex(manifest.digest([body.getbuffer()])) != data[-32:]:
            raise ValueError("its checksum does not match")
        del data
        state = torch.load(body, map_location="cpu", weights_only=True)  # noqa: TID251
    except Exception as error:  # noqa: BLE001 - torch raises pickle's, zip's and its own errors
        # Hours of training may be in it: what the system lacks is no reason to delete it.
        if devices.is_out_of_memory(error):
            raise MemoryError(f"reading {paths.shown(path)}") from None
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise InputError(f"cannot read {paths.shown(path)}: {error.strerror}") from None
        reason = (str(error) or type(error).__name__).splitlines()[0][:100]
        raise InputError(
            f"{paths.shown(path)} is not a readable checkpoint ({reason}): {advice}"
        ) from None
    manifest.check_format(path, state.get("format"), advice)
    manifest.check_provenance(path, state["made_by"], provenance, advice)
    return state


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Write weights as safetensors, atomically."""
    files.write_bytes(path, save({name: tensor.contiguous() for name, tensor in weights.items()}))


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read weights from a safetensors file."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{paths.shown(path)} is not a readable weights file ({error}): "
            "delete its folder to retrain"
        ) from None


def load_fold_model(config: Config, folder: Path) -> GalaxyNet:
    """Load the network of a fold from its folder, on the device, in eval mode.

    Of a finished fold, check the weights first (`Artifact.path`).
    """
    model, path = build_model(config, initialize=False), folder / WEIGHTS
    try:
        model.load_state_dict(load_weights(path))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{paths.shown(path)} does not match its config: {reason}") from None
    return devices.place(model, devices.get_device()).eval()
