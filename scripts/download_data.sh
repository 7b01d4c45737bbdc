#!/usr/bin/env bash
# Download the competition's files from Kaggle into input/; rerun it to resume.
#
#   bash scripts/download_data.sh [options of src/download_data.py]
set -euo pipefail
# shellcheck source=scripts/lib/start.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/start.sh" --extras "$@"
exec "$python" "$root/src/download_data.py" "$@"
