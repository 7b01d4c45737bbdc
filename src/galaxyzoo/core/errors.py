"""Exceptions for a user's mistake, a broken file or a failed fold."""


class InputError(Exception):
    """Mistake outside the code; the message tells in one line what, where, and what to do.

    Entry scripts print the message without a traceback and exit with status 1 (`launch.run_main`).
    """

    longest = 900  # characters; what is quoted from a broken file may be anything

    def __init__(self, message: object) -> None:
        line = one_line(str(message))
        super().__init__(line if len(line) <= self.longest else f"{line[: self.longest]} …")


class UnavailableError(InputError):
    """The system cannot read a file just now; the file itself may be whole."""


class FoldError(InputError):
    """Training of one fold failed; other folds and other runs can go on."""

    longest = 200_000  # all galaxies of a batch are named, 20 characters each at most


def reason_of(error: BaseException) -> str:
    """First line of an error's message; its type where it has none."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def one_line(text: str) -> str:
    """Text with every character that cannot be printed, line breaks too, as its escape.

    Names of files and cells of tables come from outside, and may hold what moves a terminal's
    cursor, renames its window or hides a line.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
