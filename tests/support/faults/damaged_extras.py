"""Type commands where a part of an extra is missing, all others being there.

Arguments: a folder of the code, which is whole again in the end, and a JSON list of an extra, the
module that it lacks ("all modules", or "" for its folder), and what is typed then. Prints a line
for each command: JSON of the extra, what was typed, the status or message of the exit, and what
was printed on stderr. The server that starts it has imported the libraries.
"""

import contextlib
import io
import json
import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

Words = list[str]


def main() -> None:
    src = Path(sys.argv[1])
    sys.path[1] = str(src)
    for name in [name for name in sys.modules if name.partition(".")[0] == "galaxyzoo"]:
        del sys.modules[name]
    for extra, lost, all_words in json.loads(sys.argv[2]):
        with damaged(src / "galaxyzoo/extras" / extra, lost):
            if os.fork() == 0:
                for words in all_words:
                    print(json.dumps([extra, words, *call(words)]), flush=True)
                os._exit(0)
            os.wait()


@contextlib.contextmanager
def damaged(folder: Path, lost: str) -> Iterator[None]:
    """An extra's folder without that module while the block runs."""
    whole = folder.parents[1] / "whole"
    folder.rename(whole)
    if lost == "all modules":
        folder.mkdir()
        shutil.copy(whole / "__init__.py", folder)
    elif lost:
        shutil.copytree(whole, folder, ignore=shutil.ignore_patterns(lost))
    yield
    shutil.rmtree(folder, ignore_errors=True)
    whole.rename(folder)


def call(words: Words) -> tuple[object, str]:
    """Status or message of a command's exit, and what it printed on stderr."""
    sys.argv = words
    errors = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        status = run(words[0])
    return status, errors.getvalue()


def run(name: str) -> object:
    try:
        from galaxyzoo import commands

        if name == "galaxyzoo":
            commands.main()
        else:
            commands.run(name)
    except SystemExit as end:
        return end.code or 0
    except BaseException:  # noqa: BLE001 - what the interpreter would print
        return traceback.format_exc()
    return 0


if __name__ == "__main__":
    main()
