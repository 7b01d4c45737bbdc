"""Balanced accuracy of few labels: our head against a ResNet18 from ImageNet.

Draw k of five has held-out galaxies that the bundled network k was not trained on. Those of
`anomaly4`, whose classes are rare, have labels from the other folds. Labels are spread over the
classes as evenly as they last. All ways get the same, decide by the same rule and predict one view.
Seconds are the processor's, over all cores; those of heads come after the features, which the last
row has.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from measuring import Table
from views import RUN

from galaxyzoo.config.loading import load_config
from galaxyzoo.config.schema import Config, ImageConfig, TTAConfig
from galaxyzoo.data.image_cache import ImageCache, open_cache
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.inference.network import predict
from galaxyzoo.inference.predict import RunNetworks
from galaxyzoo.models.build import build_model
from galaxyzoo.results.layout import bundled_dir
from galaxyzoo.tasks.kinds import ClassTask
from galaxyzoo.tasks.metrics import mean_recall
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training.feature_cache import cached_features
from galaxyzoo.training.feature_head import fit_head
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.parts import Part
from galaxyzoo.training.trainer import Trainer

EPOCHS = {20: 16, 50: 10, 100: 8, 300: 6, 1000: 4}  # labels -> epochs of fine-tuning
HELD_OUT = {"zoo5": 60, "anomaly4": 100}  # galaxies of each class, where there are so many
FIELDS = {  # the same sky as in the bundled networks' training
    "zoo5": ImageConfig(crop_px=424, cache_px=96, field_px=452, size_px=128),
    "anomaly4": ImageConfig(crop_px=424, cache_px=212, field_px=307, size_px=128),
}
DRAWS, TUNED_DRAWS, TUNED_PX = 5, 2, 64
ONE_VIEW = TTAConfig(dihedral=False)
# Rows of labels, rows to predict -> (row, class) probabilities
Way = Callable[[np.ndarray, np.ndarray], np.ndarray]


def measure(data: Dataset, _repeats: int) -> list[Table]:
    """Scores of both tasks; `data` is kaggle-mini."""
    return [
        measure_task("zoo5", prepare("zoo5", tasks={"zoo5"})),
        measure_task("anomaly4", data),
    ]


def measure_task(name: str, data: Dataset) -> Table:
    """Mean balanced accuracy, in %, and mean seconds of each number of labels."""
    task = get_task(name)
    assert isinstance(task, ClassTask)
    catalog, field = data.for_task(task), FIELDS[name]
    cache = open_cache(data.raw.train_images, data.ids, field)
    places = np.searchsorted(cache.ids, catalog.ids)
    targets = catalog.targets(task)
    networks = RunNetworks.load_exported(bundled_dir() / RUN)
    ours = networks.config.model_copy(update={"image": field, "tta": ONE_VIEW})
    resnet = load_config(f"{name}/resnet18", ["stages=null", "train.lr=5e-4", "train.ema_decay=0"])
    resnet = resnet.model_copy(update={"image": field, "tta": ONE_VIEW})
    start = build_model(resnet)
    scores: dict[str, dict[int, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    seconds: dict[str, float] = {}  # of an image's features
    for draw in [*range(DRAWS), *range(-TUNED_DRAWS, 0)]:
        fold = draw % TUNED_DRAWS if draw < 0 else draw
        labeled, held_out = draw_rows(targets, catalog.folds, fold, name)
        ways: dict[str, Way] = {}
        if draw < 0:
            ways["ResNet18, fine-tuned"] = tuned(resnet, cache, places, targets)
        else:
            used = np.append(labeled, held_out)
            heads = {
                "bundled network, head": (networks.models[fold], ours),
                "ResNet18, head": (start, resnet),
            }
            for way, (model, config) in heads.items():
                started = time.process_time()
                features = cached_features(model, cache.images[places[used]], config)
                seconds.setdefault(way, (time.process_time() - started) / len(used))
                ways[way] = head_on(dict(zip(used.tolist(), features, strict=True)), targets)
        for count in EPOCHS:
            prior = targets[labeled[:count]].mean(axis=0)
            for way, fit in ways.items():
                started = time.process_time()
                probs = fit(labeled[:count], held_out) / np.maximum(prior, 1e-12)
                took = time.process_time() - started
                score = 100 * mean_recall(targets[held_out].argmax(axis=1), probs.argmax(axis=1))
                scores[way][count].append((score, took))
                print(
                    f"{name}, draw {fold}, {count}: {way} {score:.1f}, {took:.1f} s",
                    file=sys.stderr,
                )
    rows = [
        (str(count), *(describe(of_way[count]) for of_way in scores.values())) for count in EPOCHS
    ]
    rows += [("an image's features", *(f"{seconds.get(way, 0):.2f} s" for way in scores))]
    title = (
        f"{name}: balanced accuracy of {DRAWS} draws ({TUNED_DRAWS} fine-tuned), %, ± sd; seconds"
    )
    return Table(title, ("labels", *scores), rows)


def describe(results: list[tuple[float, float]]) -> str:
    """Scores and seconds of some draws in a cell."""
    (score, seconds), sd = np.mean(results, axis=0), np.std(results, axis=0, ddof=1)[0]
    return f"{score:.1f} ± {sd:.1f}; {seconds:.1f} s"


def draw_rows(
    targets: np.ndarray, folds: np.ndarray, fold: int, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to label, in the order in which they are, and rows to predict."""
    rng, labels = np.random.default_rng(fold), targets.argmax(axis=1)
    inside = np.flatnonzero(folds == fold)
    held_out = spread_evenly(rng.permutation(inside), labels, HELD_OUT[name])
    pool = inside if name == "zoo5" else np.flatnonzero(folds != fold)
    pool = rng.permutation(np.setdiff1d(pool, held_out))
    return spread_evenly(pool, labels, len(pool))[: max(EPOCHS)], held_out


def spread_evenly(rows: np.ndarray, labels: np.ndarray, most: int) -> np.ndarray:
    """Order rows so that classes come in turn; of some alone at most half of a class."""
    rank = np.empty(len(rows), np.int64)  # of a row within its class
    for number in np.unique(labels[rows]):
        of_class = labels[rows] == number
        rank[of_class] = np.arange(of_class.sum())
        if most < len(rows):
            rank[of_class & (rank >= of_class.sum() // 2)] = len(rows)
    order = np.argsort(rank, kind="stable")
    order = order[rank[order] < min(most, len(rows))]
    return rows[order]


def head_on(features: dict[int, np.ndarray], targets: np.ndarray) -> Way:
    """Fit a linear head on features by row."""

    def fit(labeled: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        known, new = (np.stack([features[row] for row in rows]) for rows in (labeled, held_out))
        return fit_head(known, targets[labeled]).predict_proba(new)

    return fit


def tuned(config: Config, cache: ImageCache, places: np.ndarray, targets: np.ndarray) -> Way:
    """Train a whole network."""
    of_images = np.full((len(cache.ids), targets.shape[1]), np.nan)
    of_images[places] = targets

    def fit(labeled: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        train = config.train.model_copy(update={"epochs": EPOCHS[len(labeled)], "batch_size": 16})
        image = config.image.model_copy(update={"size_px": TUNED_PX})
        settings = config.model_copy(update={"train": train, "image": image})
        rows = places[labeled], places[held_out]
        part = Part("fold_0", rows[0], rows[1][:8], stream=0)
        trainer = Trainer(settings, FoldData(cache, of_images, part))
        list(trainer.epochs())
        return predict(trainer.model, cache, rows[1], settings)

    return fit
