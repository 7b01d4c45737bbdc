"""Nothing that the project reads can run code: files that try to (ruff looks at the source)."""

import hashlib
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import huggingface_hub
import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from galaxyzoo.config.loading import load_config, load_run_config
from galaxyzoo.config.schema import ImageConfig, ModelConfig
from galaxyzoo.core.manifest import FORMAT
from galaxyzoo.data.image_cache import open_cache
from galaxyzoo.data.readers.find import open_input
from galaxyzoo.data.stores.opening import open_by_galaxy_id
from galaxyzoo.models.weights import load_checkpoint, load_pretrained, load_weights
from support.pictures import draw_image, encode
from support.refusals import one_line_refusal


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Path]:
    """A folder that only the code in a file would make; the payload is seen to work."""
    folder = tmp_path / "the code has run"
    pickle.loads(pickle.dumps(Payload(folder)))
    folder.rmdir()
    yield folder
    assert not folder.exists()


def plain_pickle(path: Path, payload: Payload) -> None:
    path.write_bytes(pickle.dumps({"weight": payload}))


def torch_file(path: Path, payload: Payload) -> None:
    torch.save({"weight": torch.zeros(2), "more": payload}, path)


def old_torch_file(path: Path, payload: Payload) -> None:
    torch.save({"more": payload}, path, _use_new_zipfile_serialization=False)


def load_untrained(name: str, **settings: object) -> object:
    """Pretrained weights of a network, from a file or a download."""
    model = ModelConfig.model_validate({"name": name, "pretrained": True, **settings})
    return load_pretrained(nn.Linear(2, 2), model, "a/b")


def load_with_checksum(path: Path) -> object:
    """A checkpoint whose header and checksum fit."""
    content = json.dumps({"format": FORMAT, "made_by": {}}).encode() + b"\n" + path.read_bytes()
    path.write_bytes(content + hashlib.sha256(content).digest())
    return load_checkpoint(path, {})


READ: dict[str, Callable[[Path], object]] = {
    "a checkpoint": load_with_checksum,
    "a fold's weights": load_weights,
    "model.weights_file": lambda path: load_untrained("resnet18", weights_file=str(path)),
}


@pytest.mark.parametrize("write", [plain_pickle, torch_file, old_torch_file])
@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_weights_that_are_code(tmp_path, trap, write, read):
    path = tmp_path / "weights.pth"
    write(path, Payload(trap))
    assert "weights.pth is not a readable " in one_line_refusal(read, path)


