"""Load a trained run or ensemble by name, to predict images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from galaxyzoo.config.schema import TTAConfig
from galaxyzoo.core import console
from galaxyzoo.core.errors import InputError, advise
from galaxyzoo.core.manifest import digest
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.ensemble import blends, fitted, model_listing
from galaxyzoo.inference.predict import Decode, Predictor, RunNetworks, load_run
from galaxyzoo.results import layout
from galaxyzoo.results.card import EnsembleCard
from galaxyzoo.results.fold_files import FIRST_REFIT
from galaxyzoo.results.table import PredictionTable
from galaxyzoo.tasks import kinds, registry


@dataclass(frozen=True, eq=False)
class EnsembleNetworks(Predictor):
    """A fitted ensemble with its members' networks."""

    card: EnsembleCard
    model: blends.MetaModel
    members: list[RunNetworks]  # in the order of the card's

    @classmethod
    def load(cls, folder: layout.EnsembleFolder) -> "EnsembleNetworks":
        """Load an ensemble and its members."""
        card, model = fitted.load_ensemble(folder)
        members = [load_run(folder.dataset, run) for run in card.members]
        return cls(card, model, members)

    @classmethod
    def load_exported(cls, folder: Path) -> "EnsembleNetworks":
        """Open an exported ensemble in its folder."""
        card = EnsembleCard.read(folder / layout.ENSEMBLE_CARD)
        path = folder / layout.ENSEMBLE_MODEL
        with advise("export the ensemble again"):
            model = fitted.load_fitted(path, card.fitted)
        members = []
        for run, networks in card.members.items():
            members.append(RunNetworks.load_exported(folder / run, {"networks": networks}))
        return cls(card, model, members)

    @property
    def task(self) -> kinds.Task:
        """See `Predictor.task`."""
        for run in self.members:
            if run.task.name == self.card.task:
                return run.task
        return registry.get_task(self.card.task)  # its members predict votes

    @property
    def runs(self) -> list[RunNetworks]:
        """See `Predictor.runs`."""
        return self.members

    @property
    def digest(self) -> str:
        """See `Predictor.digest`."""
        digests = [run.digest for run in self.runs]
        return digest([" ".join([str(self.card.fitted), *digests])])[:16]

    def restrict(self, folds: Sequence[int] | None, tta: TTAConfig | None) -> "EnsembleNetworks":
        """See `Predictor.restrict`."""
        return replace(self, members=[run.restrict(folds, tta) for run in self.runs])

    def combine(self, predictions: list[np.ndarray]) -> np.ndarray:
        """See `Predictor.combine`."""
        ids = np.arange(len(predictions[0]))
        features = []
        for run, values in zip(self.members, predictions, strict=True):
            table = PredictionTable(run.task, ids, values).to_task(self.task)
            features.append(table.values.astype(np.float32))
        return self.task.project(self.model.predict(np.stack(features, axis=1)))

    def features(self, decode: Decode) -> np.ndarray:
        """Raise InputError: networks of several runs have different features."""
        raise InputError("features are of a single run: name one of the ensemble's runs")


def load_predictor(
    dataset: str,
    name: str,
    folds: Sequence[int] | None = None,
    views: int | None = None,
    *,
    by_student: bool = False,
) -> Predictor:
    """Load a trained run or an ensemble.

    Args:
        dataset: of the run or ensemble; `find_predictor` returns it and the name.
        name: of the run or ensemble.
        folds: use only the networks of these folds; default all.
        views: 1, or 8 for all rotations and reflections; default each run's own.
        by_student: use the student of a bundled run, where it has one, instead of all its folds.
    Raises:
        ValueError: another number of views, or an empty list of folds.
    """
    if folds is not None and len(folds) == 0:
        raise ValueError("folds must name at least one fold; leave it out for all")
    if views not in (None, 1, 8):
        raise ValueError(f"views must be 1 or 8 (orientations), not {views}")
    tta = None
    if views is not None:
        tta = TTAConfig(dihedral=views == 8)
    student = None
    if by_student and dataset == BUNDLED and folds is None:
        student = layout.student_dir(name)
    predictor: Predictor
    if student:
        predictor = RunNetworks.load_exported(student)
    elif registry.is_ensemble(name):
        predictor = EnsembleNetworks.load(model_listing.ensemble_folder(dataset, name))
    else:
        predictor = load_run(dataset, name)
    return predictor.restrict(folds, tta)


def describe(predictor: Predictor) -> str:
    """Describe what is averaged or combined, for messages."""
    count = sum(len(run.models) for run in predictor.runs)
    if isinstance(predictor, EnsembleNetworks):
        runs = console.count(len(predictor.runs), "run")
        return f"{predictor.card.chosen} of {runs} ({console.count(count, 'network')})"
    if count > 1:
        return f"mean of {count} folds' networks"
    if FIRST_REFIT in predictor.runs[0].models:
        return "student network"
    return "one fold's network"
