"""Files that are wholly written or not there: temporary file in the same folder, fsync, rename."""

import fcntl
import glob
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from galaxyzoo.errors import InputError
from galaxyzoo.paths import shown

_PART = ".part"


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; a clean exit renames it to `path`, an error removes it.

    What writers of the same path that were killed have left is removed.

    Raises:
        InputError: the folder cannot be written, the disk is full, or `path` is a folder or a
            device; what was at `path` is still there.
    """
    with explaining(path), ExitStack() as stack:
        if path.exists() and not path.is_file():  # root may rename over a device: over /dev/null
            raise InputError(f"cannot write {shown(path)}: it is no file, but a folder or a device")
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_over(path)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PART)
        stack.callback(os.close, handle)
        temporary = Path(name)
        stack.callback(_remove, temporary)
        with suppress(OSError):  # some network drives know no locks
            fcntl.flock(handle, fcntl.LOCK_SH)  # as long as the writer lives
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
        sync_folder(path.parent)


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write a file into one line that names it.

    Raises:
        InputError: the folder cannot be written or the disk is full.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"cannot write {shown(path)}: {reason} (what was there before is unchanged)"
        ) from error


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write bytes atomically."""
    with writing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, indented, keys in the given order; NaN is refused (ValueError)."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file that the project wrote.

    Raises:
        InputError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{shown(path)} is missing: run the step that writes it again") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"{shown(path)} is not readable JSON ({error}): delete it and run again"
        ) from None


def _remove_left_over(path: Path) -> None:
    """Remove the temporary files of dead writers: those that nobody holds a lock on."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{_PART}"):
        with suppress(OSError), open(left, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink(missing_ok=True)


def _remove(temporary: Path) -> None:
    """Remove what was not renamed; where that is refused too, the first refusal is the one said."""
    with suppress(OSError):
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system allows a folder to be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
