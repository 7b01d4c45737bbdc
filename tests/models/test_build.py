"""Networks by name: every config builds, gradients reach all, layers, freezing, normalization."""

from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from galaxyzoo.config.loading import all_runs, load_config
from galaxyzoo.config.schema import Config, TrainConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.models.build import OWN_MODELS, GalaxyNet, build_model, load_network, start_backbone
from galaxyzoo.models.heads import build_output
from galaxyzoo.models.losses import Loss
from galaxyzoo.models.weights import save_weights
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training.optim import build_optimizer
from support.refusals import one_line_refusal
from support.small_models import small_config


def overfit(
    model: nn.Module, targets: Tensor, train: TrainConfig, steps: int, loss: Loss = mse_loss
) -> float:
    """Train a network on one batch of random 32 px images; the last loss over the first."""
    images = torch.randint(0, 256, (len(targets), 3, 32, 32), dtype=torch.uint8)
    optimizer = build_optimizer(model, train)
    losses = []
    for _ in range(steps):
        value = loss(model(images), targets)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses[-1] / losses[0]


def without_gradient(model: nn.Module) -> list[str]:
    """Names of the parameters that no gradient of a forward pass on random images reaches."""
    for name, parameter in model.named_parameters():
        # timm starts residual branches at zero, which lets nothing through.
        if name.startswith("backbone.") and not parameter.any():
            nn.init.constant_(parameter, 0.5)
    model(torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)).square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    return [n for n, some in gradients.items() if some is None or not some.abs().sum() > 0]


NETWORKS = [*OWN_MODELS, "resnet18", "mobilenetv2_100", "torchvision/resnet18"]
NO_LAYERS = """conv konv64 conv64.5 conv0 conv64/0 conv64/2/2 conv. norm2 norm/2 pool2 pool/2
    dropout dropout1.5 dropout0.2/2 dropout."""


def layers_config(*layers: str, **head: Any) -> Config:
    model = {"name": "layers", "kwargs": {"layers": list(layers)}}
    return small_config(task="zoo5", model=model, head={"hidden": [], **head})


def runs_by_network() -> dict[str, list[str]]:
    """The runs that share a network, those of small images first."""
    shared: dict[str, list[str]] = {}
    for run in sorted(all_runs(), key=lambda run: load_config(run).image.size_px):
        model = load_config(run).model
        shared.setdefault(f"{model.name} {model.kwargs}", []).append(run)
    return shared


@pytest.mark.parametrize("runs", [pytest.param(r, id=r[0]) for r in runs_by_network().values()])
def test_every_config_builds_and_predicts(runs, monkeypatch):
    """A backbone that runs share is built and used for the smallest of their images."""
    config = load_config(runs[0])
    # Weights of the networks of packages take seconds to draw, so only the shapes are computed.
    device = "cpu" if config.model.name in OWN_MODELS else "meta"
    with torch.device(device), torch.inference_mode():
        built = start_backbone(config.model, config.image.size_px, runs[0], initialize=False)
        images = torch.zeros(1, 3, *[config.image.size_px] * 2, dtype=torch.uint8)
        features = GalaxyNet(config, *built).eval().features(images)
        monkeypatch.setattr(GalaxyNet, "features", lambda *_: features)
        for run in runs:
            config = load_config(run)
            if device == "cpu":  # which need not take every size
                build_model(config, initialize=False)
            predictions = GalaxyNet(config, *built).eval()(images)
            assert predictions.shape == (1, len(get_task(config.task).columns))
            assert predictions.dtype == torch.float32
            if device == "cpu":
                assert torch.isfinite(predictions).all()


def test_weights_of_another_network_are_one_line(tmp_path):
    save_weights(tmp_path / "w.safetensors", build_model(small_config()).state_dict())
    other = small_config(model={"kwargs": {"widths": [8, 24]}})
    message = one_line_refusal(load_network, other, tmp_path / "w.safetensors")
    assert "w.safetensors does not match its config" in message


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet18x", "did you mean resnet18 "),
        ("resnet18x.a1_in1k", "did you mean resnet18 "),
        ("d4cn", "did you mean d4cnn?"),
        ("torchvision/resnet81", "did you mean torchvision/resnet18 "),
        ("-", "choose ours (cnn, "),
        ("torchvision/-", "torchvision has no such classifier"),
    ],
)
def test_an_unknown_model_is_named_with_its_run_and_near_ones(name, hint):
    config = small_config(model={"name": name, "kwargs": {}})
    message = one_line_refusal(build_model, config)
    assert message.startswith(f"gz37/small: model.name: unknown model '{name}': {hint}")


# A layer behind the pooling, attention for one size of images, no linear layer
ODD_NETWORKS = ["mobilenetv3_small_050", "efficientvit_b0", "vit_tiny_patch16_224", "levit_128s"]
TORCHVISIONS = ("vit_b_32", "squeezenet1_1", "inception_v3")
LARGE = ("torchvision/vit_b_32",)  # of whose 86 million weights only the shapes are computed
ODD_NETWORKS += [f"torchvision/{name}" for name in TORCHVISIONS]


@pytest.mark.parametrize("name", ODD_NETWORKS)
def test_networks_of_every_kind_train_at_a_size_that_is_not_their_own(name):
    config = small_config(model={"name": name, "kwargs": {}}, image={"size_px": 96})
    with torch.device("meta" if name in LARGE else "cpu"):
        model = build_model(config, initialize=False)
        images = torch.zeros(2, 3, 96, 96, dtype=torch.uint8)
        predictions = model.train()(images)
        assert predictions.shape == (2, 37)
        predictions.square().sum().backward()
        assert [n for n, parameter in model.named_parameters() if parameter.grad is None] == []
        with torch.inference_mode():
            columns = model.eval().features(images).shape[1]
            assert model(images).shape == (2, 37)
    linear = next(module for module in model.head.modules() if isinstance(module, nn.Linear))
    assert columns == linear.in_features


