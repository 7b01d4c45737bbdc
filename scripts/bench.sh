#!/usr/bin/env bash
# Measure how fast this project is, as ratios within one run (docs/performance.md).
#
#   bash scripts/bench.sh [PART…] [--gpu] [--data DATA] [--help]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash scripts/setup.sh --dev
export PYTHONPATH=src:tests
exec "${GALAXYZOO_PYTHON:-.venv/bin/python}" scripts/benchmarks "$@"
