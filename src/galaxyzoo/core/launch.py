"""Start and end of every command: the project's Python, one-line errors, closing lines.

Only the standard library is imported here, because it runs before anything else is known to be
installed.
"""

from __future__ import annotations  # the package's __init__.py says why

import atexit
import errno
import gc
import importlib.util
import io
import os
import shlex
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from types import FrameType

from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.paths import CODE_ROOT, INSTALLED

VENV_PYTHON = CODE_ROOT / ".venv" / "bin" / "python"  # of a checkout
_OLDEST = (3, 11)  # Python
_NEEDED = ("torch", "timm", "cv2", "lightgbm", "pydantic", "safetensors", "filelock")
_EXTRAS = "galaxyzoo.extras."
_RESTARTED = "GALAXYZOO_RESTARTED"
_PYTHON = "GALAXYZOO_PYTHON"  # the user's own interpreter, as the shell scripts take it
_started = time.perf_counter()  # before the slow imports
# What a disk or its rights refuse; other errors of the system are the code's own mistakes.
_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
_ANY_USE = (errno.EACCES, errno.EPERM, errno.EIO)
_STOPPED = "\nstopped; rerun the command (long jobs resume)"


def start() -> None:
    """Begin an entry script with `GALAXYZOO_PYTHON`, or with `.venv`'s Python.

    The latter where this interpreter is too old or lacks the packages; another (an active venv,
    conda, a Kaggle kernel) is used as it is. Exits with one line that says what to do where none
    will do.
    """
    begin()
    _use_project_python()


def _use_project_python() -> None:
    """Restart with the user's Python, or with `.venv`'s; exit where the one that runs is unfit."""
    chosen = os.environ.get(_PYTHON, "")  # by the user
    python = shutil.which(chosen) if chosen else str(VENV_PYTHON)
    if not python:
        sys.exit(f"error: {_PYTHON} is set to {chosen}, which is not a program")
    is_old = sys.version_info < _OLDEST
    lacks = [] if is_old else _lacking_packages()
    is_unfit = is_old or bool(lacks)
    is_other_wanted = is_unfit and VENV_PYTHON.exists()
    if chosen:
        is_other_wanted = python != sys.executable
    if is_other_wanted and not os.environ.get(_RESTARTED):
        os.environ[_RESTARTED] = "1"
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # waits for `begin` to handle it
        os.execv(python, [python, *sys.argv])
    if not is_unfit:
        return
    if is_old:
        version = sys.version.split()[0]
        reason = f"Python 3.11 or newer is required, but {sys.executable} is {version}"
    else:
        interpreter = _PYTHON if chosen else "this Python"
        reason = f"{interpreter} lacks {', '.join(lacks)}"
    sys.exit(f"error: {reason}: type `bash scripts/setup.sh`, then retry")


def _lacking_packages() -> list[str]:
    """Packages that this interpreter lacks, or has in versions that are too old."""
    lacks = [name for name in _NEEDED if not importlib.util.find_spec(name)]
    if lacks or INSTALLED or sys.prefix == str(VENV_PYTHON.parents[1]):
        return lacks
    # Only here: it is slow to import, and no part of Python 3.7.
    from galaxyzoo.core.floors import unmet_floors

    return list(unmet_floors())


def begin() -> None:
    """Prepare the process for a command's imports.

    Until `run_main`, Ctrl-C ends it at once: libraries would turn a KeyboardInterrupt amid their
    import into anything.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored: nohup
        signal.signal(signal.SIGINT, _stop_importing)
    atexit.register(_end_quietly)  # the last of all to be run
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    gc.disable()  # imports leave nothing to collect, and looking for it takes a sixth of them


def run_main(main: Callable[[], None]) -> None:
    """Call a script's main; a user's mistake becomes one line on stderr and exit status 1.

    So does a disk that is full or cannot be used, too little memory, and an optional package that
    is not installed.
    """
    gc.enable()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # "×" on a terminal that has ASCII alone
    try:
        heeds_ctrl_c = signal.getsignal(signal.SIGINT) is _stop_importing
        try:
            if heeds_ctrl_c:
                signal.signal(signal.SIGINT, _stop_working)
            main()
            sys.stdout.flush()
        finally:
            if heeds_ctrl_c:  # again, while processes and threads are ended
                signal.signal(signal.SIGINT, _stop_ending)
    except InputError as error:
        _exit_with(str(error))
    except ImportError as error:
        _exit_with(name_missing(error))
    except MemoryError as error:
        _exit_with(f"out of memory ({str(error) or 'the system has no more'})")
    except KeyboardInterrupt:
        warnings.simplefilter("ignore")  # of work that was not done
        print(_STOPPED, file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `… | head` closed the pipe
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        if error.errno not in (*_WRITING, *_ANY_USE):
            raise
        use = "write" if error.errno in _WRITING else "read or write"
        _exit_with(f"cannot {use} {error.filename or 'a file'}: {error.strerror}")
    finally:
        gc.freeze()  # or the interpreter's last collections go through all of torch, for seconds


def name_missing(error: ImportError) -> str:
    """Name a deleted extra, or what to type for a package; others are the code's own mistakes."""
    from galaxyzoo.core.extras import installed  # not to be read by an old Python

    if str(error.name).startswith(_EXTRAS):
        folder = str(error.name).split(".")[2]
        if folder in installed():
            return f"extras/{folder} of galaxyzoo is incomplete ({error}): restore or delete it"
        return f"the folder extras/{folder} of galaxyzoo, which this command needs, is missing"
    module = str(error.name).partition(".")[0]
    offering = [name for name, extra in installed().items() if module in extra.packages]
    if not offering or not isinstance(error, ModuleNotFoundError):
        raise error
    for frame, _ in traceback.walk_tb(error.__traceback__):
        name = frame.f_globals["__name__"]
        if name.startswith(_EXTRAS):
            offering.append(name.split(".")[2])
    return (
        f"{module}, which extras/{offering[-1]} needs, is not installed: type "
        f"`{install_command(module)}`, then rerun the command"
    )


