"""Score cards: the JSON files beside out-of-fold tables and submissions.

Each is read as one of the models below, which hold the keys that have a reader.
"""

from pathlib import Path
from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator

from galaxyzoo.config import base, loading
from galaxyzoo.core import launch, manifest, paths
from galaxyzoo.core.errors import DamageError, InputError
from galaxyzoo.data.catalog import Catalog, find_task
from galaxyzoo.io.tables import GalaxyId
from galaxyzoo.results.layout import EnsembleFolder, RunFolder, train_command
from galaxyzoo.results.table import digest_table


class _Card(base.Settings):
    """Base of cards and their parts; unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a card; the error names the key that is missing or of a wrong type."""
        values = manifest.read_sealed(path)
        problem = f"{paths.shown(path)} is not a complete score card ({DamageError.advice})"
        return cls.parse(values, problem)

    def write(self, path: Path) -> None:
        """Write the card: the same values make the same bytes."""
        manifest.write_sealed(path, self.model_dump(mode="json"))


class SubmissionCard(_Card):
    """Base of the cards beside submissions."""

    dataset: str
    table: str  # digest of the submission


class _Scores(_Card):
    """Subset of the scores of `score_table`."""

    score: float
    per_fold: dict[str, float]
    classes: dict[str, Any] = Field(default_factory=dict)


class ScoreCard(_Scores):
    """Base of the cards of runs, hold-outs and ensembles."""

    task: str
    dataset: str
    fingerprint: str  # of the task's galaxies, labels and folds
    selected_on_validation: bool  # an epoch was chosen on a scored fold
    metric: str
    mean: float | None = None  # of the folds
    sd: float | None
    per_column: dict[str, float] = Field(default_factory=dict)
    galaxies: int
    code_version: str

    @property
    def score_text(self) -> str:
        """Format the score; for classes with accuracy, balanced where that decides the classes."""
        text = f"{self.metric} {self.score:.5f}"
        accuracy = self.classes.get("accuracy")
        remark = ""
        if getattr(find_task(self.task), "balanced", False):
            accuracy = self.classes.get("balanced_accuracy")
            remark = " (balanced)"
        if accuracy is None:
            return text
        return f"{text}, accuracy {100 * accuracy:.1f} %{remark}"


class HoldoutCard(ScoreCard):
    """The card of a hold-out."""

    run: str
    checkpoint: str  # the best one on the second part, or the last
    possible_leakage: bool = False  # first weights may be trained on these galaxies' votes
    split: dict[str, int]  # galaxies of each part


class FoldsCard(ScoreCard):
    """Base of the cards of runs and ensembles."""

    seed: int = 0
    # first weights may be trained on these galaxies' votes; of an ensemble, whose
    possible_leakage: bool | list[str]
    unreadable_test_images: list[GalaxyId] = Field(default_factory=list)  # GalaxyIDs, own ids

    @property
    def is_optimistic(self) -> bool:
        """Check whether its scores are optimistic: the networks saw some of the galaxies."""
        return self.selected_on_validation or bool(self.possible_leakage)

    def check(self, catalog: Catalog, *tables: Path) -> Self:
        """Refuse a card of another catalog, and tables that are not the ones it was written for.

        Args:
            catalog: galaxies of the task.
            tables: those to compare with their digests.
        """
        digests = self._digests(catalog.dataset)
        if self.fingerprint != catalog.fingerprint:
            first = paths.shown(next(iter(digests)))
            raise InputError(f"{first} was made with another catalog or split: {self.advice()}")
        for table in tables:
            if not table.exists() or digests.get(table) != digest_table(table):
                raise InputError(
                    f"{paths.shown(table)} is missing or does not match its score card: "
                    f"{self.advice()}"
                )
        return self

    def _digests(self, dataset: str) -> dict[Path, str]:
        """Table -> its digest."""
        raise NotImplementedError

    def advice(self) -> str:
        """Command that makes card and tables again."""
        raise NotImplementedError


