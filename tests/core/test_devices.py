"""Devices: GPUs shared out, kernels that repeat themselves."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from galaxyzoo.core import devices
from galaxyzoo.core.devices import claim_gpu, get_device, prepare_to_train
from galaxyzoo.training import trainer
from support.refusals import one_line_refusal
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


@pytest.mark.parametrize(
    ("count", "chosen", "used"), [(1, "", "cuda"), (2, "cpu", "cpu"), (2, "cuda:1", "cuda:1")]
)
def test_one_gpu_or_a_choice_of_the_user_is_left_alone(count, chosen, used, tmp_path, monkeypatch):
    monkeypatch.setenv("GALAXYZOO_DEVICE", chosen)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for _ in range(2):  # and it stays so
        with claim_gpu():
            assert str(get_device()) == used


@pytest.mark.parametrize(
    ("name", "gpus"),
    [("gpu", 1), ("cuda", 0), ("cuda:0", 0), ("cuda:1", 1), ("cuda:x", 9), ("mps", 1), ("meta", 1)],
)
def test_a_device_that_is_not_there_is_one_line(name, gpus, monkeypatch):
    monkeypatch.setenv("GALAXYZOO_DEVICE", name)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    line = one_line_refusal(get_device)
    assert line.startswith(f"GALAXYZOO_DEVICE={name}: this machine has no such device: set it to")


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1"])
def test_a_device_that_is_there_is_taken(name, monkeypatch):
    monkeypatch.setenv("GALAXYZOO_DEVICE", name)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert str(get_device()) == name


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


@pytest.mark.parametrize("number", [0, 1])
def test_precision_and_name_are_those_of_the_gpu_in_use(number, monkeypatch):
    """Of two, the second alone has units for bf16; the first is current."""
    current = [0]

    @contextmanager
    def use(device: torch.device) -> Iterator[None]:
        current.append(device.index)
        yield
        current.pop()

    monkeypatch.setenv("GALAXYZOO_DEVICE", f"cuda:{number}")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "device", use)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: current[-1] == 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: ["T4", "A100"][device.index])
    devices.has_bf16.cache_clear()
    assert devices.has_bf16(get_device()) == (number == 1)
    assert devices.describe_machine().startswith(["T4", "A100"][number])
    devices.has_bf16.cache_clear()


class BeganError(Exception):
    """Stops a training where it would use the GPU."""


@pytest.mark.parametrize("wanted", [True, False])
def test_training_chooses_by_the_config(monkeypatch, wanted):
    def stop(*_: object) -> None:
        raise BeganError

    monkeypatch.setenv("GALAXYZOO_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(trainer, "BatchLoader", stop)
    torch.use_deterministic_algorithms(not wanted)
    config = small_config(train={"deterministic": wanted})
    with pytest.raises(BeganError):
        trainer.Trainer(config, fold_data())
    assert torch.are_deterministic_algorithms_enabled() == wanted
    assert config.digest() == small_config().digest()
