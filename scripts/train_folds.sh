#!/usr/bin/env bash
# Train all folds of the named runs (none named: the default ensemble's), then blend and stack them.
#
#   bash scripts/train_folds.sh [RUN|TASK|ENSEMBLE…] [options of src/train.py]
set -euo pipefail
# shellcheck source=scripts/lib/start.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/start.sh" "" "$@"
cd "$root"
exec "$python" src/train.py --ensemble "$@"
