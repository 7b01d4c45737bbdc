"""Write the mean of a run's networks as one ONNX file, for use without PyTorch."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.geometry import DIHEDRAL, dihedral_view
from galaxyzoo.models.build import GalaxyNet

TOLERANCE = 1e-4  # how far predictions of the file may be from those of the networks
OLDEST_RUNTIME = "1.18"  # the first onnxruntime that reads IR 10, which PyTorch writes, and this:
_OPSET = 20
INPUT, OUTPUT = "images", "predictions"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")  # of `scripts/setup.sh --extras`
# ONNX files hold 2 GB at most; larger weights lie in a file beside it.
_MAX_BYTES = 1_900_000_000


class MeanNetwork(nn.Module):
    """The mean of networks over an image, or over its eight dihedral views."""

    def __init__(self, networks: Sequence[GalaxyNet], dihedral: bool) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.n_views = DIHEDRAL if dihedral else 1

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) images, values 0 to 255 -> (B, column) float32."""
        views = torch.cat([dihedral_view(images, number) for number in range(self.n_views)])
        total = sum(network(views) for network in self.networks) / len(self.networks)
        return total.unflatten(0, (self.n_views, images.shape[0])).mean(dim=0)


def write_onnx(path: Path, networks: Sequence[GalaxyNet], size_px: int, dihedral: bool) -> float:
    """Write the mean of networks as ONNX, and compare the two on noise.

    Input `images`: (B, 3, size_px, size_px) uint8, RGB, B free. Output `predictions`: (B, column)
    float32. The arithmetic is fp32, whatever the run's own precision is.

    Args:
        path: the file; weights of more than 1.9 GB go to a second one beside it.
        networks: of one run; moved to the processor and put into eval mode here.
        size_px: side of their input.
        dihedral: whether the file averages over the eight symmetries of the square.
    Returns:
        The largest difference between predictions of the file and of the networks.
    Raises:
        InputError: torch cannot export the network, or the two differ by more than `TOLERANCE`.
    """
    mean = MeanNetwork(networks, dihedral).cpu().eval()
    noise = torch.randint(0, 256, (3, 3, size_px, size_px), generator=torch.Generator())
    images = noise.to(torch.uint8)
    weight_bytes = sum(value.numel() * value.element_size() for value in mean.state_dict().values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about future versions of torch
        try:
            torch.onnx.export(
                mean,
                (images[:2],),
                path,
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=_OPSET,
                dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
                external_data=weight_bytes > _MAX_BYTES,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            text = str(error.__cause__ or error).strip() or "no reason given"
            reason = text.splitlines()[0]
            raise InputError(
                f"this network cannot be exported to ONNX ({reason}): add --no-onnx"
            ) from None
    _remove_traces(path)
    with torch.inference_mode():
        expected = mean(images).numpy()
    predictions = run_onnx(path, images.numpy())
    difference = float(np.abs(predictions - expected).max())
    if not difference <= TOLERANCE:
        raise InputError(
            f"predictions of the ONNX file differ from the networks' by {difference:.1e}, more "
            f"than {TOLERANCE:.0e}: add --no-onnx"
        )
    return difference


def _remove_traces(path: Path) -> None:
    """Remove the source locations that torch adds to each operation: they hold local paths."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    graph = model.graph
    entries: list[Any] = list(graph.initializer)
    entries += graph.input
    entries += graph.output
    for operations in (graph, *model.functions):
        entries.append(operations)
        entries += operations.node
        entries += operations.value_info
    for entry in entries:
        del entry.metadata_props[:]
    onnx.save(model, path)


def run_onnx(path: Path, images: np.ndarray) -> np.ndarray:
    """(B, 3, H, W) uint8 images -> (B, column) predictions of an ONNX file, on the processor."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run([OUTPUT], {INPUT: images})[0]
