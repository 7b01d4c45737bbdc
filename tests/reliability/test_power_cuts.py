"""Power cuts: bytes and names in folders that were not synced are gone; nothing done is."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from galaxyzoo.core import files
from galaxyzoo.core.artifact import SealedFiles
from galaxyzoo.models.weights import save_checkpoint, save_weights
from support.trained import run_command, run_here, save_project


class Disk:
    """What a power cut would leave: bytes of files and names in folders at their last sync."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.names: dict[int, dict[str, int]] = {root.stat().st_ino: {}}  # folder -> name -> file
        self.bytes: dict[int, bytes] = {}
        self.done: dict[Path, bytes] = {}  # what commands that ended have left
        self.events = 0
        for name in ("fsync", "replace", "rename", "mkdir"):
            monkeypatch.setattr(os, name, self._watched(getattr(os, name)))

    def _watched(self, call):
        def watched(*args, **options):
            result = call(*args, **options)
            if call.__name__ == "fsync":
                self._sync(Path(f"/proc/self/fd/{args[0]}").resolve())
            self.events += 1
            for path, old in self.done.items():  # a cut at this moment
                assert self.left(path) in (old, path.read_bytes()), f"{path} would be lost"
            return result

        return watched

    def _sync(self, path: Path) -> None:
        if path.is_dir():
            names = {entry.name: entry.inode() for entry in os.scandir(path)}
            self.names[path.stat().st_ino] = names
        else:
            self.bytes[path.stat().st_ino] = path.read_bytes()

    def left(self, path: Path) -> bytes | None:
        """A file's bytes after a cut; None: it is gone."""
        number: int | None = self.root.stat().st_ino
        for name in path.relative_to(self.root).parts:
            number = self.names.get(number or 0, {}).get(name)
        return self.bytes.get(number or 0)

    def finish(self) -> int:
        """A command has ended: all that it left must be on disk; returns the number of files."""
        found = [path for path in self.root.rglob("*") if path.is_file() and path.stat().st_size]
        for path in found:
            self.done[path] = path.read_bytes()
            assert self.left(path) == self.done[path], f"{path} is not on disk"
        return len(found)


def test_what_a_command_called_done_survives_a_later_power_cut(tmp_path, monkeypatch):
    monkeypatch.setenv("GALAXYZOO_ROOT", str(tmp_path))
    disk = Disk(tmp_path, monkeypatch)
    catalog = save_project()
    assert disk.finish() == 9  # a split of three files, two tables and a card of each run
    run_here(monkeypatch, "--candidates", "mean", "--name", "two")
    assert disk.finish() == 15  # submission, its card, its copy, fitted weights, other table
    run_command(monkeypatch, "intervals", "two")
    run_here(monkeypatch, "--candidates", "greedy", "--name", "two")  # over the one that is there
    assert disk.finish() == 17
    folder = tmp_path / "folds" / catalog.dataset / "gz37/run0/fold_0"
    save_checkpoint(folder / "checkpoint.pt", {"epoch": 1}, {"fold": 0})
    save_weights(folder / "weights", {"a": torch.zeros(3)})
    SealedFiles(folder / "fold.json", {"fold": 0}, "", ["weights"]).seal({})
    assert disk.finish() == 20
    with files.writing_folder(tmp_path / "exported") as part:
        np.save(part / "a.npy", np.arange(3))
    assert disk.finish() == 21
    assert disk.events > 60
