"""Paths of all files: the folders that users see, and every artefact inside them.

An artefact lies at `<folder>/<dataset>/<run>`, where a run is `<task>/<config stem>`, so artefacts
of different datasets never mix.
"""

import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from galaxyzoo.core.errors import InputError

_PACKAGE = Path(str(resources.files("galaxyzoo"))).resolve()
INSTALLED = (_PACKAGE / "configs").is_dir()  # a wheel has them inside; a checkout's are two above
# The checkout; of an installed package the current folder, whichever that is when a path is used.
CODE_ROOT = Path() if INSTALLED else _PACKAGE.parents[1]
RESOURCES = _PACKAGE if INSTALLED else CODE_ROOT  # folder of configs/, weights/ and LICENSE
ABLATION = "ablation."  # prefix of the last part of the names of an ablation study's runs
STAGE = "stage."  # the same of runs that are earlier stages of others
DEMO = "demo"  # the dataset that the project draws itself, with short schedules (configs/demo.yaml)
DEMO_FULL = "demo-full"  # the same galaxies, trained as real ones are
DEMOS = (DEMO, DEMO_FULL)
WHOLE = "kaggle"  # the dataset of the whole competition
ALL_RUNS = "all"  # name of the ensemble of every finished run of a task
RECORDS = "records"  # in submissions/: the committed results, which no command writes
BOX = "box"  # in place of a dataset: networks that come with the project, in `weights/`


def root() -> Path:
    """The project's folder: `GALAXYZOO_ROOT`, else the checkout, installed the current folder.

    Read at each call, so that tests and notebooks can keep a whole set of artefacts elsewhere.
    """
    return Path(os.environ.get("GALAXYZOO_ROOT") or CODE_ROOT).resolve()


def configs_dir() -> Path:
    """Folder of the YAML configs: `GALAXYZOO_CONFIGS` where that is set, else the code's own."""
    return Path(os.environ.get("GALAXYZOO_CONFIGS") or RESOURCES / "configs").resolve()


def input_dir() -> Path:
    """Folder of what users put in, and of the demo set."""
    return root() / "input"


def input_places() -> list[Path]:
    """`input/` and its folders, the demos and the cache aside."""
    own = (*DEMOS, cache_dir().name)
    folders = (path for path in input_dir().glob("[!.]*") if path.is_dir())
    return [input_dir(), *sorted(path for path in folders if path.name not in own)]


def cache_dir() -> Path:
    """Folder of decoded images; safe to delete."""
    return input_dir() / "cache"


def folds_dir() -> Path:
    """Folder of splits and trained folds."""
    return root() / "folds"


def oof_dir() -> Path:
    """Folder of out-of-fold tables."""
    return root() / "oof"


def submissions_dir() -> Path:
    """Folder of test predictions."""
    return root() / "submissions"


def box_dir() -> Path:
    """Folder of the networks that come with the project, at `<run>`, as `src/export.py` writes."""
    return RESOURCES / "weights"


def box_runs(task: str = "*") -> list[str]:
    """Names of the runs, of one task or of all, whose networks come with the project."""
    folders = {path.parent for path in box_dir().glob(f"{task}/*/fold_*")}
    return sorted(path.relative_to(box_dir()).as_posix() for path in folders)


def reports_dir() -> Path:
    """Folder of HTML reports."""
    return root() / "reports"


def dataset_dir(dataset: str) -> Path:
    """Folder of the prepared catalog and split: `train.csv`, `test.csv`, `dataset.json`."""
    return folds_dir() / dataset


def fold_dir(dataset: str, run: str, fold: int) -> Path:
    """Folder of one trained fold: checkpoint, weights, history, timings."""
    return folds_dir() / dataset / run / f"fold_{fold}"


def run_dir(dataset: str, run: str) -> Path:
    """Folder of one run: resolved config and its folds."""
    return folds_dir() / dataset / run


def task_name(run: str) -> str:
    """Name of the task of a run, such as `gz37/resnet18`."""
    return run.split("/")[0]


def is_ablation(run: str) -> bool:
    """Whether a run belongs to an ablation study; such a run is used only where it is named."""
    return run.split("/")[-1].startswith(ABLATION)


def is_stage(run: str) -> bool:
    """Whether a run is an earlier stage of others, which has networks but no tables."""
    return run.split("/")[-1].startswith(STAGE)


