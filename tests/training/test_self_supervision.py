"""SimSiam: the loss by hand, where gradients stop, what a stage of it leaves to the next."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from tqdm import tqdm

from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import FoldError
from galaxyzoo.models.build import build_model, start_backbone
from galaxyzoo.models.losses import disagreement
from galaxyzoo.models.pretrained import PretrainedWeights, fill_network
from galaxyzoo.training.fold import build_trainer
from galaxyzoo.training.self_supervision import SimSiam, spread
from support.small_models import small_config
from support.training_fixtures import assert_a_kill_changes_nothing, fold_data

TRAIN = {"epochs": 3, "batch_size": 8, "lr": 3e-3}


def alike(**sections: Any) -> Config:
    """The first stage of a recipe, which reads no label."""
    settings = {"loss": "simsiam", "train": TRAIN, **sections}
    stages = [{"name": "alike"}, {"name": "votes", "loss": "mse"}]
    before = small_config(stages=stages, **settings).before
    assert before is not None
    return before


def build(**sections: Any) -> SimSiam:
    torch.manual_seed(0)
    config = alike(**sections)
    return SimSiam(config, *start_backbone(config.model, 32, config.run))


def draw_views(count: int = 6) -> Tensor:
    rng = np.random.default_rng(1)
    return torch.from_numpy(rng.integers(0, 256, (count, 2, 3, 32, 32), dtype=np.uint8))


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / math.sqrt(one @ one) / math.sqrt(other @ other))


def test_the_loss_equals_the_papers_image_by_image() -> None:
    """D(p1, z2) / 2 + D(p2, z1) / 2 of negative cosines."""
    model, views = build(), draw_views()
    projector, predictor = model.head
    (z1, p1), (z2, p2) = (
        [z.detach().numpy(), predictor(z).detach().numpy()]
        for z in (projector(model.features(view)) for view in views.unbind(dim=1))
    )
    losses = [-cosine(p1[k], z2[k]) / 2 - cosine(p2[k], z1[k]) / 2 for k in range(6)]
    assert disagreement(model(views)).item() == pytest.approx(np.mean(losses), abs=1e-5)


def test_disagreement_and_spread_by_hand() -> None:
    p1, z2 = torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[6.0, 8.0], [0.0, 2.0]])
    outputs = torch.stack([p1, p1, z2, z2], dim=1)
    assert disagreement(outputs).item() == pytest.approx(-0.5)  # one direction, and a right angle
    same = torch.tensor([[2.0, 0.0], [4.0, 0.0], [1.0, 0.0]])  # lengths are nothing
    assert spread(torch.stack([same] * 4, dim=1)) == 0
    opposite = torch.tensor([[2.0, 0.0], [-1.0, 0.0]])
    assert spread(torch.stack([opposite] * 4, dim=1)) == pytest.approx(1)  # mean of √2, 0; by 1/√2
    even = torch.randn(4000, 4, 16, generator=torch.Generator().manual_seed(0))
    assert spread(even) == pytest.approx(1, rel=0.02)


class Scale(nn.Module):
    """A backbone of one matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.eye(4) + 0.3)

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3)) @ self.weights[:3]


def test_no_gradient_goes_through_what_is_guessed() -> None:
    """The gradient is that of a loss whose targets are plain numbers."""
    torch.manual_seed(0)
    start = PretrainedWeights("scratch", (0.5,) * 3, (0.2,) * 3)
    model, views = SimSiam(alike(), Scale(), 4, start), draw_views()
    plain = torch.tensor(model(views)[:, 2:].detach().numpy())
    disagreement(torch.cat([model(views)[:, :2], plain], dim=1)).backward()
    wanted = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    disagreement(model(views)).backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert found.keys() == wanted.keys()
    assert wanted["backbone.weights"].abs().sum() > 0
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["cnn", "mobilenetv2_100", "torchvision/resnet18"])
def test_gradients_reach_all_that_learns(name: str) -> None:
    model = build(model={"name": name, "kwargs": {}})
    disagreement(model(draw_views())).backward()
    reached = {n for n, p in model.named_parameters() if p.grad is not None}
    assert reached == {n for n, _ in model.named_parameters()}


def test_the_weights_fill_the_next_stages_backbone_and_leave_its_head() -> None:
    model = build(model={"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]})
    torch.manual_seed(3)
    network = build_model(small_config())
    head = {name: value.clone() for name, value in network.head.state_dict().items()}
    fill_network(network, model.state_dict(), "alike")
    images = draw_views()[:, 0]
    model.eval(), network.eval()
    torch.testing.assert_close(network.features(images), model.features(images))
    assert all(torch.equal(value, head[name]) for name, value in network.head.state_dict().items())


def test_two_views_of_the_same_image_become_alike() -> None:
    """Of 40 rough patterns, mirrored and turned: the loss falls, the projections stay apart."""
    data = fold_data()
    rough = np.random.default_rng(1).integers(0, 256, (40, 4, 4, 3), dtype=np.uint8)
    data.cache.images[:] = rough.repeat(8, axis=1).repeat(8, axis=2)
    trainer = build_trainer(alike(train={**TRAIN, "epochs": 20, "batch_size": 16}), data)
    rows = [trainer.run_epoch(tqdm(disable=True)) for _ in range(20)]
    assert rows[-1]["train_loss"] < rows[0]["train_loss"] - 0.25
    assert min(row["val_score"] for row in rows) > 0.3
    assert {row["metric"] for row in rows} == {"spread"}


def test_a_network_that_gives_all_the_same_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build_trainer(alike(), fold_data())
    monkeypatch.setattr(SimSiam, "forward", lambda _, images: torch.ones(len(images), 4, 8))
    with pytest.raises(FoldError, match=r"the same projection .*train\.lr"):
        trainer.validate()


def test_no_label_is_read() -> None:
    """The weights are the same whatever the votes."""
    data = fold_data()
    other = fold_data()
    other.targets[:] = other.targets[::-1]
    weights = []
    for some in (data, other):
        trainer = build_trainer(alike(), some)
        trainer.run_epoch(tqdm(disable=True))
        weights.append(trainer.final_weights())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("steps", [2, 6])
def test_a_killed_stage_ends_with_the_same_bytes(tmp_path, steps):
    assert_a_kill_changes_nothing(tmp_path, alike(), fold_data(), steps)
