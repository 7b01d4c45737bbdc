#!/usr/bin/env bash
# Create .venv and install the pinned packages, if anything changed.
#
#   bash scripts/setup.sh [--cluster|--extras|--dev] [--cpu]
#
#   --cpu      torch without CUDA, from PyTorch's index: 1 GB instead of 5;
#              later set-ups keep it so, until .venv is deleted
#   --extras   also the packages for Kaggle, tuning, export and the notebook
#   --cluster  also Ray and Dask
#   --dev      all of these, and the packages of scripts/test.sh
#
# With GALAXYZOO_PYTHON set (Kaggle kernel, conda), it only checks that Python.
set -euo pipefail
trap 'exit 130' INT # else a program that Ctrl-C ends looks like one that failed
cd "$(dirname "${BASH_SOURCE[0]}")/.."

UV=uv==0.13.8  # pip alone can pair torch and torchvision builds that do not fit; uv's resolver does not
PYTHON=.venv/bin/python
PINS=scripts/requirements
MODULES="torch, torchvision, timm, albumentations, cv2, lightgbm"
STAMP=.venv/.installed # each says what its packages were installed from
CPU=.venv/.cpu         # torch was installed without CUDA: later set-ups keep it so
backend=() size=5
if [[ $# -gt 0 && ${*: -1} == --cpu ]]; then
    # Reinstalled, as a torch with CUDA of the same version would do for uv.
    backend=(--torch-backend cpu --reinstall-package torch --reinstall-package torchvision) size=1
    set -- "${@:1:$#-1}"
fi
if [[ -f $CPU ]]; then backend=(--torch-backend cpu) size=1; fi
usage() {
    echo "usage: bash scripts/setup.sh [--cluster|--extras|--dev] [--cpu]" >&2
    exit 2
}

(($# <= 1)) || usage
case ${1:-} in
"") parts=() ;;
--cluster) parts=(cluster) ;;
--extras) parts=(extras) ;;
--dev) parts=(cluster extras dev) ;;
--help | -h)
    sed -n '2,/^set /{s/^# \{0,1\}//p;}' scripts/setup.sh
    exit
    ;;
*) usage ;;
esac
wanted=("$STAMP")
sources=(--requirements "$PINS/base.txt" --overrides "$PINS/overrides.txt")
for part in ${parts[@]+"${parts[@]}"}; do
    wanted+=("$STAMP-$part")
    sources+=(--requirements "$PINS/$part.txt")
done

say() { echo "set-up: $*"; }
fail() {
    echo "error: $*" >&2
    exit 1
}

