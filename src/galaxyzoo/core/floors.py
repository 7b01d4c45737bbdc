"""Compare an interpreter's packages with the oldest versions that work.

    python -m galaxyzoo.core.floors [extras|cluster|dev]

`scripts/setup.sh` calls it for `GALAXYZOO_PYTHON`. Only the standard library is imported.
"""

import os
import re
import shlex
import sys
from importlib import metadata

from galaxyzoo.core.paths import CODE_ROOT

_REQUIREMENTS = CODE_ROOT / "scripts" / "requirements"
_BROUGHT_IN = "# Brought in by those"  # below it stand packages that nobody imports by name
# They fit the driver, each other, and what is compiled for them.
_LEFT_ALONE = ("torch", "torchvision", "numpy")
_OPENCV = ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless", "opencv")


def unmet_floors(*parts: str) -> dict[str, str]:
    """Find requirements that this interpreter does not meet.

    Args:
        parts: files of scripts/requirements/ whose packages are needed beside floors.txt, of any
            version.
    Returns:
        For each requirement as pip takes it the version that is installed; empty: none is.
    """
    floors = {name: f"{name}>={floor}" for name, floor in _read("floors")}
    needed = {name: name for part in parts for name, _ in _read(part)} | floors
    installed = {requirement: _installed(name) for name, requirement in needed.items()}
    return {
        requirement: version
        for requirement, version in installed.items()
        if not version or _numbers(version) < _numbers(requirement.partition(">=")[2])
    }


def _explain(unmet: dict[str, str], python: str) -> str:
    """Format what to do about unmet requirements of an interpreter: one line."""
    has = [f"{name} (has {version})" if version else name for name, version in unmet.items()]
    lacks = f"{python} lacks {', '.join(has)}"
    if any(version and name.split(">=")[0] in _LEFT_ALONE for name, version in unmet.items()):
        return f"{lacks}: use a newer environment, or unset GALAXYZOO_PYTHON"
    unchanged = [f"{name}=={version}" for name in _LEFT_ALONE if (version := _installed(name))]
    return f"{lacks}: type `{shlex.join([python, '-m', 'pip', 'install', *unmet, *unchanged])}`"


def _read(part: str) -> list[tuple[str, str]]:
    """Names and versions of the direct packages of a file of requirements."""
    text = (_REQUIREMENTS / f"{part}.txt").read_text(encoding="utf-8").split(_BROUGHT_IN)[0]
    return re.findall(r"^([\w-]+)[>=]=([\d.]+)", text, re.MULTILINE)


def _installed(name: str) -> str:
    """Version of a package; empty if there is none."""
    for alias in (name, *_OPENCV) if name.startswith("opencv") else (name,):
        try:
            return metadata.version(alias)
        except metadata.PackageNotFoundError:
            continue
    return ""


def _numbers(version: str) -> list[int]:
    """2.6.0+cu124 -> 2, 6, 0."""
    return [int(number) for number in re.findall(r"\d+", version.split("+")[0])]


if __name__ == "__main__" and (unmet := unmet_floors(*sys.argv[1:])):
    sys.exit(f"error: {_explain(unmet, os.environ.get('GALAXYZOO_PYTHON') or sys.executable)}")
