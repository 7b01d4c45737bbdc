"""The one exception that a user's mistake or a broken file raises."""

_LONGEST = 900  # characters; what is quoted from a broken file may be anything


class InputError(Exception):
    """Something outside the code is wrong; the message says in one line what, where, what to do.

    Entry scripts print the message without a traceback and exit with status 1 (`launch.run_main`).
    """

    def __init__(self, message: object) -> None:
        # What is quoted from a file may hold line ends and signs that move a terminal's cursor.
        line = " ".join(str(message).split())
        line = line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"
        super().__init__("".join(sign if sign.isprintable() else "\ufffd" for sign in line))
