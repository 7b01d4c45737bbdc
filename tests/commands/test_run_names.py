"""Runs named on the command line: a name that no recipe has is refused before anything is made."""

import shutil
import sys
from pathlib import Path

import pytest

from galaxyzoo.commands import ensemble, train
from galaxyzoo.core.paths import configs_dir
from support.refusals import listing, one_line_refusal

SMALL = "did you mean gz37/d4cnn or gz37/d4cnn@small?"


def add_ensemble(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Add an ensemble, `pair`, to a copy of the configs."""
    shutil.copytree(configs_dir(), root / "configs")
    (root / "configs/ensembles/pair.yaml").write_text("runs: [gz37/d4cnn, gz37/cnn@typo]\n")
    monkeypatch.setenv("GALAXYZOO_CONFIGS", str(root / "configs"))


@pytest.mark.parametrize(
    ("command", "words", "hint"),
    [
        (train, ["gz37/d4cnn@smal"], SMALL),
        (train, ["gz37/d4cnn@smal", "--settings"], SMALL),
        (train, ["gz37/mobilenetv2", "gz37/cnn@"], "did you mean gz37/cnn?"),
        (train, ["pair"], "no run 'gz37/cnn@typo'"),  # of an ensemble
        (ensemble, ["gz37/d4cnn@smal", "gz37/cnn"], SMALL),
        (ensemble, ["cnn@"], "did you mean gz37/cnn?"),
        (ensemble, ["pair"], "no run 'gz37/cnn@typo'"),
    ],
)
def test_a_variant_that_no_recipe_has_is_refused(root, monkeypatch, command, words, hint):
    add_ensemble(root, monkeypatch)
    before = listing(root)
    monkeypatch.setattr(sys, "argv", ["command.py", *words])
    assert hint in one_line_refusal(command.main)
    assert listing(root) == before


def test_a_stage_that_predicts_is_trained_with_its_recipe(root, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train.py", "gz37/d4cnn@small", "--settings", "tta"])
    train.main()
    assert "# stage small" in capsys.readouterr().out
