# shellcheck shell=bash
# Sourced by the scripts that start Python: print the script's --help, or set the packages up.
#
#   source scripts/lib/start.sh OPTION_OF_SETUP "$@"     sets root and python
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034 # read by the script that sources this
python=${GALAXYZOO_PYTHON:-$root/.venv/bin/python}
setup=$1
shift

case " $* " in *" --help "* | *" -h "*)
    sed -n '2,/^set /{s/^# \{0,1\}//p}' "${BASH_SOURCE[1]}"
    [[ -x $root/.venv/bin/python ]] || exit 0 # the options' own help needs the packages
    ;;
*) bash "$root/scripts/setup.sh" ${setup:+"$setup"} ;;
esac
