"""Start and end of every command: the project's Python, shared arguments, one-line errors.

Only the standard library is imported here, because it runs before anything else is known to be
installed.
"""

from __future__ import annotations  # the package's __init__.py says why

import argparse
import atexit
import errno
import gc
import importlib.util
import io
import os
import re
import shlex
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.paths import CODE_ROOT, INSTALLED

BACKENDS = ("loky", "ray", "dask")  # of joblib
VENV_PYTHON = CODE_ROOT / ".venv" / "bin" / "python"  # of a checkout
_OLDEST = (3, 11)  # Python
_NEEDED = ("torch", "timm", "cv2", "lightgbm", "pydantic", "safetensors", "filelock")
# Optional packages by their extra in pyproject.toml, as they are imported.
EXTRAS = {
    "formats": ("h5py", "astropy"),
    "surveys": ("pyarrow",),
    "pages": ("jinja2",),
    "reports": ("matplotlib",),
    "explain": ("pytorch_grad_cam",),
    "tuning": ("optuna",),
    "app": ("gradio",),
    "export": ("onnx", "onnxruntime", "onnxscript"),
    "download": ("kaggle", "pooch"),
}
_RESTARTED = "GALAXYZOO_RESTARTED"
_PYTHON = "GALAXYZOO_PYTHON"  # the user's own interpreter, as the shell scripts take it
_started = time.perf_counter()  # before the slow imports
_UNITS = ((3600, "h"), (60, "min"))
# What a disk or its rights refuse; other errors of the system are the code's own mistakes.
_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
_ANY_USE = (errno.EACCES, errno.EPERM, errno.EIO)
_STOPPED = "\nstopped; the same command goes on from here"


def use_project_python() -> None:
    """Start the running script again with `GALAXYZOO_PYTHON`, or with `.venv`'s Python.

    The latter where this interpreter is too old or lacks the packages; another (an active venv,
    conda, a Kaggle kernel) is used as it is. Exits with one line that says what to do where none
    will do.
    """
    if sys._getframe(1).f_globals["__name__"] != "__main__":
        return  # a worker or a test imports the script
    begin()
    python_wanted = os.environ.get(_PYTHON, "")
    if python_wanted and not shutil.which(python_wanted):
        sys.exit(f"error: {_PYTHON} is {python_wanted}, which is not a program")
    is_old = sys.version_info < _OLDEST
    lacks = [] if is_old else _lacking_packages()
    python = shutil.which(python_wanted) or str(VENV_PYTHON)
    unfit = is_old or lacks
    wanted = python != sys.executable if python_wanted else unfit and VENV_PYTHON.exists()
    if wanted and not os.environ.get(_RESTARTED):
        os.environ[_RESTARTED] = "1"
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # waits for `begin` to handle it
        os.execv(python, [python, *sys.argv])
    if is_old:
        sys.exit(
            f"error: Python 3.11 or newer is needed, and {sys.executable} is "
            f"{sys.version.split()[0]}: type `bash scripts/setup.sh`, then again"
        )
    if lacks:
        sys.exit(
            f"error: {(python_wanted and _PYTHON) or 'this Python'} lacks {', '.join(lacks)}: type "
            "`bash scripts/setup.sh`, then again"
        )


def _lacking_packages() -> list[str]:
    """Packages that this interpreter lacks, or has in versions that are too old."""
    lacks = [name for name in _NEEDED if not importlib.util.find_spec(name)]
    if lacks or INSTALLED or sys.prefix == str(VENV_PYTHON.parents[1]):
        return lacks
    # Only here: it is slow to import, and no part of Python 3.7.
    from galaxyzoo.core.floors import unmet_floors

    return [*unmet_floors()]


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
    except ModuleNotFoundError as error:
        _exit_with(_name_optional(error))
    except MemoryError as error:
        _exit_with(f"not enough memory ({str(error) or 'the system gave no more'})")
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


