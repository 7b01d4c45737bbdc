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
    sed -n '2,/^set /{s/^# \{0,1\}//p;}' "${BASH_SOURCE[1]}"
    [[ -n ${GALAXYZOO_PYTHON:-} || -x $root/.venv/bin/python ]] || exit 0 # the options' own help needs the packages
    ;;
*)
    [[ -z ${GALAXYZOO_PYTHON:-} ]] || setup="" # nothing is installed there; a command names what else it needs
    home=${HOME:-}
    if [[ $setup == --extras && ! -e $root/.venv/.installed-extras && -z ${KAGGLE_API_TOKEN:-}${KAGGLE_KEY:-} ]] &&
        ! compgen -G "${KAGGLE_CONFIG_DIR:-$home/.kaggle}/*" >/dev/null && [[ ! -e $home/.config/kaggle/kaggle.json ]]; then
        echo "error: no Kaggle credentials: create them at https://www.kaggle.com/settings (API) and keep them in" \
            "a kaggle.json in your home's .kaggle folder, KAGGLE_USERNAME and KAGGLE_KEY, or KAGGLE_API_TOKEN" >&2
        exit 1
    fi
    bash "$root/scripts/setup.sh" ${setup:+"$setup"}
    ;;
esac
