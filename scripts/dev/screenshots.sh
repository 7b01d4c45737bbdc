#!/usr/bin/env bash
# Draw the README's pictures of demo galaxies: a small run is trained in a folder of its own,
# explained, and shown by the page in a headless browser.
#
#   bash scripts/dev/screenshots.sh [FOLDER]   (default: docs; needs Chromium: apt-get install chromium)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

case " $* " in *" --help "* | *" -h "*)
    sed -n '2,/^set /{s/^# \{0,1\}//p;}' scripts/dev/screenshots.sh
    exit
    ;;
esac
to=$(realpath "${1:-docs}")
bash scripts/setup.sh --dev
python=$(command -v "${GALAXYZOO_PYTHON:-.venv/bin/python}")
GALAXYZOO_ROOT=$(mktemp -d)
export GALAXYZOO_ROOT
trap 'rm -rf "$GALAXYZOO_ROOT"' EXIT
mkdir "$GALAXYZOO_ROOT/input"

"$python" src/train.py gz37/cnn --data demo-full --only 0
PYTHONPATH=src:tests "$python" scripts/dev/screenshots.py "$to"