def _name_optional(error: ModuleNotFoundError) -> str:
    """What to type for an optional package; others are the code's own mistakes."""
    module = str(error.name).partition(".")[0]
    for extra, modules in EXTRAS.items():
        if module in modules:
            package = module.replace("pytorch_grad_cam", "grad-cam")
            how = f"type `{install_command(package)}`, then again"
            return f"{package} is not installed (optional: {extra}): {how}"
    raise error


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
    print(f"error: {one_line(as_typed(message))}", file=sys.stderr)
    sys.exit(1)


def print_done(made: str, next_command: str = "") -> None:
    """Print a command's closing lines: its time, what it made, and on a line alone what comes next.

    Args:
        made: path of the result, and its score where it has one.
        next_command: to be copied into the terminal.
    """
    seconds = time.perf_counter() - _started
    length, unit = next(((n, u) for n, u in _UNITS if seconds >= 1.5 * n), (1, "s"))
    print(one_line(f"done in {seconds / length:.1f} {unit}: {made}"))
    if next_command:
        print(one_line(as_typed(f"next: {next_command}")))


def with_data(command: str, data: str | None) -> str:
    """A command with the `--data` of this one, if that was given."""
    return f"{command} --data {shlex.quote(data)}" if data else command


def as_typed(text: str) -> str:
    """Text whose commands are written as they are typed here: `galaxyzoo NAME` where installed."""
    if not INSTALLED:
        return text
    text = text.replace("bash scripts/train_folds.sh", "galaxyzoo train --ensemble")
    scripts = r"python3 src/(\w+)\.py|bash scripts/(download_data|submit)\.sh"
    return re.sub(scripts, lambda match: f"galaxyzoo {match[1] or match[2]}", text)


def install_command(*packages: str, part: str = "--extras") -> str:
    """Command that installs optional packages, by an option of `scripts/setup.sh` in a checkout."""
    if INSTALLED or _PYTHON in os.environ:
        return f"{os.environ.get(_PYTHON) or 'python'} -m pip install {' '.join(packages)}"
    return f"bash scripts/setup.sh {part}"


def require(feature: str, *packages: str, otherwise: str = "", part: str = "--extras") -> None:
    """Raise an InputError that says what to type where optional packages are not installed.

    Args:
        feature: what needs them, for the message.
        packages: names by which they are imported, and installed.
        otherwise: end of the message, another way out.
        part: option of `scripts/setup.sh` that installs them.
    """
    lacks = [name for name in packages if importlib.util.find_spec(name) is None]
    if lacks:
        raise InputError(
            f"{feature} needs {', '.join(lacks)}, which {'is' if len(lacks) == 1 else 'are'} not "
            f"installed: type `{install_command(*lacks, part=part)}`{otherwise}"
        )


def fold_numbers(text: str) -> list[int]:
    """`0,2` -> [0, 2]; argparse turns the ValueError into its own message."""
    return sorted({int(part) for part in text.split(",")})


def positive(text: str) -> int:
    """A whole number from 1 on, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


# Arguments that several commands take.
SHARED: dict[str, dict[str, Any]] = {
    "run": {
        "metavar": "RUN",
        "help": "a trained run, gz37/resnet18, or an ensemble, ensemble:default",
    },
    "--dataset": {"help": "dataset of the runs (default: the only real one, else demo)"},
    "--data": {
        "help": "folder with the dataset's files (default: found in input/), demo or demo-full"
    },
    "--folds": {
        "type": int,
        "metavar": "K",
        "help": "number of folds of a new split (default: 5)",
    },
    "--jobs": {
        "type": positive,
        "default": 1,
        "metavar": "N",
        "help": "folds, or parts of a survey, at a time, each in a process and on a GPU of its own "
        "(default: 1, with all cores; for src/train.py as many as have a core and memory, on a "
        "GPU 1)",
    },
    "--backend": {
        "choices": BACKENDS,
        "default": BACKENDS[0],
        "help": "starts these processes: loky on this machine (default), ray or dask on a cluster",
    },
}


def new_parser(description: str | None, *shared: str) -> argparse.ArgumentParser:
    """A parser with some of the `SHARED` arguments; --help keeps the description's line breaks."""
    parser = argparse.ArgumentParser(
        description=as_typed(description or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name in shared:
        parser.add_argument(name, **SHARED[name])
    return parser
