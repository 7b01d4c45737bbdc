"""setup.sh and test.sh; stand-ins install nothing."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from galaxyzoo.core.paths import CODE_ROOT as ROOT

PINS = ROOT / "scripts" / "requirements"
TOOLS = "bash basename cat cksum cp dirname env flock mkdir mv rm sed sleep tail touch"
# Stands for python3, .venv/bin/python, uv and lint-imports; notes each call in $LOG.
STAND_IN = r"""#!/bin/bash
[[ "$*" == "-I -S -c"* ]] && exec "$REAL_PYTHON" "$@"
echo "$(basename "$0") $*" >>"$LOG"
case "$*" in
    "-V") echo "Python 3.99" ;;
    "-m venv .venv")
        [[ -z ${NO_VENV:-} ]] || exit 1
        mkdir -p .venv/bin
        cp "$0" .venv/bin/python ;;
    "-m pip install"*) cp "$0" .venv/bin/uv ;;
    "pip install --compile-bytecode --requirements"*)
        trap 'exit 1' INT
        sleep "${INSTALL_S:-0}"
        [[ -z ${INSTALL_FAILS:-} ]] || exit 1
        cp "$0" .venv/bin/lint-imports
        mkdir -p .venv/lib/python3/site-packages
        touch .venv/lib/python3/site-packages/opencv_python-1.dist-info ;;
    "pip uninstall"*) rm -f .venv/lib/python3/site-packages/opencv_python* ;;
    "pip install --no-deps opencv-python-headless=="*)
        touch .venv/lib/python3/site-packages/opencv_python_headless-1.dist-info ;;
    "-c import cv2") [[ -z ${NO_DISPLAY:-} || -e $(echo .venv/lib/*/*/opencv_python_headless*) ]] ;;
    "-c import torch,"*)
        [[ -z ${NO_GOMP:-} ]] || { echo "OSError: libgomp.so.1: cannot open" >&2; exit 1; } ;;
esac
"""


class ScriptsCopy:
    """A copy of the scripts in an empty folder, with stand-ins for whatever is slow to install."""

    def __init__(self, root: Path) -> None:
        self.root, self.log = root / "project", root / "log"
        self.started: list[int] = []
        shutil.copytree(ROOT / "scripts", self.root / "scripts")
        for name in ("__init__", "core/errors", "core/floors", "core/paths"):
            (self.root / f"src/galaxyzoo/{name}.py").parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / f"src/galaxyzoo/{name}.py", self.root / f"src/galaxyzoo/{name}.py")
        self.bin = root / "bin"
        self.bin.mkdir()
        for name in TOOLS.split():
            if found := shutil.which(name):
                (self.bin / name).symlink_to(found)
        self.write("python3", STAND_IN)

    def write(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def start(self, script: str, *arguments: str, **extra: str) -> subprocess.Popen[str]:
        command = ["bash", str(self.root / "scripts" / script), *arguments]
        own = {"PATH": str(self.bin), "LOG": str(self.log), "REAL_PYTHON": sys.executable}
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, env=own | extra, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )
        self.started.append(process.pid)
        return process

    def stop(self) -> None:
        """End what a failed test has left running."""
        for session in self.started:
            with suppress(ProcessLookupError):
                os.killpg(session, signal.SIGKILL)

    def run(self, script: str, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        process = self.start(script, *arguments, **extra)
        printed = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, *printed)

    def set_up(self, *arguments: str, **extra: str) -> tuple[int, str]:
        """Exit status and everything printed."""
        done = self.run("setup.sh", *arguments, **extra)
        return done.returncode, done.stdout + done.stderr

    def calls(self, start: str = "") -> int:
        """How many noted calls begin so."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return sum(line.startswith(start) for line in lines)

    @property
    def installs(self) -> int:
        return self.calls("uv pip install --compile-bytecode --requirements")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[ScriptsCopy]:
    copy = ScriptsCopy(tmp_path)
    yield copy
    copy.stop()


def test_second_set_up_runs_nothing(project):
    status, printed = project.set_up()
    assert (status, project.installs) == (0, 1)
    assert "done in" in printed
    calls = project.log.read_text()
    assert project.set_up() == (0, "")
    assert project.log.read_text() == calls


def test_changed_requirements_are_installed_and_dev_includes_them(project):
    requirements = project.root / "scripts/requirements/base.txt"

    def installs(*words: str) -> int:
        project.set_up(*words)
        return project.installs

    assert [installs(), installs("--cluster"), installs("--dev")] == [1, 2, 3]
    for words in ([], ["--cluster"], ["--extras"], ["--dev"]):
        assert project.set_up(*words) == (0, "")
    requirements.write_text(requirements.read_text() + "more==1\n")
    assert [installs(), installs("--extras"), installs("--dev")] == [4, 5, 6]


def test_one_option_does_not_undo_another(project):
    for words in (["--cluster"], ["--extras"]):
        assert project.set_up(*words)[0] == 0
    for words in ([], ["--cluster"], ["--extras"]):
        assert project.set_up(*words) == (0, "")
    assert project.installs == 2


