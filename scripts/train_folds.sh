#!/usr/bin/env bash
# Train all folds of the named runs (none named: the default ensemble's), then blend and stack them.
#
#   bash scripts/train_folds.sh [RUN…] [options of src/train.py]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash scripts/setup.sh
exec "${GALAXYZOO_PYTHON:-.venv/bin/python}" src/train.py --ensemble "$@"
