#!/usr/bin/env bash
# Check a submission (default: submissions/predictions.csv), send it to Kaggle, and show its score.
#
#   bash scripts/submit.sh [FILE] -m MESSAGE [options of src/submit.py]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

case " $* " in *" --help "* | *" -h "*)
    sed -n '2,/^set /{s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    [[ -x $root/.venv/bin/python ]] || exit 0 # the options' own help needs the packages
    ;;
*) bash "$root/scripts/setup.sh" --extras ;;
esac
exec "${GALAXYZOO_PYTHON:-$root/.venv/bin/python}" "$root/src/submit.py" "$@"