@pytest.mark.parametrize("words", [["--cluster", "--extras"], ["--cpu", "--dev"], ["--all"]])
def test_options_that_are_not_read_are_refused(project, words):
    status, printed = project.set_up(*words)
    assert (status, project.installs) == (2, 0)
    assert printed.startswith("usage: ")


def test_only_what_asks_kaggle_needs_its_credentials_and_package(project):
    refused = project.run("submit.sh", "--scores", HOME=str(project.root))
    assert (refused.returncode, project.installs) == (1, 0)
    assert refused.stderr.startswith("error: no Kaggle credentials")
    assert project.run("submit.sh", "--check", HOME=str(project.root)).returncode == 0
    assert not project.calls("uv pip install --compile-bytecode --requirements extras")
    assert project.calls("python ") > 0


def test_failed_set_up_is_done_again(project):
    status, printed = project.set_up(INSTALL_FAILS="1")
    assert status == 1
    assert "error: the packages could not be installed" in printed
    assert project.set_up()[0] == 0
    assert project.installs == 2
    assert project.set_up("--dev", INSTALL_FAILS="1")[0] == 1
    assert project.set_up()[0] == 0  # what the failed one left behind is not trusted
    assert project.installs == 4


def test_cpu_takes_torch_without_cuda_or_names_its_index(project):
    status, printed = project.set_up("--dev", "--cpu", INSTALL_FAILS="1")
    assert (status, project.installs) == (1, 1)
    assert "into .venv (about 1 GB when new, on Linux)" in printed
    assert re.search(r"pip install torch==\S+ torchvision==\S+ --index-url https\S+/cpu`", printed)
    assert project.set_up("--cpu")[0] == 0
    assert project.log.read_text().count(" --torch-backend cpu ") == 2


def test_torch_without_cuda_replaces_one_with_it_and_stays_so(project):
    torch = "uv pip install --compile-bytecode .*--torch-backend cpu"
    anew = f"{torch} --reinstall-package torch --reinstall-package torchvision"

    def installs(line: str) -> int:
        return len(re.findall(line, project.log.read_text()))

    assert project.set_up()[0] == 0
    assert (installs(torch), project.installs) == (0, 1)
    assert project.set_up("--cpu")[0] == 0
    assert (installs(anew), project.installs) == (1, 2)
    for words in ((), ("--cpu",)):
        assert project.set_up(*words) == (0, "")
    pins = project.root / "scripts/requirements/base.txt"
    pins.write_text(pins.read_text() + "more==1\n")
    assert project.set_up()[0] == 0
    assert (installs(torch), installs(anew), project.installs) == (2, 1, 3)


@pytest.mark.usefixtures("heeded_ctrl_c")
@pytest.mark.parametrize("script", ["setup.sh", "train_folds.sh"])
def test_ctrl_c_amid_the_set_up_is_no_failure_of_it(project, script):
    """A terminal sends it to all processes; pip ends with status 1."""
    process = project.start(script, INSTALL_S="1", INSTALL_FAILS="1")
    while not project.installs and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 130


@pytest.mark.skipif(not shutil.which("flock"), reason="no flock here")
def test_two_set_ups_at_once_install_once(project):
    both = [project.start("setup.sh", INSTALL_S="0.3") for _ in range(2)]
    printed = ["".join(p.communicate(timeout=60)) for p in both]
    assert [p.returncode for p in both] == [0, 0]
    assert project.installs == 1
    assert sum("waiting for another set-up" in text for text in printed) == 1


def test_too_old_or_missing_python_is_one_line(project):
    old = r"""#!/bin/bash
[[ $1 == -V ]] && echo "Python 3.10.9" && exit
exec "$REAL_PYTHON" -I -S -c "import sys; sys.version_info = (3, 10, 9)
$4"
"""
    project.write("python3", old)
    message = "error: no Python 3.11 or newer found (python3: {}): install one, then retry\n"
    assert project.set_up() == (1, message.format("Python 3.10.9"))
    (project.bin / "python3").unlink()
    assert project.set_up() == (1, message.format("none"))


def test_python_without_venv_says_what_to_install_or_takes_uv(project):
    status, printed = project.set_up(NO_VENV="1")
    assert status == 1
    assert "apt-get install python3-venv" in printed.splitlines()[-1]
    assert not (project.root / ".venv").exists()
    uv = '#!/bin/bash\nmkdir -p .venv/bin && cp "$(dirname "$0")/python3" .venv/bin/python\n'
    project.write("uv", uv)
    assert project.set_up(NO_VENV="1")[0] == 0


def test_venv_whose_python_is_gone_is_made_again(project):
    project.set_up()
    (project.root / ".venv" / "bin" / "python").unlink()
    assert project.set_up()[0] == 0
    assert project.calls("python3 -m venv") == 2


