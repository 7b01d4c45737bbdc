"""Tables and progress bars on the screen."""

import shutil
import sys
import textwrap
import threading
from functools import cache
from typing import Any

import pandas as pd
from tqdm import tqdm

_LOG_WIDTH = 132  # characters where the output is no terminal but a file or a pipe, without COLUMNS
_LINE = (
    "{desc}: {percentage:.0f} % ({n_fmt}/{total_fmt}), {elapsed} elapsed, {remaining} left{postfix}"
)
_MINUTE_S = 60.0


# Not multiprocessing's, whose semaphore a line of its own would call leaked after Ctrl-C.
tqdm.set_lock(threading.RLock())


class ProgressBar(tqdm):
    """Progress bar with tqdm's arguments; into a log, a line a minute and one at the end."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        if not sys.stderr.isatty():
            rate = dict.fromkeys(("mininterval", "maxinterval", "delay"), _MINUTE_S)
            options |= {"file": _Log(), "position": 0, "bar_format": _LINE, "leave": True, **rate}
        super().__init__(*arguments, **options)


class _Log:
    """Standard error in whole lines, without cursor movements."""

    def write(self, text: str) -> None:
        """Print a line, unless the text is a mere space or carriage return."""
        line = text.strip()
        if line:
            print(line[:_LOG_WIDTH], file=sys.stderr, flush=True)


@cache
def warn_once(line: str) -> None:
    """Print a line above the progress bars, unless this process has printed it before."""
    tqdm.write(line)


def count(number: int, noun: str) -> str:
    """Number and noun, in the plural unless it is one.

    Examples:
        >>> count(1, "image"), count(2000, "image")
        ('1 image', '2,000 images')
    """
    if number != 1:
        noun += "s"
    return f"{number:,} {noun}"


def print_table(title: str, table: pd.DataFrame) -> None:
    """Print a table whose index is not shown: its first column set left, the others right.

    Floats have five decimals, missing values a dash. Last columns that do not fit on a line are
    left out, and a line names them; a text that is wider than a line alone ends in dots.
    """
    fitting = len(table.columns)
    text = _format_table(table)
    while fitting > 2 and len(text.partition("\n")[0]) > _width():
        fitting -= 1
        text = _format_table(table.iloc[:, :fitting])
    print(f"\n{title}", text, sep="\n")
    hidden = table.columns[fitting:]
    if len(hidden):
        print_text(f"hidden (a line has {_width()} characters): {', '.join(hidden)}")


def _format_table(table: pd.DataFrame) -> str:
    """Lines of equal width, the first of which has the columns' names."""
    first = table.columns[0]
    present = table.where(table.notna())  # None is printed as it is, NaN as `na_rep`
    named = present.set_index(first).rename_axis(index=None, columns=first)
    widest_name = max(len(str(name)) for name in [first, *named.index])
    return named.to_string(
        na_rep="–",
        float_format="{:.5f}".format,
        max_colwidth=max(10, _width() - widest_name - 5),  # blanks of pandas
    )


def print_text(*paragraphs: str) -> None:
    """Print paragraphs, each broken between words where a line of the terminal ends."""
    for text in paragraphs:
        print(textwrap.fill(text, _width(), break_long_words=False, break_on_hyphens=False))


def _width() -> int:
    return shutil.get_terminal_size((_LOG_WIDTH, 0)).columns
