"""Devices: GPUs shared out, kernels that repeat themselves, kept memory, depthwise convolutions."""

import copy
import os
import tempfile
from collections.abc import Iterator

import pytest
import timm
import torch
from torch import nn

from galaxyzoo.core import devices
from galaxyzoo.core.devices import (
    DepthwiseConv2d,
    claim_gpu,
    get_device,
    place,
    prepare_to_train,
    train_depthwise_in_fp32,
)
from galaxyzoo.training import trainer
from support.small_models import small_config
from support.training_fixtures import fold_data


def test_tests_work_on_the_processor_where_there_is_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert get_device() == torch.device("cpu")


def test_each_process_claims_a_gpu_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("GALAXYZOO_DEVICE", "")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with claim_gpu():
        assert get_device() == torch.device("cuda:0")
        os.environ.pop("GALAXYZOO_DEVICE")  # as another process finds it
        with claim_gpu():
            assert get_device() == torch.device("cuda:1")
            os.environ.pop("GALAXYZOO_DEVICE")
            with claim_gpu():  # one more than there are
                assert get_device() == torch.device(f"cuda:{os.getpid() % 2}")
        os.environ["GALAXYZOO_DEVICE"] = "cuda:0"
    assert "GALAXYZOO_DEVICE" not in os.environ
    with claim_gpu():
        assert get_device() == torch.device("cuda:0")


@pytest.mark.parametrize(("count", "chosen"), [(1, None), (2, "cpu")])
def test_one_gpu_or_a_choice_of_the_user_is_left_alone(count, chosen, monkeypatch):
    monkeypatch.delenv("GALAXYZOO_DEVICE", raising=False)
    if chosen:
        monkeypatch.setenv("GALAXYZOO_DEVICE", chosen)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with claim_gpu():
        assert os.environ.get("GALAXYZOO_DEVICE") == chosen


@pytest.fixture(autouse=True)
def usual_kernels() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)


def test_the_switch_is_for_cuda_and_goes_off_again():
    for device, wanted in (("cpu", True), ("cuda", True), ("cuda", False)):
        prepare_to_train(torch.device(device), wanted)
        assert torch.are_deterministic_algorithms_enabled() == (wanted and device == "cuda")


@pytest.mark.parametrize(("name", "chosen"), [("cuda:1", [1]), ("cuda", []), ("cpu", [])])
def test_of_several_gpus_the_one_in_use_is_the_current_one(name, chosen, monkeypatch):
    """Its streams and events are meant where none is named."""
    found: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: found.append(device.index))
    prepare_to_train(torch.device(name), False)
    assert found == chosen


@pytest.mark.parametrize("wanted", [True, False])
def test_training_chooses_by_the_config(monkeypatch, wanted):
    chosen = []
    monkeypatch.setattr(devices, "prepare_to_train", lambda device, on: chosen.append(on))
    config = small_config(train={"deterministic": wanted})
    trainer.Trainer(config, fold_data())
    assert chosen == [wanted]
    assert config.digest() == small_config().digest()


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), nn.Conv2d(8, 4, 1)
    )


def test_only_depthwise_convolutions_change_and_no_name_or_value_does():
    model = small()
    model.append(nn.Conv2d(4, 4, 1, groups=2))
    before = copy.deepcopy(model.state_dict())
    train_depthwise_in_fp32(model)
    kinds = [type(layer) for layer in model]
    assert kinds == [nn.Conv2d, DepthwiseConv2d, nn.Conv2d, nn.Conv2d]
    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    timms = place(timm.create_model("mobilenetv2_100", num_classes=0), torch.device("cpu"))
    assert sum(isinstance(m, DepthwiseConv2d) for m in timms.modules()) == 17


def test_its_arithmetic_and_gradients_are_those_of_fp32_on_rounded_inputs():
    model = small()
    train_depthwise_in_fp32(model)
    depthwise, images = model[1], torch.randn(4, 3, 8, 8)
    assert isinstance(depthwise, DepthwiseConv2d)
    plain = nn.functional.conv2d
    with torch.autocast("cpu", torch.bfloat16):
        first = model[0](images)
        second = depthwise(first)
        second.float().square().sum().backward()
    assert first.dtype == second.dtype == torch.bfloat16
    weight = depthwise.weight.detach().clone().requires_grad_()
    expected = plain(first.detach().float(), weight, padding=1, groups=8)
    rounded = expected.to(torch.bfloat16)
    rounded.float().square().sum().backward()
    assert torch.equal(second, rounded)
    # in fp32, as the weight is
    torch.testing.assert_close(depthwise.weight.grad, weight.grad, rtol=1e-6, atol=1e-5)


def test_without_autocast_or_in_eval_mode_it_is_an_ordinary_convolution():
    model, images = small(), torch.randn(2, 3, 8, 8)
    expected = model(images)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        expected_eval = model.eval()(images)
    train_depthwise_in_fp32(model)
    assert torch.equal(model.train()(images), expected)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.eval()(images), expected_eval)
