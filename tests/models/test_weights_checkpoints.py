"""Networks on disk: checkpoints that are damaged, of another fold, or only out of reach."""

import hashlib
import io
import json

import numpy as np
import pytest
import torch

from galaxyzoo.core import manifest
from galaxyzoo.core.errors import InputError
from galaxyzoo.models.weights import load_checkpoint, save_checkpoint
from support.refusals import one_line_refusal

PROVENANCE: manifest.Provenance = {"config": "abc", "fingerprint": "def", "fold": 1}


def torch_bytes(state: object) -> bytes:
    data = io.BytesIO()
    torch.save(state, data)
    return data.getvalue()


@pytest.fixture
def unopened(monkeypatch):
    """Fail if torch opens a file: a vulnerable torch may be harmed by one."""

    def opened(*_: object, **__: object) -> None:
        pytest.fail("torch opened it")

    monkeypatch.setattr(torch, "load", opened)


def test_a_checkpoint_is_read_as_it_was_saved(tmp_path):
    path = tmp_path / "checkpoint.pt"
    assert load_checkpoint(path, PROVENANCE) is None
    save_checkpoint(path, {"epoch": 2, "tensor": torch.ones(2)}, PROVENANCE)
    state = load_checkpoint(path, PROVENANCE)
    assert state is not None
    assert state["epoch"] == 2
    assert torch.equal(state["tensor"], torch.ones(2))


@pytest.mark.usefixtures("unopened")
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


@pytest.mark.usefixtures("unopened")
@pytest.mark.parametrize(("key", "value"), [("config", "x"), ("fingerprint", "x"), ("fold", 2)])
def test_a_checkpoint_of_something_else_is_refused(tmp_path, key, value):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {}, PROVENANCE)
    with pytest.raises(InputError, match=rf"checkpoint\.pt has .*{value}.* delete it to restart"):
        load_checkpoint(path, {**PROVENANCE, key: value})


HEADER = json.dumps({"format": manifest.FORMAT, "made_by": dict(PROVENANCE)}).encode()
OF_BEFORE = {"epoch": 2, "format": manifest.FORMAT, "made_by": dict(PROVENANCE)}


@pytest.mark.usefixtures("unopened")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        # As written until now: the provenance was pickled, so torch had to open it.
        (torch_bytes(OF_BEFORE), "was made by an earlier version: finish the fold with that vers"),
        (HEADER.replace(b'"format": ', b'"format": 9') + b"\n", "was made by another version (for"),
        (HEADER.replace(b"format", b"former") + b"\n", "is not a readable checkpoint ('format')"),
        (HEADER, "is not a readable checkpoint (subsection not found)"),
        (b"[]\n", "is not a readable checkpoint (list indices"),
        (b"{\n", "is not a readable checkpoint (Expecting property name"),
        (b"", "is not a readable checkpoint (subsection not found)"),
    ],
    ids=["of before", "newer", "no format", "no end", "no object", "cut off", "empty"],
)
def test_a_checkpoint_without_our_header_is_refused(tmp_path, content, message):
    """Its checksum fits, as anyone can compute it."""
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content + hashlib.sha256(content).digest())
    refusal = one_line_refusal(load_checkpoint, path, PROVENANCE)
    assert f"checkpoint.pt {message}" in refusal
    assert refusal.endswith("delete it to restart the fold")


@pytest.mark.usefixtures("unopened")
def test_someone_elses_torch_file_is_refused(tmp_path):
    path = tmp_path / "checkpoint.pt"
    torch.save({"weight": torch.ones(2)}, path)
    assert "its checksum does not match" in one_line_refusal(load_checkpoint, path, PROVENANCE)


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
