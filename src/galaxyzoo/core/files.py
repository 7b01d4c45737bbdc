"""Files and folders that are wholly written or not there: a temporary one beside, fsync, rename.

One process at a time: whoever comes second waits, then finds the work done.
"""

import fcntl
import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown

_PART = ".part"


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; a clean exit renames it to `path`, an error removes it.

    What writers of the same path that were killed have left is removed.
    """
    with explaining(path), ExitStack() as stack:
        if path.exists() and not path.is_file():  # root may rename over a device: over /dev/null
            raise InputError(f"cannot write {shown(path)}: it is no file, but a folder or a device")
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_left_over(path.parent, glob.escape(path.name))
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
def writing_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; a clean exit renames it, an error removes it."""
    check_free(path)
    with explaining(path), ExitStack() as stack:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_left_over(path.parent, glob.escape(path.name))
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PART))
        stack.callback(shutil.rmtree, temporary, ignore_errors=True)
        handle = os.open(temporary, os.O_RDONLY)
        stack.callback(os.close, handle)
        with suppress(OSError):  # some network drives know no locks
            fcntl.flock(handle, fcntl.LOCK_SH)  # as long as the writer lives
        yield temporary
        for file in (found for found in temporary.rglob("*") if found.is_file()):
            with open(file, "rb") as written:
                os.fsync(written.fileno())
        temporary.chmod(0o755)
        check_free(path)  # a rename would replace an empty folder that came meanwhile
        temporary.rename(path)
        sync_folder(path.parent)


def check_free(path: Path) -> None:
    """Refuse a folder to be made that is there already."""
    if path.exists() or path.is_symlink():
        raise InputError(f"{shown(path)} is there already: delete it, or name another folder")


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write a file into one line that names it."""
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
    """Read a JSON file that the project wrote."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{shown(path)} is missing: run the step that writes it again") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"{shown(path)} is not readable JSON ({error}): delete it and run again"
        ) from None


def remove_left_over(folder: Path, name: str = "*") -> None:
    """Remove the temporary files and folders of dead writers: those that nobody locks.

    Args:
        folder: where they are.
        name: of what they were to become, as a glob pattern; default anything.
    """
    for left in folder.glob(f".{name}.*{_PART}"):
        with suppress(OSError), ExitStack() as stack:
            handle = os.open(left, os.O_RDONLY)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if left.is_dir():
                shutil.rmtree(left)
            else:
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


NAME = ".lock"


@contextmanager
def trying(path: Path) -> Iterator[bool]:
    """Hold a lock file where no other process does; yields whether it is held here.

    Args:
        path: the lock file; its folder is made.
    """
    lock, is_mine = FileLock(path), True
    with explaining(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            is_mine = False
    try:
        yield is_mine
    finally:
        lock.release()


@contextmanager
def holding(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file, waiting with a word where another process holds it.

    The system frees the lock of a process that died, in whatever way, so none is ever left behind;
    the empty file that stays means nothing.

    Args:
        path: the lock file; its folder is made.
        what: what the holder does, as in "another process is …".
    """
    lock = FileLock(path)
    with explaining(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            tqdm.write(f"another process is {what}; waiting for it")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()
