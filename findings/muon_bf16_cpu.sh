#!/usr/bin/env bash
# timm 1.0.31 and torch 2.13.0: both Muon optimizers do their Newton-Schulz products in bf16 on every device, and neither has a setting
# for it. On a CPU for which PyTorch has no fast kernels of bf16 (x86 without AVX-512) a step then takes
# 27 times the processor time of the same step in float32, for a small network ten times that of its forward and backward pass.
# timm's function zeropower_via_newtonschulz takes a dtype. No error and no warning says so: training is just slow.
# Who meets it: whoever trains a small network with Muon on a computer without a GPU.
#
# Output seen, on an AMD EPYC with AVX2 alone:
#   timm 1.0.31 torch 2.13.0+cu130 AVX2
#   timm's Muon, one step for 256 x 2304: 27 times the time of timm's in float32
#   torch's Muon, one step for 256 x 2304: 27 times the time of timm's in float32
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q timm==1.0.31 torch==2.13.0 torchvision==0.28.0
venv/bin/python - <<'PYTHON'
import inspect
import time

import timm
import timm.optim.muon
import torch

print("timm", timm.__version__, "torch", torch.__version__, torch.backends.cpu.get_cpu_capability())
torch.set_num_threads(1)
torch.manual_seed(0)
gradient = torch.randn(256, 2304)
in_timm = timm.optim.muon.zeropower_via_newtonschulz
assert inspect.signature(in_timm).parameters["dtype"].default == torch.bfloat16
for kind in (timm.optim.muon.Muon, torch.optim.Muon):
    assert not any("dtype" in name for name in inspect.signature(kind).parameters)


def seconds(kind: type[torch.optim.Optimizer]) -> float:
    """Processor seconds of the fastest of three steps."""
    kernel = torch.nn.Parameter(torch.zeros_like(gradient))
    kernel.grad = gradient
    optimizer, taken = kind([kernel], lr=0.01), []
    for _ in range(3):
        start = time.process_time()
        optimizer.step()
        taken.append(time.process_time() - start)
    return min(taken)


def in_float32(*arguments, **settings):
    return in_timm(*arguments, dtype=torch.float32, **settings)


slow = {"timm": seconds(timm.optim.muon.Muon), "torch": seconds(torch.optim.Muon)}
timm.optim.muon.zeropower_via_newtonschulz = in_float32
fast = seconds(timm.optim.muon.Muon)
for name, taken in slow.items():
    print(f"{name}'s Muon, one step for 256 x 2304: {taken / fast:.0f} times the time of timm's in float32")
if torch.ops.mkldnn._is_mkldnn_bf16_supported():
    print("this processor has fast kernels of bf16: nothing to see")
else:
    assert min(slow.values()) > 5 * fast
PYTHON
