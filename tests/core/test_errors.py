"""Advice on damaged files: it is said where the command is known, and ends the one line."""

import pickle

import pytest

from galaxyzoo.core.errors import DamageError, InputError, advise


def read() -> None:
    raise DamageError("fold.json was changed")


def message(error: InputError) -> str:
    """The message, also of its copy from another process."""
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (type(error), str(error))
    return str(error)


def test_the_outermost_advice_ends_the_line():
    with pytest.raises(InputError) as caught:
        read()
    assert message(caught.value) == "fold.json was changed: rerun the command that wrote it"
    with pytest.raises(InputError) as caught, advise("retrain"):
        read()
    assert message(caught.value) == "fold.json was changed: retrain"
    with pytest.raises(InputError) as caught, advise("retrain"), advise("recreate it"):
        read()
    assert message(caught.value) == "fold.json was changed: retrain"
    with pytest.raises(InputError) as caught:  # the advice on another error stays there
        read()
    assert message(caught.value) == "fold.json was changed: rerun the command that wrote it"


def test_a_function_may_have_its_advice():
    advised = advise("recreate it")(read)
    for _ in range(2):
        with pytest.raises(DamageError, match=r"changed: recreate it$"):
            advised()


@pytest.mark.parametrize("error", [InputError("no such run: name another"), OSError("full")])
def test_other_errors_pass_as_they_are(error):
    with pytest.raises(type(error)) as caught, advise("retrain"):
        raise error
    assert caught.value is error
    assert "retrain" not in str(error)


@pytest.mark.parametrize("length", [10, 890, 5000])
def test_the_line_is_as_long_as_that_of_any_mistake(length):
    damage, advice = "x" * length + "\n", "delete it\x1b"
    with pytest.raises(DamageError) as caught, advise(advice):
        raise DamageError(damage)
    assert str(caught.value) == str(InputError(f"{damage}: {advice}"))
    assert str(caught.value).isprintable()