def oof_csv(dataset: str, run: str) -> Path:
    """Out-of-fold table of a run; its score file has the same stem and ends in `.json`."""
    return oof_dir() / dataset / f"{run}.csv"


def datasets_with_run(run: str) -> set[str]:
    """Names of the datasets on which a run has an out-of-fold table."""
    return {table.relative_to(oof_dir()).parts[0] for table in oof_dir().glob(f"*/{run}.csv")}


def test_csv(dataset: str, run: str) -> Path:
    """Test predictions of a run, in the competition's own format."""
    return submissions_dir() / dataset / f"{run}.csv"


@dataclass(frozen=True, order=True)
class EnsembleFolder:
    """The files of an ensemble, in `submissions/<dataset>/<task>/<name>/`."""

    dataset: str  # of its members
    task: str
    name: str

    @property
    def path(self) -> Path:
        """The folder."""
        return submissions_dir() / self.dataset / self.task / self.name

    @property
    def csv(self) -> Path:
        """The submission; its score card has the same stem and ends in `.json`."""
        return self.path / "predictions.csv"

    @property
    def oof_csv(self) -> Path:
        """Cross-fitted predictions; not in `oof/`, whose tables are combined."""
        return self.path / "oof.csv"

    @property
    def intervals_csv(self) -> Path:
        """Intervals of the submission; their card has the same stem and ends in `.json`."""
        return self.path / "intervals.csv"

    @property
    def record_csv(self) -> Path:
        """The committed submission of the same ensemble, where there is one."""
        relative = self.csv.relative_to(submissions_dir())
        return CODE_ROOT / "submissions" / RECORDS / relative


def list_ensembles(dataset: str = "*", task: str = "*") -> list[EnsembleFolder]:
    """The ensembles that have been built, those of demos last."""
    cards = submissions_dir().glob(f"{dataset}/{task}/*/predictions.json")
    folders = [EnsembleFolder(*card.parts[-4:-1]) for card in cards]
    return sorted(folders, key=lambda folder: (real_first(folder.dataset), folder))


def shown(path: Path) -> str:
    """A path as messages print it: relative to the project where it lies inside."""
    for folder in (root(), CODE_ROOT, RESOURCES, Path.cwd()):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return str(path)


def data_option(dataset: str | None) -> str:
    """The option that makes a command read that dataset, none where it needs none, for messages."""
    named = dataset and (dataset in DEMOS or (input_dir() / dataset).exists())
    return f" --data {dataset}" if named else ""


def datasets_with_oof(task: str = "*", ensembles: bool = False) -> list[str]:
    """Names of the datasets that have out-of-fold tables, demos last.

    Args:
        task: only its tables count (default: any task's).
        ensembles: whether tables of ensembles count too; an ensemble of external predictions has
            no other.
    """
    names = {p.name for p in oof_dir().glob("*") if any(p.glob(f"{task}/*.csv"))}
    if ensembles:
        names |= {folder.dataset for folder in list_ensembles(task=task)}
    return sorted(names, key=real_first)


def real_first(dataset: str) -> tuple[bool, bool, str]:
    """Sort key of datasets' names: the demos last, `demo` behind `demo-full`."""
    return dataset in DEMOS, dataset == DEMO, dataset


def choose_dataset(name: str | None, wanted: str, ensembles: bool = False) -> str:
    """The dataset of a command on existing artefacts: the named, else the only real one, else demo.

    Args:
        name: the user's choice.
        wanted: task, or a run of it; only datasets with tables of that task count.
        ensembles: as of `datasets_with_oof`.
    """
    task = task_name(wanted)
    known, of_task = datasets_with_oof(task, ensembles), f" of task '{task}'"
    if not known:
        raise InputError(
            f"oof/ holds no out-of-fold table{of_task}: "
            f"type `bash scripts/train_folds.sh {wanted}{data_option(name)}` first"
        )
    if name is not None:
        if name not in known:
            raise InputError(
                f"dataset '{name}' has no out-of-fold table{of_task}: known are {', '.join(known)}"
            )
        return name
    real = [n for n in known if n not in DEMOS]
    if len(real) > 1:
        raise InputError(
            f"several datasets have out-of-fold tables: add --dataset with one of {', '.join(real)}"
        )
    return (real or known)[0]