class Digests(_Card):
    """Digests of a run's tables."""

    oof: str
    test: str
    refit: str | None = None


class ImportedTables(Digests):
    """Digests of the tables that a run was imported from, and what their checks found."""

    leakage: str = ""  # evidence that the labels were used; the run is marked
    problems: list[str] = Field(default_factory=list)  # sentences, for whoever uses the run
    remarks: list[str] = Field(default_factory=list)  # sentences, for whoever imports it

    @property
    def digests(self) -> Digests:
        """The digests alone."""
        return Digests(oof=self.oof, test=self.test, refit=self.refit)


class RunCard(FoldsCard):
    """The card of a run's out-of-fold and test tables."""

    run: str
    about: str
    config: str = ""  # digest of the settings
    folds: list[int]  # the finished ones
    n_folds: int
    possible_leakage: bool
    checkpoint: str = "last"  # of each fold: best or last epoch
    views: int = 1  # of an image
    start: str  # where the first weights came from
    # fold -> loss before the first step and at the end
    training_loss: dict[str, tuple[float | None, float | None]] = Field(default_factory=dict)
    diverged: list[int] = Field(default_factory=list)  # folds
    no_better_than_mean: list[int]  # folds
    tables: Digests
    refits: int = 0  # networks trained on all galaxies, whose test predictions have no score
    imported: ImportedTables | None = None  # without networks

    @classmethod
    def of(cls, dataset: str, run: str) -> Self:
        """The card beside a run's out-of-fold table; none, or one of another run, is an error."""
        folder = RunFolder(dataset, run)
        path = folder.card
        if not path.exists() and not folder.oof_csv.exists():
            command = train_command(dataset, run)
            raise InputError(f"{run} has no predictions on {dataset}: type `{command}` first")
        card = cls.read(path)
        if card.run != run:
            raise InputError(
                f"{paths.shown(path)} is for {card.run}, not {run}: delete it and its table, or "
                "name other runs"
            )
        return card

    @property
    def is_whole(self) -> bool:
        """Check whether all folds are finished and scored."""
        return len(self.folds) == self.n_folds

    @property
    def divergence(self) -> str:
        """The diverged folds with their losses; empty where there is none."""
        sentences = []
        for fold in self.diverged:
            first, last = self.training_loss.get(str(fold), (None, None))
            sentences.append(f"fold {fold} diverged{describe_losses(first, last)}")
        return "; ".join(sentences)

    @property
    def problems(self) -> list[str]:
        """Sentences on faults of the predictions, besides diverged folds."""
        problems = []
        weak = [fold for fold in self.no_better_than_mean if fold not in self.diverged]
        if weak:
            folds = "fold" if len(weak) == 1 else "folds"
            numbers = ", ".join(str(fold) for fold in weak)
            sentence = f"{folds} {numbers}: no better than predicting the mean of the other folds"
            if self.imported and len(weak) == self.n_folds:
                sentence += "; most likely its rows are of other galaxies"
            problems.append(sentence)
        if self.imported:
            problems += self.imported.problems
            if self.imported.leakage:
                problems.append(
                    f"possible label leakage: {self.imported.leakage}; ensembles use this run only "
                    "if you name it"
                )
        return problems

    def _digests(self, dataset: str) -> dict[Path, str]:
        folder = RunFolder(dataset, self.run)
        digests = {folder.oof_csv: self.tables.oof, folder.test_csv: self.tables.test}
        if self.tables.refit:
            digests[folder.refit_csv] = self.tables.refit
        return digests

    def advice(self) -> str:
        """See `FoldsCard.advice`."""
        verb = "imported" if self.imported else "trained"
        return f"rerun the command that {verb} {self.run}, or name other runs"


class CandidateScore(_Scores):
    """A candidate's cross-fitted scores, and their differences with standard errors."""

    about: str  # what it is, in a few words
    mean: float | None = None
    sd: float | None
    minus_mean: float  # of the uniform mean
    minus_mean_se: float
    minus_best: float
    minus_best_se: float


