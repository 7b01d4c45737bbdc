"""List runs and ensembles, resolve their names, choose the default.

Reads score cards and marks of finished folds, no network and no image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from galaxyzoo.config.schema import is_stage
from galaxyzoo.core import launch, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import BUNDLED, DEMOS
from galaxyzoo.data.catalog import find_task, task_of
from galaxyzoo.ensemble.fitted import check_ensemble_members
from galaxyzoo.results import layout
from galaxyzoo.results.card import EnsembleCard, RunCard
from galaxyzoo.tasks import kinds, registry


def find_predictor(name: str, dataset: str | None = None) -> tuple[str, str]:
    """Find the run or ensemble of a name.

    Args:
        name: `gz37/resnet18`, `ensemble:NAME` or `ensemble:TASK/NAME`. A bundled run is taken if
            none of this name is trained on real galaxies; `ensemble:NAME` is the competition's
            if there is one, else that of the only task that has one.
        dataset: that it is trained on; default: the only real one, else a demo.
    Returns:
        Dataset (`BUNDLED` of a bundled run) and name; an ensemble's as `ensemble_name` spells it.
    """
    if registry.is_ensemble(name):
        folder = _find_ensemble(name, dataset)
        return folder.dataset, registry.ensemble_name(folder.task, folder.name)
    task, known = task_of(name).name, layout.bundled_runs()
    trained = {folder.dataset for folder in layout.list_trained() if folder.run == name}
    if name in known and (dataset == BUNDLED or (dataset is None and trained <= {*DEMOS})):
        return BUNDLED, name
    if dataset == BUNDLED:
        raise InputError(f"{name} is not bundled: choose from {', '.join(known)}")
    return layout.choose_dataset(dataset, task), name


def _find_ensemble(name: str, dataset: str | None) -> layout.EnsembleFolder:
    """Find an ensemble by name; the error lists those that exist."""
    task, stem = registry.split_ensemble(name)
    there = layout.list_ensembles(dataset or "*", task or "*")
    matching = [folder for folder in there if folder.name == stem]
    matching = [folder for folder in matching if folder.task == kinds.COMPETITION_TASK] or matching
    matching = [folder for folder in matching if folder.dataset not in DEMOS] or matching
    names = {registry.ensemble_name(folder.task, folder.name) for folder in matching}
    if len(names) > 1:
        raise InputError(
            f"'{name}' exists for several tasks: choose from {', '.join(sorted(names))}"
        )
    if len(matching) > 1 and matching[0].dataset not in DEMOS:
        known = ", ".join(folder.dataset for folder in matching)
        raise InputError(f"'{name}' exists on several datasets: add --dataset with one of {known}")
    if matching:
        return matching[0]
    others = [_known_ensemble(folder) for folder in layout.list_ensembles()]
    known = "; ".join(f"{other.title} ({other.about})" for other in others) or "none"
    where = f" on {dataset}" if dataset else ""
    raise InputError(
        f"no ensemble '{name}'{where}; built: {known}; build one: `{launch.typed('ensemble')} NAME`"
    )


def ensemble_folder(dataset: str, name: str) -> layout.EnsembleFolder:
    """The folder of an ensemble by its name, as `find_predictor` returns both."""
    _, stem = registry.split_ensemble(name)
    return layout.EnsembleFolder(dataset, registry.task_name(name), stem)


def pick_predictor(name: str | None, dataset: str | None) -> tuple[str, str]:
    """Find a predictor as `find_predictor`; None: choose the best, and print which."""
    if name is not None:
        return find_predictor(name, dataset)
    best, line = choose_default(dataset)
    print(line)
    return best.dataset, best.name


@dataclass(frozen=True)
class ModelEntry:
    """A trained run or ensemble, described without loading its networks."""

    dataset: str  # `BUNDLED` of a bundled run
    name: str
    score: float | None = None  # out of fold, of all folds, without optimism
    galaxies: int = 0  # that were scored
    scored_on: str = ""  # dataset of those
    problem: str = ""  # why it has no score, or cannot answer
    has_networks: bool = True

    @property
    def title(self) -> str:
        """Name and dataset, for messages and lists."""
        where = "(bundled)" if self.dataset == BUNDLED else f"on {self.dataset}"
        return f"{self.name} {where}"

    @property
    def about(self) -> str:
        """Describe its score, or why it has none."""
        if self.score is None or not self.has_networks:
            return self.problem
        return f"{task_of(self.name).metric} {self.score:.4f}"


def list_predictors(task: str = "*") -> list[ModelEntry]:
    """List bundled runs, trained runs and ensembles of a task, or of any: real galaxies first."""
    bundled = [_known_run(layout.RunFolder(BUNDLED, run)) for run in layout.bundled_runs(task)]
    runs = [
        _known_run(trained)
        for trained in layout.list_trained(task=task)
        if find_task(registry.task_name(trained.run)) and not is_stage(trained.run)
    ]
    ensembles = [_known_ensemble(folder) for folder in layout.list_ensembles(task=task)]
    return sorted([*bundled, *runs, *ensembles], key=lambda known: layout.real_first(known.dataset))


def _known_run(folder: layout.RunFolder) -> ModelEntry:
    dataset, run = folder.dataset, folder.run
    try:
        card = RunCard.of(dataset, run)
    except (InputError, OSError):
        state = "damaged" if folder.card.exists() else "no"
        return ModelEntry(dataset, run, problem=f"{state} score card")
    if not card.is_whole:
        return ModelEntry(dataset, run, problem=f"{len(card.folds)} of {card.n_folds} folds")
    if card.is_optimistic:
        return ModelEntry(dataset, run, problem="optimistic score")
    if dataset != BUNDLED and layout.digest_networks(dataset, run, card.n_folds) is None:
        return ModelEntry(dataset, run, problem="some folds have no network")
    return ModelEntry(dataset, run, card.score, card.galaxies, card.dataset)


def _known_ensemble(folder: layout.EnsembleFolder) -> ModelEntry:
    dataset, name = folder.dataset, registry.ensemble_name(folder.task, folder.name)
    try:
        card = EnsembleCard.of(folder)
        check_ensemble_members(card)
    except InputError:
        return ModelEntry(dataset, name, problem="no networks", has_networks=False)
    score = None if card.is_optimistic else card.score
    return ModelEntry(dataset, name, score, card.galaxies, dataset, "optimistic score")


def choose_default(dataset: str | None = None) -> tuple[ModelEntry, str]:
    """Choose the default predictor: the best out-of-fold score.

    The bundled networks are compared with what is trained on at least as many real galaxies: on
    fewer, or on a demo, a score means little. Without them any real run will do, then a demo's.

    Args:
        dataset: that the user named: the best one of that alone.
    Returns:
        The choice, and a line for the user: name, score, dataset, what was passed over.
    """
    candidates = list_predictors(kinds.COMPETITION_TASK)
    if dataset is not None:
        candidates = [p for p in candidates if p.dataset == dataset]
    scored = [p for p in candidates if p.score is not None and p.has_networks]
    real = [p for p in scored if p.dataset not in DEMOS]
    fewest = min((p.galaxies for p in real if p.dataset == BUNDLED), default=0)
    comparable = [p for p in real if p.galaxies >= fewest] or scored
    if not comparable:
        problems = "; ".join(f"{p.title}: {p.problem}" for p in candidates) or "none there"
        raise InputError(
            f"no trained run of {kinds.COMPETITION_TASK} in {paths.shown(layout.oof_dir())}/ "
            f"({problems}): type `{launch.typed('train_folds')}`, or name a run of another task"
        )
    best = min(comparable, key=lambda predictor: predictor.score or 0.0)
    line = (
        f"using {best.title}: out-of-fold {best.about} on {best.galaxies:,} galaxies of "
        f"{best.scored_on}"
    )
    if passed := [f"{p.title}: {_why_not(p, comparable)}" for p in candidates if p is not best]:
        more = f" and {len(passed) - 3} more" if len(passed) > 3 else ""
        line += f"; not used: {', '.join(passed[:3])}{more}"
    return best, line


def _why_not(known: ModelEntry, comparable: Sequence[ModelEntry]) -> str:
    if known.dataset in DEMOS:
        return "simulated galaxies"
    if known in comparable or known.score is None or not known.has_networks:
        return known.about
    return f"{known.about}, on only {known.galaxies:,} galaxies"
