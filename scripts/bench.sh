#!/usr/bin/env bash
# Measure how fast this project is, as ratios within one run (docs/performance.md).
#
#   bash scripts/bench.sh [PART…] [--gpu] [--data DATA] [--repeats N]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case " $* " in *" --help "* | *" -h "*)
    sed -n '2,/^set /{s/^# \{0,1\}//p}' scripts/bench.sh
    [[ -x .venv/bin/python ]] || exit 0 # the options' own help needs the packages
    ;;
*) bash scripts/setup.sh --dev ;;
esac
export PYTHONPATH=src:tests
exec "${GALAXYZOO_PYTHON:-.venv/bin/python}" scripts/benchmarks "$@"
