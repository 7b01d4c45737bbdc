"""What predicts images by its name: a trained run, or `ensemble:NAME`, runs combined."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from galaxyzoo.config.schema import ImageConfig, TTAConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import (
    BOX,
    DEMOS,
    box_dir,
    box_runs,
    choose_dataset,
    datasets_with_oof,
    ensemble_csv,
    has_oof,
    oof_dir,
    shown,
)
from galaxyzoo.data.catalog import load_catalog
from galaxyzoo.ensemble.fitted import FittedEnsemble, load_model
from galaxyzoo.ensemble.intervals import VoteIntervals
from galaxyzoo.inference import submission
from galaxyzoo.inference.fold_files import digest_networks
from galaxyzoo.inference.predict import Predictor, RunNetworks, load_run
from galaxyzoo.inference.score_card import EnsembleCard, card_path, digest_table, fair_cards
from galaxyzoo.tasks.kinds import COMPETITION_TASK, Task
from galaxyzoo.tasks.registry import DEFAULT_ENSEMBLE, ensemble_task, get_task, task_of

# In an exported folder
EXPORTED_CARD, EXPORTED_MODEL, INTERVALS = (
    "ensemble.json",
    "ensemble.safetensors",
    "intervals.safetensors",
)


@dataclass(frozen=True, eq=False)
class EnsembleNetworks:
    """A fitted ensemble with its members' networks."""

    fitted: FittedEnsemble
    runs: list[RunNetworks]  # in the order of `fitted.runs`

    @classmethod
    def load(cls, dataset: str, task: str) -> "EnsembleNetworks":
        """The ensemble of a task; arguments as of `FittedEnsemble.load`."""
        fitted = FittedEnsemble.load(dataset, task)
        return cls(fitted, [load_run(dataset, run) for run in fitted.runs])

    @classmethod
    def open(cls, folder: Path) -> "EnsembleNetworks":
        """The ensemble in a folder of `src/export.py`."""
        card = EnsembleCard.read(folder / EXPORTED_CARD)
        task, again = get_task(card.task), "export it again"
        model = load_model(folder / EXPORTED_MODEL, card.fitted, task, again)
        runs = [RunNetworks.open(folder / run) for run in card.members]
        return cls(FittedEnsemble(card.dataset, task, card, model), runs)

    @property
    def task(self) -> Task:
        """The ensemble's."""
        return self.fitted.task

    @property
    def digest(self) -> str:
        """As `Predictor.digest`."""
        parts = [self.fitted.card.fitted, *(run.digest for run in self.runs)]
        return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()[:16]

    def with_less(self, folds: Sequence[int] | None, tta: TTAConfig | None) -> "EnsembleNetworks":
        """As `Predictor.with_less`."""
        return EnsembleNetworks(self.fitted, [run.with_less(folds, tta) for run in self.runs])

    def predict(
        self, decode: Callable[[ImageConfig], np.ndarray], fold: int | None = None
    ) -> np.ndarray:
        """As `Predictor.predict`."""
        parts = [run.predict_raw(decode(run.config.image), fold) for run in self.runs]
        return self.fitted.combine(parts)

    def predict_with_spread(
        self, decode: Callable[[ImageConfig], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `Predictor.predict_with_spread`."""
        each = [run.predict_each(decode(run.config.image)) for run in self.runs]
        by_fold = [self.fitted.combine(list(parts)) for parts in zip(*each, strict=True)]
        return self.fitted.combine([one.mean(axis=0) for one in each]), np.std(by_fold, axis=0)

    def features(self, decode: Callable[[ImageConfig], np.ndarray]) -> np.ndarray:
        """Refused: networks of several runs have features of their own."""
        raise InputError("--with features: they are of one run: name one of its runs")


def choose_dataset_of(asked: str | None, name: str) -> str:
    """As `choose_dataset`, for a run or an ensemble; the box where it alone has the run."""
    task, known = task_of(name).name, box_runs()
    if name in known and (asked == BOX or (asked is None and not has_oof(name))):
        return BOX
    if asked == BOX:
        raise InputError(f"{name} is not among the networks in the box: {', '.join(known)}")
    is_ensemble = ensemble_task(name) is not None
    return choose_dataset(asked, task, ensembles=is_ensemble)


def load_predictor(
    dataset: str, name: str, folds: Sequence[int] | None = None, views: int | None = None
) -> Predictor:
    """A trained run, `gz37/resnet18`, or an ensemble, `ensemble:NAME`.

    Args:
        folds: whose networks alone predict; default all.
        views: 1, or 8, the orientations of the square; default each run's own.
    """
    task = ensemble_task(name)
    found: Predictor = (
        load_run(dataset, name) if task is None else EnsembleNetworks.load(dataset, task.name)
    )
    tta = None if views is None else TTAConfig(dihedral=views == 8)
    return found if folds is None and tta is None else found.with_less(folds, tta)


def load_intervals(dataset: str, name: str) -> VoteIntervals:
    """Intervals around what a run or an ensemble predicts of any galaxies."""
    task = task_of(name)
    if task.name != COMPETITION_TASK:
        raise InputError(f"--with intervals: they are of votes, and {name} predicts classes")
    if dataset != BOX:
        return VoteIntervals.calibrate(name, load_catalog(dataset))
    path = box_dir() / name / INTERVALS
    return load_model(
        path, digest_table(path), task, "get it again, as `git checkout weights` does"
    )


def describe(predictor: Predictor) -> str:
    """What is averaged or combined, for messages."""
    count = sum(len(run.models) for run in predictor.runs)
    if isinstance(predictor, EnsembleNetworks):
        how = predictor.fitted.card.chosen
        return f"{how} of {len(predictor.runs)} runs ({count} networks)"
    return f"mean of {count} folds' models"


def pick_default(dataset: str | None) -> tuple[str, str]:
    """What answers where nothing is named, as (dataset, name).

    The ensemble that wrote `submissions/predictions.csv`, where that is still there; else the run
    of the competition's task with the best score that has networks; where there is none, the
    networks in the box. What was trained on a demo set answers only where it is named: the box
    knows real galaxies.

    Args:
        dataset: that the user named: its ensemble, else its best run.
    """
    path = ensemble_csv(dataset, COMPETITION_TASK) if dataset else submission.published_csv()
    try:
        card = EnsembleCard.read(card_path(path))
        real = dataset or card.dataset not in DEMOS
        usable = card.fitted and all(card.members.values())  # with networks of every member
        if real and usable and card.table == digest_table(path):
            EnsembleCard.of(card.dataset, COMPETITION_TASK)
            return card.dataset, DEFAULT_ENSEMBLE
    except (InputError, OSError):
        pass  # none, or another file
    trained = [name for name in datasets_with_oof(COMPETITION_TASK) if name not in DEMOS]
    for name in [dataset] if dataset else [*trained, BOX, *DEMOS]:
        found = _best_run(name) if name != BOX else next(iter(box_runs(COMPETITION_TASK)), None)
        if found:
            return name, found
    raise InputError(
        f"no trained run of {COMPETITION_TASK} in {shown(oof_dir())}/: type `bash "
        "scripts/train_folds.sh`, or name a run of another task"
    )


def _best_run(dataset: str) -> str | None:
    """The fair run with the best score among those whose folds all have networks."""
    cards = fair_cards(dataset, COMPETITION_TASK)
    return next((c.run for c in cards if digest_networks(dataset, c.run, c.n_folds)), None)
