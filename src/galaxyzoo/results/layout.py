"""Folders and files of runs, folds and ensembles: each name once.

A run is named `<task>/<config stem>`. Its folds are in `folds/<dataset>/<run>/fold_k/`, its tables
at `oof/<dataset>/<run>.csv` and `submissions/<dataset>/<run>.csv`; an ensemble has the folder
`submissions/<dataset>/<task>/<name>/`. So artifacts of different datasets never mix.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from galaxyzoo.config.loading import load_run_config
from galaxyzoo.config.schema import Config
from galaxyzoo.core import launch, paths
from galaxyzoo.core.artifact import SealedFiles
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.manifest import Provenance, digest
from galaxyzoo.core.paths import BUNDLED, DEMO, DEMOS, HOLDOUT_END, RECORDS, REFIT_END
from galaxyzoo.data.catalog import data_option, folds_dir
from galaxyzoo.results import fold_files
from galaxyzoo.results.fold_files import FoldFiles
from galaxyzoo.tasks.registry import task_name

# Files of an exported run or ensemble
SCORES = "oof.json"  # score card
DIGESTS = "digests.json"  # manifest
PACKED = {"oof": "oof.csv.gz", "test": "test.csv.gz", "refit": "test_refit.csv.gz"}
STUDENT = "student"  # in the folder of a bundled run
ENSEMBLE_CARD = "ensemble.json"
ENSEMBLE_MODEL = "ensemble.safetensors"
_SUBMISSION = "predictions.csv"
_HOLDOUT_CARD = f"{HOLDOUT_END}.json"  # end of its name


def oof_dir() -> Path:
    """Folder of out-of-fold tables."""
    return paths.root() / "oof"


def submissions_dir() -> Path:
    """Folder of test predictions."""
    return paths.root() / "submissions"


def published_csv() -> Path:
    """Path of the published submission, at the top of the submissions folder."""
    return submissions_dir() / _SUBMISSION


def bundled_dir() -> Path:
    """Folder of the networks that come with the project, at `<run>`."""
    return paths.RESOURCES / "weights"


def bundled_runs(task: str = "*") -> list[str]:
    """Names of the runs, of one task or of all, whose networks come with the project."""
    folders = {path.parent for path in bundled_dir().glob(f"{task}/*/{fold_files.EVERY_FOLD}")}
    return sorted(path.relative_to(bundled_dir()).as_posix() for path in folders)


def student_dir(run: str) -> Path | None:
    """Folder of the one network that learned from all those of a bundled run; None: it has none."""
    folder = bundled_dir() / run / STUDENT
    return folder if folder.is_dir() else None


def card_path(table: Path) -> Path:
    """The score card that belongs to a table."""
    return table.with_suffix(".json")


@dataclass(frozen=True, order=True)
class RunFolder:
    """Files of a trained run, or of a bundled one (dataset `BUNDLED`)."""

    dataset: str
    run: str

    @property
    def path(self) -> Path:
        """Folder of its config and its folds."""
        if self.dataset == BUNDLED:
            return bundled_dir() / self.run
        return folds_dir() / self.dataset / self.run

    @property
    def oof_csv(self) -> Path:
        """Out-of-fold table."""
        return oof_dir() / self.dataset / f"{self.run}.csv"

    @property
    def test_csv(self) -> Path:
        """Test predictions, in the competition's own format."""
        return submissions_dir() / self.dataset / f"{self.run}.csv"

    @property
    def refit_csv(self) -> Path:
        """Test predictions of the networks that were trained on all galaxies."""
        return submissions_dir() / self.dataset / f"{self.run}{REFIT_END}.csv"

    @property
    def card(self) -> Path:
        """Score card of the tables."""
        if self.dataset == BUNDLED:
            return self.path / SCORES
        return card_path(self.oof_csv)

    @property
    def holdout_card(self) -> Path:
        """Score card of its hold-out."""
        return oof_dir() / self.dataset / f"{self.run}{_HOLDOUT_CARD}"

    def training(self, name: str) -> Path:
        """Folder of a training, such as fold_3."""
        return self.path / name

    @property
    def folds(self) -> list[int]:
        """Numbers of the finished folds."""
        return fold_files.finished_folds(self.path)

    @property
    def refits(self) -> list[str]:
        """Names of the finished trainings on all galaxies."""
        return fold_files.finished_refits(self.path)


def list_trained(dataset: str = "*", task: str = "*") -> list[RunFolder]:
    """Runs with a finished fold, in alphabetical order."""
    folders = set()
    for mark in folds_dir().glob(f"{dataset}/{task}/*/{fold_files.EVERY_FOLD}/{fold_files.DONE}"):
        run = mark.relative_to(folds_dir()).parents[1]  # dataset, task, stem
        folders.add(RunFolder(run.parts[0], "/".join(run.parts[1:])))
    return sorted(folders)


def list_tables(dataset: str, task: str) -> list[str]:
    """Names of the runs of a task that have an out-of-fold table, in alphabetical order."""
    return sorted(f"{task}/{path.stem}" for path in (oof_dir() / dataset / task).glob("*.csv"))