def test_machine_without_display_gets_the_headless_cv2_alone(project):
    packages = project.root / ".venv" / "lib" / "python3" / "site-packages"
    status, printed = project.set_up(NO_DISPLAY="1")
    requirements = (PINS / "base.txt").read_text()
    version = requirements.split("\nopencv-python==")[1].split()[0]
    assert status == 0
    assert f"installing opencv-python-headless {version}" in printed
    assert project.calls(f"uv pip install --no-deps opencv-python-headless=={version}") == 1
    assert [p.name for p in packages.iterdir()] == ["opencv_python_headless-1.dist-info"]
    (project.root / "scripts/requirements/base.txt").write_text(requirements + "# changed\n")
    project.set_up()  # the display came back: the headless one goes before the other comes
    assert project.calls("uv pip uninstall opencv-python opencv-python-headless") == 1
    assert [p.name for p in packages.iterdir()] == ["opencv_python-1.dist-info"]


def test_package_that_does_not_load_is_named_and_set_up_is_not_done(project):
    status, printed = project.set_up(NO_GOMP="1")
    assert status == 1
    assert re.search(r"libgomp\.so\.1.*`apt-get install libgomp1`", printed)
    assert project.set_up()[0] == 0
    assert project.installs == 2


VERSIONED = """#!/bin/bash
[[ "$*" != *"import cv2;"* ]] || {{ echo {cv2}; exit; }}
export PYTHONPATH=${{PYTHONPATH:-}}:"$0"s
exec "$REAL_PYTHON" -S "$@"
"""


def write_own_python(project: ScriptsCopy, name: str, cv2: str = "4.9.0", **versions: str) -> str:
    """A Python with the packages of floors.txt, in those versions where no other is given."""
    floors = re.findall(r"^([\w-]+)>=([\d.]+)", (PINS / "floors.txt").read_text(), re.MULTILINE)
    for package, version in (dict(floors) | versions).items():
        about = project.bin / f"{name}s" / f"{package.replace('-', '_')}-{version}.dist-info"
        if version:
            about.mkdir(parents=True)
            (about / "METADATA").write_text(f"Name: {package}\nVersion: {version}\n")
    project.write(name, VERSIONED.format(cv2=cv2))
    return str(project.bin / name)


def test_own_python_is_checked_and_left_alone(project):
    own = write_own_python(project, "own", torch="2.13.0+cu130", pandas="10.0.0rc1")
    assert project.set_up(GALAXYZOO_PYTHON=own) == (0, "")
    said = "set-up: GALAXYZOO_PYTHON has OpenCV 5.0.0, not 4: votes differ by up to 0.0024\n"
    other = write_own_python(project, "other", cv2="5.0.0")
    assert project.set_up(GALAXYZOO_PYTHON=other) == (0, said)
    assert "not a program" in project.set_up(GALAXYZOO_PYTHON="no-such-python")[1]
    assert not (project.root / ".venv").exists()
    assert project.calls() == 0


def test_own_python_that_lacks_packages_gets_the_pip_line_of_these_alone(project):
    have = {"timm": "1.0.19", "filelock": "", "torch": "2.6.0+cu124", "numpy": "1.26.4"}
    own = write_own_python(project, "own", **have)
    status, printed = project.set_up(GALAXYZOO_PYTHON=own)
    command = "pip install 'timm>=1.0.29' 'filelock>=3.20.3' torch==2.6.0+cu124 torchvision=="
    assert (status, command in printed, len(printed.splitlines())) == (1, True, 1)
    more = project.set_up("--extras", GALAXYZOO_PYTHON=own)[1]
    assert "lacks kaggle, pooch, " in more
    assert "gradio" not in more
    old = write_own_python(project, "old", torchvision="0.19.1", filelock="")
    printed = project.set_up(GALAXYZOO_PYTHON=old)[1]
    assert "torchvision>=0.21 (has 0.19.1), filelock>=3.20.3: use a newer" in printed
    assert "pip install" not in printed


CHECKS = {
    "ruff check": "python -m ruff check src tests scripts",
    "ruff format": "python -m ruff format --check src tests scripts",
    "mypy": "python -m mypy",
    "import-linter": "lint-imports --no-cache",
    "pytest": "python -m pytest --numprocesses",
}


@pytest.mark.parametrize("failing", [[], ["mypy"], [*CHECKS]])
def test_failing_checks_fail_the_test_script_after_all_have_run(project, failing):
    patterns = [CHECKS[name].removeprefix("python ") for name in failing]
    lines = [f'[[ "$(basename "$0") $*" != *"{pattern}"* ]] || exit 1' for pattern in patterns]
    project.write("python3", "\n".join([STAND_IN, *lines, ""]))
    result = project.run("test.sh", "-k", "x")
    assert result.returncode == (1 if failing else 0)
    assert result.stderr == (f"error: failed: {', '.join(failing)}\n" if failing else "")
    assert [project.calls(call) for call in CHECKS.values()] == [1] * len(CHECKS)
