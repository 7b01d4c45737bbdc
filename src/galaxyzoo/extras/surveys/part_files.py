"""The two files of a survey's part: the table of its predictions, and the record beside it."""

from pathlib import Path

from galaxyzoo.core import manifest, paths
from galaxyzoo.core.artifact import SealedFiles, State

PARTS = "parts"  # folder in that of the survey


def part_path(folder: Path, number: int) -> Path:
    """Path of a part's predictions."""
    return folder / PARTS / f"part-{number:06d}.parquet"


class PartFiles(SealedFiles):
    """A part with its record; notes: errors, oddities, stamps and content of its images."""

    @property
    def lock(self) -> Path:
        """A lock of its own, outside parts/. It stays: a process may be about to look into it."""
        return self.folder.parent / ".locks" / self.mark.stem.rpartition("-")[2]

    def state(self) -> State:
        """Ask whether part and record are there; the records of a survey may take gigabytes."""
        is_made = self.mark.exists() and (self.folder / self.contents[0]).exists()
        return "finished" if is_made else "absent"


def part_record(path: Path, provenance: manifest.Provenance) -> PartFiles:
    """A part's files, by the path of its predictions."""
    advice = f"delete {paths.shown(path)} and rerun the command"
    # Arrow and pandas pass over such a name when they open parts/.
    return PartFiles(path.with_name(f"_{path.stem}.json"), provenance, advice, [path.name])
