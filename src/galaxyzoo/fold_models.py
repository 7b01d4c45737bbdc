"""The network of a trained fold."""

from pathlib import Path

from galaxyzoo.checkpoints import load_weights
from galaxyzoo.config import Config
from galaxyzoo.devices import get_device, place
from galaxyzoo.errors import InputError
from galaxyzoo.models import GalaxyNet, build_model
from galaxyzoo.paths import shown

WEIGHTS = "weights.safetensors"


def load_fold_model(config: Config, folder: Path) -> GalaxyNet:
    """The trained network of a fold, on the device, in eval mode.

    Raises:
        InputError: its weights are missing, damaged or of another network.
    """
    model, path = build_model(config, initialise=False), folder / WEIGHTS
    try:
        model.load_state_dict(load_weights(path))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{shown(path)} does not fit its config: {reason}") from None
    return place(model, get_device()).eval()
