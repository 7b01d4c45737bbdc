"""Compute with our exported network and weights in other people's runtimes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from our_files import RUN, run_command
from table_readers import installed

from galaxyzoo.extras.export.onnx import INPUT, MeanNetwork
from galaxyzoo.inference.predict import RunNetworks

Predict = Callable[[np.ndarray], np.ndarray]
_BACKBONE = "backbone."  # begins the keys of the layers below the head
_BATCHES = 1, 5  # images


class Exported:
    """A run's export, and its networks in PyTorch."""

    def __init__(self, folder: Path) -> None:
        run_command("export.py", RUN, "--output", folder)
        self.onnx = folder / "model.onnx"
        self.weights = folder / "fold_0" / "weights.safetensors"
        run = RunNetworks.load_exported(folder)
        self.config = run.config
        self.networks = list(run.models.values())
        self.mean = MeanNetwork(self.networks, run.config.tta.dihedral).eval()

    def largest_difference(self, predict: Predict, expect: Predict) -> float:
        """Largest difference between two functions of (B, 3, H, W) uint8 noise."""
        size_px = self.config.image.size_px
        largest = 0.0
        for count in _BATCHES:
            images = np.random.default_rng(0).integers(0, 256, (count, 3, size_px, size_px))
            images = images.astype(np.uint8)
            largest = max(largest, float(np.abs(predict(images) - expect(images)).max()))
        return largest

    def predict(self, images: np.ndarray) -> np.ndarray:
        """(B, column) predictions by PyTorch in float32."""
        with torch.inference_mode():
            return self.mean(torch.from_numpy(images)).numpy()


def compare_onnxruntime(exported: Exported) -> float:
    """Difference of onnxruntime's predictions."""
    import onnxruntime

    session = onnxruntime.InferenceSession(exported.onnx, providers=["CPUExecutionProvider"])
    return exported.largest_difference(
        lambda images: session.run(None, {INPUT: images})[0], exported.predict
    )


def compare_openvino(exported: Exported, precision: str | None = None) -> float:
    """Difference of OpenVINO's predictions on the CPU; precision: default OpenVINO's choice."""
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": precision} if precision else {}
    compiled = openvino.Core().compile_model(exported.onnx, "CPU", settings)
    return exported.largest_difference(lambda images: compiled(images)[0], exported.predict)


def compare_exact_openvino(exported: Exported) -> float:
    """Difference of OpenVINO's predictions in float32."""
    return compare_openvino(exported, "f32")


def compare_timm(exported: Exported) -> float:
    """Difference of the features that timm's own network computes with our weights."""
    import timm
    from safetensors.torch import load_file

    weights = load_file(exported.weights)
    backbone = {}
    for name, value in weights.items():
        if name.startswith(_BACKBONE):
            backbone[name.removeprefix(_BACKBONE)] = value
    network = timm.create_model(exported.config.model.name, num_classes=0).eval()
    network.load_state_dict(backbone)
    ours = exported.networks[0].eval()

    def features(images: np.ndarray) -> np.ndarray:
        normalized = (torch.from_numpy(images).float() - weights["mean"]) / weights["std"]
        with torch.inference_mode():
            return network(normalized).numpy()

    def expected(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return ours.features(torch.from_numpy(images)).numpy()

    return exported.largest_difference(features, expected)


NETWORK_READERS = (
    ("onnxruntime", "`model.onnx`", compare_onnxruntime),
    ("openvino", "`model.onnx`", compare_openvino),
    ("openvino", "`model.onnx`, `INFERENCE_PRECISION_HINT: f32`", compare_exact_openvino),
    ("timm", "`weights.safetensors`, keys without `backbone.`", compare_timm),
)


def describe_networks(root: Path) -> list[str]:
    """A table of runtimes: the largest difference between their numbers and PyTorch's."""
    if not installed("onnxscript"):
        return ["onnxscript is not installed, so that no run was exported"]
    exported = Exported(root / "exported")
    lines = ["|Runtime|File|Largest difference|", "|---|---|---:|"]
    for package, title, compare in NETWORK_READERS:
        number = installed(package)
        result = f"{compare(exported):.0e}" if number else "not installed"
        lines.append(f"|{package} {number or ''}|{title}|{result}|")
    return lines