@pytest.mark.parametrize(
    ("name", "kwargs", "named"),
    [
        ("test_resnet", {"drop_rat": 0.1}, "drop_rat"),
        ("test_resnet", {"in_chans": 1}, "to have 1 channels"),
        ("vit_tiny_patch16_224", {"img_size": 64}, "image.size_px=32"),
        ("torchvision/maxvit_t", {}, "image.size_px=32"),
        ("cnn", {"widths": []}, "out of range"),
        ("cnn", {"widths": [-8]}, "widths"),
        ("cnn", {"width": [8]}, "'width'"),
        ("d4cnn", {"widths": [0]}, "widths"),
        ("layers", {"layers": [4]}, "[4]"),
        ("layers", {"size_px": 3}, "'size_px'"),
    ],
)
def test_what_a_network_does_not_take_is_one_line(name, kwargs, named):
    config = small_config(model={"name": name, "kwargs": kwargs})
    message = one_line_refusal(build_model, config, initialize=False)
    assert name in message
    assert "model.kwargs" in message
    assert named in message


def test_counting_features_changes_neither_the_network_nor_later_draws():
    kwargs: dict[str, Any] = {"drop_rate": 0.5}
    model = small_config(model={"name": "test_resnet", "kwargs": kwargs}).model
    torch.manual_seed(0)
    ours = start_backbone(model, 32, "test")[0].state_dict()
    draw = torch.rand(1)
    torch.manual_seed(0)
    theirs = timm.create_model("test_resnet", num_classes=0, **kwargs).state_dict()
    assert torch.equal(draw, torch.rand(1))
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


@pytest.mark.parametrize(
    ("name", "output"),
    [*((name, "tree") for name in NETWORKS), ("cnn", "plain"), ("cnn", "sigmoid")],
)
def test_gradients_reach_every_parameter(name, output):
    config = small_config(model={"name": name, "kwargs": {}}, head={"output": output})
    assert without_gradient(build_model(config, initialize=False)) == []


@pytest.mark.parametrize(
    ("model", "limit"),
    [({}, 0.02), ({"name": "d4cnn", "kwargs": {"widths": [2, 4], "features": 8}}, 0.05)],
    ids=["cnn", "d4cnn"],
)
def test_a_network_overfits_one_batch_of_votes(model, limit):
    torch.manual_seed(0)
    network = build_model(small_config(model=model), initialize=False)
    targets = build_output("tree", get_task("gz37"))(3 * torch.randn(8, 37))
    assert overfit(network, targets, TrainConfig(lr=4e-3, weight_decay=0.0), steps=75) < limit


def test_normalization_is_part_of_the_network():
    model = build_model(small_config()).eval()
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(torch.full((1, 3, 32, 32), 255, dtype=torch.uint8))
    expected = (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    assert torch.allclose(seen[0][0, :, 0, 0], expected)


@pytest.mark.parametrize(
    ("layers", "features"),
    [
        ((), 3 * 32 * 32),
        (("conv4",), 4 * 32 * 32),
        (("conv4/3", "conv5/2"), 5 * 6 * 6),
        (("conv4", "norm", "pool", "conv6", "pool", "dropout0.2"), 6 * 8 * 8),
        (("pool",) * 5, 3),
    ],
)
def test_layers_have_the_features_that_they_declare(layers, features):
    model = build_model(layers_config(*layers)).eval()
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    assert model.backbone(images.float()).shape == (2, features)
    assert model.backbone.num_features == features
    predictions = model(images)
    assert predictions.shape == (2, 5)
    assert torch.allclose(predictions.sum(dim=1), torch.ones(2))


@pytest.mark.parametrize("layer", [*NO_LAYERS.split(), "", " conv8"])
def test_an_unknown_layer_is_named(layer):
    with pytest.raises(InputError, match=r"model\.kwargs\.layers: ") as caught:
        build_model(layers_config("conv4", layer))
    assert f"'{layer}'" in str(caught.value)


def test_an_image_too_small_for_the_cnn_is_refused():
    cnn = {"model": {"name": "cnn", "kwargs": {"widths": [2, 2, 2, 2]}}}
    with pytest.raises(InputError, match=r"image\.size_px: cnn needs images of at least 31 px"):
        build_model(small_config(**cnn, image={"size_px": 30}))
    model = build_model(small_config(**cnn, image={"size_px": 31}))
    assert model(torch.zeros(2, 3, 31, 31)).shape == (2, 37)


def test_too_many_pools_are_refused():
    with pytest.raises(InputError, match="too many pooling layers"):
        build_model(layers_config(*["pool"] * 6))


@pytest.mark.parametrize("name", [*NETWORKS, "vit_tiny_patch16_224"])
def test_a_frozen_backbone_leaves_the_head_to_train(name):
    kwargs = {"img_size": 32} if name.startswith("vit") else {}
    model = {"name": name, "kwargs": kwargs}
    frozen_config = small_config(model=model, train={"freeze": "backbone"})
    frozen = build_model(frozen_config, initialize=False).train()
    free = build_model(small_config(model=model), initialize=False).train()
    assert {p for p in frozen.parameters() if p.requires_grad} == set(frozen.head.parameters())
    assert all(p.requires_grad for p in free.parameters())
    for network, moving in ((frozen, False), (free, True)):
        for layer in network.backbone.modules():
            if isinstance(layer, nn.BatchNorm2d):
                assert layer.training is moving
