"""What CONTRIBUTING's table says to add works by these steps alone, by the real commands.

One copy of the code takes up every row of the table; nothing else in it is changed.
"""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from galaxyzoo.core import files, paths
from support.commands import COMPETITION, call, complaint, dataset, succeed, table
from support.datasets import COLUMNS

pytestmark = pytest.mark.slow

NETWORK = """
class Average(nn.Module):
    def __init__(self, size_px: int, grid: int = 2) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.num_features = 3 * grid**2

    def forward(self, images: Tensor) -> Tensor:
        return self.pool(images).flatten(1)


"""
RULE = """

def sides(votes: Votes) -> ClassValues:
    smooth, disk = votes["Class1.1"], votes["Class1.2"]
    return {"smoother": smooth > disk, "flatter": smooth < disk}


def sides_shares(votes: Votes) -> ClassValues:
    return {"smoother": votes["Class1.1"], "flatter": votes["Class1.2"]}
"""
TASK = """
        ClassTask(
            "sides",
            ("smoother", "flatter"),
            ClassRule(label_rules.sides, label_rules.sides_shares),
        ),
"""
STACKER = """

@dataclass(frozen=True, eq=False)
class Median:
    scale: float

    def predict(self, features: np.ndarray) -> np.ndarray:
        # Of two runs it is their mean, to the bit in float64: the comparison is a tie.
        return self.scale * np.median(features.astype(np.float64), axis=1)

    def about(self, runs: Sequence[str], task: Task) -> dict[str, Any]:
        return {"scale": self.scale}


def fit_median(folds: Sequence[OofFold], task: Task) -> Median:
    return Median(1.0)
"""
READER = '''"""Images beside a JSON file of classes by GalaxyID."""

import json
from functools import partial
from pathlib import Path

import pandas as pd

from galaxyzoo.data.readers.labeled import one_hot, one_task
from galaxyzoo.data.readers.dataset_files import DatasetCandidate, DatasetFiles
from galaxyzoo.data.stores.opening import open_by_galaxy_id
from galaxyzoo.tasks.kinds import ClassTask


def find(folder: Path) -> DatasetCandidate | None:
    path = folder / "classes.json"
    if not path.is_file():
        return None
    classes = pd.Series(json.loads(path.read_text())).rename(int).sort_index()
    task = one_task(set(classes), path.name)
    return DatasetCandidate(folder, frozenset({task.name}), partial(_read, folder, classes, task))


def _read(folder: Path, classes: pd.Series, task: ClassTask) -> DatasetFiles:
    images = open_by_galaxy_id(folder)
    return DatasetFiles(folder.name, folder, one_hot(classes, task), images, images)
'''
RECIPE = """
task: {task}
model: {{name: {network}, kwargs: {kwargs}}}
image: {{crop_px: 424, cache_px: 32, size_px: 32}}
head: {{hidden: 8}}
train: {{epochs: 1, batch_size: 8}}
tta: {{dihedral: false, angles: 1}}
"""


EXTRA = """
from galaxyzoo.core.extras import Extra

EXTRA = Extra(datasets=["galaxyzoo.extras.sidecar.reader:find"])
"""


def put(path: Path, before: str, text: str) -> None:
    """Insert text before the only place that starts so."""
    old = path.read_text()
    assert old.count(before) == 1, path
    path.write_text(old.replace(before, text + before))