def _stop_importing(*_: object) -> None:
    os.write(2, f"{_STOPPED}\n".encode())
    os._exit(130)


def _stop_working(_number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, or end at once where the work is importing a library."""
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            _stop_importing()
        frame = frame.f_back
    raise KeyboardInterrupt


def _stop_ending(*_: object) -> None:
    os._exit(130)


def _end_quietly() -> None:
    """Ignore Ctrl-C, and close stderr to libraries: nanobind takes frozen objects for leaked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not sys.stderr.closed:
        sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _exit_with(message: str) -> None:
    # A progress bar ends its line only when it is closed, and would be drawn again at the exit.
    bars = getattr(sys.modules.get("tqdm"), "tqdm", None)
    for bar in list(getattr(bars, "_instances", ())):
        bar.close()
    print(f"error: {one_line(message)}", file=sys.stderr)
    sys.exit(1)


def print_done(result: str, next_command: str = "") -> None:
    """Print a command's closing lines: its time, what it made, and on a line alone what comes next.

    Args:
        result: its path, and its score where it has one.
        next_command: to be copied into the terminal.
    """
    print(one_line(f"done in {_duration(time.perf_counter() - _started)}: {result}"))
    if next_command:
        print(one_line(f"next: {next_command}"))


def _duration(seconds: float) -> str:
    """Spell a time in a unit of which it is 1.5 or more, but at least in seconds."""
    if seconds >= 1.5 * 3600:
        return f"{seconds / 3600:.1f} h"
    if seconds >= 1.5 * 60:
        return f"{seconds / 60:.1f} min"
    return f"{seconds:.1f} s"


def suggest(occasion: str, arguments: str = "") -> str:
    """Spell the command that an extra offers next (`Extra.next`); empty where none does.

    Args:
        occasion: a key of `Extra.next`.
        arguments: of the command, quoted.
    """
    from galaxyzoo.core.extras import installed  # not to be read by an old Python

    for extra in installed().values():
        if occasion in extra.next:
            return f"{typed(extra.next[occasion])} {arguments}".strip()
    return ""


def data_option(data: str | None) -> str:
    """Spell `--data` as it was given to this command, to stand behind the words of another."""
    return f" --data {quote(data)}" if data else ""


def quote(*arguments: str) -> str:
    """Spell arguments for a shell; every command in a message does so."""
    return shlex.join(arguments)


def typed(command: str) -> str:
    """How a command begins as it is typed here: a script of a checkout, or `galaxyzoo COMMAND`."""
    if INSTALLED and command == "train_folds":
        return "galaxyzoo train --ensemble"
    if INSTALLED:
        return f"galaxyzoo {command}"
    if (CODE_ROOT / "scripts" / f"{command}.sh").exists():
        return f"bash scripts/{command}.sh"
    return f"python3 src/{command}.py"


def install_command(*packages: str, option: str = "--extras") -> str:
    """Command that installs optional packages into the environment of this process.

    Into `.venv` by an option of `scripts/setup.sh`.
    """
    is_project_venv = os.path.realpath(sys.prefix) == os.path.realpath(VENV_PYTHON.parents[1])
    if INSTALLED or _PYTHON in os.environ or not is_project_venv:
        from importlib import metadata  # no part of Python 3.7

        same = f"numpy=={metadata.version('numpy')}"  # torch was compiled for it
        python = os.environ.get(_PYTHON) or "python"
        return f"{python} -m pip install {' '.join(packages)} {same}"
    return f"bash scripts/setup.sh {option}"


def require(feature: str, *packages: str, otherwise: str = "", option: str = "--extras") -> None:
    """Raise an InputError that says what to type where optional packages are not installed.

    Args:
        feature: what needs them, for the message.
        packages: names by which they are imported, and installed.
        otherwise: end of the message, another way out.
        option: of `scripts/setup.sh`, which installs them.
    """
    lacks = [name for name in packages if importlib.util.find_spec(name) is None]
    if lacks:
        are = "is" if len(lacks) == 1 else "are"
        raise InputError(
            f"{feature} needs {', '.join(lacks)}, which {are} not installed: type "
            f"`{install_command(*lacks, option=option)}`{otherwise}"
        )
