#!/usr/bin/env bash
# crowd-kit 1.4.2 (pandas 3.1.1, scikit-learn 1.9.1, numpy 2.4.6): where two volunteers disagree about a galaxy,
# `MajorityVote` answers with a class and says nothing of the tie. It is the class whose label comes first in the whole table, for
# all galaxies alike: of six ties, six are "spiral"; with the same rows in reverse order, six are "elliptical". So how an export is
# sorted decides what doubtful galaxies are. A label that is missing makes its galaxy vanish from the result.
# Who meets it: whoever combines labels of a few people a galaxy, where ties are common.
#
# Output seen:
#   in order: {'spiral': 6}
#   in reverse: {'elliptical': 6}
#   galaxies with a label that is missing: 0 of 1 in the result
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q crowd-kit==1.4.2 pandas==3.1.1 scikit-learn==1.9.1 numpy==2.4.6
venv/bin/python -W ignore - <<'PYTHON'
import pandas as pd
from crowdkit.aggregation import MajorityVote

rows = []
for galaxy in range(6):
    rows.append((galaxy, "ada", "spiral"))
    rows.append((galaxy, "bea", "elliptical"))
labels = pd.DataFrame(rows, columns=["task", "worker", "label"])
counts = {
    "in order": MajorityVote().fit_predict(labels).value_counts().to_dict(),
    "in reverse": MajorityVote().fit_predict(labels[::-1]).value_counts().to_dict(),
}
for order, found in counts.items():
    print(f"{order}: {found}")
assert counts == {"in order": {"spiral": 6}, "in reverse": {"elliptical": 6}}
missing = pd.DataFrame([(6, "ada", None)], columns=labels.columns)
result = MajorityVote().fit_predict(pd.concat([labels, missing]))
print("galaxies with a label that is missing:", int(6 in result.index), "of 1 in the result")
assert 6 not in result.index
PYTHON
