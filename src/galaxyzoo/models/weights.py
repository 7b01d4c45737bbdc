"""Weights on disk: checkpoints, trained networks, pretrained ones or their download."""

import errno
import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import timm
import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from tqdm import tqdm

from galaxyzoo.config.schema import ModelConfig
from galaxyzoo.core import files, manifest, memory
from galaxyzoo.core.errors import DamageError, InputError, advise
from galaxyzoo.core.paths import CODE_ROOT, shown

TORCHVISION = "torchvision/"  # prefix of torchvision's models; other names are timm's
HUB = "hf_hub:"  # prefix of a repository of huggingface.co with weights for one of timm's models
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
WEIGHTS_FOLDER = "GALAXYZOO_WEIGHTS"  # variable that names a folder of weights
_DIGEST_BYTES = 32  # SHA-256 at the end of a checkpoint
_FILE = ".imagenet.safetensors"  # after the model's name, in that folder
_HEAD = ("head.",)  # prefix of the task's layers in a `GalaxyNet`
_WARNED = "GALAXYZOO_WARNED_OF_SCRATCH"  # variable that a command sets for its processes
_CLASSIFIERS = ("fc.", "classifier.", "head.", "heads.")
Triple = tuple[float, float, float]


def save_checkpoint(path: Path, state: dict[str, Any], provenance: manifest.Provenance) -> None:
    """Write a nested dict of tensors and plain values atomically.

    The file is a line of JSON (format and provenance), what torch writes, and the SHA-256 of both.
    """
    data = io.BytesIO()  # torch's own file writer reports a full disk as a RuntimeError
    header = {"format": manifest.FORMAT, "made_by": dict(provenance)}
    data.write(json.dumps(header).encode() + b"\n")
    torch.save(state, data)
    data.write(bytes.fromhex(manifest.digest([data.getbuffer()])))
    files.write_bytes(path, data.getbuffer())


@advise("delete it to restart the fold")
def load_checkpoint(path: Path, provenance: manifest.Provenance) -> dict[str, Any] | None:
    """Read a checkpoint without running code from it; None where there is none.

    One that is damaged, or of other settings, galaxies or another fold, is refused before torch
    opens it: an InputError. Too little memory is a MemoryError, and no reason to delete it.
    """
    if not path.exists():
        return None
    try:
        return _read_checkpoint(path, provenance)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - torch raises pickle's, zip's and its own errors
        # Hours of training may be in it: what the system lacks is no reason to delete it.
        if memory.is_out_of_memory(error):
            raise MemoryError(f"reading {shown(path)}") from None
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise InputError(f"cannot read {shown(path)}: {error.strerror}") from None
        reason = (str(error) or type(error).__name__).splitlines()[0][:100]
        raise DamageError(f"{shown(path)} is not a readable checkpoint ({reason})") from None


def _read_checkpoint(path: Path, provenance: manifest.Provenance) -> dict[str, Any]:
    """Read a checkpoint; one that is damaged may raise anything."""
    data = path.read_bytes()
    if manifest.digest([memoryview(data)[:-_DIGEST_BYTES]]) != data[-_DIGEST_BYTES:].hex():
        raise ValueError("its checksum does not match")
    if data.startswith(b"PK"):  # torch's own bytes: there was no header
        raise InputError(
            f"{shown(path)} was made by an earlier version: finish the fold with that version, "
            "or delete it to restart the fold"
        )
    body = data.index(b"\n") + 1
    header = json.loads(data[:body])
    manifest.check_format(path, header["format"])
    manifest.check_provenance(path, header["made_by"], provenance)
    content = io.BytesIO(data[body:-_DIGEST_BYTES])
    del data
    return torch.load(content, map_location="cpu", weights_only=True)  # noqa: TID251


def save_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Write weights as safetensors, atomically."""
    files.write_bytes(path, save({name: tensor.contiguous() for name, tensor in weights.items()}))


@advise("delete its folder to retrain")
def load_weights(path: Path) -> dict[str, Tensor]:
    """Read weights from a safetensors file; one that cannot be read is a `DamageError`."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise DamageError(f"{shown(path)} is not a readable weights file ({error})") from None


@dataclass(frozen=True)
class PretrainedWeights:
    """Origin of a network's pretrained weights, and the normalization that they expect."""

    provenance: str  # for the run's records
    mean: Triple  # per channel, of values in [0, 1]
    std: Triple


def load_pretrained(backbone: nn.Module, model: ModelConfig, run: str) -> PretrainedWeights:
    """Load pretrained weights into a backbone: from a file if one exists, else a download.

    The file is the config's, or that of the model's name in the folder `GALAXYZOO_WEIGHTS`.

    Args:
        model: its config; with `allow_scratch` a failing download leaves the weights random.
        run: name for messages.
    Raises:
        InputError: the weights do not fit the network, the file is missing, or the download fails.
    """
    check_weights_file(model, run)
    paths = _candidate_files(model)
    for path in paths:
        if path.is_file():
            with advise("replace it"):
                _fill(backbone, load_weights(path), shown(path))
            mean, std = _normalization(backbone, model)
            return PretrainedWeights(path.name, mean, std)
    try:
        weights, start = _download(model)
    except Exception as error:  # noqa: BLE001 - the clients raise their own, their transport's, the system's
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:100]
        if not model.allow_scratch:
            missing = f", and {shown(paths[0])} is missing" if paths else ""
            raise InputError(
                f"{run}: could not download pretrained weights for '{model.name}' ({reason})"
                f"{missing}: set model.weights_file=FILE, or {WEIGHTS_FOLDER} to a folder with "
                f"MODEL{_FILE}, or start from random weights with model.allow_scratch=true"
            ) from None
        if not os.environ.get(_WARNED):
            os.environ[_WARNED] = "1"  # also for the processes that this one starts
            tqdm.write(
                f"Could not download pretrained weights (offline? {type(error).__name__}). {run} "
                "and later runs without them start from random weights and will score worse; see "
                "docs/kaggle_kernel.md."
            )
        return PretrainedWeights("scratch (no download)", model.mean, model.std)
    _fill(backbone, weights, model.name)
    return start


