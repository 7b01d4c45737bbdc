"""Kills, in a process that goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Killed(BaseException):
    """Stands for SIGKILL: no `except Exception` catches it."""


@contextmanager
def killed_before(name: str) -> Iterator[None]:
    """Expect to be killed right before a file of that name is put in place."""
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if target.name == name:
            raise Killed
        return replace(self, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(Killed):
            yield