def follow_the_page(code: Path) -> None:
    """Do what stands in the table's column "Where", row by row."""
    package, configs = code / "src/galaxyzoo", code / "configs"
    put(package / "models/build.py", "\n# To add a network of our own", NETWORK)
    put(package / "models/build.py", '"cnn": CNN', '"average": Average, ')
    rules = package / "tasks/label_rules.py"
    rules.write_text(rules.read_text() + RULE)
    put(package / "tasks/registry.py", '        ClassTask("galaxy10",', TASK.lstrip("\n"))
    (configs / "sides").mkdir()
    recipes = {"gz37/small": ("test_resnet", "{}"), "gz37/mine": ("average", "{grid: 3}")}
    for name, (network, kwargs) in (recipes | {"sides/mine": ("average", "{}")}).items():
        text = RECIPE.format(task=name.split("/")[0], network=network, kwargs=kwargs)
        (configs / f"{name}.yaml").write_text(text)

    blends = package / "ensemble/blends.py"
    blends.write_text(blends.read_text() + STACKER)
    entry = '    "median": Candidate(blends.fit_median, "the middle run", blends.Median),\n'
    put(package / "ensemble/selection.py", "    MEAN: Candidate(", entry)

    (package / "extras/sidecar").mkdir()
    (package / "extras/sidecar/reader.py").write_text(READER)
    (package / "extras/sidecar/__init__.py").write_text(EXTRA)

    field = '    patience: int = Field(5, ge=1)\n    """epochs without progress that are borne"""\n'
    put(package / "config/schema.py", "    epochs: int", field)


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code in which the page has been followed."""
    copy = tmp_path_factory.mktemp("code")
    for folder in ("src", "configs", "scripts"):
        shutil.copytree(paths.CODE_ROOT / folder, copy / folder)
    follow_the_page(copy)
    return copy


@pytest.fixture(scope="module")
def project(code: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which both networks are trained, with a setting of one's own."""
    root = tmp_path_factory.mktemp("project")
    COMPETITION.write_zips(root / "input")
    words = ("gz37/small", "gz37/mine", "--folds", "2", "train.patience=7")
    succeed(root, "train.py", *words, src=code / "src")
    return root


def test_networks_by_yaml_and_by_class_are_trained(project):
    for run in ("small", "mine"):
        oof = table(project, "oof", f"gz37/{run}.csv")
        assert oof.index.tolist() == COMPETITION.votes.index.tolist()
        assert oof[COLUMNS].notna().all(axis=None)


def test_a_setting_is_set_by_key_and_checked(code, project):
    (saved,) = (project / "folds").glob("*/gz37/mine/config.yaml")
    assert yaml.safe_load(saved.read_text())["train"]["patience"] == 7
    line = complaint(call(project, "train.py", "gz37/mine", "train.patience=0", src=code / "src"))
    assert "train.patience" in line


def test_a_stacker_is_compared_kept_and_applied(code, project):
    done = succeed(project, "ensemble.py", "--candidates", "mean,median", src=code / "src")
    assert "the middle run" in done.stdout
    assert "chosen: median" in done.stdout
    archive = project / "input/images_test_rev1.zip"
    words = ["ensemble:all", archive, "--output", project / "out.csv"]
    succeed(project, "predict.py", *words, src=code / "src")
    got = pd.read_csv(project / "out.csv", index_col="GalaxyID").loc[COMPETITION.test_ids]
    expected = pd.read_csv(project / "submissions/predictions.csv", index_col="GalaxyID")
    assert abs(got[COLUMNS] - expected[COLUMNS]).to_numpy().max() < 1e-6


def test_a_task_is_trained_and_combined(code, project):
    succeed(project, "train.py", "sides", "--folds", "2", "--ensemble", src=code / "src")
    votes = COMPETITION.votes
    kept = votes.index[votes["Class1.1"] != votes["Class1.2"]]
    oof = table(project, "oof", "sides/mine.csv")
    assert oof.index.tolist() == kept.tolist()
    assert list(oof.columns) == ["smoother", "flatter", "fold"]
    (submission,) = (project / "submissions").glob("*/sides/all/predictions.csv")
    assert set(pd.read_csv(submission)["class"]) <= {"smoother", "flatter"}


def test_a_form_of_input_is_found(code, tmp_path):
    folder = tmp_path / "input/mine"
    folder.mkdir(parents=True)
    classes = {i: ("smoother", "flatter")[n % 2] for n, i in enumerate(COMPETITION.votes.index)}
    (folder / "classes.json").write_text(json.dumps(classes))
    for galaxy in classes:
        (folder / f"{galaxy}.jpg").write_bytes(COMPETITION.images[galaxy])
    succeed(tmp_path, "prepare.py", "--task", "sides", "--folds", "3", src=code / "src")
    assert dataset(tmp_path) == "mine"
    split = table(tmp_path, "folds", "train.csv")
    assert split["smoother"].to_dict() == {i: float(c == "smoother") for i, c in classes.items()}
    assert files.read_json(tmp_path / "folds/mine/dataset.json")["dataset"] == "mine"
