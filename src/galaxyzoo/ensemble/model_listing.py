"""List runs and ensembles, resolve their names, choose the default.

Reads score cards and marks of finished folds, no network and no image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from galaxyzoo.config import loading
from galaxyzoo.config.schema import is_stage
from galaxyzoo.core import launch, paths
from galaxyzoo.core.console import count
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
        name: `gz37/resnet18` or the path of its recipe, `ensemble:NAME` or `ensemble:TASK/NAME`. A
            bundled run is taken if none of this name is trained on real galaxies; `ensemble:NAME`
            is the competition's if there is one, else that of the only task that has one.
        dataset: that it is trained on; default: the only real one, else a demo.
    Returns:
        Dataset (`BUNDLED` of a bundled run) and name; an ensemble's as `ensemble_name` spells it.
    Raises:
        InputError: there is none of this name, or it is on several datasets or of several tasks.
    """
    if registry.is_ensemble(name):
        folder = _find_ensemble(name, dataset)
        return folder.dataset, registry.ensemble_name(folder.task, folder.name)
    name = loading.name_of(name)
    refuse_bare_ensemble(name)
    task = task_of(name)
    bundled = layout.bundled_runs()
    if dataset == BUNDLED:
        if name not in bundled:
            raise InputError(f"{name} is not bundled: choose from {', '.join(bundled)}")
        return BUNDLED, name
    if dataset is None and name in bundled:
        trained_on = {folder.dataset for folder in layout.list_trained() if folder.run == name}
        if trained_on.issubset(DEMOS):
            return BUNDLED, name
    return layout.choose_dataset(dataset, task.name), name


def refuse_bare_ensemble(word: str) -> None:
    """Refuse the name of an ensemble that was typed without `ensemble:`."""
    if "/" in word:  # a run, or a path
        return
    built = [folder.name for folder in layout.list_ensembles()]
    if word in [*loading.reserved_ensembles(), *built] and find_task(word) is None:
        raise InputError(f"'{word}' is an ensemble: type {registry.ENSEMBLE}{word}")


def _find_ensemble(name: str, dataset: str | None) -> layout.EnsembleFolder:
    """Find an ensemble by name; the error lists those that exist."""
    task, stem = registry.split_ensemble(name)
    existing = layout.list_ensembles(dataset or "*", task or "*")
    matching = [folder for folder in existing if folder.name == stem]
    if not matching:
        place = f" on {dataset}" if dataset else ""
        raise InputError(
            f"no ensemble '{name}'{place}; built: {_describe_ensembles()}; "
            f"build one: `{launch.typed('ensemble')} NAME`"
        )
    of_votes = [folder for folder in matching if folder.task == kinds.COMPETITION_TASK]
    matching = of_votes or matching
    on_real_galaxies = [folder for folder in matching if folder.dataset not in DEMOS]
    matching = on_real_galaxies or matching

    names = {registry.ensemble_name(folder.task, folder.name) for folder in matching}
    if len(names) > 1:
        choices = ", ".join(sorted(names))
        raise InputError(f"'{name}' exists for several tasks: choose from {choices}")
    if len(on_real_galaxies) > 1:
        datasets = ", ".join(folder.dataset for folder in on_real_galaxies)
        raise InputError(
            f"'{name}' exists on several datasets: add --dataset with one of {datasets}"
        )
    return matching[0]


def _describe_ensembles() -> str:
    entries = [_describe_ensemble(folder) for folder in layout.list_ensembles()]
    return "; ".join(f"{entry.title} ({entry.about})" for entry in entries) or "none"


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
        if self.dataset == BUNDLED:
            return f"{self.name} (bundled)"
        return f"{self.name} on {self.dataset}"

    @property
    def about(self) -> str:
        """Describe its score, or why it has none."""
        if self.score is None or not self.has_networks:
            return self.problem
        return f"{task_of(self.name).metric} {self.score:.4f}"


def list_predictors(task: str = "*") -> list[ModelEntry]:
    """List bundled runs, trained runs and ensembles of a task, or of any: real galaxies first."""
    entries = []
    for run in layout.bundled_runs(task):
        entries.append(_describe_run(layout.RunFolder(BUNDLED, run)))
    for folder in layout.list_trained(task=task):
        if find_task(registry.task_name(folder.run)) and not is_stage(folder.run):
            entries.append(_describe_run(folder))
    for ensemble in layout.list_ensembles(task=task):
        entries.append(_describe_ensemble(ensemble))
    return sorted(entries, key=lambda entry: layout.real_first(entry.dataset))


def _describe_run(folder: layout.RunFolder) -> ModelEntry:
    dataset = folder.dataset
    run = folder.run
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


def _describe_ensemble(folder: layout.EnsembleFolder) -> ModelEntry:
    dataset = folder.dataset
    name = registry.ensemble_name(folder.task, folder.name)
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
    Raises:
        InputError: no predictor has a score.
    """
    candidates = list_predictors(kinds.COMPETITION_TASK)
    if dataset is not None:
        candidates = [entry for entry in candidates if entry.dataset == dataset]
    comparable = _select_comparable(candidates)
    if not comparable:
        problems = "; ".join(f"{entry.title}: {entry.problem}" for entry in candidates)
        folder = layout.oof_dir()
        if dataset is not None:
            folder /= dataset
        raise InputError(
            f"no trained run of {kinds.COMPETITION_TASK} in {paths.shown(folder)}/ "
            f"({problems or 'none there'}): type `{launch.typed('train_folds')}`, or name a run of "
            "another task"
        )
    best = min(comparable, key=lambda entry: entry.score or 0.0)
    line = (
        f"using {best.title}: out-of-fold {best.about} on {best.galaxies:,} galaxies of "
        f"{best.scored_on}"
    )
    not_used = []
    n_simulated = 0
    for entry in candidates:
        if entry is best:
            continue
        if entry.dataset in DEMOS:
            n_simulated += 1
        else:
            not_used.append(f"{entry.title}: {_reason_not_used(entry, comparable)}")
    listed = not_used[:3]
    if len(not_used) > 3:
        listed.append(f"{len(not_used) - 3} more")
    if n_simulated:
        listed.append(f"{count(n_simulated, 'model')} trained on simulated galaxies")
    if listed:
        line += f"; not used: {', '.join(listed)}"
    return best, line


def _select_comparable(candidates: Sequence[ModelEntry]) -> list[ModelEntry]:
    """Select those whose scores can be compared, as `choose_default` explains."""
    scored = [entry for entry in candidates if entry.score is not None and entry.has_networks]
    real = [entry for entry in scored if entry.dataset not in DEMOS]
    bundled = [entry for entry in real if entry.dataset == BUNDLED]
    fewest = min((entry.galaxies for entry in bundled), default=0)
    return [entry for entry in real if entry.galaxies >= fewest] or scored


def _reason_not_used(entry: ModelEntry, comparable: Sequence[ModelEntry]) -> str:
    if entry in comparable or entry.score is None or not entry.has_networks:
        return entry.about
    return f"{entry.about}, on only {entry.galaxies:,} galaxies"
