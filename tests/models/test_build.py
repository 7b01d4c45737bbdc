"""Networks and outputs: shapes, gradients everywhere, the tree obeyed, weights loaded."""

from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from galaxyzoo.config.loading import all_runs, load_config, load_ensemble
from galaxyzoo.core.errors import InputError
from galaxyzoo.models import pretrained
from galaxyzoo.models.build import build_model
from galaxyzoo.models.heads import TreeOutput
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training.optim import build_optimizer
from support.small_models import constrain_slowly, small_config


@pytest.mark.parametrize("run", all_runs())
def test_every_config_builds_and_predicts(run: str) -> None:
    config = load_config(run)
    model = build_model(config, initialise=False).eval()
    images = torch.randint(
        0, 256, (2, 3, config.image.size_px, config.image.size_px), dtype=torch.uint8
    )
    with torch.inference_mode():
        predictions = model(images)
    assert predictions.shape == (2, len(get_task(config.task).columns))
    assert predictions.dtype == torch.float32
    assert torch.isfinite(predictions).all()
    if config.head.output == "tree":
        assert GALAXY_ZOO_2.residuals(predictions.numpy()).max() < 1e-6


def test_every_run_of_the_default_ensemble_has_a_config() -> None:
    assert set(load_ensemble("cpu")) <= set(all_runs())


NETWORKS = ["cnn", "d4cnn", "resnet18", "mobilenetv2_100", "torchvision/resnet18"]


