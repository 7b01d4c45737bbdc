"""Open our files with other people's software, and print the table of docs/surveys.md.

    PYTHONPATH=src .venv/bin/uv run --no-project --with-requirements scripts/requirements/base.txt \
        --with-requirements scripts/dev/readers_of_our_files/packages.txt \
        python3 scripts/dev/readers_of_our_files

A reader that is not installed is printed so (STILTS: apt install stilts). What differs is listed on
the error stream; a difference that `notes.py` does not have, or one that has gone, is an error.
"""

import math
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from network_readers import describe_networks
from notes import NOTES, Note
from our_files import PREDICTION, OurFile, make_files
from table_readers import KINDS, TABLE_READERS, Reader

CENTER = 0.0, 0.0  # right ascension and declination
RADIUS_DEG = 0.0025
LIMITS = {PREDICTION: 0.5, "mag": 19.0, "fold": 1.0}

Found = dict[tuple[str, str], dict[str, str]]  # reader, kind of file -> question -> difference
Question = tuple[Callable[[], Any], Any]  # a function that asks, and the right answer


def main() -> None:
    """Make the files, ask all readers, print; exit with status 1 after a surprise."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GALAXYZOO_ROOT"] = folder
        found = ask_all(make_files(Path(folder)))
        print_tables(found)
        print("\n".join(describe_networks(Path(folder))))
    sys.exit("\n".join(list_surprises(found)) or 0)


def ask_all(files: Sequence[OurFile]) -> Found:
    """Ask every installed reader about every file that it opens; what differs is printed, too."""
    found: Found = {}
    for reader in TABLE_READERS:
        if not reader.version():
            continue
        for file in files:
            if file.kind not in reader.kinds:
                continue
            different = differences(reader, file)
            found.setdefault((reader.title, file.kind), {}).update(different)
            for question, difference in different.items():
                print(reader.title, file.kind, question, difference, sep=" | ", file=sys.stderr)
    return found


def differences(reader: type[Reader], file: OurFile) -> dict[str, str]:
    """What a reader gives otherwise, by question; all by `open` if it does not open the file."""
    try:
        opened = reader(file.kind, file.path, file.key)
    except Exception as error:  # noqa: BLE001 each library has its own
        return {"open": describe(error)}
    result = {}
    for question, (ask, expected) in list_questions(opened, file).items():
        try:
            answer = ask()
        except NotImplementedError:
            continue
        except Exception as error:  # noqa: BLE001 as above
            result[question] = describe(error)
            continue
        if repr(answer) != repr(expected):  # so that 1, 1.0 and True differ
            result[question] = f"{answer}, not {expected}"
    return result


def describe(error: Exception) -> str:
    """Type and first line of an error."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def list_questions(opened: Reader, file: OurFile) -> dict[str, Question]:
    """What to ask, and the right answers, by the question's name."""
    numbers = list(range(len(file.ids)))
    joined = sorted(zip(file.ids, numbers, strict=True))
    questions: dict[str, Question] = {
        "join": (lambda: sorted(opened.join(list(file.ids), numbers)), joined)
    }
    for name, values in file.columns.items():
        question = name
        if name == file.key:
            question = "text ids" if isinstance(values[0], str) else "ids"
        questions[question] = (partial(opened.column, name), list(values))
        if name in LIMITS:
            limit = LIMITS[name]
            ask = partial(opened.above, name, limit)
            questions[f"{name} > {limit:g}"] = (ask, rows_above(file, name, limit))
    if file.unit:
        questions["unit"] = (partial(opened.unit, "ra"), file.unit)
    if "ra" in file.columns:
        questions["cone"] = (partial(opened.near, *CENTER, RADIUS_DEG), rows_in_cone(file))
    return questions


def rows_above(file: OurFile, name: str, limit: float) -> list[Any]:
    """Ids of the rows above the limit; none without a value."""
    chosen = []
    for galaxy, value in zip(file.ids, file.columns[name], strict=True):
        if value is not None and value > limit:
            chosen.append(galaxy)
    return chosen


def rows_in_cone(file: OurFile) -> list[Any]:
    """Ids within `RADIUS_DEG` of `CENTER`, which is on the equator: the sky is flat there."""
    chosen = []
    for galaxy, ra, dec in zip(file.ids, file.columns["ra"], file.columns["dec"], strict=True):
        from_zero = (ra + 180) % 360 - 180
        if math.hypot(from_zero, dec) < RADIUS_DEG:
            chosen.append(galaxy)
    return chosen


def print_tables(found: Found) -> None:
    """Print readers against kinds of files, then the notes."""
    print("|Reader|" + "|".join(KINDS) + "|")
    print("|---|" + "---|" * len(KINDS))
    for reader in TABLE_READERS:
        cells = [describe_cell(reader.title, kind, found) for kind in KINDS]
        number = reader.version() or "(not installed)"
        print(f"|{reader.title} {number}|" + "|".join(cells) + "|")
    print()
    for place, note in enumerate(NOTES, 1):
        print(f"{place}. {note.text}")
    print()


def describe_cell(reader: str, kind: str, found: Found) -> str:
    """A tick, the numbers of the notes about what differs, or nothing where nothing was asked."""
    if (reader, kind) not in found:
        return ""
    numbers = []
    for place, note in enumerate(NOTES, 1):
        if any(note.covers(reader, kind, question) for question in found[reader, kind]):
            numbers.append(str(place))
    return ", ".join(numbers) or "✓"


def list_surprises(found: Found) -> list[str]:
    """Differences without a note, and notes without a difference."""
    surprises = []
    unused: list[tuple[Note, str]] = []
    for note in NOTES:
        unused += [(note, reader) for reader in note.readers]
    for (reader, kind), questions in found.items():
        for question in questions:
            notes = [note for note in NOTES if note.covers(reader, kind, question)]
            if not notes:
                surprises.append(f"no note: {reader}, {kind}, {question}")
            unused = [pair for pair in unused if pair[1] != reader or pair[0] not in notes]
    asked = {reader for reader, _ in found}
    for note, reader in unused:
        if reader in asked:
            surprises.append(f"no longer so: {reader}: {note.text}")
    return surprises


if __name__ == "__main__":
    main()
