"""The one line with which wrong input is refused; nothing is written then."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from galaxyzoo.core.errors import InputError


def one_line_refusal(call: Callable[..., object], *arguments: object, **named: object) -> str:
    """The message of a call that must raise InputError."""
    with pytest.raises(InputError) as caught:
        call(*arguments, **named)
    check_refusal(caught.value)
    return str(caught.value)


def check_refusal(error: InputError, name: str = "") -> None:
    """One line of bearable length that names the file."""
    text = str(error)
    assert text
    assert name in text
    assert len(text.splitlines()) == 1, text
    assert text.isprintable()
    assert len(text) < 1000, text


def listing(*folders: Path) -> dict[str, bytes]:
    """Every file under the folders with its content, to see that nothing was written or changed.

    Locks are left out: they are empty and stay where they were made.
    """
    files: Iterable[Path] = (p for folder in folders for p in folder.rglob("*") if p.is_file())
    return {str(p): p.read_bytes() for p in files if p.suffix != ".lock" and p.name != ".lock"}


def damage(text: str, old: str, new: str) -> list[str]:
    """Contents that a sealed JSON file may not have: one edited, emptied, cut off, of no object."""
    edited = text.replace(old, new)
    assert edited != text
    return [
        edited,
        "",
        "[]",
        "3",
        text[: len(text) // 2],
        text.replace('"digest": "', '"digest": "0'),
    ]
