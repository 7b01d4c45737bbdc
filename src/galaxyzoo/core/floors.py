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


def unmet_floors(*lists: str) -> dict[str, str]:
    """Find requirements that this interpreter does not meet.

    Args:
        lists: files of scripts/requirements/ whose packages are needed beside floors.txt, of any
            version.
    Returns:
        For each requirement as pip takes it the version that is installed; empty: none is.
    """
    requirements = {}
    for needed in lists:
        for name, _ in _read(needed):
            requirements[name] = name
    for name, floor in _read("floors"):
        requirements[name] = f"{name}>={floor}"
    unmet = {}
    for name, requirement in requirements.items():
        version = _installed(name)
        floor = requirement.partition(">=")[2]
        if not version or _numbers(version) < _numbers(floor):
            unmet[requirement] = version
    return unmet


def _explain(unmet: dict[str, str], python: str) -> str:
    """Format what to do about unmet requirements of an interpreter: one line."""
    lines = []
    is_fixed = False
    for requirement, version in unmet.items():
        lines.append(f"{requirement} (has {version})" if version else requirement)
        if version and requirement.split(">=")[0] in _LEFT_ALONE:
            is_fixed = True
    lacks = f"{python} lacks {', '.join(lines)}"
    if is_fixed:
        return f"{lacks}: use a newer environment, or unset GALAXYZOO_PYTHON"
    command = [python, "-m", "pip", "install", *unmet]
    for name in _LEFT_ALONE:
        version = _installed(name)
        if version:
            command.append(f"{name}=={version}")
    return f"{lacks}: type `{shlex.join(command)}`"


def _read(name: str) -> list[tuple[str, str]]:
    """Names and versions of the direct packages of a file of requirements."""
    text = (_REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    direct = text.split(_BROUGHT_IN)[0]
    return re.findall(r"^([\w-]+)[>=]=([\d.]+)", direct, re.MULTILINE)


def _installed(name: str) -> str:
    """Version of a package; empty if there is none."""
    aliases = [name]
    if name.startswith("opencv"):
        aliases += _OPENCV
    for alias in aliases:
        try:
            return metadata.version(alias)
        except metadata.PackageNotFoundError:
            continue
    return ""


def _numbers(version: str) -> list[int]:
    """2.6.0+cu124 -> 2, 6, 0."""
    return [int(number) for number in re.findall(r"\d+", version.split("+")[0])]


if __name__ == "__main__":
    UNMET = unmet_floors(*sys.argv[1:])
    if UNMET:
        PYTHON = os.environ.get("GALAXYZOO_PYTHON") or sys.executable
        sys.exit(f"error: {_explain(UNMET, PYTHON)}")
