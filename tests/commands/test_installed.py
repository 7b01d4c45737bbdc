"""The package as `pip install` puts it, outside the checkout."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from galaxyzoo import __version__
from galaxyzoo.core.extras import installed as find_extras
from galaxyzoo.core.paths import CODE_ROOT
from support.commands import OPTIONAL, copy_checkout, succeed

PINS = CODE_ROOT / "scripts" / "requirements"
NOTEBOOKS = {"nbformat", "ipykernel", "jupyterlab"}
HEADLESS = {"opencv-python": "opencv-python-headless"}  # the reason is in pyproject.toml
# Someone's environment with numpy 1, and the versions of OpenCV 4 that ask for numpy 2.
WITH_NUMPY_1 = {
    "torch": "2.6.0",
    "torchvision": "0.21.0",
    "numpy": "1.26.4",
    "pandas": "2.2.3",
    "opencv-python-headless": "4.11.0.86",
}
OPENCV_FOR_NUMPY_2 = ("4.12.0.88", "4.13.0.92", "4.14.0.94")


def read_project() -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    return tomllib.loads((CODE_ROOT / "pyproject.toml").read_text())["project"]


def is_needed(requirement: Requirement, python: str) -> bool:
    """Check whether a requirement holds on that Python, without extras."""
    marker = requirement.marker
    return marker is None or marker.evaluate({"python_version": python, "extra": ""})


def read_ranges(python: str) -> dict[str, SpecifierSet]:
    """Versions of each dependency that pip may install on that Python."""
    needed = [Requirement(text) for text in read_project()["dependencies"]]
    return {r.name: r.specifier for r in needed if is_needed(r, python)}


def test_dependencies_are_those_of_the_requirements():
    project = read_project()
    extras = project["optional-dependencies"]
    optional = [Requirement(text) for texts in extras.values() for text in texts]
    needed = [*map(Requirement, project["dependencies"])]
    ranges = {r.name: r.specifier for r in optional} | read_ranges("3.14")
    for part in ("base", "extras"):
        pinned = (PINS / f"{part}.txt").read_text().split("# Brought in by those")[0]
        for line in pinned.splitlines():
            if not line[:1].isalpha():
                continue
            pin = Requirement(line.split("#")[0])
            version = str(pin.specifier).removeprefix("==")
            name = HEADLESS.get(pin.name, pin.name)
            assert name in NOTEBOOKS or version in ranges[name], pin
    floors = {r.name: f"{r.specifier}".split(",")[-1][2:] for r in needed if r.name != "simplejpeg"}
    assert dict(re.findall(r"^([\w-]+)>=(\S+)", (PINS / "floors.txt").read_text(), re.M)) == floors
    assert {*OPTIONAL} == {r.name for r in optional} - {project["name"], *NOTEBOOKS}
    assert {*find_extras()} <= {*extras}


@pytest.mark.parametrize("python", ["3.11", "3.12"])
def test_pip_leaves_numpy_1_where_it_is(python):
    ranges = read_ranges(python)
    for name, version in WITH_NUMPY_1.items():
        assert version in ranges[name], name
    for version in OPENCV_FOR_NUMPY_2:
        assert version not in ranges["opencv-python-headless"], version


@pytest.mark.parametrize("python", ["3.13", "3.14"])
def test_pythons_without_numpy_1_get_the_newest_opencv_4(python):
    opencv = read_ranges(python)["opencv-python-headless"]
    for version in OPENCV_FOR_NUMPY_2:
        assert version in opencv, version
    assert "5.0.0.93" not in opencv


def test_only_pandas_may_bring_numpy_2():
    # Most environments lack the others, so pip takes the newest. They have pandas, for their numpy.
    headful = {headless: name for name, headless in HEADLESS.items()}
    installed: dict[str, metadata.Distribution] = {}
    for package in metadata.distributions():
        installed[canonicalize_name(package.name)] = package
    bringing = set()
    for name, versions in read_ranges("3.11").items():
        present = installed.get(canonicalize_name(name)) or installed.get(headful.get(name, ""))
        if present is None or present.version not in versions:
            continue
        needed = [Requirement(text) for text in present.requires or []]
        needed = [r for r in needed if r.name == "numpy" and is_needed(r, "3.11")]
        if any("1.26.4" not in r.specifier for r in needed):
            bringing.add(name)
    assert bringing <= {"pandas"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files in git."""
    return copy_checkout(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="module")
def wheel(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the copy."""
    made = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(made)]
    subprocess.run(build, cwd=clone, check=True, capture_output=True)
    (path,) = made.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the commands of a new environment, which has this one's other packages too."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home)
    pip = [sys.executable, "-m", "pip", "--python", str(home), "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, wheel], check=True)
    (site,) = home.glob("lib/python*/site-packages")
    (site / "packages.pth").write_text(sysconfig.get_path("purelib"))
    return home / ("Scripts" if os.name == "nt" else "bin")


@pytest.fixture(scope="module")
def galaxy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture, named by a GalaxyID."""
    path = tmp_path_factory.mktemp("galaxy") / "7.png"
    noise = np.random.default_rng(0).integers(0, 256, (424, 424, 3), np.uint8)
    cv2.imwrite(str(path), cv2.GaussianBlur(noise, (0, 0), 9))
    return path


NOTEBOOK = """
import sys
from galaxyzoo import load
assert not {"torch", "numpy", "pandas"} & {*sys.modules}
import cv2
from galaxyzoo import commands
from galaxyzoo.core.versions import code_version
load().predict(cv2.imread(sys.argv[1])[..., ::-1]).to_csv("array.csv")
print(code_version())
sys.argv = ["galaxyzoo", "predict", sys.argv[1]]
commands.main()
"""


def run(program: Path, *words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of the new environment without any sign of the checkout."""
    mine = {"PYTHONPATH", "GALAXYZOO_ROOT", "GALAXYZOO_CONFIGS"}
    kept = {name: value for name, value in os.environ.items() if name not in mine}
    environment = {**kept, "GALAXYZOO_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [program, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_wheel_is_one_package_with_its_data(clone, wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    about = f"galaxy_zoo_ensemble-{__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {"galaxyzoo", about}
    inside = {"galaxyzoo/LICENSE"}
    for folder, base in (("src/galaxyzoo", "src/galaxyzoo"), ("configs", "."), ("weights", ".")):
        files = (path for path in (clone / folder).rglob("*") if path.is_file())
        inside |= {
            (Path("galaxyzoo") / path.relative_to(clone / base)).as_posix() for path in files
        }
    assert {name for name in names if not name.startswith(about)} == inside


@pytest.mark.slow
def test_installed_command_predicts_as_the_checkout_does(installed, galaxy, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    git = ["git", "-c", "user.name=x", "-c", "user.email=x", "-C", str(here)]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "a project of the user"]):
        subprocess.run([*git, *words], check=True)
    done = run(installed / "python", "-c", NOTEBOOK, galaxy, cwd=here)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, __version__), done.stderr
    succeed(there, "predict.py", galaxy, "--output", there / "predictions.csv")
    mine = pd.read_csv(here / "predictions.csv", index_col=0)
    theirs = pd.read_csv(there / "predictions.csv", index_col=0)
    pd.testing.assert_frame_equal(mine, theirs, atol=1e-6)
    assert sorted(path.name for path in here.iterdir()) == [".git", "array.csv", "predictions.csv"]
    of_array = pd.read_csv(here / "array.csv", index_col="id")
    np.testing.assert_allclose(of_array, theirs, atol=1e-6)
