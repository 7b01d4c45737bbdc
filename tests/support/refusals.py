"""The one line with which wrong input is refused."""

from collections.abc import Callable

import pytest

from galaxyzoo.core.errors import InputError


def one_line_refusal(call: Callable[..., object], *arguments: object, **named: object) -> str:
    """The message of a call that must raise InputError."""
    with pytest.raises(InputError) as caught:
        call(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)
