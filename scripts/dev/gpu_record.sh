#!/usr/bin/env bash
# Train gz37/d4cnn_large_transfer, the record's network of GPU size, on kaggle-mini (zoo5 in input/, too). After MINUTES it
# stops, and goes on from its last whole epochs when typed again. Its tables end where records are committed from.
#
#   bash scripts/dev/gpu_record.sh [MINUTES]   (default: 12)
set -euo pipefail
# shellcheck source=scripts/lib/start.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib/start.sh" "" "$@"
[[ ${1:-} != @(-h|--help) ]] || exit 0
run=gz37/d4cnn_large_transfer
status=0
timeout --signal INT "${1:-12}m" "$python" "$root/src/train.py" --data kaggle-mini "$run" || status=$?
if ((status == 124)); then
    echo "stopped after ${1:-12} minutes; the same command goes on"
    exit
fi
((status == 0)) || exit "$status"
"$python" "$root/src/export.py" "$run" --dataset kaggle-mini --tables \
    --output "$root/submissions/records/kaggle-mini/gz37/recipes/${run#*/}"
