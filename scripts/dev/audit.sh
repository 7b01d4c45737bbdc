#!/usr/bin/env bash
# Look up the published vulnerabilities of all pinned packages, and of the oldest versions that pip may keep. The answers to
# findings are in docs/reliability.md.
#
#   bash scripts/dev/audit.sh [pip-audit arguments]     (a minute; fails if there are findings)
#   bash scripts/dev/audit.sh --vulnerability-service osv
#
# pip-audit asks PyPI about each package, or OSV, and by itself passes over what it cannot look up. So this is an error here,
# and a version that is known to be vulnerable is looked up first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bash scripts/setup.sh --dev
python=$(command -v "${GALAXYZOO_PYTHON:-.venv/bin/python}")
uv=$(dirname "$python")/uv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$uv" venv --quiet --python "$python" "$work/venv"
"$uv" pip install --quiet --python "$work/venv" pip-audit==2.10.1

audit() { # FILE ARGUMENTS…: of exact versions
    "$work/venv/bin/pip-audit" --strict --no-deps --disable-pip --progress-spinner off --aliases on \
        --requirement "$1" "${@:2}" 2>"$work/errors" && return
    local status=$?
    grep ERROR "$work/errors" >&2 || true
    return $status
}

echo filelock==3.20.0 >"$work/known"
audit "$work/known" "$@" >"$work/found" || true
if ! grep -q CVE-2026-22701 "$work/found"; then
    echo "error: no list of vulnerabilities can be reached: rerun with --vulnerability-service osv, or on another network" >&2
    exit 1
fi
sed 's/ *#.*//' scripts/requirements/{base,cluster,dev,extras}.txt | sort -u >"$work/pins"
"$uv" pip compile --quiet --no-header --no-annotate --python-version 3.11 --resolution lowest-direct --all-extras \
    pyproject.toml --output-file "$work/floors"
status=0
for name in pins floors; do
    echo "== $name: $(grep -c == "$work/$name") packages"
    audit "$work/$name" "$@" && echo "no known vulnerability" || status=1
done
exit $status
