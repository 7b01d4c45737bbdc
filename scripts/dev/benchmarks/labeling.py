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
from sklearn.metrics import roc_auc_score

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.parallel_decoding import decode_many
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.extras.labels.label_loop import LabelLoop, Order
from galaxyzoo.extras.surveys.finished import SurveyFeatures
from galaxyzoo.inference.load_model import load_predictor
from galaxyzoo.tasks.registry import get_task

_RUN, _FOLD = "gz37/d4cnn_transfer", 0
_CLICKS = (20, 40)
_AT_ONCE = 5  # labels between two rankings
_SHARE = 0.02  # of the rare class
_FIRST = 100  # galaxies of a ranking
_ROUNDS, _ROUND_SIZE = 3, 10  # of clicks, on odd galaxies
_LARGE = (100_000, 1_000_000)  # galaxies of surveys whose clicks are timed
_LABELS = 300


def measure(data: Dataset, repeats: int) -> list[Table]:
    """One draw of galaxies a repeat, and the times of a large survey.

    Classes are those of the dataset, or of votes those of anomaly4, and odd galaxies first.
    """
    is_votes = data.dataset != "zoo5"
    task = get_task("anomaly4" if is_votes else "zoo5")
    catalog = data.for_task(task)
    classes = catalog.targets(task)[catalog.folds == _FOLD].argmax(axis=1)
    features, votes = compute(data, catalog.ids[catalog.folds == _FOLD], _FOLD)
    rows = []
    for number, name in enumerate(task.labels):
        for by in ("likely", "mix", "diverse"):
            draws = range(repeats)
            counts = [count(features, votes, classes == number, by, seed) for seed in draws]
            rows.append((name, by, *describe(np.array(counts), "{:.1f}")))
    header = ("rare class", "order", "random", *(f"{n} clicks" for n in _CLICKS), "labeled", "of")
    title = f"{len(features):,} galaxies of {task.name}: of the rare class among the first {_FIRST}"
    clicks = [time_clicks(features, votes, classes, size) for size in _LARGE]
    tables = [Table(title, header, rows), *clicks]
    return [find_odd(data, repeats), *tables] if is_votes else tables


