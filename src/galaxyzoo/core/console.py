"""Tables and progress bars on the screen, tables in Markdown."""

import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

_LOG_WIDTH = 132  # characters where the output is no terminal but a file or a pipe, without COLUMNS
_LINE = (
    "{desc}: {percentage:.0f} % ({n_fmt} of {total_fmt}), {elapsed} gone, {remaining} left{postfix}"
)
_MINUTE_S = 60.0


class Bar(tqdm):
    """Progress bar with tqdm's arguments; into a log, a line a minute and one at the end."""

    def __init__(
        self,
        iterable: Iterable[Any] | None = None,
        desc: str | None = None,
        total: int | None = None,
        **options: Any,
    ) -> None:
        if not sys.stderr.isatty():
            rate = dict.fromkeys(("mininterval", "maxinterval", "delay"), _MINUTE_S)
            options |= {"file": _Log(), "position": 0, "bar_format": _LINE, "leave": True, **rate}
        super().__init__(iterable, desc, total, **options)


class _Log:
    """Standard error in whole lines, without cursor movements."""

    def write(self, text: str) -> None:
        """Print a line, unless the text is a mere space or carriage return."""
        if line := text.strip():
            print(line[:_LOG_WIDTH], file=sys.stderr, flush=True)


@cache
def say_once(line: str) -> None:
    """Print a line above the progress bars, unless this process has printed it before."""
    tqdm.write(line)


def print_table(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    bold: Collection[int] = (),
    spare: Sequence[str] = (),
) -> None:
    """Print a table; the first column is set left, all others right.

    Args:
        title: above the table.
        header: names of the columns.
        rows: cells, as many as the header.
        bold: numbers of the rows to set in bold.
        spare: columns to leave out, the first first, where cells would not fit on a line.
    """
    # Names may hold brackets and colons, which are no markup.
    console = Console(highlight=False, markup=False, emoji=False, width=_width())
    widths = {
        i: max(map(cell_len, [*name.split(), *(row[i] for row in rows)]))
        for i, name in enumerate(header)
    }
    left_out = list[str]()
    for name in filter([*header].__contains__, spare):
        if sum(widths.values()) + 3 * len(widths) + 1 > console.width:
            del widths[[*header].index(name)]
            left_out.append(name)
    # Rich alone would break or cut off cells; names of columns may break between words.
    natural = [max(cell_len(header[i]), width) for i, width in widths.items()]
    is_narrow = sum(natural) + 3 * len(widths) + 1 > console.width
    table = Table(title=title)
    for i, width in widths.items():
        justify: Literal["left", "right"] = "right" if i else "left"
        table.add_column(header[i], justify=justify, width=width if is_narrow else None)
    for number, row in enumerate(rows):
        table.add_row(*(row[i] for i in widths), style="bold" if number in bold else None)
    console.print(table)
    if left_out:
        print_text(f"no room for: {', '.join(left_out)}")


def print_text(*paragraphs: str) -> None:
    """Print paragraphs, each broken between words where a line of the terminal ends."""
    for text in paragraphs:
        lines = textwrap.wrap(text, _width(), break_long_words=False, break_on_hyphens=False)
        print(*lines, sep="\n")


def _width() -> int:
    return shutil.get_terminal_size((_LOG_WIDTH, 0)).columns
