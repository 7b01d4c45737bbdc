"""The files of a finished fold, checked before they are used."""

from pathlib import Path

from galaxyzoo.config.loading import load_run_config
from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.manifest import MadeBy, Manifest, digest
from galaxyzoo.core.paths import box_dir, fold_dir, run_dir, shown

HISTORY = "history.csv"  # of a fold's training
DONE = "fold.json"  # mark of a finished fold
DIGESTS = "digests.json"  # mark of an exported run


def made_by(config: Config, fingerprint: str, fold: int | str) -> MadeBy:
    """What makes a fold's files; `fingerprint` is of its task's galaxies, labels and folds."""
    return {"config": config.folder_digest(), "fingerprint": fingerprint, "fold": fold}


class FoldFiles(Manifest):
    """The files of a finished fold, or of an exported run."""

    @classmethod
    def of(cls, config: Config, dataset: str, fingerprint: str, fold: int) -> "FoldFiles":
        """Files of a run's fold; arguments as of `made_by`."""
        return cls.trained(fold_dir(dataset, config.run, fold), made_by(config, fingerprint, fold))

    @classmethod
    def trained(cls, folder: Path, made_by: MadeBy) -> "FoldFiles":
        """Files of a training in any folder."""
        return cls(folder, made_by, DONE, f"delete {shown(folder)} to train again")

    @classmethod
    def exported(cls, folder: Path, made_by: MadeBy | None = None) -> "FoldFiles":
        """Files of a run in a folder of `src/export.py`, such as those in `weights/`."""
        is_bundled = folder.is_relative_to(box_dir())
        cure = "get it again, as `git checkout weights` does" if is_bundled else "export it again"
        return cls(folder, made_by or {}, DIGESTS, cure)

    @property
    def folds(self) -> list[int]:
        """Folds whose networks are among the files of an exported run."""
        names = [Path(name).parent.name for name in self.names]
        return sorted(int(name.removeprefix("fold_")) for name in names if name)


def digest_networks(dataset: str, run: str, n_folds: int) -> str | None:
    """Digest of all folds of a trained run; None where one is missing or of another training."""
    try:
        config, fingerprint = load_run_config(run_dir(dataset, run))
        marks = [FoldFiles.of(config, dataset, fingerprint, fold) for fold in range(n_folds)]
        folds = [mark.digest for mark in marks]
    except (InputError, OSError):
        return None
    return digest([" ".join(folds)])[:16]
