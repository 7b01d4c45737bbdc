"""The one exception that a user's mistake or a broken file raises."""

_LONGEST = 2_000  # characters; what is quoted from a broken file may be anything


class InputError(Exception):
    """Something outside the code is wrong; the message says in one line what, where, what to do.

    Entry scripts print the message without a traceback and exit with status 1 (`launch.run_main`).
    """

    def __init__(self, message: object) -> None:
        line = one_line(" ".join(str(message).split()))
        super().__init__(line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …")


def one_line(text: str) -> str:
    """Text as a terminal may show it: what cannot be printed, a line break too, as its escape.

    Names of files and cells of tables come from outside, and may hold what moves the cursor,
    renames the window or hides a line.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
