"""How an entry script begins and ends."""

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from galaxyzoo.core import launch
from support.commands import SRC, TRAIN, environment
from support.thoroughness import is_long, thorough

SCRIPT = """
import atexit, gc
from galaxyzoo.core.launch import begin, run_main
from galaxyzoo.core.errors import InputError
begin()
def main():
    assert gc.isenabled()
    {end}
run_main(main)
"""
start = partial(subprocess.Popen, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def run_script(end: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT.format(end=end)]
    return subprocess.run(command, cwd=SRC, env=env, capture_output=True, text=True, check=False)


def test_libraries_report_nothing_after_the_end():
    """As nanobind does of objects that live on, when the interpreter ends."""
    report = """import os, sys
    class Late:
        def __del__(self, write=os.write): write(2, b"leaked")
    sys.late = Late()
    raise InputError("no such run")"""
    done = run_script(report)
    assert (done.returncode, done.stderr) == (1, "error: no such run\n")


STOPPED = "stopped; rerun the command (long jobs resume)"


@pytest.mark.slow
@pytest.mark.usefixtures("heeded_ctrl_c")
@pytest.mark.parametrize("words", [TRAIN, ["ensemble.py"]] if is_long() else [TRAIN], ids=str)
def test_ctrl_c_is_one_line_whenever_it_comes(project, words):
    """From the first import on, through all of them, to the end of the work."""
    tries = thorough(3, 26)
    for number in range(tries):
        command = [sys.executable, str(SRC / words[0]), *words[1:]]
        quiet = {**environment(project), "TQDM_DISABLE": "1"}
        process = start(command, env=quiet, cwd=project)
        while "site-packages" not in Path(f"/proc/{process.pid}/maps").read_text():
            time.sleep(0.001)
        time.sleep(2.5 * number / tries)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1].strip()
        # A command that has ended its work has nothing to say.
        assert (process.returncode, said) in ((130, STOPPED), (130, ""), (0, "")), number


@pytest.mark.usefixtures("heeded_ctrl_c")
def test_ctrl_c_amid_an_import_of_the_work_is_not_caught_by_the_library(tmp_path):
    library = "import os, signal\ntry: os.kill(os.getpid(), signal.SIGINT)\nexcept: pass\n"
    (tmp_path / "library.py").write_text(library)
    done = run_script("import library", {**environment(tmp_path), "PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stderr.strip()) == (130, STOPPED)


@pytest.mark.usefixtures("heeded_ctrl_c")
def test_a_second_ctrl_c_ends_a_command_that_takes_long_to_end():
    ending = "raise KeyboardInterrupt\natexit.register(lambda: print(input()))"
    command = [sys.executable, "-c", SCRIPT.format(end=ending)]
    process = start(command, cwd=SRC, stdin=subprocess.PIPE)
    assert process.stderr is not None
    assert process.stderr.readline() == "\n"
    assert process.stderr.readline() == f"{STOPPED}\n"
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert (process.returncode, said) == (130, "")


def test_who_imports_a_script_keeps_the_usual_ctrl_c():
    """Worker processes read the script too, under another name."""
    code = """
import runpy, signal
runpy.run_path("train.py", run_name="__mp_main__")
assert signal.getsignal(signal.SIGINT) in (signal.default_int_handler, signal.SIG_IGN)
"""
    subprocess.run([sys.executable, "-c", code], cwd=SRC, check=True)


@pytest.mark.parametrize(
    ("module", "asked", "named"),
    [
        ("astropy.io.fits", "galaxyzoo.extras.surveys.one_table", "astropy, which extras/surveys"),
        ("astropy", "galaxyzoo.extras.formats.fits", "astropy, which extras/formats"),
        ("h5py", "galaxyzoo.io.tables", "h5py, which extras/formats"),
    ],
)
def test_a_missing_package_is_named_with_the_extra_that_asked_for_it(module, asked, named, capsys):
    def main() -> None:
        exec(f"raise ModuleNotFoundError(name={module!r})", {"__name__": asked})

    with pytest.raises(SystemExit) as stop:
        launch.run_main(main)
    assert stop.value.code == 1
    assert capsys.readouterr().err.startswith(f"error: {named}")


def test_an_extra_without_one_of_its_modules_is_named(capsys):
    """Python says so by an ImportError where the module is imported from its package."""
    name = "galaxyzoo.extras.formats"
    for error in (
        ImportError("cannot import name 'fits'", name=name),
        ModuleNotFoundError("No module named 'fits'", name=f"{name}.fits"),
    ):

        def main(error: ImportError = error) -> None:
            raise error

        with pytest.raises(SystemExit):
            launch.run_main(main)
        line = f"error: extras/formats of galaxyzoo is incomplete ({error}): restore or delete it\n"
        assert capsys.readouterr().err == line


def test_an_import_that_a_library_refuses_is_no_missing_package():
    def main() -> None:
        raise ImportError("cannot import name 'fits'", name="astropy")

    with pytest.raises(ImportError, match="cannot import name"):
        launch.run_main(main)
