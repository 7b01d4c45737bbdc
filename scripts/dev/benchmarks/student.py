"""The bundled student against the networks that it learned from: distances, and pictures a second.

Test galaxies are new to all of them. The teacher is the mean of the folds' networks in all their
views. Where students of folds are trained (`train.py gz37/student --only 0 1`), each is scored
beside its teacher on the galaxies that both left out. Commands run in turn, each in a process of
its own, whose processor seconds count, start and end included.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from measuring import Table
from views import RUN

from galaxyzoo.config.schema import TTAConfig
from galaxyzoo.core import console
from galaxyzoo.core.paths import BUNDLED, CODE_ROOT
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.inference.network import predict_each
from galaxyzoo.inference.predict import RunNetworks, load_run
from galaxyzoo.results.layout import RunFolder, student_dir
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import get_task

_STUDENT = "gz37/student"
_ONE_VIEW = TTAConfig(dihedral=False)
_FOLDS = ("--networks", "folds")


def measure(data: Dataset, repeats: int) -> list[Table]:
    """Distances to the teacher, scores of students of folds, then the speed of both commands."""
    tables = [distances(data)]
    folds = RunFolder(data.dataset, _STUDENT).folds
    if folds:
        tables.append(out_of_fold(data, folds))
    return [*tables, rates(data, repeats)]


def distances(data: Dataset) -> Table:
    """Root mean square distances to the teacher over test galaxies and columns."""
    folds = load_run(BUNDLED, RUN)
    folder = student_dir(RUN)
    assert folder is not None
    student = RunNetworks.load_exported(folder)
    images = data.test_images(folds.config.image).images
    rows = np.arange(len(images))
    own = student.config.tta
    teacher = predict(folds, images, rows, folds.config.tta)
    in_one_view = predict(folds, images, rows, _ONE_VIEW)
    mean = teacher.mean(axis=0)
    base = statistics.mean(distance(votes, mean) for votes in in_one_view)
    others = {
        "mean of the folds' networks, one view": distance(in_one_view.mean(axis=0), mean),
        "one of them, its views (mean of five)": statistics.mean(
            distance(votes, mean) for votes in teacher
        ),
        "one of them, one view (mean of five)": base,
        "student, one view": distance(predict(student, images, rows, _ONE_VIEW)[0], mean),
        f"student, its {own.n_views} views": distance(predict(student, images, rows, own)[0], mean),
    }
    lines = [(name, f"{value:.5f}", f"{value / base:.3f}") for name, value in others.items()]
    title = f"Distance to the teacher, {len(images):,} test galaxies"
    return Table(title, ("networks", "RMS", "ratio"), lines)


def predict(run: RunNetworks, images: np.ndarray, rows: np.ndarray, tta: TTAConfig) -> np.ndarray:
    """(network, n, column) predictions of some rows."""
    return predict_each(run.choose(None), images, rows, run.config, tta)


def out_of_fold(data: Dataset, folds: Sequence[int]) -> Table:
    """RMSE of students of folds and of their teachers, and the distance to the teacher's views."""
    task = get_task(COMPETITION_TASK)
    teachers = load_run(BUNDLED, RUN)
    students = load_run(data.dataset, _STUDENT)
    images = data.train_images(teachers.config.image).images  # students see the same
    lines = []
    for fold in folds:
        rows = np.flatnonzero(data.folds == fold)
        targets = data.targets(task)[rows]
        votes: dict[str, np.ndarray] = {}  # the teacher's in its own views come first
        for name, networks in (("teacher", teachers), ("student", students)):
            run = networks.restrict([fold], None)
            for tta in (run.config.tta, _ONE_VIEW):
                views = console.count(tta.n_views, "view")
                votes[f"{name}, {views}"] = task.project(predict(run, images, rows, tta)[0])
        taught = next(iter(votes.values()))
        for title, predicted in votes.items():
            score = task.score(predicted, targets)
            away = distance(predicted, taught)
            lines.append((title, str(fold), f"{score:.5f}", f"{away:.5f}"))
    title = "Out of fold: students of folds and the networks that they learned from"
    return Table(title, ("network", "fold", "RMSE", "distance"), lines)


def distance(votes: np.ndarray, mean: np.ndarray) -> float:
    """Root mean square distance of (galaxy, column) predictions."""
    return float(np.sqrt(np.mean((votes - mean) ** 2)))


def rates(data: Dataset, repeats: int) -> Table:
    """Pictures a processor second of `predict.py` on the test JPEGs, `survey.py` on the others."""
    test = data.raw.test_images
    train = data.raw.train_images
    contestants = {
        "predict.py": ("predict", test, ()),
        "predict.py --networks folds": ("predict", test, _FOLDS),
        "survey.py": ("survey", train, ()),
        "survey.py --networks folds": ("survey", train, _FOLDS),
    }
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, (command, images, words) in contestants.items():
            seconds = processor_seconds(command, images.path, *words)
            speeds[name].append(len(images) / seconds)
    rows = []
    for name, of_rounds in speeds.items():
        pairs = zip(of_rounds, speeds[f"{name.split()[0]} --networks folds"], strict=True)
        ratio = statistics.median(own / other for own, other in pairs)
        spread = f"{min(of_rounds):.1f} – {max(of_rounds):.1f}"
        rows.append((name, f"{statistics.median(of_rounds):.1f}", spread, f"{ratio:.2f}"))
    return Table("Pictures a processor second", ("command", "pictures", "range", "ratio"), rows)


def processor_seconds(command: str, images: Path, *words: str) -> float:
    """Processor seconds of a command that predicts images."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        output = (
            ["--output", f"{folder}/votes.csv"] if command == "predict" else [f"{folder}/votes/"]
        )
        script = CODE_ROOT / "src" / f"{command}.py"
        typed = [sys.executable, str(script), RUN, str(images), *output, *words]
        subprocess.run(typed, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
