#!/usr/bin/env bash
# Get the competition's files from Kaggle into input/; the same command goes on after an interruption.
#
#   bash scripts/download_data.sh [options of src/download_data.py]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

case " $* " in *" --help "* | *" -h "*)
    sed -n '2,/^set /{s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    [[ -x $root/.venv/bin/python ]] || exit 0 # the options' own help needs the packages
    ;;
*) bash "$root/scripts/setup.sh" --extras ;;
esac
exec "${GALAXYZOO_PYTHON:-$root/.venv/bin/python}" "$root/src/download_data.py" "$@"