@pytest.fixture
def torchvision_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Has torchvision's client find a file where the only weights would be."""
    monkeypatch.delenv("GALAXYZOO_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    weights = torchvision.models.ResNet18_Weights.DEFAULT.value
    return lambda path: monkeypatch.setattr(weights, "url", path.as_uri())


@pytest.mark.parametrize("name", ["resnet18", "torchvision/resnet18"])
@pytest.mark.parametrize("write", [plain_pickle, torch_file, old_torch_file])
def test_downloads_that_are_code(tmp_path, trap, write, name, monkeypatch, torchvision_file):
    """The real clients of timm and torchvision."""
    path = tmp_path / "weights.pth"
    write(path, Payload(trap))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    # Were the hash asked for, it would be refused for that alone.
    monkeypatch.setattr(torch.hub, "HASH_REGEX", torch.hub.re.compile("no hash()"))
    torchvision_file(path)
    kwargs = {} if "/" in name else {"pretrained_cfg_overlay": {"file": str(path)}}
    message = one_line_refusal(load_untrained, name, kwargs=kwargs)
    assert message.startswith(f"a/b: could not download pretrained weights for '{name}' (")
    assert "eights" in message.partition("' (")[2]


@pytest.mark.parametrize("name", ["images", "labels", "classes"])
def test_arrays_that_are_code(tmp_path, trap, name):
    arrays: dict[str, Any] = {
        "images": np.zeros((2, 8, 8, 3), np.uint8),
        "labels": np.array([0, 1]),
        "classes": np.array(["normal", "merger"]),
    }
    arrays[name] = np.full(arrays[name].shape, Payload(trap), dtype=object)
    np.savez(tmp_path / "a.npz", **arrays)
    assert f"a.npz: '{name}' " in one_line_refusal(
        lambda: open_input(str(tmp_path / "a.npz"), {"anomaly4"})
    )


def test_an_array_whose_head_claims_terabytes(tmp_path):
    head = np.lib.format.header_data_from_array_1_0(np.zeros(1, np.int64))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        with archive.open("labels.npy", "w") as member:
            np.lib.format.write_array_header_1_0(member, head | {"shape": (10**13,)})
        with archive.open("images.npy", "w") as member:
            np.lib.format.write_array_header_1_0(member, head)
    message = one_line_refusal(lambda: open_input(str(tmp_path / "a.npz"), {"anomaly4"}))
    assert "'labels' cannot be read (its shape (10000000000000,) needs 80,000,000,0" in message


def link_to_another_file(file: h5py.File, other: Path) -> None:
    file["images"] = h5py.ExternalLink(other, "images")


def link_through_another_file(file: h5py.File, other: Path) -> None:
    file["elsewhere"] = h5py.ExternalLink(other, "/")
    file["images"] = h5py.SoftLink("/elsewhere/images")


def storage_in_another_file(file: h5py.File, other: Path) -> None:
    external = [(str(other), 0, 10 * 69 * 69 * 3)]
    file.create_dataset("images", (10, 69, 69, 3), np.uint8, external=external)


def view_of_another_file(file: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout((10, 69, 69, 3), np.uint8)
    layout[:] = h5py.VirtualSource(other, "images", (10, 69, 69, 3))
    file.create_virtual_dataset("images", layout)


def terabytes_of_nothing(file: h5py.File, _: Path) -> None:
    file.create_dataset("images", (10**9, 69, 69, 3), np.uint8, chunks=(10, 69, 69, 3))


@pytest.mark.parametrize(
    ("fill", "named"),
    [
        (link_to_another_file, "has no array 'images' (found "),
        (link_through_another_file, "has no array 'images' (found "),
        (storage_in_another_file, "is not astroNN's Galaxy10: 'images' is stored in other files"),
        (view_of_another_file, "is not astroNN's Galaxy10: 'images' is stored in other files"),
        (terabytes_of_nothing, "'images' has shape (1000000000, 69, 69, 3), too large for a file"),
    ],
)
def test_hdf5_that_leads_elsewhere(tmp_path, fill, named):
    other, path = tmp_path / "other.h5", tmp_path / "Galaxy10.h5"
    with h5py.File(other, "w") as file:
        file["images"] = np.zeros((10, 69, 69, 3), np.uint8)
    with h5py.File(path, "w") as file:
        file["ans"] = np.arange(10, dtype=np.uint8)
        fill(file, other)
    assert named in one_line_refusal(lambda: open_input(str(path), {"galaxy10"}))


def test_an_image_cache_that_is_code(root, trap, capsys):
    folder = root / "images"
    folder.mkdir()
    (folder / "5.jpg").write_bytes(encode(draw_image(np.random.default_rng(0))))
    store = open_by_galaxy_id(folder)
    config = ImageConfig(crop_px=424, cache_px=16)
    open_cache(store, np.array([5]), config)
    (path,) = (root / "input" / "cache").glob("*.npy")
    contents: list[Callable[[], Any]] = [
        lambda: np.save(path, np.full((1, 16, 16, 3), Payload(trap), dtype=object)),
        lambda: path.write_bytes(pickle.dumps(Payload(trap))),
        lambda: np.save(path, np.zeros((1, 16, 16, 3))),
        lambda: path.write_bytes(b""),
    ]
    for write in contents:
        write()
        open_cache(store, np.array([5]), config)
        message = next(line for line in capsys.readouterr().out.splitlines() if "damaged" in line)
        assert message.endswith(".npy is damaged; decoding the images again")


def test_configs_that_are_code(tmp_path, trap):
    code, path = f"!!python/object/apply:os.mkdir ['{trap}']", tmp_path / "config.yaml"
    path.write_text(f"task: gz37\nmodel: {code}\n")
    message = one_line_refusal(lambda: load_config(str(path)))
    assert "config.yaml is invalid YAML: could not determine a constructor for the tag" in message
    message = one_line_refusal(load_config, "gz37/cnn", [f"train.lr={code}"])
    assert "the value is not valid YAML" in message
    assert "config.yaml is damaged: delete" in one_line_refusal(load_run_config, tmp_path)