is_new_enough() { "$1" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() { # prints the first interpreter that is new enough
    local name
    for name in python3 python3.13 python3.12 python3.11 python3.14; do
        if is_new_enough "$name"; then
            echo "$name"
            return
        fi
    done
    fail "no Python 3.11 or newer found (python3: $(python3 -V 2>/dev/null || echo none)): install one, then retry"
}

stamp() { "$PYTHON" -I -S -c 'import sys; print(sys.version)' && cat "$PINS"/*.txt scripts/setup.sh | cksum; }

is_current() {
    local file now
    now=$(stamp 2>/dev/null) || return 1
    [[ ${#backend[@]} == 0 || -f $CPU ]] || return 1
    for file in "${wanted[@]}"; do [[ -f $file && $(<"$file") == "$now" ]] || return 1; done
}

make_venv() {
    is_new_enough "$PYTHON" && { [[ -x .venv/bin/uv ]] || "$PYTHON" -m pip --version >/dev/null 2>&1; } && return
    local base
    base=$(find_python)
    say "making .venv with $("$base" -V)"
    rm -rf .venv
    # Debian's python3 comes without ensurepip: then whatever else can make an environment is taken.
    "$base" -m venv .venv >/dev/null 2>&1 && return
    rm -rf .venv
    if command -v uv >/dev/null && uv venv --quiet --seed --python "$base" .venv; then return; fi
    if command -v virtualenv >/dev/null && virtualenv --quiet --python "$base" .venv; then return; fi
    rm -rf .venv
    fail "\`$base -m venv\` does not work here: \`apt-get install python3-venv\` (or install uv), then retry"
}

uv_pip() {
    local quiet=()
    [[ -t 2 ]] || quiet=(--quiet)
    .venv/bin/uv pip "$@" ${quiet[@]+"${quiet[@]}"} --python "$PYTHON"
}

install_packages() {
    "$PYTHON" -m pip install --quiet --disable-pip-version-check "$UV" || fail "pip could not install $UV (see above)"
    # A headless cv2 from an earlier set-up shares its folder with opencv-python: both go before one comes.
    if compgen -G ".venv/lib/python*/site-packages/opencv_python_headless-*" >/dev/null; then
        uv_pip uninstall opencv-python opencv-python-headless
    fi
    # Compiled once here, so that each command starts in half the time even where Python may not write caches.
    local torch
    torch=$(sed -n 's/^\(torch[a-z]*==[0-9.]*\).*/\1/p' "$PINS/base.txt")
    local hint="Behind a mirror, set UV_DEFAULT_INDEX: uv ignores pip.conf" index=https://download.pytorch.org/whl/cpu
    ((${#backend[@]} == 0)) || hint="--cpu needs $index. Without it, delete .venv and type \`bash scripts/setup.sh\`. If pip has a \
mirror of it, type \`$PYTHON -m pip install ${torch//$'\n'/ } --index-url \
$index\`, then \`bash scripts/setup.sh\`"
    uv_pip install --compile-bytecode "${sources[@]}" ${backend[@]+"${backend[@]}"} ||
        fail "the packages could not be installed (see above). $hint"
}

choose_cv2() { # opencv-python where its display libraries (libGL) exist, else the headless build; never both
    "$PYTHON" -c "import cv2" 2>/dev/null && return
    local version
    version=$(sed -n 's/^opencv-python==\([0-9.]*\).*/\1/p' $PINS/base.txt)
    say "cv2 does not load here (no libGL?): installing opencv-python-headless $version instead of opencv-python"
    uv_pip uninstall opencv-python
    uv_pip install --no-deps "opencv-python-headless==$version" || fail "opencv-python-headless could not be installed"
}

check_imports() {
    local problem hint=""
    problem=$(NO_ALBUMENTATIONS_UPDATE=1 "$PYTHON" -c "import $MODULES" 2>&1) && return
    [[ $problem != *libgomp* ]] || hint=": \`apt-get install libgomp1\`"
    [[ $problem != *libomp* ]] || hint=": \`brew install libomp\`"
    fail "a package does not load: $(tail -n 1 <<<"$problem")$hint"
}

check_own_python() { # GALAXYZOO_PYTHON: nothing is installed there
    command -v "$GALAXYZOO_PYTHON" >/dev/null || fail "GALAXYZOO_PYTHON is $GALAXYZOO_PYTHON, which is not a program"
    is_new_enough "$GALAXYZOO_PYTHON" || fail "GALAXYZOO_PYTHON is older than Python 3.11"
    PYTHONPATH=src "$GALAXYZOO_PYTHON" -m galaxyzoo.core.floors ${parts[@]+"${parts[@]}"} || exit 1
    local major other # from OpenCV 5 on pictures are warped more exactly
    major=$(sed -n 's/^opencv-python==\([0-9]*\)[.].*/\1/p' $PINS/base.txt)
    other=$("$GALAXYZOO_PYTHON" -c 'import cv2; print(cv2.__version__)') || fail "GALAXYZOO_PYTHON does not load cv2 (see above)"
    [[ $other == "$major".* ]] || say "GALAXYZOO_PYTHON has OpenCV $other, not $major: votes differ by up to 0.0024"
}

if [[ -n ${GALAXYZOO_PYTHON:-} ]]; then
    check_own_python
    exit
fi
is_current && exit
if command -v flock >/dev/null && exec 9<scripts/setup.sh; then # one set-up at a time; a lock that fails is no error
    flock --nonblock 9 || { say "waiting for another set-up of this folder" && flock 9 || true; }
    is_current && exit # the other one did it
fi
SECONDS=0
make_venv
say "installing the packages into .venv (about $size GB when new, on Linux)"
now=$(stamp)
for file in "$STAMP"*; do # of other options, whose packages stay as they are
    if [[ -f $file && $(<"$file") == "$now" ]]; then wanted+=("$file"); fi
done
rm -f "$STAMP"*
install_packages
choose_cv2
check_imports
((${#backend[@]} == 0)) || touch "$CPU"
for file in "${wanted[@]}"; do stamp >"$file"; done # last, so that an interrupted set-up is done again
say "done in $SECONDS s"
