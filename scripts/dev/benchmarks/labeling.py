"""The label loop: how soon a rare class is in front, and how long a click takes.

Galaxies of fold 0, with the features of the network in `weights/` that has seen neither their votes
nor their classes. Each class in turn is made rare. A simulated person, who knows it, finds one
galaxy among random ones, then labels the first five of the ranking, again and again.
"""

import tempfile
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
from measuring import Table

from galaxyzoo.config.names import BUNDLED
from galaxyzoo.data.image_cache import decode_many
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.ensemble.load_model import load_predictor
from galaxyzoo.extras.labels.label_loop import LabelLoop
from galaxyzoo.extras.surveys.finished import SurveyFeatures
from galaxyzoo.tasks.registry import get_task

_RUN, _FOLD = "gz37/d4cnn_transfer", 0
_CLICKS = (20, 40)
_AT_ONCE = 5  # labels between two rankings
_SHARE = 0.02  # of the rare class
_FIRST = 100  # galaxies of a ranking
_LARGE, _LABELS = 100_000, 300


def measure(data: Dataset, repeats: int) -> list[Table]:
    """One draw of galaxies a repeat, and the times of a large survey.

    Classes are those of the dataset, or of votes those of anomaly4.
    """
    task = get_task("zoo5" if data.catalog.dataset == "zoo5" else "anomaly4")
    catalog = data.catalog.for_task(task)
    ids = catalog.ids[catalog.folds == _FOLD]
    classes = catalog.targets(task.name)[catalog.folds == _FOLD].argmax(axis=1)
    network = load_predictor(BUNDLED, _RUN, [_FOLD], views=1)
    images = data.raw.train_images.select(ids)
    features = network.features(lambda image: decode_many(images, image)[0])
    rows = []
    for number, name in enumerate(task.labels):
        counts = np.array([count(features, classes == number, seed) for seed in range(repeats)])
        means, errors = counts.mean(axis=0), counts.std(axis=0, ddof=1) / np.sqrt(repeats)
        cells = [f"{a:.1f} ± {b:.1f}" for a, b in zip(means, errors, strict=True)]
        rows.append((name, *cells))
    header = ("rare class", "random", *(f"{n} clicks" for n in _CLICKS), "labeled", "of")
    title = f"{len(ids):,} galaxies of {task.name}: of the rare class among the first {_FIRST}"
    return [Table(title, header, rows), time_clicks(features, classes)]


def count(features: np.ndarray, is_rare: np.ndarray, seed: int) -> list[int]:
    """Rare galaxies among the first without a label, before and after the clicks.

    Then those that the person has labeled, and all of them.
    """
    rng = np.random.default_rng(seed)
    others, rare = np.flatnonzero(~is_rare), rng.permutation(np.flatnonzero(is_rare))
    rare = rare[: round(len(others) * _SHARE / (1 - _SHARE))]
    rows = rng.permutation([*others, *rare])
    is_rare = is_rare[rows]
    with tempfile.TemporaryDirectory() as folder:
        loop = make_loop(Path(folder), features[rows])
        order = loop.ranking("likely", 0)
        counts = [int(is_rare[order[:_FIRST]].sum())]
        batch = order[is_rare[order]][:1]
        while len(loop.labels) < max(_CLICKS):
            for row in batch.tolist():
                loop.label([row], 0 if is_rare[row] else 1)
            order = loop.ranking("likely", 0)
            if len(loop.labels) in _CLICKS:
                counts.append(int(is_rare[order[:_FIRST]].sum()))
            batch = order[: _AT_ONCE - len(loop.labels) % _AT_ONCE]
        return [*counts, [*loop.labels.values()].count(0), len(rare)]


def time_clicks(features: np.ndarray, classes: np.ndarray) -> Table:
    """Processor time of a click, of a ranking and of the scores, with many galaxies and labels."""
    rows = np.random.default_rng(0).integers(len(features), size=_LARGE)
    steps: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        loop = make_loop(Path(folder), features[rows])
        for row in range(_LABELS):
            loop.label([row], int(classes[rows[row]] > 0))
        for name, step in {
            "a label, written": lambda: loop.label([_LABELS], 0),
            "a head and its ranking": lambda: loop.ranking("mix", 0),
            "scores out of fold": loop.scores,
        }.items():
            started = time.process_time()
            step()
            steps[name] = time.process_time() - started
    cells = [(name, f"{seconds:.2f}") for name, seconds in steps.items()]
    size = f"{_LARGE:,} galaxies × {features.shape[1]} features, {_LABELS} labels"
    return Table(size, ("", "processor seconds"), cells)


def make_loop(folder: Path, features: np.ndarray) -> LabelLoop:
    """Classes `rare` and `other`, of galaxies without pictures."""
    ids, parts = np.arange(len(features)), np.zeros(len(features), int)
    values = features.astype(np.float32)
    votes = np.full((len(ids), 1), 0.5, np.float32)
    loop = LabelLoop(SurveyFeatures(folder, cast(Any, None), ids, parts, values, votes))
    for name in ("rare", "other"):
        loop.add_class(name)
    return loop
