"""Packages that only some commands need: `bash scripts/setup.sh --extras` installs them."""

import importlib.util

from galaxyzoo.errors import InputError


def require(package: str, what: str) -> None:
    """Say in one line what to type where a package is not installed.

    Args:
        package: that is imported next.
        what: of ours needs it.
    Raises:
        InputError: it is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise InputError(
            f"{what} needs {package}, which is not installed: type `bash scripts/setup.sh --extras`"
        )
