#!/usr/bin/env bash
# Run all checks of CI: linters (ruff, mypy, import-linter, shellcheck, vacuous
# assertions, vague names), then pytest with this script's arguments.
#
#   bash scripts/test.sh [--long] [pytest arguments]
#   bash scripts/test.sh --mutations [NAME...]
#   bash scripts/test.sh --lowest|--newest
#
#   --long              many more kills, faults and random cases
#   --mutations         put known bugs into a copy, one at a time: tests must fail
#   --lowest, --newest  quick tests with the oldest or newest packages allowed
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case " $* " in *" --help "* | *" -h "*)
    sed -n '2,/^set /{s/^# \{0,1\}//p;}' scripts/test.sh
    exit
    ;;
esac
bash scripts/setup.sh --dev
python=$(command -v "${GALAXYZOO_PYTHON:-.venv/bin/python}")
if [[ ${1:-} == --mutations ]]; then
    exec "$python" tests/mutations/run.py "${@:2}"
fi
if [[ ${1:-} == --lowest || ${1:-} == --newest ]]; then
    uv=.venv/bin/uv environment=.venv-${1#--}
    resolution=highest && [[ $1 == --newest ]] || resolution=lowest-direct
    "$uv" venv --quiet --allow-existing --python "$python" "$environment"
    "$uv" pip install --quiet --python "$environment" --resolution "$resolution" --requirements pyproject.toml \
        --extra formats --extra surveys --extra explain --extra tuning --requirements scripts/requirements/dev.txt
    exec "$environment/bin/python" -m pytest -m "not slow and not pinned" --numprocesses 2 --dist worksteal \
        --ignore tests/extras --ignore tests/commands/test_notebook.py "${@:2}"
fi
shellcheck=$(command -v "$(dirname "$python")/shellcheck" || command -v shellcheck || true)
failed=()
if (($# == 0)); then
    echo "linters (1 minute), then some 4,000 tests (5 to 12 minutes on two cores; \`-m quick\`: 1 minute)"
fi

check() { # NAME COMMAND…: goes on after a failure, so that one run shows all of them
    local name=$1 start=$SECONDS
    shift
    echo "== $name"
    "$@" || failed+=("$name")
    echo "   $((SECONDS - start)) s"
}

check "ruff check" "$python" -m ruff check src tests scripts
check "ruff format" "$python" -m ruff format --check src tests scripts
check "assertions" "$python" scripts/dev/check_asserts.py
check "names" "$python" scripts/dev/check_names.py
check "mypy" "$python" -m mypy
check "import-linter" env PYTHONPATH=src "$(dirname "$python")/lint-imports" --no-cache
if [[ -n $shellcheck ]]; then
    check "shellcheck" "$shellcheck" -x scripts/*.sh scripts/*/*.sh findings/*.sh .ci/run
else
    echo "== shellcheck: skipped, not installed here"
fi
# Tests are dealt to as many processes as there are cores (up to four: each takes 1 to 2 GB), each a stretch of files in
# their order, of which those that are done first take some over.
jobs=$("$python" -c 'import os; print(min(os.cpu_count() or 1, 4))')
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
unset PYTHONDONTWRITEBYTECODE # or each of a hundred Pythons compiles the package again
# Large pages of memory, where Linux has them: importing torch takes a third less on some virtual machines.
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1} PYTHONMALLOC=${PYTHONMALLOC:-malloc}
check "pytest" "$python" -m pytest --numprocesses "$jobs" --dist worksteal "$@"

if ((${#failed[@]})); then
    echo "error: failed: $(printf '%s, ' "${failed[@]}" | sed 's/, $//')" >&2
    exit 1
fi
