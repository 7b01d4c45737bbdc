"""SimSiam and BYOL: losses by hand, where gradients stop, how the target moves, what is kept."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from galaxyzoo.models.build import build_model, start_backbone
from galaxyzoo.models.pretrained import PretrainedWeights, fill_network
from galaxyzoo.training.self_supervision import SelfSupervised, alikeness, spread, target_momentum
from support.pretraining_fixtures import METHODS, pretrain_config
from support.small_models import small_config


def build(method: str, **sections: Any) -> SelfSupervised:
    torch.manual_seed(0)
    config = pretrain_config(method=method, **sections)
    return SelfSupervised(config, *start_backbone(config.model, 32, config.run))


def draw_views(count: int = 6) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 256, (2, count, 3, 32, 32), dtype=np.uint8)
    return torch.from_numpy(first), torch.from_numpy(second)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / math.sqrt(one @ one) / math.sqrt(other @ other))


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_equals_the_papers_image_by_image(method: str) -> None:
    """SimSiam: D(p1, z2) / 2 + D(p2, z1) / 2 of negative cosines; BYOL: squared distances."""
    model, (first, second) = build(method), draw_views()
    guessing = model.target or model.online
    z1, z2 = (guessing(view).detach().numpy() for view in (first, second))
    p1 = model.predictor(model.online(first)).detach().numpy()
    p2 = model.predictor(model.online(second)).detach().numpy()
    losses = []
    for k in range(6):
        if method == "simsiam":
            losses.append(-cosine(p1[k], z2[k]) / 2 - cosine(p2[k], z1[k]) / 2)
        else:
            pairs = ((p1[k], z2[k]), (p2[k], z1[k]))
            unit = [[v / np.linalg.norm(v) for v in pair] for pair in pairs]
            losses.append(sum(float(((p - z) ** 2).sum()) for p, z in unit))
    assert model(first, second)[0].item() == pytest.approx(np.mean(losses), abs=1e-5)


def test_alikeness_and_spread_by_hand() -> None:
    one, other = torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[6.0, 8.0], [0.0, 2.0]])
    assert alikeness(one, other).item() == pytest.approx(
        0.5
    )  # the same direction, and a right angle
    assert alikeness(one, -other).item() == pytest.approx(-0.5)
    assert (
        spread(torch.tensor([[2.0, 0.0], [4.0, 0.0], [1.0, 0.0]])).item() == 0
    )  # lengths are nothing
    opposite = spread(torch.tensor([[2.0, 0.0], [-1.0, 0.0]]))
    assert opposite.item() == pytest.approx(math.sqrt(2) / 2)  # mean of √2 and 0
    even = torch.randn(4000, 16, generator=torch.Generator().manual_seed(0))
    assert spread(even).item() == pytest.approx(1 / math.sqrt(16), rel=0.02)


class Scale(nn.Module):
    """A backbone of one number, which its gradient tells apart."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.eye(4) + 0.3)

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3)) @ self.weights[:3]


@pytest.mark.parametrize("method", METHODS)
def test_no_gradient_goes_through_what_is_guessed(method: str) -> None:
    """The gradient is that of a loss whose targets are plain numbers."""
    torch.manual_seed(0)
    start = PretrainedWeights("scratch", (0.5,) * 3, (0.2,) * 3)
    model = SelfSupervised(pretrain_config(method=method), Scale(), 4, start)
    first, second = draw_views()
    with torch.no_grad():
        guessing = model.target or model.online
        z1, z2 = (torch.tensor(guessing(view).numpy()) for view in (first, second))
    guesses = [model.predictor(model.online(view)) for view in (first, second)]
    mean = (alikeness(guesses[0], z2) + alikeness(guesses[1], z1)) / 2
    (-mean if method == "simsiam" else 4 - 4 * mean).backward()
    wanted = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    model(first, second)[0].backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert found.keys() == wanted.keys()
    assert not any(name.startswith("target.") for name in found)
    assert wanted["online.backbone.weights"].abs().sum() > 0
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["cnn", "mobilenetv2_100", "torchvision/resnet18"])
def test_gradients_reach_all_that_learns(name: str, method: str) -> None:
    model = build(method, model={"name": name, "kwargs": {}})
    model(*draw_views())[0].backward()
    reached = {n for n, p in model.named_parameters() if p.grad is not None}
    assert reached == {n for n, _ in model.named_parameters() if not n.startswith("target.")}


def test_the_target_moves_by_hand() -> None:
    model = build("byol")
    target, online = model.target, model.online
    assert target is not None
    name = "projector.0.weight"
    before = target.state_dict()[name].clone()
    with torch.no_grad():
        online.get_parameter(name).add_(1.0)
    model.update_target(0.75)
    torch.testing.assert_close(target.state_dict()[name], before + 0.25)
    model.update_target(1.0)
    torch.testing.assert_close(target.state_dict()[name], before + 0.25)
    model.update_target(0.0)
    torch.testing.assert_close(target.state_dict()[name], before + 1.0)
    # Its first weights are the network's own, and an optimizer would not move them.
    assert not any(p.requires_grad for p in target.parameters())
    fresh = build("byol")
    assert fresh.target is not None
    pairs = zip(fresh.target.parameters(), fresh.online.parameters(), strict=True)
    assert all(torch.equal(one, other) and one is not other for one, other in pairs)


def test_the_targets_momentum_rises_to_one_by_hand() -> None:
    found = [target_momentum(0.9, step, 4) for step in range(5)]
    half = 0.1 * (1 + math.sqrt(0.5)) / 2
    np.testing.assert_allclose(found, [0.9, 1 - half, 0.95, 0.9 + half, 1.0])


@pytest.mark.parametrize("method", METHODS)
def test_the_weights_fill_a_runs_backbone_and_leave_its_head(method: str) -> None:
    model = build(method, model={"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]})
    torch.manual_seed(3)
    network = build_model(small_config())
    head = {name: value.clone() for name, value in network.head.state_dict().items()}
    fill_network(network, model.online.backbone_weights(), "pretraining")
    images = draw_views()[0]
    model.eval(), network.eval()
    features = network.backbone((images.float() - network.mean) / network.std)
    torch.testing.assert_close(model.online.projector(features), model.online(images))
    assert all(torch.equal(value, head[name]) for name, value in network.head.state_dict().items())


@pytest.mark.parametrize("method", METHODS)
def test_two_views_of_the_same_image_become_alike(method: str) -> None:
    """Noisy copies of 16 patterns: the loss falls and the projections stay apart."""
    model = build(method)
    rough = torch.rand(16, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    images = 200 * rough.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses, spreads = [], []
    for step in range(60):
        noise = torch.randn(2, *images.shape, generator=torch.Generator().manual_seed(step))
        loss, found = model(images + 20 * noise[0], images + 20 * noise[1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.update_target(target_momentum(0.9, step, 60))
        losses.append(loss.item())
        spreads.append(found.item())
    assert losses[-1] < losses[0] - (0.25 if method == "simsiam" else 2.0)
    assert min(spreads) > 0.5 / math.sqrt(8)
