"""Artifacts: made once, by one process at a time, and not half."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from galaxyzoo.core import files
from galaxyzoo.core.artifact import SealedFiles
from galaxyzoo.core.errors import InputError


@pytest.fixture
def artifact(tmp_path: Path) -> SealedFiles:
    return SealedFiles(tmp_path / "fold_0/fold.json", {"config": "a"}, "retrain", ["a", "b"])


def fill(artifact: SealedFiles, text: str = "content") -> bool:
    """Make it with one file; returns whether there was anything to do."""
    with artifact.make("training") as filling:
        if filling is None:
            return False
        (artifact.folder / "a").write_text(text)
        filling.notes = {"text": text}
    return True


def test_it_says_how_far_it_is(artifact):
    artifact.folder.mkdir()
    assert artifact.state() == "absent"
    (artifact.folder / "b").touch()
    assert artifact.state() == "unfinished"
    (artifact.folder / "b").unlink()
    assert fill(artifact)
    assert artifact.state() == "finished"
    assert (artifact.notes, artifact.names) == ({"text": "content"}, ["a"])
    assert replace(artifact, provenance={"config": "b"}).state() == "stale"
    artifact.mark.unlink()  # as `rm` does meanwhile
    assert artifact.state() == "unfinished"
    artifact.mark.write_text("{}")  # what was read of the earlier one is forgotten
    assert artifact.state() == "stale"


def test_a_finished_one_is_not_made_again(artifact):
    assert [fill(artifact, "first"), fill(artifact, "second")] == [True, False]
    assert artifact.path("a").read_text() == "first"


def test_who_waited_finds_it_finished(artifact, capsys):
    made = []
    again = replace(artifact)
    with artifact.make("training fold 0") as filling:
        assert filling is not None
        waiting = threading.Thread(target=lambda: made.append(fill(again)))
        waiting.start()
        waiting.join(timeout=0.5)
        assert waiting.is_alive()
    waiting.join(timeout=60)
    assert made == [False]
    assert "waiting for another process that is training" in capsys.readouterr().out


@pytest.mark.parametrize("error", [InputError("no"), KeyboardInterrupt(), SystemExit(1)])
def test_an_error_leaves_it_unfinished_and_its_lock_free(artifact, error):
    def fail() -> None:
        with artifact.make("training") as filling:
            assert filling is not None
            (artifact.folder / "a").write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert artifact.state() == "unfinished"
    assert (artifact.folder / "a").read_text() == "half"  # to go on from
    assert fill(artifact)


def test_a_stale_one_is_refused_by_make_and_stays_as_it_is(artifact):
    fill(artifact)
    before = artifact.mark.read_bytes()
    with pytest.raises(InputError, match=r"has other settings \('a', not 'b'\): retrain"):
        fill(replace(artifact, provenance={"config": "b"}), "other")
    assert artifact.path("a").read_text() == "content"
    assert artifact.mark.read_bytes() == before


def test_what_a_killed_process_left_half_written_is_removed(artifact):
    artifact.folder.mkdir()
    left = artifact.folder / ".a.1234abcd.part"
    left.write_text("half")
    fill(artifact)
    assert sorted(path.name for path in artifact.folder.iterdir()) == [files.LOCK, "a", "fold.json"]


def test_one_that_another_process_makes_is_left_to_it(artifact):
    with artifact.make("training"), replace(artifact).make_if_free() as filling:
        assert filling is None
    artifact.mark.unlink()
    with artifact.make_if_free() as filling:
        assert filling is not None
        (artifact.folder / "a").write_text("content")
    assert artifact.names == ["a"]
    with artifact.make_if_free() as filling:
        assert filling is None


def test_a_changed_file_is_named_at_each_use(artifact):
    fill(artifact)
    assert artifact.path("a").read_text() == "content"
    (artifact.folder / "a").write_text("changed")
    with pytest.raises(InputError, match=r"fold_0/a does not match fold\.json .*: restore it, or"):
        artifact.path("a")
