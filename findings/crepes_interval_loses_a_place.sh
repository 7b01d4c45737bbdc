#!/usr/bin/env bash
# crepes 0.9.1 (numpy 2.4.6, pandas 2.3.3, scikit-learn 1.9.1): of n calibration errors make n + 1 places for a new one,
# and an 80 % interval leaves out a tenth of the places at either end. `ConformalPredictiveSystem.predict_int` computes
# that tenth as (1 - 0.8) / 2 * 100 = 9.999999999999998 percent and rounds down: of 40 places it leaves out 3 below
# and 4 above, so the interval is wider on one side; of 20 places it leaves out 1 below of the 2 allowed; of 10 places
# none, and the lower end becomes -inf with a warning that there are too few errors, although ten are enough.
# `predict_percentiles` with 10 and 90 gives the right places. A level of 0.6 comes out right.
#
# Who meets it: whoever wants intervals of galaxies' votes from some ten to some hundred calibration galaxies.
# Our own limits round the number of places first (extras/intervals), and are compared with `predict_percentiles`.
#
# Output seen:
#   10 places: predict_int -inf to 9, 10 % to 90 % 1 to 9
#   20 places: predict_int 1 to 18, 10 % to 90 % 2 to 18
#   40 places: predict_int 3 to 36, 10 % to 90 % 4 to 36
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q crepes==0.9.1 numpy==2.4.6 pandas==2.3.3 scikit-learn==1.9.1
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from crepes import ConformalPredictiveSystem

zero = np.zeros(1)
for n in (9, 19, 39):
    errors = np.arange(1.0, n + 1)  # the k-th smallest is k
    system = ConformalPredictiveSystem().fit(errors)
    low, high = system.predict_int(zero, confidence=0.8)[0]
    tenth, nine_tenths = system.predict_percentiles(
        zero, lower_percentiles=10, higher_percentiles=90
    )[0]
    print(f"{n + 1} places: predict_int {low:g} to {high:g}, 10 % to 90 % {tenth:g} to {nine_tenths:g}")
    assert (tenth, nine_tenths) == ((n + 1) / 10, 9 * (n + 1) / 10)
    assert high == nine_tenths
    assert low == ((n + 1) / 10 - 1 if n > 9 else -np.inf)
low, high = ConformalPredictiveSystem().fit(np.arange(1.0, 40)).predict_int(zero, confidence=0.6)[0]
assert (low, high) == (8, 32)  # a fifth at either end
PYTHON
