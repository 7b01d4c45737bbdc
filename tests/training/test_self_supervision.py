"""SimSiam: the loss by hand, where gradients stop, what is kept."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from galaxyzoo.models.build import build_model, start_backbone
from galaxyzoo.models.pretrained import PretrainedWeights, fill_network
from galaxyzoo.training.self_supervision import SimSiam, mean_cosine, spread
from support.pretraining_fixtures import pretrain_config
from support.small_models import small_config


def build(**sections: Any) -> SimSiam:
    torch.manual_seed(0)
    config = pretrain_config(**sections)
    return SimSiam(config, *start_backbone(config.model, 32, config.run))


def draw_views(count: int = 6) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 256, (2, count, 3, 32, 32), dtype=np.uint8)
    return torch.from_numpy(first), torch.from_numpy(second)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / math.sqrt(one @ one) / math.sqrt(other @ other))


def test_the_loss_equals_the_papers_image_by_image() -> None:
    """D(p1, z2) / 2 + D(p2, z1) / 2 of negative cosines."""
    model, (first, second) = build(), draw_views()
    z1, z2 = (model.encoder(view).detach().numpy() for view in (first, second))
    p1 = model.predictor(model.encoder(first)).detach().numpy()
    p2 = model.predictor(model.encoder(second)).detach().numpy()
    losses = [-cosine(p1[k], z2[k]) / 2 - cosine(p2[k], z1[k]) / 2 for k in range(6)]
    assert model(first, second)[0].item() == pytest.approx(np.mean(losses), abs=1e-5)


def test_mean_cosine_and_spread_by_hand() -> None:
    one, other = torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[6.0, 8.0], [0.0, 2.0]])
    assert mean_cosine(one, other).item() == pytest.approx(
        0.5
    )  # the same direction, and a right angle
    assert mean_cosine(one, -other).item() == pytest.approx(-0.5)
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


def test_no_gradient_goes_through_what_is_guessed() -> None:
    """The gradient is that of a loss whose targets are plain numbers."""
    torch.manual_seed(0)
    start = PretrainedWeights("scratch", (0.5,) * 3, (0.2,) * 3)
    model = SimSiam(pretrain_config(), Scale(), 4, start)
    first, second = draw_views()
    with torch.no_grad():
        z1, z2 = (torch.tensor(model.encoder(view).numpy()) for view in (first, second))
    guesses = [model.predictor(model.encoder(view)) for view in (first, second)]
    mean = (mean_cosine(guesses[0], z2) + mean_cosine(guesses[1], z1)) / 2
    (-mean).backward()
    wanted = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    model(first, second)[0].backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert found.keys() == wanted.keys()
    assert wanted["encoder.backbone.weights"].abs().sum() > 0
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["cnn", "mobilenetv2_100", "torchvision/resnet18"])
def test_gradients_reach_all_that_learns(name: str) -> None:
    model = build(model={"name": name, "kwargs": {}})
    model(*draw_views())[0].backward()
    reached = {n for n, p in model.named_parameters() if p.grad is not None}
    assert reached == {n for n, _ in model.named_parameters()}


def test_the_weights_fill_a_runs_backbone_and_leave_its_head() -> None:
    model = build(model={"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]})
    torch.manual_seed(3)
    network = build_model(small_config())
    head = {name: value.clone() for name, value in network.head.state_dict().items()}
    fill_network(network, model.encoder.backbone_weights(), "pretraining")
    images = draw_views()[0]
    model.eval(), network.eval()
    features = network.backbone((images.float() - network.mean) / network.std)
    torch.testing.assert_close(model.encoder.projector(features), model.encoder(images))
    assert all(torch.equal(value, head[name]) for name, value in network.head.state_dict().items())


def test_two_views_of_the_same_image_become_alike() -> None:
    """Noisy copies of 16 patterns: the loss falls and the projections stay apart."""
    model = build()
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
        losses.append(loss.item())
        spreads.append(found.item())
    assert losses[-1] < losses[0] - 0.25
    assert min(spreads) > 0.5 / math.sqrt(8)
