"""Exceptions for a user's mistake, a broken file or a failed fold."""

from __future__ import annotations  # the package's __init__.py says why

import errno
from collections.abc import Iterator
from contextlib import contextmanager

# Errors of the system or a network drive that would meet any other file too
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT)


class InputError(Exception):
    """Mistake outside the code; the message tells in one line what, where, and what to do.

    Entry scripts print the message without a traceback and exit with status 1 (`launch.run_main`).
    """

    longest = 900  # characters; what is quoted from a broken file may be anything

    def __init__(self, message: object) -> None:
        line = one_line(str(message))
        super().__init__(line if len(line) <= self.longest else f"{line[: self.longest]} …")


class DamageError(InputError):
    """A file that is damaged or of something else; the message tells what is wrong with it alone.

    What to do about it is said by `advise`, where the command is known.
    """

    advice = "rerun the command that wrote it"

    def __str__(self) -> str:
        """One line as of `InputError`, the advice at its end."""
        return str(InputError(f"{self.args[0]}: {self.advice}"))


@contextmanager
def advise(advice: str) -> Iterator[None]:
    """Say what to do about a damaged file that is read inside; the outermost advice counts.

    with advise("delete folds/demo to split again"):
        read_sealed(path)
    """
    try:
        yield
    except DamageError as error:
        error.advice = advice
        raise


@contextmanager
def located(place: str) -> Iterator[None]:
    """Begin the message of a mistake that is noticed inside with its place: a file, or a run.

    with located("configs/ensembles/mine.yaml"):
        find_recipe(run)
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{place}: {error}") from None


class UnavailableError(InputError):
    """The system cannot read a file just now; the file itself may be whole."""


class FoldError(InputError):
    """Training of one fold failed; other folds and other runs can go on."""

    longest = 200_000  # all galaxies of a batch are named, 20 characters each at most


class DivergenceError(FoldError):
    """A loss or a weight is not finite: with these settings the training does not work."""


def is_transient(error: BaseException) -> bool:
    """Check whether an error is the system's, whichever file is read, and may pass."""
    return isinstance(error, OSError) and error.errno in _PASSING


def reason_of(error: BaseException) -> str:
    """First line of an error's message; its type where it has none."""
    message = str(error).strip()
    if message:
        return message.splitlines()[0]
    return type(error).__name__


def one_line(text: str) -> str:
    """Text with every character that cannot be printed, line breaks too, as its escape.

    Names of files and cells of tables come from outside, and may hold what moves a terminal's
    cursor, renames its window or hides a line.
    """
    if text.isprintable():
        return text
    escaped = ""
    for character in text:
        if character.isprintable():
            escaped += character
        else:
            escaped += character.encode("unicode_escape").decode()
    return escaped
