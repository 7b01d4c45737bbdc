"""The GPU: predictions as the processor's, training that survives a kill, memory, several folds."""

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from galaxyzoo.core.devices import describe_machine, get_device
from galaxyzoo.core.memory import release
from galaxyzoo.inference.network import predict
from galaxyzoo.models.build import GalaxyNet, build_model
from galaxyzoo.models.placement import place
from galaxyzoo.models.weights import load_weights
from galaxyzoo.results.fold_files import WEIGHTS
from galaxyzoo.training.fold import train_fold
from galaxyzoo.training.trainer import Trainer
from support.faulty_commands import TRAIN, Fault, Project
from support.small_models import small_config
from support.training_fixtures import fold_data

pytestmark = pytest.mark.gpu

# Two folds of one small run; only deterministic kernels promise the same bytes.
TWO_FOLDS = [word for word in TRAIN if word != "--ensemble"]
TWO_FOLDS += ["train.deterministic=true", "--only", "0,1", "--jobs"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the real command leaves that trains one fold after another."""
    project = Project.new(tmp_path_factory.mktemp("undisturbed"))
    result = project.run_alone([*TWO_FOLDS, "1"])
    assert result.status == 0, result.output
    assert describe_machine() in result.output
    return project.artifacts()


def test_a_killed_run_ends_with_the_same_bytes(undisturbed, tmp_path):
    """SIGKILL after the second fold's first checkpoint."""
    project = Project.new(tmp_path)
    kill = Fault({"rename folds/demo-full/gz37/cnn/fold_1/history.csv": 1}, at=1)
    result = project.run_alone([*TWO_FOLDS, "1"], kill)
    assert (result.status, result.struck) == (-9, True), result.output
    assert not list(project.root.glob(f"folds/*/gz37/cnn/fold_1/{WEIGHTS}"))
    result = project.run_alone([*TWO_FOLDS, "1"])
    assert result.status == 0, result.output
    assert project.artifacts() == undisturbed


def test_two_folds_at_a_time_end_with_the_same_bytes(undisturbed, tmp_path):
    project = Project.new(tmp_path)
    result = project.run_alone([*TWO_FOLDS, "2"])
    assert result.status == 0, result.output
    assert project.artifacts() == undisturbed


@pytest.mark.parametrize("name", ["d4cnn", "mobilenetv2_100", "resnet18"])
def test_predictions_are_those_of_the_processor(name):
    """Up to a tenth of what distinguishes images of different brightness.

    The card rounds factors of fp32 to 10 bits; bf16's 7 bits make 0.2 to 0.3 on a processor.
    """
    settings = small_config(
        model={"name": name, "kwargs": {}}, train={"amp": "fp32"}, head={"output": "plain"}
    )
    model = build_model(settings)
    cache = fold_data().cache
    rows = np.arange(len(cache.images))
    brightness = np.linspace(0.1, 1, len(rows))
    cache.images[:] = cache.images * brightness[:, None, None, None]
    expected = predict(place(model, torch.device("cpu")), cache, rows, settings)
    found = predict(place(model, get_device()), cache, rows, settings)
    assert (np.abs(found - expected) < 0.1 * expected.std(axis=0)).all()


def test_batches_made_on_the_card_are_the_processors():
    config = small_config(train={"batch_size": 8})
    data = fold_data()
    trainer = Trainer(config, data)
    assert trainer.loader.on_device is not None
    found = [batch.images.cpu().numpy() for batch in trainer.batches()]
    trainer.loader.on_device = None
    for images, batch in zip(found, trainer.batches(), strict=True):
        assert np.abs(images.astype(int) - batch.images.cpu().numpy()).mean() < 1


def train_both_ways(folder: Path, **sections: Any) -> tuple[float, list[bool]]:
    """How far apart steps in one launch and plain ones end, as a share of the way from the start.

    And of each whether it said that its steps cannot be launched so.
    """
    data = fold_data(40)
    ends = []
    said = []
    for graph in (True, False):
        train = {"batch_size": 8, "epochs": 2, "lr": 1e-4, "deterministic": True, "graph": graph}
        train |= sections.get("train", {})
        settings = small_config(**(sections | {"train": train}))
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            train_fold(settings, data, folder / str(graph))
        said.append("training without CUDA graphs" in output.getvalue())
        ends.append(flatten(load_weights(folder / str(graph) / WEIGHTS)))
    start = flatten(Trainer(settings, data).model.cpu().state_dict())
    by_graph, plain = ends
    return float((by_graph - plain).norm() / (plain - start).norm()), said


def flatten(weights: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """All weights as one vector, by their names."""
    return torch.cat([weights[name].flatten().double() for name in sorted(weights)])


@pytest.mark.parametrize(
    ("model", "optimizer"),
    [("cnn", "adamw"), ("cnn", "adam"), ("cnn", "sgd"), ("d4cnn", "muon"), ("resnet18", "adamw")],
)
def test_steps_in_one_launch_are_the_plain_ones(model, optimizer, tmp_path):
    """Batches of 8 and 7 galaxies, so two recordings, in two parts each."""
    apart, said = train_both_ways(
        tmp_path,
        model={"name": model, "kwargs": {}},
        image={"size_px": 64},
        train={"optimizer": optimizer, "accumulation": 2, "clip_norm": 1.0},
    )
    assert said == [False, False]
    assert apart < 0.02


def test_a_step_that_waits_for_the_card_is_taken_plainly(tmp_path, monkeypatch):
    """A network whose control flow depends on its data; dropout's numbers go on."""
    plain = GalaxyNet.forward

    def forward(net: GalaxyNet, images: torch.Tensor) -> torch.Tensor:
        return plain(net, images if images.float().mean().item() > 0 else images + 1)

    monkeypatch.setattr(GalaxyNet, "forward", forward)
    apart, said = train_both_ways(tmp_path, head={"dropout": 0.3})
    assert said == [True, False]
    assert apart < 0.02


def test_a_batch_that_does_not_fit_is_worked_through_in_parts(tmp_path, capsys):
    """With a third of the memory that a training has taken: over 1 GB, so that libraries fit."""
    settings = small_config(
        model={"kwargs": {"widths": [64, 64]}},
        train={"batch_size": 8192, "epochs": 1, "on_out_of_memory": "accumulate"},
    )
    data = fold_data(11_200)
    torch.cuda.reset_peak_memory_stats()
    train_fold(settings, data, tmp_path / "whole")
    assert "micro-batches" not in capsys.readouterr().out
    share = torch.cuda.max_memory_allocated() / torch.cuda.mem_get_info()[1]
    release()
    torch.cuda.set_per_process_memory_fraction(share / 3)
    try:
        train_fold(settings, data, tmp_path / "parts")
        assert "micro-batches" in capsys.readouterr().out
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