@pytest.mark.parametrize("output", ["plain", "clipped", "sigmoid", "tree", "divided"])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_reach_every_parameter(name: str, output: str) -> None:
    config = small_config(model={"name": name, "kwargs": {}}, head={"output": output})
    model = build_model(config, initialise=False)
    for parameter in model.backbone.parameters():
        if not parameter.any():  # timm starts residual branches at zero, which lets nothing through
            torch.nn.init.constant_(parameter, 0.5)
    model(torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)).square().sum().backward()
    without = [
        n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert without == []


def test_the_network_overfits_one_batch() -> None:
    torch.manual_seed(0)
    config = small_config(train={"lr": 3e-3, "weight_decay": 0.0})
    model = build_model(config, initialise=False)
    images = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    targets = TreeOutput(GALAXY_ZOO_2)(3 * torch.randn(8, 37))
    optimizer = build_optimizer(model, config.train)
    losses = []
    for _ in range(150):
        loss = torch.nn.functional.mse_loss(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.02 * losses[0]


def test_tree_output_equals_the_slow_one_and_obeys_the_tree() -> None:
    logits = 4 * torch.randn(
        50, 37, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    votes = TreeOutput(GALAXY_ZOO_2)(logits).numpy()
    assert np.allclose(votes, [constrain_slowly(row) for row in logits.numpy()], rtol=0, atol=1e-12)
    assert GALAXY_ZOO_2.residuals(votes).max() < 1e-12


def test_sigmoid_and_plain_outputs_are_what_they_say() -> None:
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    plain, sigmoid = (small_config(head={"output": kind}) for kind in ("plain", "sigmoid"))
    torch.manual_seed(0)
    first = build_model(plain).eval()(images)
    torch.manual_seed(0)
    assert torch.allclose(build_model(sigmoid).eval()(images), torch.sigmoid(first))


def test_weights_file_fills_the_backbone(tmp_path: Path) -> None:
    source = build_model(
        small_config(model={"name": "resnet18", "kwargs": {}}), initialise=False
    ).backbone
    weights = {
        n: t for n, t in source.state_dict().items() if not n.endswith("num_batches_tracked")
    }
    path = tmp_path / "weights.safetensors"
    save_file({**weights, "fc.weight": torch.zeros(10, 512), "fc.bias": torch.zeros(10)}, path)
    config = small_config(
        model={"name": "resnet18", "kwargs": {}, "pretrained": True, "weights_file": str(path)}
    )
    model = build_model(config)
    assert model.start.origin == "weights.safetensors"
    assert all(
        torch.equal(tensor, weights[name])
        for name, tensor in model.backbone.state_dict().items()
        if name in weights
    )


@pytest.mark.parametrize("damage", ["missing", "extra", "shape", "bytes"])
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, damage: str) -> None:
    weights = dict(
        build_model(
            small_config(model={"name": "resnet18", "kwargs": {}}), initialise=False
        ).backbone.state_dict()
    )
    if damage == "missing":
        del weights["layer1.0.conv1.weight"]
    elif damage == "extra":
        weights["layer9.weight"] = torch.zeros(1)
    elif damage == "shape":
        weights["conv1.weight"] = torch.zeros(64, 1, 7, 7)
    path = tmp_path / "broken.safetensors"
    save_file(weights, path)
    if damage == "bytes":
        path.write_bytes(path.read_bytes()[:1000])
    config = small_config(
        model={"name": "resnet18", "kwargs": {}, "pretrained": True, "weights_file": str(path)}
    )
    with pytest.raises(InputError, match=r"broken\.safetensors"):
        build_model(config)


def test_a_failing_download_goes_on_from_scratch_only_where_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create = timm.create_model

    def offline(name: str, pretrained: bool = False, **kwargs: Any) -> torch.nn.Module:
        if pretrained:
            raise OSError("no route to host")
        return create(name, **kwargs)

    monkeypatch.setattr(timm, "create_model", offline)
    monkeypatch.setattr(pretrained, "_prefer_cache_when_offline", lambda: None)
    settings = {
        "name": "resnet18",
        "kwargs": {},
        "pretrained": True,
        "weights_file": "no/such.safetensors",
    }
    with pytest.raises(InputError, match=r"weights_file"):
        build_model(small_config(model=settings))
    allowed = build_model(small_config(model={**settings, "allow_scratch": True}))
    assert allowed.start.origin.startswith("scratch")


ZOOBOT = "hf_hub:mwalmsley/zoobot-encoder-resnet18"


def test_a_repository_of_the_hub_is_built_without_the_network_and_filled_from_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = timm.create_model("resnet18", num_classes=0)
    original, asked = timm.create_model, []

    def create(name: str, pretrained: bool = False, **kwargs: Any) -> torch.nn.Module:
        asked.append((name, pretrained))
        return weights if pretrained else original(name, **kwargs)

    monkeypatch.setattr(timm, "create_model", create)
    monkeypatch.setattr(pretrained, "_prefer_cache_when_offline", lambda: None)
    config = small_config(model={"name": ZOOBOT, "kwargs": {}, "pretrained": True})
    build_model(config, initialise=False)
    assert asked == [("resnet18", False)]
    model = build_model(config)
    assert asked[1:] == [("resnet18", False), (ZOOBOT, True)]
    assert model.start.origin == ZOOBOT
    for name, tensor in model.backbone.state_dict().items():
        assert torch.equal(tensor, weights.state_dict()[name])


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "_prefer_cache_when_offline", lambda: None)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    config = small_config(model={"name": ZOOBOT, "kwargs": {}, "pretrained": True})
    with pytest.raises(InputError, match=f"weights of '{ZOOBOT}' cannot be downloaded") as caught:
        build_model(config)
    assert "\n" not in str(caught.value)
    assert "weights_file" in str(caught.value)


@pytest.mark.parametrize("name", ["hf_hub:mwalmsley/zoobot", "hf_hub:", "hf_hub:a/resnet18-zoobot"])
def test_a_repository_whose_network_its_name_does_not_say_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"model\.name 'hf_hub:.*must end in a timm model's"):
        build_model(small_config(model={"name": name, "kwargs": {}}), initialise=False)


@pytest.mark.parametrize("name", ["resnet81", "torchvision/resnet81"])
def test_unknown_model_is_named(name: str) -> None:
    with pytest.raises(InputError, match=name):
        build_model(small_config(model={"name": name, "kwargs": {}}))


def test_normalisation_is_part_of_the_network() -> None:
    model = build_model(small_config()).eval()
    images = torch.full((1, 3, 32, 32), 255, dtype=torch.uint8)
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(images)
    expected = (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    assert torch.allclose(seen[0][0, :, 0, 0], expected)
