"""The Examples in docstrings, and the code of docs/python.md, run as they stand."""

import doctest
import re
from typing import Any

import pytest

import galaxyzoo
from galaxyzoo.config import loading
from galaxyzoo.core import console
from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.data import folds, geometry
from galaxyzoo.ensemble import blends, selection
from galaxyzoo.inference.pictures import Model
from galaxyzoo.models import build, heads
from galaxyzoo.results.table import PredictionTable
from galaxyzoo.tasks import decision_tree, metrics, registry
from galaxyzoo.training.trainer import Trainer

NAMES = (
    *(galaxyzoo.load, Model.predict, loading.load_config, build.build_model, heads.TreeOutput),
    *(decision_tree.DecisionTree, decision_tree.DecisionTree.project),
    *(decision_tree.DecisionTree.residuals, registry.get_task, registry.find_column),
    *(metrics.rmse, metrics.log_loss, metrics.mean_recall, metrics.jackknife),
    *(folds.make_folds, folds.near_duplicates, geometry.dihedral_view),
    *(blends.fit_greedy, blends.fit_nnls, selection.cross_fit),
    *(console.count, PredictionTable, Trainer.epochs),
)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.__qualname__)
def test_the_examples_run(name):
    finder = doctest.DocTestFinder(recurse=False, exclude_empty=False)
    (examples,) = finder.find(name, name.__qualname__, globs={**vars(_module(name))})
    assert examples.examples
    assert doctest.DocTestRunner().run(examples).failed == 0


def _module(name: Any) -> Any:
    return __import__(name.__module__, fromlist=["*"])


def test_the_code_of_the_page_runs(trained_project, monkeypatch):
    monkeypatch.setenv("GALAXYZOO_ROOT", str(trained_project))
    page = (CODE_ROOT / "docs/python.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "page"}
    for block in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        exec(compile(block, "docs/python.md", "exec"), names)
    task = names["task"]
    targets = names["targets"]
    fits = names["fits"]
    assert names["table"].shape == (2, 37)
    assert fits.names == ["mean", "nnls", "shrunk"]
    assert fits.score("mean") == pytest.approx(task.score(names["oof"].values, targets), abs=1e-6)
    assert names["features"].shape == (len(targets), 1, 37)
