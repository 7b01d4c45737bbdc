"""Pretrained weights: from a file, from a hub that answers or not, and what does not fit."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from galaxyzoo.config.schema import Config
from galaxyzoo.core import manifest
from galaxyzoo.core.errors import InputError
from galaxyzoo.models.build import build_model
from support.refusals import one_line_refusal
from support.small_models import small_config

ZOOBOT = "hf_hub:mwalmsley/zoobot-encoder-resnet18"


def pretrained_config(name: str = "test_resnet", **model: Any) -> Config:
    return small_config(model={"name": name, "kwargs": {}, "pretrained": True, **model})


@cache
def resnet_weights(name: str = "test_resnet") -> dict[str, torch.Tensor]:
    """Of a ResNet without a classifier."""
    model = build_model(pretrained_config(name), initialize=False)
    return dict(model.backbone.state_dict())


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of weights."""
    monkeypatch.setenv("GALAXYZOO_WEIGHTS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("pretrained", [True, False])
def test_weights_file_fills_the_backbone(tmp_path, pretrained):
    weights = {n: t for n, t in resnet_weights().items() if not n.endswith("num_batches_tracked")}
    path = tmp_path / "weights.safetensors"
    save_file({**weights, "fc.weight": torch.zeros(10, 96), "fc.bias": torch.zeros(10)}, path)
    model = build_model(pretrained_config(weights_file=str(path), pretrained=pretrained))
    assert model.start.provenance == "weights.safetensors"
    filled = model.backbone.state_dict()
    assert all(torch.equal(filled[name], tensor) for name, tensor in weights.items())


@pytest.mark.parametrize("name", ["resnet18", "torchvision/resnet18"])
def test_the_folder_of_weights_has_the_file_of_the_models_name(folder, name):
    drawn = resnet_weights("resnet18")
    weights = {key: torch.zeros_like(tensor) for key, tensor in drawn.items()}
    save_file(weights, folder / "resnet18.imagenet.safetensors")
    model = build_model(pretrained_config(name))
    assert model.start.provenance == "resnet18.imagenet.safetensors"
    assert not any(parameter.any() for parameter in model.backbone.parameters())
    save_file(weights, folder / "own.safetensors")
    own = build_model(pretrained_config(name, weights_file=str(folder / "own.safetensors")))
    assert own.start.provenance == "own.safetensors"


@pytest.mark.parametrize("name", ["weights.safetensors", "test_vit.imagenet.safetensors"])
def test_weights_from_a_file_are_normalized_as_timm_says_or_the_config(folder, name):
    """Half and half for this network, whose file does not say so, instead of ImageNet's."""
    save_file(timm.create_model("test_vit", num_classes=0).state_dict(), folder / name)
    settings = {"name": "test_vit", "weights_file": str(folder / "weights.safetensors")}
    start = build_model(pretrained_config(**settings)).start
    assert (start.mean, start.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    start = build_model(pretrained_config(**settings, mean=(0.1, 0.2, 0.3))).start
    assert (start.mean, start.std) == ((0.1, 0.2, 0.3), (0.229, 0.224, 0.225))


def test_a_missing_file_is_refused_where_no_pretrained_weights_are_asked_for(folder):
    """Neither random weights nor those of the model's name take its place."""
    save_file(resnet_weights(), folder / "test_resnet.imagenet.safetensors")
    config = pretrained_config(weights_file="no/such.safetensors", pretrained=False)
    message = one_line_refusal(build_model, config)
    assert "model.weights_file: no/such.safetensors is missing" in message
    build_model(config, initialize=False)  # as a trained network is
    bundled = pretrained_config(weights_file="bundled", pretrained=False)
    assert build_model(bundled).start.provenance == "scratch"  # filled later, fold by fold


@pytest.mark.parametrize("damage", ["missing", "extra", "shape", "bytes"])
def test_weights_that_do_not_fit_are_refused(tmp_path, damage):
    weights = dict(resnet_weights())
    path = tmp_path / "broken.safetensors"
    if damage == "missing":
        del weights["layer1.0.conv1.weight"]
    elif damage == "extra":
        weights["layer9.weight"] = torch.zeros(1)
    elif damage == "shape":
        weights["conv1.0.weight"] = torch.zeros(64, 1, 7, 7)
    save_file(weights, path)
    if damage == "bytes":
        path.write_bytes(path.read_bytes()[:1000])
    assert path.name in one_line_refusal(build_model, pretrained_config(weights_file=str(path)))


def test_a_failing_download_goes_on_from_scratch_only_where_allowed(monkeypatch, offline, capsys):
    """With one warning, however many networks are built, that names no path."""
    monkeypatch.setenv("GALAXYZOO_WARNED_OF_SCRATCH", "")
    create = timm.create_model

    def fail(name: str, pretrained: bool = False, **kwargs: Any) -> torch.nn.Module:
        if pretrained:
            raise OSError("no route to host")
        return create(name, **kwargs)

    monkeypatch.setattr(timm, "create_model", fail)
    missing = "no/such.safetensors"
    message = one_line_refusal(build_model, pretrained_config(weights_file=missing))
    assert "no/such.safetensors is missing" in message
    for _ in range(2):
        allowed = build_model(pretrained_config(weights_file=missing, allow_scratch=True))
        assert allowed.start.provenance.startswith("scratch")
    [warning] = capsys.readouterr().out.splitlines()
    assert "Could not download pretrained weights (offline? OSError). gz37/small" in warning
    assert "no/such" not in warning


def test_a_repository_of_the_hub_is_built_offline_and_filled_from_there(monkeypatch, offline):
    weights = timm.create_model("resnet18", num_classes=0)
    original = timm.create_model
    asked = []

    def create(name: str, pretrained: bool = False, **kwargs: Any) -> torch.nn.Module:
        asked.append((name, pretrained))
        return weights if pretrained else original(name, **kwargs)

    monkeypatch.setattr(timm, "create_model", create)
    build_model(pretrained_config(ZOOBOT), initialize=False)
    assert asked == [("resnet18", False)]
    model = build_model(pretrained_config(ZOOBOT))
    assert asked[1:] == [("resnet18", False), (ZOOBOT, True)]
    assert model.start.provenance == ZOOBOT
    for name, tensor in model.backbone.state_dict().items():
        assert torch.equal(tensor, weights.state_dict()[name])


def put_into_hub_cache(folder: Path) -> Path:
    """A repository as the hub's client keeps it, without weights; returns its folder."""
    repository = folder / "models--a--b-test_resnet"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    config = {"architecture": "test_resnet", "num_classes": 0, "pretrained_cfg": {}}
    (snapshot / "config.json").write_text(json.dumps(config))
    return snapshot


def test_a_repository_of_the_hub_has_to_have_safetensors(tmp_path, monkeypatch, offline):
    """Its digest is not checked, and its owner may be anyone: torch opens no other file."""
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("torch opened it"))
    name = "hf_hub:a/b-test_resnet"
    config = pretrained_config(name, kwargs={"cache_dir": str(tmp_path)})
    snapshot = put_into_hub_cache(tmp_path)
    torch.save(resnet_weights(), snapshot / "pytorch_model.bin")
    message = one_line_refusal(build_model, config)
    assert f"could not download pretrained weights for '{name}'" in message
    save_file(resnet_weights(), snapshot / "model.safetensors")
    filled = build_model(config).backbone.state_dict()
    assert all(torch.equal(filled[key], tensor) for key, tensor in resnet_weights().items())


def test_a_download_of_timms_with_another_digest_is_refused(tmp_path, monkeypatch, offline):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    path = tmp_path / "test_resnet-00000000.pth"
    torch.save(resnet_weights(), path)
    overlay = {"url": path.as_uri(), "hf_hub_id": ""}
    config = pretrained_config(kwargs={"pretrained_cfg_overlay": overlay})
    assert "invalid hash value" in one_line_refusal(build_model, config)
    named = path.with_name(f"test_resnet-{manifest.digest_file(path)[:8]}.pth")
    path.rename(named)
    overlay["url"] = named.as_uri()
    assert build_model(config).start.provenance.startswith("timm ")


def test_a_download_of_torchvisions_with_another_digest_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    path = tmp_path / "resnet18-00000000.pth"
    path.write_bytes(b"of someone else")
    weights = torchvision.models.ResNet18_Weights.DEFAULT.value
    monkeypatch.setattr(weights, "url", path.as_uri())
    message = one_line_refusal(build_model, pretrained_config("torchvision/resnet18"))
    assert "invalid hash value" in message


def test_a_hub_that_does_not_answer_is_one_line(monkeypatch):
    """The client is switched offline after one question, instead of trying for a minute."""

    def fail() -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "get_session", fail)
    message = one_line_refusal(build_model, pretrained_config(ZOOBOT))
    assert f"could not download pretrained weights for '{ZOOBOT}'" in message
    assert "weights_file" in message
    assert huggingface_hub.constants.HF_HUB_OFFLINE


@pytest.mark.parametrize("name", ["hf_hub:mwalmsley/zoobot", "hf_hub:", "hf_hub:a/resnet18-zoobot"])
def test_a_repository_whose_name_ends_in_no_timm_model_is_refused(name):
    with pytest.raises(InputError, match=r"model\.name 'hf_hub:.*must end in a timm model name"):
        build_model(pretrained_config(name), initialize=False)