def check_weights_file(model: ModelConfig, run: str) -> None:
    """Refuse a missing `weights_file` where no other weights may take its place."""
    if model.pretrained or not model.loads_weights:
        return
    path = _candidate_files(model)[0]
    if not path.is_file():
        raise InputError(
            f"{run}: model.weights_file: {shown(path)} is missing: correct the path, or set "
            "model.pretrained=true to start from published weights"
        )


def fill_network(
    model: nn.Module, weights: dict[str, Tensor], source: str, with_head: bool = False
) -> None:
    """Load the backbone of another trained network, and the normalization that belongs to it.

    Args:
        weights: of another `GalaxyNet` with the same backbone.
        source: name for messages.
        with_head: load its head too.
    """
    if with_head:
        _fill(model, weights, source)
        return
    backbone = {name: tensor for name, tensor in weights.items() if not name.startswith(_HEAD)}
    _fill(model, backbone, source, may_lack=_HEAD)


def _candidate_files(model: ModelConfig) -> list[Path]:
    """List files that may hold the weights, the config's own first."""
    paths = []
    if model.weights_file:
        paths.append(CODE_ROOT / model.weights_file)
    folder = os.environ.get(WEIGHTS_FOLDER)
    if folder and not model.name.startswith(HUB):
        # Weights that torchvision and timm both have are kept once.
        paths.append(Path(folder) / f"{model.name.removeprefix(TORCHVISION)}{_FILE}")
    return paths


def _normalization(backbone: nn.Module, model: ModelConfig) -> tuple[Triple, Triple]:
    """Mean and std for weights from a file: the config's where set, else timm's for the model."""
    if (model.mean, model.std) != (IMAGENET_MEAN, IMAGENET_STD):
        return model.mean, model.std
    return _timms_normalization(backbone)


def _timms_normalization(network: nn.Module) -> tuple[Triple, Triple]:
    """Mean and std that timm has for a network: ImageNet's where it does not know that."""
    data = timm.data.resolve_model_data_config(network)
    return tuple(data["mean"]), tuple(data["std"])


def _download(model: ModelConfig) -> tuple[dict[str, Tensor], PretrainedWeights]:
    """Download weights: safetensors of the hub, or else a file whose name has its digest.

    The clients raise their own errors, their transport's and the system's.
    """
    if model.name.startswith(TORCHVISION):
        name = model.name.removeprefix(TORCHVISION)
        weights = torchvision.models.get_model_weights(name).DEFAULT
        values = weights.get_state_dict(
            progress=sys.stderr.isatty(), check_hash=True, weights_only=True
        )
        return values, PretrainedWeights(str(weights), IMAGENET_MEAN, IMAGENET_STD)
    _use_cache_if_offline()
    if not sys.stderr.isatty():
        huggingface_hub.utils.disable_progress_bars()
    # The hub checks no digest, so torch must not open a repository's pytorch_model.bin.
    overlay = {"hf_hub_filename": "model.safetensors"}
    timm.models.set_pretrained_check_hash()  # of files from elsewhere
    kwargs = {"pretrained_cfg_overlay": overlay, **model.kwargs}
    source = timm.create_model(model.name, pretrained=True, num_classes=0, **kwargs)
    mean, std = _timms_normalization(source)
    name = model.name
    if not name.startswith(HUB):
        name = f"timm {timm.models.get_pretrained_cfg_value(name, 'tag')}"
    return source.state_dict(), PretrainedWeights(name, mean, std)


def _use_cache_if_offline() -> None:
    """Set the hub's client offline if the hub does not answer, which saves a minute of retries."""
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return
    try:
        huggingface_hub.get_session().head(huggingface_hub.constants.ENDPOINT, timeout=5)
    except Exception:  # noqa: BLE001 - whatever the transport raises: no answer
        huggingface_hub.constants.HF_HUB_OFFLINE = True


def _fill(
    backbone: nn.Module, weights: dict[str, Tensor], source: str, may_lack: tuple[str, ...] = ()
) -> None:
    """Load weights; unused ones must be a head's, missing ones start with one of `may_lack`."""
    try:
        result = backbone.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise InputError(f"{source} does not fit the model: {reason}") from None
    missing = [name for name in result.missing_keys if not name.startswith(may_lack)]
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    unknown = [name for name in result.unexpected_keys if not name.startswith(_CLASSIFIERS)]
    if missing or unknown:
        raise InputError(
            f"{source} does not fit the model: missing {missing[:2]}, unknown {unknown[:2]}"
        )
