#!/usr/bin/env bash
# Train all folds of the named runs (default: the default ensemble's) and
# ensemble them.
#
#   bash scripts/train_folds.sh [RUN|TASK|ENSEMBLE…] [options of src/train.py]
set -euo pipefail
# shellcheck source=scripts/lib/start.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/start.sh" "" "$@"
cd "$root"
exec "$python" src/train.py --ensemble "$@"
