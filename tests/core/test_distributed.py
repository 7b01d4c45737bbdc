"""One fold by several processes: the parts that they do, and the same result as of one."""

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.commands import train
from galaxyzoo.core import distributed
from galaxyzoo.core.errors import InputError
from galaxyzoo.training.trainer import Trainer
from support.commands import COMPETITION, SRC, artifacts, environment, fork_server, succeed
from support.forked_commands import Job
from support.small_models import small_config
from support.thoroughness import is_long
from support.training_fixtures import fold_data

# Two processes sum a batch's gradient in another order; six steps of AdamW make that so much.
TOLERANCE = 1e-5

RUN = """
task: gz37
image: {size_px: 32}
model: {name: test_convnext}  # normalized image by image: batch norm sees parts on processors
head: {hidden: 16, dropout: 0.0}
train: {epochs: 2, batch_size: 8, amp: fp32, clip_norm: 1.0, accumulation: 2}
"""


def torchrun(root: Path, *words: str) -> str:
    """What two processes print; torchrun itself, which takes 20 s to start them, with --long."""
    command = [str(SRC / "train.py"), str(root / "run.yaml"), *words]
    if is_long():
        launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
        env = environment(root)
        return subprocess.check_output([*launcher, *command], env=env, cwd=root, text=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    output = str(root / "printed")
    jobs = [
        Job(
            command,
            str(root),
            {**environment(root), **shared, "TORCHELASTIC_RUN_ID": "1", "RANK": n, "LOCAL_RANK": n},
            output,
            output,
        )
        for n in "01"
    ]
    assert fork_server().run(*jobs) == [0, 0], Path(output).read_text()
    return Path(output).read_text()


def write_project(root: Path) -> Path:
    COMPETITION.write_zips(root / "input")
    (root / "run.yaml").write_text(RUN)
    return root


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    one, two = write_project(tmp_path / "one"), write_project(tmp_path / "two")
    words = ["--folds", "3", "--only", "0,1"]
    succeed(one, "train.py", one / "run.yaml", *words)
    succeed(two, "train.py", two / "run.yaml", *words[:3], "0")  # which two processes find done
    finished = {path: data for path, data in artifacts(two).items() if "/fold_0/" in path}
    assert torchrun(two, *words).count("out-of-fold scores") == 1
    ours, expected = artifacts(two), artifacts(one)
    assert ours.keys() == expected.keys()
    tables = [path for path in expected if path.endswith(".csv") and "/gz37/run" in path]
    tables = [path for path in tables if not path.endswith("history.csv")]
    assert len(tables) == 6  # two of each fold, those out of fold, those of the test galaxies
    for path in tables:
        near, exact = pd.read_csv(two / path), pd.read_csv(one / path)
        assert (near["GalaxyID"] == exact["GalaxyID"]).all()
        np.testing.assert_allclose(near, exact, rtol=0, atol=TOLERANCE)
    assert {path: ours[path] for path in finished} == finished


def test_several_processes_refuse_what_is_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setattr(sys, "argv", ["train.py", "gz37/cnn", "--jobs", "2"])
    refused = "torchrun goes with none of --jobs, --plan, --smoke and --holdout"
    with pytest.raises(InputError, match=refused):
        train.main()


def as_process(monkeypatch: pytest.MonkeyPatch, number: int, count: int) -> None:
    monkeypatch.setattr(distributed, "count", lambda: count)
    monkeypatch.setattr(distributed, "rank", lambda: number)


@pytest.mark.parametrize("length", [0, 1, 2, 7, 64])
def test_the_parts_of_the_processes_are_the_whole(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, found = np.arange(length), []
    for number in range(3):
        as_process(monkeypatch, number, 3)
        found.append(rows[distributed.local_slice(length)])
    assert np.array_equal(np.concatenate(found), rows)
    sizes = [len(part) for part in found]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    "augment",
    [
        {},
        {"transforms": [{"name": "RandomBrightnessContrast", "p": 0.5}]},
    ],
)
def test_the_processes_make_the_images_that_one_makes(
    augment: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(small_config(augment=augment), fold_data())
    whole = list(trainer.batches())
    parts = []
    for number in range(2):
        as_process(monkeypatch, number, 2)
        parts.append(list(trainer.batches()))
    for batch, first, second in zip(whole, *parts, strict=True):
        images = np.concatenate([first.images.numpy(), second.images.numpy()])
        assert np.array_equal(images, batch.images.numpy())
        assert np.array_equal(first.targets.numpy(), batch.targets.numpy())
