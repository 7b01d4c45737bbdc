#!/usr/bin/env bash
# ttach 0.0.3 (torch 2.13.0): merge_mode="tsharpen", "temperature sharpen with t=0.5", takes the square root of each
# view's predictions and averages the roots. Sharpening at temperature 0.5 is the square, divided by the sum (Berthelot et al. 2019,
# MixMatch, eq. 7). Roots flatten: 0.81 against 0.09 becomes 0.9 against 0.3, and the answers of a question no longer sum to 1 but to
# 1.5 here. With views that all agree the result still differs from each of them.
# Who meets it: whoever averages rotated views of a galaxy; for vote fractions it is no scale of the votes any more.
#
# Output seen:
#   votes of each of eight equal views: [0.81, 0.09, 0.1]
#   mean: [0.81, 0.09, 0.1]
#   tsharpen: [0.9, 0.3, 0.316]
#   sharpened at temperature 0.5: [0.973, 0.012, 0.015]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q ttach==0.0.3 torch==2.13.0 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import torch
import ttach


class Votes(torch.nn.Module):
    """Gives every picture the same votes."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[0.81, 0.09, 0.1]]).expand(len(images), -1)


def merge(mode: str) -> list[float]:
    network = ttach.ClassificationTTAWrapper(Votes(), ttach.aliases.d4_transform(), merge_mode=mode)
    return [round(value, 3) for value in network(torch.zeros(1, 3, 8, 8))[0].tolist()]


votes = torch.tensor([0.81, 0.09, 0.1])
sharp = votes**2 / (votes**2).sum()
found = {mode: merge(mode) for mode in ("mean", "tsharpen")}
print("votes of each of eight equal views: [0.81, 0.09, 0.1]")
for mode, values in found.items():
    print(f"{mode}: {values}")
print("sharpened at temperature 0.5:", [round(value, 3) for value in sharp.tolist()])
assert found == {"mean": [0.81, 0.09, 0.1], "tsharpen": [0.9, 0.3, 0.316]}
PYTHON
