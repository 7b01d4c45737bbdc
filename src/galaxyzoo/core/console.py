"""Tables and progress bars on the screen."""

import shutil
import sys
import textwrap
from functools import cache
from typing import Any

import pandas as pd
from tqdm import tqdm

_LOG_WIDTH = 132  # characters where the output is no terminal but a file or a pipe, without COLUMNS
_LINE = (
    "{desc}: {percentage:.0f} % ({n_fmt}/{total_fmt}), {elapsed} elapsed, {remaining} left{postfix}"
)
_MINUTE_S = 60.0


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

    Floats have five decimals, missing values a dash. Where columns do not fit on a line, the rest
    follow below with the first column again; text that is wider than a line alone ends in dots.
    """
    first = table.columns[0]
    cells = table.where(table.notna())  # None is printed as it is, NaN as `na_rep`
    cells = cells.set_index(first).rename_axis(index=None, columns=first)
    width = _width()
    width_of_first = max(len(str(text)) for text in [first, *cells.index])
    # pandas adds 5: blanks, and a backslash where columns go on below
    widest = max(10, width - width_of_first - 5)
    text = cells.to_string(
        line_width=width, na_rep="–", float_format="{:.5f}".format, max_colwidth=widest
    )
    print(f"\n{title}", text, sep="\n")


def print_text(*paragraphs: str) -> None:
    """Print paragraphs, each broken between words where a line of the terminal ends."""
    for text in paragraphs:
        print(textwrap.fill(text, _width(), break_long_words=False, break_on_hyphens=False))


def _width() -> int:
    return shutil.get_terminal_size((_LOG_WIDTH, 0)).columns
