"""Plain stacks of layers by words, the head's hidden layers, and what freezing leaves to train."""

from typing import Any

import pytest
import torch

from galaxyzoo.config.schema import Config, HeadConfig, TrainConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.models.build import build_model
from galaxyzoo.models.heads import build_head
from galaxyzoo.models.losses import build_loss
from galaxyzoo.training.optim import build_optimizer
from support.small_models import small_config


def layers_config(*words: str, **head: Any) -> Config:
    model = {"name": "layers", "kwargs": {"layers": list(words)}}
    return small_config(task="zoo5", model=model, head={"hidden": [], **head})


@pytest.mark.parametrize(
    ("words", "features"),
    [
        ((), 3 * 32 * 32),
        (("conv4",), 4 * 32 * 32),
        (("conv4/2",), 4 * 16 * 16),
        (("conv4/3", "conv5/2"), 5 * 6 * 6),
        (("conv4", "norm", "pool", "conv6", "pool", "dropout0.2"), 6 * 8 * 8),
        (("pool", "norm"), 3 * 16 * 16),
        (("conv2/3", "pool"), 2 * 5 * 5),
        (("pool",) * 5, 3),
    ],
)
def test_layers_have_the_features_that_they_say(words: tuple[str, ...], features: int) -> None:
    model = build_model(layers_config(*words)).eval()
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    assert model.backbone(images.float()).shape == (2, features)
    assert model.backbone.num_features == features
    predictions = model(images)
    assert predictions.shape == (2, 5)
    assert torch.allclose(predictions.sum(dim=1), torch.ones(2))


def test_layers_are_those_of_the_words_in_order() -> None:
    model = build_model(layers_config("conv4/2", "norm", "pool", "dropout0.25", "conv8"))
    stack = list(model.backbone.layers)  # type: ignore[arg-type]
    names = [type(layer).__name__ for layer in stack]
    expected = ["Conv2d", "ReLU", "BatchNorm2d", "MaxPool2d", "Dropout", "Conv2d", "ReLU"]
    assert names == [*expected, "Flatten"]
    assert (stack[0].out_channels, stack[0].stride, stack[0].kernel_size) == (4, (2, 2), (3, 3))
    assert (stack[5].out_channels, stack[5].stride) == (8, (1, 1))
    assert stack[2].num_features == 4
    assert stack[4].p == 0.25


NO_LAYERS = """conv konv64 conv64.5 conv0 conv64/0 conv64/2/2 conv. norm2 norm/2 pool2 pool/2
    dropout dropout1.5 dropout0.2/2 dropout."""


@pytest.mark.parametrize("word", [*NO_LAYERS.split(), "", " conv8"])
def test_a_word_that_is_no_layer_is_named(word: str) -> None:
    with pytest.raises(InputError, match=r"model\.kwargs\.layers: ") as caught:
        build_model(layers_config("conv4", word))
    assert f"'{word}'" in str(caught.value)


def test_pools_too_many_and_other_keys_are_refused() -> None:
    with pytest.raises(InputError, match="too many pools"):
        build_model(layers_config(*["pool"] * 6))
    for kwargs in ({"layer": ["conv4"]}, {"size_px": 3}, {"layers": [4]}):
        with pytest.raises(InputError, match=r"model\.kwargs of 'layers'"):
            build_model(small_config(model={"name": "layers", "kwargs": kwargs}))
    with pytest.raises(InputError, match=r"model\.kwargs of 'cnn'"):
        build_model(small_config(model={"kwargs": {"width": [8]}}))


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_gradients_reach_every_layer_and_hidden_unit(activation: str) -> None:
    torch.manual_seed(0)
    config = layers_config("conv4", "norm", "pool", hidden=[12, 6], activation=activation)
    model = build_model(config)
    model(torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)).square().sum().backward()
    without = [n for n, p in model.named_parameters() if not p.grad.abs().sum() > 0]  # type: ignore[union-attr]
    assert without == []


@pytest.mark.parametrize(
    ("hidden", "sizes"),
    [(12, [(12, 16), (5, 12)]), ([12, 6], [(12, 16), (6, 12), (5, 6)]), ([], [(5, 16)])],
)
def test_a_head_has_the_hidden_layers_of_its_list(hidden: Any, sizes: list[Any]) -> None:
    head = build_head(HeadConfig(hidden=hidden, activation="tanh", input_dropout=0.5), 16, 5)
    linear = [m for m in head if isinstance(m, torch.nn.Linear)]
    assert [tuple(m.weight.shape) for m in linear] == sizes
    kinds = [type(m).__name__ for m in head]
    assert kinds == ["Dropout", *["Linear", "Tanh", "Dropout"] * (len(sizes) - 1), "Linear"]


def test_layers_overfit_one_batch_of_classes() -> None:
    torch.manual_seed(0)
    config = layers_config("conv8", "norm", "pool", "conv8", "pool", hidden=[16], activation="tanh")
    model = build_model(config)
    images = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    targets = torch.eye(5)[torch.arange(8) % 5]
    optimizer = build_optimizer(model, TrainConfig(lr=1e-2))
    losses = []
    for _ in range(60):
        loss = build_loss(config)(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


FREEZABLE = [
    "cnn",
    "d4cnn",
    "resnet18",
    "mobilenetv2_100",
    "torchvision/resnet18",
    "vit_tiny_patch16_224",
]


@pytest.mark.parametrize("name", FREEZABLE)
def test_freezing_leaves_what_was_asked_for(name: str) -> None:
    kwargs = {"img_size": 32} if name.startswith("vit") else {}
    model = build_model(small_config(model={"name": name, "kwargs": kwargs}), initialise=False)
    backbone = set(model.backbone.parameters())
    model.freeze(head_only=True)
    model.train()
    assert {p for p in model.parameters() if p.requires_grad} == set(model.head.parameters())
    norms = [m for m in model.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert not any(norm.training for norm in norms)
    model.freeze(head_only=False, top_blocks=2)
    trained = {p for p in backbone if p.requires_grad}
    assert trained
    assert trained < backbone
    last = [p for p in model.backbone.parameters() if p.requires_grad]
    assert last[-1] is list(model.backbone.parameters())[-1]
    assert not next(iter(model.backbone.parameters())).requires_grad
    model.freeze(head_only=False)
    model.train()
    assert all(p.requires_grad for p in model.parameters())
    assert all(norm.training for norm in norms)
