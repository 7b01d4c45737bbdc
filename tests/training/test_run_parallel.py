"""Runs whose folds are trained side by side: the order that they need, and the same bytes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from galaxyzoo.data.prepare import Dataset
from galaxyzoo.training.run import Run
from galaxyzoo.training.runs import order_by_dependency, train_runs
from support.commands import COMPETITION, SRC, TRAIN, artifacts, environment, succeed, train_project
from support.small_models import small_config
from support.thoroughness import long_only


def named(name: str, data: Dataset, **values: object) -> Run:
    return Run(small_config(run=f"gz37/{name}", **values), data)


def chains(runs: list[Run]) -> list[list[str]]:
    """Names of the runs of each chain that one process trains after another."""
    return [[run.config.run for run in chain] for chain in order_by_dependency(runs)]


def test_runs_wait_for_those_that_they_need(prepared):
    stages = [{"name": "one"}, {"name": "two", "train": {"seed": 1}}, {"name": "three"}]
    last = named("last", prepared, stages=stages)
    runs = [
        named("alone", prepared, train={"seed": 3}),
        Run(last.config.stages[0], prepared),
        Run(last.config.stages[1], prepared),
        last,
        named("views", prepared, tta={"angles": 2}),  # other ones, of the weights of `one`
        named("alike", prepared, stages=[stages[0], {"name": "other"}]),  # begins alike
    ]
    alone, one, two, three, views, alike = (run.config.run for run in runs)
    assert chains(runs) == [
        [one],  # for which most others wait
        [one, two],
        [alone],
        [one, two, three],
        [one, views],
        [one, alike],
    ]
    assert chains(runs[::-1]) == [
        [views],  # the first with these weights, which `one` takes over
        [views, one],
        [views, one, two],
        [views, one, alike],
        [views, one, two, three],
        [alone],
    ]
    assert chains([]) == []


def test_why_folds_stopped_is_in_their_runs(prepared, trained, monkeypatch):
    """As of one process; the start has no network to start from, for its training is faked."""
    first = named("first", prepared)
    second = named("second", prepared)
    asked: list[tuple[str, str]] = []

    def stop(function: object, calls: list[tuple[list[Run], str]], *_: object) -> list[list[str]]:
        reasons: list[list[str]] = []
        for chain, fold in calls:
            run = chain[-1].config.run
            asked.append((run, fold))
            reasons.append([] if fold == "fold_0" else [f"{run} {fold}"])
        return reasons

    monkeypatch.setattr("galaxyzoo.training.runs.run_jobs", stop)
    first.train(["fold_1"])  # is there already
    cards = train_runs([first, second], ["fold_0", "fold_1"], 2, "loky")
    assert [card.run for card in cards] == ["gz37/first"]
    assert asked == [
        ("gz37/first", "fold_0"),
        ("gz37/second", "fold_0"),
        ("gz37/second", "fold_1"),
    ]
    assert first.stopped == []
    assert second.stopped == ["gz37/second fold_1"]


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which one process has trained a run and one that begins with it."""
    root = tmp_path_factory.mktemp("serial")
    return train_project(root, str(write_second(root)))


def write_second(root: Path) -> Path:
    """A run that begins with the first."""
    path = root / "second.yaml"
    stages = "[{name: first, recipe: gz37/cnn}, {name: second}]"
    path.write_text(f"task: gz37\nmodel: {{name: cnn}}\nstages: {stages}\n")
    return path


def processes(root: Path) -> list[Path]:
    """Those that work on the project in that folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"GALAXYZOO_ROOT={root}\0".encode() in (folder / "environ").read_bytes():
                found.append(folder)
        except OSError:  # it has just ended
            continue
    return found


@long_only("a minute to start the processes; a worker alone: tests/core/test_parallel.py")
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads Linux's /proc")
def test_two_workers_end_with_a_killed_command_and_one_goes_on(serial, tmp_path):
    COMPETITION.write_zips(tmp_path / "input")
    command = [*TRAIN, str(write_second(tmp_path))]
    words = [sys.executable, str(SRC / command[0]), *command[1:], "--jobs", "2"]
    with subprocess.Popen(words, env=environment(tmp_path), cwd=tmp_path) as parent:
        while len(list(tmp_path.glob("folds/*/gz37/*/fold_*/fold.json"))) < 2:
            assert parent.poll() is None
            time.sleep(0.05)
        assert len(processes(tmp_path)) >= 3
        parent.send_signal(signal.SIGKILL)
    while processes(tmp_path):  # for ever, were they to wait for their parent
        time.sleep(0.05)
    succeed(tmp_path, *command)
    assert artifacts(tmp_path) == artifacts(serial)


@long_only("a minute to start the processes")
@pytest.mark.parametrize("backend", ["loky", "ray", "dask"])
def test_two_processes_write_the_same_bytes_as_one(backend, serial, tmp_path):
    train_project(tmp_path, str(write_second(tmp_path)), "--jobs", "2", "--backend", backend)
    ours = artifacts(tmp_path)
    expected = artifacts(serial)
    assert len([path for path in ours if path.endswith("weights.safetensors")]) == 9
    assert ours.keys() == expected.keys()
    assert ours == expected
