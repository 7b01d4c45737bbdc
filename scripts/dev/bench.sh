#!/usr/bin/env bash
# Measure how fast this project is, as ratios within one run (docs/lab/performance.md).
#
#   bash scripts/dev/bench.sh [PART…] [--gpu] [--data DATA] [--repeats N]
set -euo pipefail
# shellcheck source=scripts/lib/start.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib/start.sh" --dev "$@"
cd "$root"
export PYTHONPATH=src:tests:scripts/dev/benchmarks  # the last for processes of their own
exec "$python" scripts/dev/benchmarks "$@"