def list_holdouts(task: str) -> list[RunFolder]:
    """Runs of a task with a hold-out score on any dataset, in alphabetical order."""
    folders = []
    for card in oof_dir().glob(f"*/{task}/*{_HOLDOUT_CARD}"):
        dataset, task_folder, name = card.relative_to(oof_dir()).parts
        folders.append(RunFolder(dataset, f"{task_folder}/{name.removesuffix(_HOLDOUT_CARD)}"))
    return sorted(folders)


def trained_files(config: Config, dataset: str, fingerprint: str, name: str) -> FoldFiles:
    """Files of a training of a run, such as fold_3; other arguments as of `FoldFiles.of`."""
    return FoldFiles.of(RunFolder(dataset, config.run).path, name, config, fingerprint)


def exported_files(
    folder: Path, provenance: Provenance | None = None, contents: Sequence[str] = ()
) -> SealedFiles:
    """Files of a run in a folder of its own, such as those in `weights/`.

    Args:
        folder: the folder.
        provenance: what they have to be made by.
        contents: names of the files that an export seals.
    """
    is_bundled = folder.is_relative_to(bundled_dir())
    advice = "type `git checkout weights`" if is_bundled else "repeat the export"
    return SealedFiles(folder / DIGESTS, provenance or {}, advice, contents)


def digest_networks(dataset: str, run: str, n_folds: int) -> str | None:
    """Digest of all folds of a trained run; None where one is missing or of another training."""
    digests = []
    try:
        saved = load_run_config(RunFolder(dataset, run).path)
        for fold in range(n_folds):
            name = fold_files.fold_name(fold)
            files = trained_files(saved.config, dataset, saved.fingerprint, name)
            digests.append(files.digest)
    except (InputError, OSError):
        return None
    return digest([" ".join(digests)])[:16]


@dataclass(frozen=True, order=True)
class EnsembleFolder:
    """Files of an ensemble."""

    dataset: str  # of its members
    task: str
    name: str

    @property
    def path(self) -> Path:
        """The folder."""
        return submissions_dir() / self.dataset / self.task / self.name

    @property
    def csv(self) -> Path:
        """The submission."""
        return self.path / _SUBMISSION

    @property
    def card(self) -> Path:
        """Score card of the submission."""
        return card_path(self.csv)

    @property
    def fitted(self) -> Path:
        """Fitted weights."""
        return self.csv.with_suffix(".safetensors")

    @property
    def oof_csv(self) -> Path:
        """Cross-fitted predictions; not in `oof/`, whose tables are combined."""
        return self.path / "oof.csv"

    @property
    def record_csv(self) -> Path:
        """The committed submission of the same ensemble, where there is one."""
        records = paths.CODE_ROOT / "submissions" / RECORDS
        return records / self.csv.relative_to(submissions_dir())


def list_ensembles(dataset: str = "*", task: str = "*") -> list[EnsembleFolder]:
    """The ensembles that have been built, those of demos last."""
    folders = []
    for card in submissions_dir().glob(f"{dataset}/{task}/*/{card_path(Path(_SUBMISSION))}"):
        of_dataset, of_task, name = card.parent.relative_to(submissions_dir()).parts
        folders.append(EnsembleFolder(of_dataset, of_task, name))
    return sorted(folders, key=lambda folder: (real_first(folder.dataset), folder))


def datasets_with_run(run: str) -> set[str]:
    """Names of the datasets on which a run has an out-of-fold table."""
    return {table.relative_to(oof_dir()).parts[0] for table in oof_dir().glob(f"*/{run}.csv")}


def choose_dataset(name: str | None, wanted: str, also: Collection[str] = ()) -> str:
    """The dataset of a command on existing artifacts: the named, else the only real one, else demo.

    Args:
        name: the user's choice.
        wanted: task, or a run of it; datasets with tables of its runs or ensembles count.
        also: names of datasets that count too.
    Raises:
        InputError: there is none, the named one is not among them, or several are real.
    """
    task = task_name(wanted)
    with_results = {folder.dataset for folder in list_ensembles(task=task)}
    with_results.update(also)
    for table in oof_dir().glob(f"*/{task}/*.csv"):
        with_results.add(table.relative_to(oof_dir()).parts[0])
    datasets = sorted(with_results, key=real_first)
    missing = f"no out-of-fold table of task '{task}'"
    if not datasets:
        raise InputError(f"oof/ has {missing}: type `{train_command(name, wanted)}` first")
    if name in datasets:
        return name
    if name is not None:
        raise InputError(f"dataset '{name}' has {missing}: use one of {', '.join(datasets)}")
    real = [dataset for dataset in datasets if dataset not in DEMOS]
    if len(real) > 1:
        raise InputError(
            f"several datasets have out-of-fold tables: add --dataset with one of {', '.join(real)}"
        )
    return real[0] if real else datasets[0]


def train_command(dataset: str | None, *arguments: str) -> str:
    """What to type to train on a dataset: a run or task, and options."""
    return f"{launch.typed('train_folds')} {launch.quote(*arguments)}{data_option(dataset)}"


def real_first(dataset: str) -> tuple[bool, bool, str]:
    """Sort key of datasets' names: the demos last, `demo` behind `demo-full`."""
    return dataset in DEMOS, dataset == DEMO, dataset
