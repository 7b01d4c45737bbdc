"""The one exception that a user's mistake or a broken file raises."""


class InputError(Exception):
    """Something outside the code is wrong; the message says in one line what, where, what to do.

    Entry scripts print the message without a traceback and exit with status 1 (`launch.run_main`).
    """
