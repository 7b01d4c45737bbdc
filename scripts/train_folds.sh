#!/usr/bin/env bash
# Train all folds of the named runs (none named: the default ensemble's), then blend and stack them.
#
#   bash scripts/train_folds.sh [RUN|TASK|ENSEMBLE…] [options of src/train.py]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case " $* " in *" --help "* | *" -h "*)
    sed -n '2,/^set /{s/^# \{0,1\}//p}' scripts/train_folds.sh
    [[ -x .venv/bin/python ]] || exit 0 # the options' own help needs the packages
    ;;
*) bash scripts/setup.sh ;;
esac
exec "${GALAXYZOO_PYTHON:-.venv/bin/python}" src/train.py --ensemble "$@"