class _Cost(_Card):
    difference: float
    se: float


class _Without(_Card):
    candidate: str
    runs: dict[str, _Cost]


class _Nested(_Scores):
    choices: dict[str, str]  # fold -> candidate


class EnsembleCard(SubmissionCard, FoldsCard):
    """The card of an ensemble's submission.

    Its scores are those of the chosen candidate: cross-fitted, but too good by the luck of
    choosing.
    """

    name: str
    inputs: str  # digest of all that it was made from
    oof_table: str = ""  # digest of the cross-fitted predictions
    fitted: str = ""  # digest of the file of fitted weights
    members: dict[str, str | None] = Field(default_factory=dict)  # run -> digest of its networks
    test: str = "folds"  # networks whose test predictions it combines: folds, refit or both
    best: str
    chosen: str
    rule: str
    scored: str = "cross-fitted on the runs' folds"
    nested: _Nested | None  # of the choice, free of its luck; None below three folds
    simplest_first: list[str]  # names of the candidates
    candidates: dict[str, CandidateScore]
    runs: dict[str, float]
    run_classes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    runs_selected_on_validation: list[str]
    possible_leakage: list[str]  # runs
    diverged: dict[str, str] = Field(default_factory=dict)  # run -> its folds
    error_correlation: dict[str, dict[str, float]]
    without: _Without  # cost of leaving each run out
    model: dict[str, Any] = Field(default_factory=dict)  # weights or settings of what is submitted

    @model_validator(mode="after")
    def _check_members(self) -> Self:
        if self.members.keys() != self.runs.keys():
            raise ValueError("members and runs differ")
        return self

    @property
    def ranked(self) -> list[tuple[str, CandidateScore]]:
        """Name and scores of each candidate, the simplest first."""
        return [(name, self.candidates[name]) for name in self.simplest_first]

    @classmethod
    def of(cls, folder: EnsembleFolder) -> Self:
        """The card in an ensemble's folder; none, or one of another ensemble, is an error."""
        path = folder.card
        if not path.exists():
            raise InputError(f"{paths.shown(path)} is missing: build the ensemble again")
        card = cls.read(path)
        if card.folder != folder:
            raise InputError(
                f"{paths.shown(path)} belongs to the ensemble '{card.name}': rename "
                f"{paths.shown(folder.path)} to {paths.shown(card.folder.path)}"
            )
        return card

    @property
    def folder(self) -> EnsembleFolder:
        """The folder that it was written for."""
        return EnsembleFolder(self.dataset, self.task, self.name)

    def _digests(self, dataset: str) -> dict[Path, str]:
        return {self.folder.csv: self.table, self.folder.oof_csv: self.oof_table}

    def advice(self) -> str:
        """See `FoldsCard.advice`; what is typed restores the same ensemble."""
        return f"type `{self.command()}`"

    def command(self, new_name: str = "") -> str:
        """Command that builds the ensemble; of these runs, if under a new name."""
        name = new_name or self.name
        candidates = ["--candidates", ",".join(self.simplest_first)]
        if name in loading.all_ensembles():  # its file says the rest
            arguments = [name]
        elif name == paths.ALL_RUNS:
            arguments = [name, *candidates]
        else:
            arguments = [*self.runs, *candidates, "--name", name]
        if self.test != "folds":
            arguments += ["--test", self.test]
        arguments += ["--task", self.task, "--dataset", self.dataset]
        return f"{launch.typed('ensemble')} {launch.quote(*arguments)}"


def rounded(value: Any, digits: int) -> Any:
    """Round every float in nested dicts and lists: libraries differ in last digits."""
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item, digits) for item in value]
    if isinstance(value, float):
        return round(value, digits)
    return value


def describe_losses(first: float | None, last: float | None) -> str:
    """A training's losses before its first step and at its end, as a message ends."""
    if first is None or last is None:
        return ""
    return f": training loss {last:.3g} at the end, {first:.3g} before the first step"
