"""Depthwise convolutions, which train in fp32 on a processor."""

import copy

import timm
import torch
from torch import nn

from galaxyzoo.models.placement import DepthwiseConv2d, place, train_depthwise_in_fp32


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
    depthwise = model[1]
    images = torch.randn(4, 3, 8, 8)
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
    model = small()
    images = torch.randn(2, 3, 8, 8)
    expected = model(images)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        expected_eval = model.eval()(images)
    train_depthwise_in_fp32(model)
    assert torch.equal(model.train()(images), expected)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.eval()(images), expected_eval)
