"""Run tests on the processor, on every machine, and those marked `gpu` on CUDA, where that is.

Commands that a test starts inherit its device.
"""

import os

import pytest

DEVICE = "GALAXYZOO_DEVICE"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--claim-gpu", action="store_true", help="pretend to have a GPU: a test that uses it fails"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--claim-gpu"):
        claim_gpu()


@pytest.hookimpl(tryfirst=True)  # before the fixtures, of which those of a module train too
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") is None:
        os.environ[DEVICE] = "cpu"
        return
    import torch

    if item.config.getoption("--claim-gpu") or not torch.cuda.is_available():
        pytest.skip("no CUDA here")
    os.environ.pop(DEVICE, None)


def claim_gpu() -> None:
    """Have torch answer that there is a GPU, and fail at the first use of it."""
    import torch

    def refuse() -> None:
        raise AssertionError("a test that is not marked `gpu` uses the GPU")

    torch.cuda.is_available = lambda: True
    torch.cuda.device_count = lambda: 1
    torch.cuda._lazy_init = refuse
    torch.accelerator.current_accelerator = lambda check_available=False: None  # optimizers look
