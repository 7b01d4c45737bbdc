"""Atomic files and folders, and file locks.

A file or folder is written under a temporary name beside its own, synced and renamed, so it is
wholly there or not at all. Work on a folder that must not be done twice holds its lock: a process
that comes second waits, then finds the work done.
"""

import fcntl
import glob
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from galaxyzoo.core.errors import DamageError, InputError
from galaxyzoo.core.paths import shown

LOCK = ".lock"  # name of the lock file of a folder
_PART = ".part"
_TOKEN_BYTES = 4  # random ones in the name of a temporary file
_held: dict[Path, os.stat_result] = {}  # lock files held here -> status when taken


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; a clean exit renames it to `path`, an error removes it.

    Leftovers of killed writers of the same path are removed first.
    """
    _check_held(path)
    with explain_write_errors(path):
        if path.exists() and not path.is_file():  # root may rename over a device: over /dev/null
            raise InputError(f"cannot write {shown(path)}: it is a folder or a device, not a file")
        with _temporary(path, is_folder=False) as temporary:
            yield temporary
            _check_held(path)
            _sync(temporary)
            temporary.replace(path)
            sync_folder(path.parent)


@contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; a clean exit renames it, an error removes it."""
    check_free(path)
    with explain_write_errors(path), _temporary(path, is_folder=True) as temporary:
        yield temporary
        for made in (temporary, *temporary.rglob("*")):
            (sync_folder if made.is_dir() else _sync)(made)
        check_free(path)  # a rename would replace an empty folder that came meanwhile
        temporary.rename(path)
        sync_folder(path.parent)


@contextmanager
def _temporary(path: Path, is_folder: bool) -> Iterator[Path]:
    """A new file or folder beside `path`, locked while its writer lives, removed at the end."""
    make_folder(path.parent)
    remove_left_over(path.parent, glob.escape(path.name))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(_TOKEN_BYTES)}{_PART}")
    with ExitStack() as stack:
        # Not by `tempfile`, whose files are for their owner alone; the umask decides.
        if is_folder:
            temporary.mkdir()
        new = os.O_RDONLY if is_folder else os.O_RDWR | os.O_CREAT | os.O_EXCL
        handle = os.open(temporary, new, 0o666)
        stack.callback(os.close, handle)
        stack.callback(_remove, temporary)
        with suppress(OSError):  # some network drives know no locks
            fcntl.flock(handle, fcntl.LOCK_SH)
        yield temporary


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are missing; each survives a power cut."""
    if path.is_dir() or path == path.parent:
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def check_free(path: Path) -> None:
    """Raise InputError if a folder exists already."""
    if path.exists() or path.is_symlink():
        raise InputError(f"{shown(path)} already exists: move it, or choose another folder")


@contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Turn an OSError of writing a file into an InputError that names the file."""
    try:
        yield
    except OSError as error:
        _check_held(path)
        reason = error.strerror or str(error)
        raise InputError(
            f"cannot write {shown(path)}: {reason} (any previous file is unchanged)"
        ) from error


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write bytes atomically."""
    with writing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, indented, keys sorted; NaN is refused (ValueError)."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file that the project wrote; one that cannot be read is a `DamageError`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DamageError(f"{shown(path)} is missing") from None
    except (ValueError, RecursionError, IsADirectoryError) as error:
        raise DamageError(f"{shown(path)} is not valid JSON ({error})") from None


def remove_left_over(folder: Path, name: str = "*") -> None:
    """Remove the temporary files and folders of dead writers: those that are not locked.

    Args:
        folder: where they are.
        name: glob pattern of the final names; default all.
    """
    token = "[0-9a-f]" * (2 * _TOKEN_BYTES)  # as `_temporary` draws it: a user's file has none
    for left in folder.glob(f".{name}.{token}{_PART}"):
        with suppress(OSError), ExitStack() as stack:
            handle = os.open(left, os.O_RDONLY)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(left)


def _remove(temporary: Path) -> None:
    """Remove a temporary path; a failure must not hide the error that ended the writing."""
    with suppress(OSError):
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


def _sync(file: Path) -> None:
    with open(file, "rb") as written:
        os.fsync(written.fileno())


def sync_folder(path: Path) -> None:
    """Sync a folder, so that its names survive a power cut, where the system allows it."""
    with suppress(OSError), ExitStack() as stack:
        handle = os.open(path, os.O_RDONLY)
        stack.callback(os.close, handle)
        os.fsync(handle)


@contextmanager
def try_lock(path: Path) -> Iterator[FileLock]:
    """Yield a lock file, created if needed, that `is_locked` unless another process holds it."""
    lock = FileLock(path)
    with explain_write_errors(path):
        make_folder(path.parent)
        with suppress(Timeout):
            lock.acquire(timeout=0)
    try:
        yield lock
    finally:
        lock.release()


@contextmanager
def hold_lock(path: Path, activity: str) -> Iterator[None]:
    """Hold a lock file, created if needed; wait, with a message, while another process holds it.

    The system frees the lock of a process that died, in whatever way, so none is ever left behind;
    the empty file that stays means nothing. If the folder of a lock named `LOCK` is deleted
    meanwhile, this process writes nothing more in it (`writing` refuses): another one may have
    begun anew there.

    Args:
        path: the lock file.
        activity: what the holder does, as in "another process is …".
    """
    with try_lock(path) as lock:
        with explain_write_errors(path):
            if not lock.is_locked:
                tqdm.write(f"waiting for another process that is {activity}")
                lock.acquire()
            _held[path] = path.stat()
        try:
            yield
        finally:
            _held.pop(path, None)


def _check_held(path: Path) -> None:
    """Refuse to write below a folder that was deleted while this process held its lock."""
    for folder in path.parents:
        held, lock = _held.get(folder / LOCK), folder / LOCK
        if held and not (lock.exists() and os.path.samestat(held, lock.stat())):
            raise deletion_error(folder)


def deletion_error(folder: Path) -> InputError:
    """Error for a folder that was deleted while this command worked in it."""
    return InputError(f"{shown(folder)} was deleted while this command was using it; stopping")