def compute(data: Dataset, ids: np.ndarray, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and votes, (galaxy, column) each, by the network that has not seen the fold."""
    network = load_predictor(BUNDLED, _RUN, [fold], views=1)
    images = data.raw.train_images.select(ids)

    def decode(image: ImageConfig) -> np.ndarray:
        return decode_many(images, image)[0]

    return network.features(decode), network.predict(decode).astype(np.float32)


def find_odd(data: Dataset, repeats: int) -> Table:
    """How well odd galaxies (question 6 above half) are ranked after rounds of ten clicks.

    A simulated person begins with five odd ones and five others; each draw has another fold.
    """
    folds = np.unique(data.folds).tolist()
    known = [data.ids[data.folds == fold] for fold in folds]
    computed = [compute(data, ids, fold) for ids, fold in zip(known, folds, strict=True)]
    column = get_task("gz37").columns.index("Class6.1")
    votes = data.targets(get_task("gz37"))[:, column]
    odd = [votes[data.folds == fold] > 0.5 for fold in folds]
    rows = []
    for by in ("random", "likely", "uncertain", "diverse", "mix"):
        scores = []
        for seed in range(repeats):
            fold = seed % len(folds)
            scores.append(click_odd(*computed[fold], odd[fold], by, seed))
        cells = np.array(scores)  # (draw, round, score)
        rows += [
            (by, str(_ROUND_SIZE * (n + 1)), *describe(cells[:, n], "{:.3f}"))
            for n in range(_ROUNDS + 1)
        ]
    header = (
        "order",
        "labels",
        "AUC",
        "AUC, unlabeled",
        "right in the first 1 %",
        "calibration error",
    )
    return Table(
        "odd galaxies of kaggle-mini, each by a network that has not seen it", header, rows
    )


def click_odd(
    features: np.ndarray, votes: np.ndarray, is_odd: np.ndarray, by: str, seed: int
) -> list[tuple[float, ...]]:
    """Scores after each round."""
    rng = np.random.default_rng(seed)
    starts = [
        rng.choice(np.flatnonzero(is_odd == side), _ROUND_SIZE // 2, False) for side in (1, 0)
    ]
    batch, scores = np.concatenate(starts), []
    with tempfile.TemporaryDirectory() as folder:
        loop = make_loop(Path(folder), features, votes)
        for _ in range(_ROUNDS + 1):
            for side in (True, False):
                loop.label(batch[is_odd[batch] == side].tolist(), 0 if side else 1)
            probs = loop.probabilities()
            assert probs is not None
            order, share = loop.ranking("likely", 0), probs[:, 0]
            bins = np.array_split(order, 10)
            gaps = [abs(share[part].mean() - is_odd[part].mean()) for part in bins]
            first = order[: len(is_odd) // 100]
            aurocs = [roc_auc_score(is_odd[part], share[part]) for part in (slice(None), order)]
            scores.append((*aurocs, is_odd[first].mean(), float(np.mean(gaps))))
            picked = rng.permutation(order) if by == "random" else loop.ranking(cast(Order, by), 0)
            batch = picked[:_ROUND_SIZE]
    return scores


def describe(draws: np.ndarray, form: str) -> list[str]:
    """Mean and standard error of each column of (draw, column)."""
    errors = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    return [
        f"{form.format(a)} ± {form.format(b)}"
        for a, b in zip(draws.mean(axis=0), errors, strict=True)
    ]


def count(
    features: np.ndarray, votes: np.ndarray, is_rare: np.ndarray, by: Order, seed: int
) -> list[int]:
    """Rare galaxies among the first without a label, before and after clicks on those of an order.

    Then those that the person has labeled, and all of them.
    """
    rng = np.random.default_rng(seed)
    others, rare = np.flatnonzero(~is_rare), rng.permutation(np.flatnonzero(is_rare))
    rare = rare[: round(len(others) * _SHARE / (1 - _SHARE))]
    rows = rng.permutation([*others, *rare])
    is_rare = is_rare[rows]
    with tempfile.TemporaryDirectory() as folder:
        loop = make_loop(Path(folder), features[rows], votes[rows])
        order = loop.ranking("likely", 0)
        counts = [int(is_rare[order[:_FIRST]].sum())]
        batch = order[is_rare[order]][:1]
        while len(loop.labels) < max(_CLICKS):
            for row in batch.tolist():
                loop.label([row], 0 if is_rare[row] else 1)
            if len(loop.labels) in _CLICKS:
                counts.append(int(is_rare[loop.ranking("likely", 0)[:_FIRST]].sum()))
            batch = loop.ranking(by, 0)[: _AT_ONCE - len(loop.labels) % _AT_ONCE]
        return [*counts, [*loop.labels.values()].count(0), len(rare)]


def time_clicks(features: np.ndarray, votes: np.ndarray, classes: np.ndarray, size: int) -> Table:
    """Processor time of a click, of a page and of the scores, with many galaxies and labels."""
    rows = np.random.default_rng(0).integers(len(features), size=size)
    steps: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        loop = make_loop(Path(folder), features[rows], votes[rows])
        for row in range(_LABELS):
            loop.label([row], int(classes[rows[row]] > 0))
        for name, step in {
            "a label, written": lambda: loop.label([_LABELS], 0),
            "first page": lambda: loop.ranking("mix", 0, _FIRST),
            "next label and page": lambda: click_next(loop),
            "scores out of fold": loop.scores,
        }.items():
            started = time.process_time()
            step()
            steps[name] = time.process_time() - started
    cells = [(name, f"{seconds:.2f}") for name, seconds in steps.items()]
    title = f"{size:,} galaxies × {features.shape[1]} features, {_LABELS} labels"
    return Table(title, ("", "processor seconds"), cells)


def click_next(loop: LabelLoop) -> None:
    """Label a galaxy and rank the others."""
    loop.label([_LABELS + 1], 1)
    loop.ranking("mix", 0, _FIRST)


def make_loop(folder: Path, features: np.ndarray, votes: np.ndarray) -> LabelLoop:
    """Classes `rare` and `other`, of galaxies without pictures."""
    ids = np.arange(len(features))
    first = np.zeros(len(ids), int)
    values = features.astype(np.float16)  # as in the parts
    nowhere = np.full((len(ids), 2), np.nan)
    survey = SurveyFeatures(folder, cast(Any, None), ids, first, first, values, votes, nowhere)
    loop = LabelLoop(survey)
    for name in ("rare", "other"):
        loop.add_class(name)
    return loop
