#!/usr/bin/env bash
# Check a submission, send it to Kaggle, and show its score.
#
#   bash scripts/submit.sh [FILE] -m MESSAGE [options of src/submit.py]
set -euo pipefail
packages=--extras
[[ " $* " != *" --check "* ]] || packages="" # a check asks Kaggle nothing
# shellcheck source=scripts/lib/start.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/start.sh" "$packages" "$@"
exec "$python" "$root/src/submit.py" "$@"
