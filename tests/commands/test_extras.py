"""Extras can be cut off: what each names is there, and the kernel works without any of them."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from galaxyzoo import commands
from galaxyzoo.core import extras
from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.data.stores.opening import ImageForm
from support.commands import (
    COMPETITION,
    OPTIONAL,
    TINY,
    call,
    complaint,
    copy_checkout,
    environment,
    succeed,
)
from support.fork_server import FAULTS
from support.thoroughness import long_only

WITHOUT_PACKAGES = f"""
import sys
sys.modules |= dict.fromkeys({[*OPTIONAL, "simplejpeg"]})
"""

EXTRAS = extras.installed()
PACKAGE = CODE_ROOT / "src" / "galaxyzoo" / "extras"
SHORT = [*TINY, "train.epochs=1", "train.batch_size=32", "tta.angles=1", "--folds", "2"]


@pytest.mark.parametrize("name", EXTRAS)
def test_what_an_extra_names_is_there(name):
    extra = EXTRAS[name]
    assert all(callable(extras.load_entry_point(main)) for main in extra.commands.values())
    assert all(callable(extras.load_entry_point(find)) for find in extra.datasets)
    assert all(isinstance(extras.load_entry_point(form), ImageForm) for form in extra.images)
    assert {*extra.outputs.values()} <= {*extra.commands}
    assert {moved.command for moved in extra.moved.values()} <= {*extra.commands}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code without extras, and without the tests that import some."""
    folder = copy_checkout(tmp_path_factory.mktemp("kernel"))
    shutil.rmtree(folder / "src/galaxyzoo/extras")
    shutil.rmtree(folder / "tests/extras")
    for path in [*folder.glob("tests/**/*.py")]:
        if "\nfrom galaxyzoo.extras" in path.read_text():
            path.unlink()
    return folder


def test_the_kernel_makes_a_submission_and_predicts_without_extras(kernel, tmp_path):
    COMPETITION.write_zips(tmp_path / "input")
    words = ["gz37/cnn", *SHORT]
    succeed(tmp_path, "train.py", *words, src=kernel / "src")
    succeed(tmp_path, "ensemble.py", "--candidates", "greedy", src=kernel / "src")
    assert (tmp_path / "submissions/predictions.csv").is_file()
    images = tmp_path / "input/images_test_rev1.zip"
    output = ["--output", tmp_path / "votes.csv"]
    succeed(tmp_path, "predict.py", "gz37/cnn", images, *output, src=kernel / "src")
    for folder_or_fits in ("votes/", "votes.fits"):
        words = ["predict.py", "gz37/cnn", images, "--output", folder_or_fits]
        refused = call(tmp_path, *words, src=kernel / "src")
        assert "no installed extra writes this; choose an ending of .csv" in complaint(refused)
    for script in ("app.py", "evaluate.py", "gradcam.py", "label.py", "survey.py"):
        refused = call(tmp_path, script, src=kernel / "src")
        missing = "is not installed: its folder in src/galaxyzoo/extras/ is missing"
        assert refused.stderr == f"error: {script[:-3]} {missing}\n"


@long_only("minutes of tests")
def test_the_kernels_tests_pass_without_extras(kernel):
    pytest_words = ["-m", "pytest", "-q", "-x", "-m", "not slow", "-p", "no:cacheprovider"]
    rooms = ["core", "config", "io", "tasks", "data", "models", "inference", "results", "ensemble"]
    folders = [f"tests/{room}" for room in (*rooms, "training")]
    command = [sys.executable, *pytest_words, *folders]
    subprocess.run(command, cwd=kernel, env=environment(kernel), check=True)


