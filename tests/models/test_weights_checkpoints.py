"""Networks on disk: checkpoints that are damaged, of another fold, or only out of reach."""

import numpy as np
import pytest
import torch

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.manifest import Provenance
from galaxyzoo.models.weights import load_checkpoint, save_checkpoint

PROVENANCE: Provenance = {"config": "abc", "fingerprint": "def", "fold": 1}


def test_a_checkpoint_is_read_as_it_was_saved(tmp_path):
    path = tmp_path / "checkpoint.pt"
    assert load_checkpoint(path, PROVENANCE) is None
    save_checkpoint(path, {"epoch": 2, "tensor": torch.ones(2)}, PROVENANCE)
    state = load_checkpoint(path, PROVENANCE)
    assert state is not None
    assert state["epoch"] == 2
    assert torch.equal(state["tensor"], torch.ones(2))


def test_a_damaged_checkpoint_is_refused(tmp_path):
    """Cut off anywhere, or with a flipped bit anywhere, also amid the numbers of a tensor."""
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"tensor": torch.ones(500)}, PROVENANCE)
    whole = path.read_bytes()
    places = np.linspace(0, len(whole) - 1, 60).astype(int).tolist()
    flipped = [whole[:i] + bytes([whole[i] ^ 4]) + whole[i + 1 :] for i in places]
    for damaged in [*(whole[:i] for i in places), *flipped, b"PK\x03\x04 cut off"]:
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"checkpoint\.pt is not a readable .* delete it"):
            load_checkpoint(path, PROVENANCE)


@pytest.mark.parametrize(("key", "value"), [("config", "x"), ("fingerprint", "x"), ("fold", 2)])
def test_a_checkpoint_of_something_else_is_refused(tmp_path, key, value):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {}, PROVENANCE)
    with pytest.raises(InputError, match=rf"checkpoint\.pt has .*{value}.* delete it to restart"):
        load_checkpoint(path, {**PROVENANCE, key: value})


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (PermissionError(13, "Permission denied"), InputError, "Permission denied"),
        (MemoryError(), MemoryError, "reading"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), MemoryError, "reading"),
        (ValueError(), InputError, "ValueError.*delete it"),
    ],
)
def test_only_a_damaged_checkpoint_is_to_be_deleted(tmp_path, monkeypatch, error, raised, message):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"epoch": 2}, PROVENANCE)

    def refused(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torch, "load", refused)
    with pytest.raises(raised, match=message) as caught:
        load_checkpoint(path, PROVENANCE)
    assert ("delete" in str(caught.value)) == ("delete" in message)
    assert "checkpoint.pt" in str(caught.value)
