"""The files of a finished fold, checked before they are used.

Nothing on disk is trusted: a file is used if it is the very one that was written, for the same
settings, galaxies and fold.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from galaxyzoo.config.loading import load_run_config
from galaxyzoo.config.schema import Config
from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import box_dir, fold_dir, run_dir, shown

HISTORY = "history.csv"  # of a fold's training
DONE = "fold.json"  # mark of a finished fold
DIGESTS = "digests.json"  # mark of an exported run
MadeBy = Mapping[str, str | int | None]  # what made a file: settings, galaxies, fold
_OTHER = {"config": "other settings", "fingerprint": "another split", "fold": "another fold"}


def made_by(config: Config, fingerprint: str, fold: int | str) -> MadeBy:
    """What makes a fold's files; `fingerprint` is of its task's galaxies, labels and folds."""
    return {"config": config.folder_digest(), "fingerprint": fingerprint, "fold": fold}


@dataclass(frozen=True)
class FoldFiles:
    """The files of a finished fold.

    The mark, a JSON file that is written last, holds what made the fold, the SHA-256 of each file,
    notes on the training, and a digest of itself.
    """

    folder: Path
    made_by: MadeBy
    mark: str = DONE  # name of the mark
    cure: str = ""  # end of error messages; default: to train again

    @classmethod
    def of(cls, config: Config, dataset: str, fingerprint: str, fold: int) -> "FoldFiles":
        """Files of a run's fold; arguments as of `made_by`."""
        return cls(fold_dir(dataset, config.run, fold), made_by(config, fingerprint, fold))

    @classmethod
    def exported(cls, folder: Path, made_by: MadeBy | None = None) -> "FoldFiles":
        """Files of a run in a folder of `src/export.py`, such as those in `weights/`."""
        is_bundled = folder.is_relative_to(box_dir())
        cure = "get it again, as `git checkout weights` does" if is_bundled else "export it again"
        return cls(folder, made_by or {}, DIGESTS, cure)

    @property
    def is_done(self) -> bool:
        """Whether the mark is there."""
        return (self.folder / self.mark).exists()

    def finish(self, names: Sequence[str], notes: dict[str, Any]) -> None:
        """Write the mark of the named files that are there."""
        there = [name for name in names if (self.folder / name).exists()]
        digests = {name: _sha256(self.folder / name) for name in there}
        content = {"made_by": dict(self.made_by), "files": digests, "notes": notes}
        files.write_sealed(self.folder / self.mark, content)

    @cached_property
    def _content(self) -> dict[str, Any]:
        """The mark's content, whole and of these settings, galaxies and fold."""
        path = self.folder / self.mark
        content = files.read_sealed(path, self._cure)
        check_made_by(path, content["made_by"], self.made_by, self._cure)
        return content

    @property
    def notes(self) -> dict[str, Any]:
        """What `finish` was given."""
        return self._content["notes"]

    def path(self, name: str) -> Path:
        """Path of a file that is still the one which the mark was written for."""
        path, digest = self.folder / name, self._content["files"].get(name)
        if digest is None or not path.is_file():
            raise InputError(f"{shown(path)} is missing: bring it back, or {self._cure}")
        if _sha256(path) != digest:
            raise InputError(
                f"{shown(path)} is not the file that {self.mark} was written for (changed, damaged "
                f"or another's): bring that back, or {self._cure}"
            )
        return path

    @property
    def folds(self) -> list[int]:
        """Folds whose networks are among the files of an exported run."""
        names = [Path(name).parent.name for name in self._content["files"]]
        return sorted(int(name.removeprefix("fold_")) for name in names if name)

    def check(self) -> None:
        """Check all files."""
        for name in self._content["files"]:
            self.path(name)

    @property
    def digest(self) -> str:
        """Digest of all files, as the mark has them."""
        return hashlib.sha256(repr(sorted(self._content["files"].items())).encode()).hexdigest()

    @property
    def _cure(self) -> str:
        return self.cure or f"delete {shown(self.folder)} to train again"


def digest_networks(dataset: str, run: str, n_folds: int) -> str | None:
    """Digest of all folds of a trained run; None where one is missing or of another training."""
    try:
        config, fingerprint = load_run_config(run_dir(dataset, run))
        marks = [FoldFiles.of(config, dataset, fingerprint, fold) for fold in range(n_folds)]
        folds = [mark.digest for mark in marks]
    except (InputError, OSError):
        return None
    return hashlib.sha256(" ".join(folds).encode()).hexdigest()[:16]


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_made_by(path: Path, found: MadeBy, expected: MadeBy, cure: str) -> None:
    """Refuse what other settings, galaxies or another fold made."""
    for key, value in expected.items():
        if found.get(key) != value:
            what = _OTHER.get(key, f"other {key}")
            raise InputError(f"{shown(path)} is of {what} ({found.get(key)}, not {value}): {cure}")
