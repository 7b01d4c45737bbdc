"""The one line with which wrong input is refused."""

from collections.abc import Callable

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
