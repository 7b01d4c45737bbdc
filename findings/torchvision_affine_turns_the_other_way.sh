#!/usr/bin/env bash
# torchvision 0.29.1 (torch 2.14.1, opencv-python-headless 4.13.0.92, scipy 1.17.1, numpy 2.4.6): a bright spot to the right of
# the middle moves up by `functional.rotate(image, 30)` (counter-clockwise, as by OpenCV, SciPy and Pillow) and down by
# `functional.affine(image, angle=30, …)`. Both are called angle and both are in degrees. Who turns the catalog's position angle (or
# a bar's) along with the picture adds the angle in one case and subtracts it in the other.
# Who meets it: whoever trains on angles or shapes of galaxies and goes from `rotate` to `affine` to zoom as well.
#
# Output seen:
#   torchvision rotate, 30 degrees: 30 counter-clockwise
#   torchvision affine, 30 degrees: -30 counter-clockwise
#   OpenCV, 30 degrees: 30 counter-clockwise
#   SciPy, 30 degrees: 30 counter-clockwise
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q torchvision==0.29.1 torch==2.14.1 opencv-python-headless==4.13.0.92 scipy==1.17.1 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import cv2
import numpy as np
import torch
from scipy import ndimage
from torchvision.transforms.v2 import functional

picture = np.zeros((101, 101), np.float32)
picture[48:53, 75:80] = 1  # right of the middle
tensor = torch.from_numpy(picture)[None]


def turned_by(image: np.ndarray) -> int:
    """Degrees by which the spot has moved counter-clockwise, rows counted downwards."""
    rows, columns = np.nonzero(image > 0.5)
    return round(np.degrees(np.arctan2(50 - rows.mean(), columns.mean() - 50)))


matrix = cv2.getRotationMatrix2D((50, 50), 30, 1)
moved = functional.affine(tensor, angle=30, translate=[0, 0], scale=1, shear=[0, 0])
found = {
    "torchvision rotate": turned_by(functional.rotate(tensor, 30)[0].numpy()),
    "torchvision affine": turned_by(moved[0].numpy()),
    "OpenCV": turned_by(cv2.warpAffine(picture, matrix, (101, 101))),
    "SciPy": turned_by(ndimage.rotate(picture, 30, reshape=False)),
}
for name, degrees in found.items():
    print(f"{name}, 30 degrees: {degrees} counter-clockwise")
assert list(found.values()) == [30, -30, 30, 30]
PYTHON
