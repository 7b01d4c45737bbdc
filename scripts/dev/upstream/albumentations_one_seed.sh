#!/usr/bin/env bash
# albumentations 2.0.8: Compose(…, seed=…) gives every transform a generator of its own, but all with the same seed. So transforms of
# one recipe share their random numbers: of two flips with p 0.5, both happen or neither does, and strengths of two are one number.
# training/augmentation.py gives each transform a seed of its own with set_random_seed.
#
#   bash scripts/dev/upstream/albumentations_one_seed.sh     (half a minute; fails if the behaviour changes)
#
# Output seen:
#   albumentations 2.0.8
#   640 pictures, one seed: {'neither': 319, 'both': 321}
#   640 pictures, a seed for each: {'vertical': 155, 'neither': 164, 'horizontal': 167, 'both': 154}
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip -q install albumentations==2.0.8
NO_ALBUMENTATIONS_UPDATE=1 venv/bin/python - <<'PYTHON'
from collections import Counter

import albumentations
import numpy as np

print("albumentations", albumentations.__version__)
picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
names = {0: "neither", 3: "horizontal", 6: "vertical", 9: "both"}  # by the first pixel


def draw(is_mended: bool) -> dict[str, int]:
    flips = [albumentations.HorizontalFlip(p=0.5), albumentations.VerticalFlip(p=0.5)]
    composed = albumentations.Compose(flips, seed=0)
    if is_mended:
        flips[1].set_random_seed(1)
    return dict(Counter(names[int(composed(image=picture)["image"][0, 0, 0])] for _ in range(640)))


shared, own = draw(is_mended=False), draw(is_mended=True)
print("640 pictures, one seed:", shared)
print("640 pictures, a seed for each:", own)
assert set(shared) == {"neither", "both"}
assert set(own) == set(names.values())
PYTHON
