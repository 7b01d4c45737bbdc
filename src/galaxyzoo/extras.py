"""Packages that only some commands need: `bash scripts/setup.sh --extras` installs them."""

import importlib.util

from galaxyzoo.errors import InputError


def require(what: str, *packages: str, otherwise: str = "") -> None:
    """Say in one line what to type where packages are not installed.

    Args:
        what: of ours needs them.
        packages: that are imported next.
        otherwise: what else would help.
    Raises:
        InputError: one of them is not installed.
    """
    lacks = [name for name in packages if importlib.util.find_spec(name) is None]
    if lacks:
        raise InputError(
            f"{what} needs {', '.join(lacks)}, which {'is' if len(lacks) == 1 else 'are'} not "
            f"installed: type `bash scripts/setup.sh --extras`{otherwise}"
        )
