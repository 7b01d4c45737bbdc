"""Files of a fold: checkpoints that are damaged or only out of reach, and its summary."""

from pathlib import Path

import pytest
import torch

from galaxyzoo.core.errors import InputError
from galaxyzoo.inference.artifacts import load_checkpoint, save_checkpoint
from galaxyzoo.inference.oof import FoldSummary


def test_a_checkpoint_is_read_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    assert load_checkpoint(path) is None
    save_checkpoint(path, {"epoch": 2, "tensor": torch.ones(2)})
    state = load_checkpoint(path)
    assert state is not None
    assert state["epoch"] == 2
    assert torch.equal(state["tensor"], torch.ones(2))
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match=r"checkpoint\.pt"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (PermissionError(13, "Permission denied"), InputError, "Permission denied"),
        (OSError(5, "Input/output error"), InputError, "Input/output error"),
        (MemoryError(), MemoryError, "reading"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), MemoryError, "reading"),
        (ValueError(), InputError, "ValueError.*delete it"),
    ],
)
def test_only_a_damaged_checkpoint_is_to_be_deleted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    raised: type[Exception],
    message: str,
) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"epoch": 2})

    def refused(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torch, "load", refused)
    with pytest.raises(raised, match=message) as caught:
        load_checkpoint(path)
    assert ("delete" in str(caught.value)) == ("delete" in message)
    assert "checkpoint.pt" in str(caught.value)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [(0.05, 0.31, True), (0.1, 0.119, False), (0.1, 0.121, True), (None, 9.0, False)],
)
def test_divergence_by_hand(first: float | None, last: float, expected: bool) -> None:
    assert FoldSummary("scratch", first, last).diverged == expected


def test_a_damaged_summary_is_named(tmp_path: Path) -> None:
    path = tmp_path / "fold.json"
    path.write_text("[1]")
    with pytest.raises(InputError, match=r"fold\.json is damaged: delete it"):
        FoldSummary.read(path)
