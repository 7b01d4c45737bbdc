#!/usr/bin/env bash
# Train what the record lacks on kaggle-mini, several folds at a time. With zoo5 in input/, gz37/d4cnn_large_transfer learns
# its classes, as the record's did; else the classes are derived from votes.
# After MINUTES it stops, and goes on from its last whole epochs when typed again. Tables of runs with all folds end where
# records are committed from.
#
#   bash scripts/dev/gpu_record.sh [MINUTES [JOBS [RUN...]]]   (default: 12 minutes, 3 folds at a time, all four runs)
set -euo pipefail
# shellcheck source=scripts/lib/start.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib/start.sh" "" "$@"
[[ ${1:-} != @(-h|--help) ]] || exit 0
minutes=${1:-12} jobs=${2:-3} runs=("${@:3}")
((${#runs[@]})) || runs=(gz37/{d4cnn_large_transfer,resnet18_large,mobilenetv2_large,d4cnn_large_wide})
status=0
timeout --signal INT "${minutes}m" "$python" "$root/src/train.py" --data kaggle-mini --jobs "$jobs" "${runs[@]}" || status=$?
((status == 0 || status == 124)) || exit "$status"
for run in "${runs[@]}"; do
    target=$root/submissions/records/kaggle-mini/gz37/recipes/${run#*/}
    [[ ! -e $target ]] || continue
    "$python" "$root/src/export.py" "$run" --dataset kaggle-mini --tables --output "$target" || echo "$run: not finished"
done
((status == 0)) || echo "stopped after $minutes minutes; the same command goes on"