def read_needs() -> dict[str, set[str]]:
    """The extras that import each extra, directly or by another, as the contracts list them."""
    settings = tomllib.loads((CODE_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needs: dict[str, set[str]] = {name: set() for name in EXTRAS}
    for contract in settings["tool"]["importlinter"]["contracts"]:
        if contract.get("modules") == ["galaxyzoo.extras.*"]:
            for allowed in contract["ignore_imports"]:
                importing, imported = re.findall(r"galaxyzoo\.extras\.(\w+)\.", allowed)
                needs[imported].add(importing)
    for _ in EXTRAS:  # no chain is longer
        for importing in needs.values():
            importing.update(*(needs[name] for name in sorted(importing)))
    return needs


NEEDS = read_needs()
IMPORT_ALL = """
import pkgutil, importlib, galaxyzoo
for module in pkgutil.walk_packages(galaxyzoo.__path__, "galaxyzoo."):
    importlib.import_module(module.name)
"""


@long_only("eleven copies")
@pytest.mark.parametrize("name", EXTRAS)
def test_one_extra_is_removed_with_those_that_list_it(name, tmp_path):
    folder = copy_checkout(tmp_path)
    for gone in (name, *NEEDS[name]):
        shutil.rmtree(folder / "src/galaxyzoo/extras" / gone)
        (folder / "docs" / f"{gone}.md").unlink(missing_ok=gone == "pages")  # shares reports'
    packages = {**environment(tmp_path), "PYTHONPATH": str(folder / "src")}
    subprocess.run([sys.executable, "-c", IMPORT_ALL], env=packages, check=True)


HELP = {name: [name, "--help"] for name in commands.names()}
# Real work that meets a missing extra only on its way, or does without it.
WORK = {
    "formats": [["predict", "galaxy.jpg", "--folds", "0"]],
    "surveys": [["predict", "galaxy.jpg", "--output", "votes/"]],
    "intervals": [["survey", "galaxy.jpg", "votes/", "--with", "intervals"]],
    "pages": [["explore", "--data", "demo"]],
}


Words = list[str]
Damage = tuple[str, str, list[Words]]  # an extra, the module that it lacks, and what is typed then


def damage(folder: Path, damages: list[Damage]) -> list[tuple[str, Words, Any, str]]:
    """Call commands where a part of an extra is missing, as `damaged_extras.py` says.

    Args:
        folder: empty, in which they work on `galaxy.jpg`.
        damages: each is repaired before the next one.
    Returns:
        Extra, what was typed, status or message of the exit, and what was printed on stderr.
    """
    src = copy_checkout(folder / "code") / "src"
    (folder / "galaxy.jpg").write_bytes(COMPETITION.images[int(COMPETITION.test_ids[0])])
    script = str(FAULTS / "damaged_extras.py")
    done = succeed(folder, script, src, json.dumps(damages))
    called = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(called) == sum(len(typed) for _, _, typed in damages), done.stderr
    return called


def providers_of(name: str) -> set[str]:
    """The extra that has a command."""
    return {extra for extra, offered in EXTRAS.items() if name in offered.commands}


def test_each_extra_can_be_deleted_and_what_needs_it_says_so(tmp_path):
    damages = [(extra, "", [*HELP.values(), *WORK.get(extra, [])]) for extra in EXTRAS]
    for gone, (name, *words), status, printed in damage(tmp_path, damages):
        refused = f"the folder extras/{gone} of galaxyzoo, which this command needs, is missing"
        if name in EXTRAS[gone].commands:
            assert "its folder in src/galaxyzoo/extras/ is missing" in status
        elif words[1:] == ["--output", "votes/"]:
            assert "no installed extra writes this; choose an ending of .csv" in printed
        elif status:
            assert refused in f"{status}{printed}"
            assert providers_of(name)
            assert providers_of(name) <= NEEDS[gone]
        else:
            assert gone not in ("intervals", "pages") or words == ["--help"]
    assert (tmp_path / "predictions.csv").is_file()


def test_half_an_extra_stops_only_the_commands_that_use_it_and_they_say_so(tmp_path):
    """Its `__init__.py` alone, or all but one module."""
    damages = []
    for half, extra in EXTRAS.items():
        *_, last = sorted((PACKAGE / half).glob("[!_]*.py"))
        work = [["prepare", "--data", "nothing"], ["predict", "--help"], ["galaxyzoo", "--help"]]
        work += [[name, "--help"] for name in extra.commands if " " not in name]
        near = [HELP[name] for name in HELP if providers_of(name) <= {half, *NEEDS[half]}]
        damages += [(half, "all modules", [*near, *work]), (half, last.name, work)]
    for half, (name, *words), status, printed in damage(tmp_path, damages):
        message = f"{'' if status == 1 else status}{printed}".strip()
        extra, is_data = EXTRAS[half], words == ["--data", "nothing"]
        if is_data and "--data nothing: not found here" in message:
            continue  # as where the extra is whole
        if status:
            assert re.fullmatch(rf"error: extras/{half} of galaxyzoo is incomplete .*", message)
            offers = extra.datasets if is_data else extra.images
            assert offers or providers_of(name) & {half, *NEEDS[half]}


WALK = """
import collections, json, sys, threading, timm, torchvision
modules, readings = set(), []  # of each command: how often each function reads each file
READERS = {"digest_file", "read_json", "read_table", "parse_config"}
def is_imported(frame):
    while frame and frame.f_code.co_flags & 1:  # until the body of a module or class
        frame = frame.f_back
    return frame.f_globals["__name__"] != "__main__" if frame else False
def look(frame, event, _):  # "call", which is all that a tracer gets unless it asks for lines
    module = frame.f_globals.get("__name__", "")
    if module.startswith("galaxyzoo.") and not is_imported(frame):
        modules.add(module)
        if frame.f_code.co_name in READERS:
            read = frame.f_locals.get("path") or frame.f_locals["source"]
            readings[-1][f"{frame.f_code.co_name} {read}"] += 1
from galaxyzoo.core import extras
from galaxyzoo import commands
for words in json.loads(sys.argv[1]):
    sys.argv = words
    main = extras.load_entry_point(commands.references()[words[0]])
    if words[0] == "predict":  # beyond the submission
        walk = json.dumps([sorted(modules), *readings])
    else:
        readings.append(collections.Counter())
        threading.settrace(look), sys.settrace(look)
    main()
    sys.settrace(None), threading.settrace(None)
print(walk)
"""


def test_the_way_to_a_submission_is_short_and_needs_no_optional_package(tmp_path):
    """From the zips to the submission: the extras that run, and how often each file is read."""
    COMPETITION.write_zips(tmp_path / "input")
    train = ["train", "gz37/cnn", *SHORT, "--jobs", "1"]
    images, table = (str(tmp_path / name) for name in ("input/images_test_rev1.zip", "votes.csv"))
    predict = ["predict", "gz37/cnn", images, "--output", table]
    walk = json.dumps([train, ["ensemble", "--candidates", "greedy"], predict])
    code = {**environment(tmp_path), "PYTHONPATH": str(Path(extras.__file__).parents[2])}
    python = [sys.executable, "-c", WITHOUT_PACKAGES + WALK, walk]
    printed = subprocess.check_output(python, env=code, text=True)
    for path in (tmp_path / "submissions/predictions.csv", table):
        rows = pd.read_csv(path, index_col="GalaxyID")
        assert len(rows) == len(COMPETITION.test_ids)
        assert np.isfinite(rows).all(axis=None)
    modules, *readings = json.loads(printed.splitlines()[-1])
    extras_run = {module.split(".")[2] for module in modules if ".extras." in module}
    assert extras_run == {"download", "formats", "labels"}  # which look for data of theirs
    for command in readings:
        counts = Counter[str](command)
        assert counts
        assert max(counts.values()) <= 6, counts.most_common(3)
