"""Sealed JSON files: whatever was written is read back, and whatever was changed is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from galaxyzoo.core import manifest
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.manifest import FORMAT, check_provenance, digest, read_sealed, write_sealed

CONTENTS: list[dict[str, Any]] = [
    {"b": 1, "a": [1.5, None, True]},
    {"folds": {2: 0.5, 10: 0.25}},  # as numbers, in another order than as the texts "10" and "2"
    {"folds": {2: 0.5, "all": 0.25}},  # of two types, which do not compare
    {"pair": (1, 2), "name": "g\u00e9"},
]


@pytest.mark.parametrize("content", CONTENTS, ids=str)
def test_what_is_sealed_is_read_back_as_json_has_it(tmp_path, content):
    path = tmp_path / "card.json"
    write_sealed(path, content)
    read = read_sealed(path)
    assert {key: read[key] for key in content} == json.loads(json.dumps(content))
    write_sealed(path, read)  # the earlier digest is replaced
    assert read_sealed(path) == read
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("5", "6").replace("2", "3").replace('"format": 3', '"format": 2'))
    with pytest.raises(InputError, match=r"card\.json was changed after it was written: rerun"):
        read_sealed(path)


@pytest.mark.parametrize("line", ["", '  "format": 1,\n'])
def test_a_file_of_an_earlier_format_is_named_as_such(tmp_path, line):
    path = tmp_path / "card.json"
    write_sealed(path, {"a": 1, "z": 2})
    path.write_text(path.read_text().replace(f'  "format": {FORMAT},\n', line))
    earlier = rf"card\.json was made by an earlier version \(format 1, not {FORMAT}\): rerun"
    with pytest.raises(InputError, match=earlier):
        read_sealed(path)


def test_a_file_of_a_later_format_is_refused_though_its_seal_is_right(tmp_path, monkeypatch):
    path = tmp_path / "card.json"
    with monkeypatch.context() as later:
        later.setattr(manifest, "FORMAT", FORMAT + 1)
        write_sealed(path, {"a": 1})
        assert read_sealed(path)["a"] == 1
    another = (
        rf"card\.json was made by another version \(format {FORMAT + 1}, not {FORMAT}\): rerun"
    )
    with pytest.raises(InputError, match=another):
        read_sealed(path)


@pytest.mark.parametrize("actual", [{"config": "a"}, {"config": "a", "fold": 1}])
def test_another_provenance_is_refused_and_so_is_a_lacking_one(actual):
    check_provenance(Path("fold.json"), {"config": "a", "fold": 0}, {"config": "a", "fold": 0})
    with pytest.raises(InputError, match=r"another fold \((1|None), not 0\): rerun"):
        check_provenance(Path("fold.json"), actual, {"config": "a", "fold": 0})
    made_by = {"config": digest(["a"])}
    settings = {"config": digest(["b"])}
    with pytest.raises(InputError, match=r"json has other settings: rerun"):  # no digests
        check_provenance(Path("fold.json"), made_by, settings)
