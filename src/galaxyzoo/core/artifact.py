"""Artifacts: what is made once, by one process at a time, and found by every later command.

    with fold_files.make("training fold 3 of gz37/cnn") as filling:
        if filling:  # None: it is finished
            ...  # write its files into fold_files.folder, which exists
            filling.notes = {"start": "scratch"}

A process that comes second waits, asks again, and finds it finished. A clean end seals it. After an
error or a kill it is unfinished, and the next command goes on with what lies there.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from galaxyzoo.core import files, manifest, paths
from galaxyzoo.core.errors import InputError, advise
from galaxyzoo.core.manifest import Provenance

State = Literal["absent", "unfinished", "stale", "finished"]


@dataclass
class Filling:
    """An artifact while it is made, under its lock."""

    notes: dict[str, Any] = field(default_factory=dict)  # sealed with them


class Artifact(ABC):
    """Files that are made once."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Folder of the files."""

    @property
    def lock(self) -> Path:
        """Lock file that is held while the files are made."""
        return self.folder / files.LOCK

    @abstractmethod
    def state(self) -> State:
        """Ask how far it is.

        Absent: nothing of it is there. Unfinished: begun, or nothing tells. Stale: finished once,
        but made of other inputs, or changed. Finished.
        """

    def discard(self) -> None:  # noqa: B027  caches and ensembles are made again
        """Give up a stale one, so that it is made again; where users have to decide, raise."""

    def seal(self, notes: dict[str, Any]) -> None:  # noqa: B027  as above
        """Mark it as finished, with notes; nothing where its last file says so."""

    @contextmanager
    def make(self, activity: str) -> Iterator[Filling | None]:
        """Hold the lock, ask, and yield what is to be filled, None where it is finished; then seal.

        Args:
            activity: what the holder does, as in "another process is …".
        Raises:
            InputError: it is stale, and not to be made again unasked.
        """
        with files.hold_lock(self.lock, activity), self._fill() as filling:
            yield filling

    @contextmanager
    def make_if_needed(self, activity: str) -> Iterator[Filling | None]:
        """Do as `make` does, but without the lock, whose folder may be read-only, if finished."""
        if self.state() == "finished":
            yield None
            return
        with self.make(activity) as filling:
            yield filling

    @contextmanager
    def make_if_free(self) -> Iterator[Filling | None]:
        """Do as `make` does, but yield None, too, while another process makes it."""
        with files.try_lock(self.lock) as lock:
            if not lock.is_locked:
                yield None
                return
            with self._fill() as filling:
                yield filling

    @contextmanager
    def _fill(self) -> Iterator[Filling | None]:
        """Ask, let it be filled, and seal it, under its lock."""
        state = self.state()
        if state == "finished":  # by the process that was waited for
            yield None
            return
        if state == "stale":
            self.discard()
        files.remove_left_over(self.folder)  # of killed processes; nothing else removes them
        filling = Filling()
        yield filling
        self.seal(filling.notes)


@dataclass(frozen=True)
class SealedFiles(Artifact):
    """Files with a mark that says what made them; refused when stale or damaged.

    The mark, a sealed JSON file that is written last, holds what made them, the SHA-256 of each,
    and notes.

    Args:
        mark: path of that file, in the files' folder.
        provenance: what they have to be made by.
        advice: what the user is to do, the end of error messages.
        contents: names of the files, those that a making need not write included.
    """

    mark: Path
    provenance: Provenance
    advice: str
    contents: Sequence[str] = ()

    @property
    def folder(self) -> Path:
        """Folder of the files."""
        return self.mark.parent

    def state(self) -> State:
        """Ask how far it is; a mark of something else, or a changed one, is stale."""
        if not self.mark.exists():
            self._forget()
            is_begun = any((self.folder / name).exists() for name in self.contents)
            return "unfinished" if is_begun else "absent"
        try:
            self._content  # noqa: B018  raises
        except InputError:
            return "stale"
        return "finished"

    def discard(self) -> None:
        """Refuse to make a stale one again: it may have taken hours."""
        self._content  # noqa: B018  raises

    def seal(self, notes: dict[str, Any]) -> None:
        """Write the mark of those contents that exist."""
        existing = [name for name in self.contents if (self.folder / name).exists()]
        digests = {name: manifest.digest_file(self.folder / name) for name in existing}
        content = {"made_by": dict(self.provenance), "files": digests, "notes": notes}
        manifest.write_sealed(self.mark, content)
        self._forget()

    def _forget(self) -> None:
        """Forget what was read of an earlier mark."""
        self.__dict__.pop("_content", None)

    @cached_property
    def _content(self) -> dict[str, Any]:
        """Read the mark; refuse a changed one or another provenance."""
        with advise(self.advice):
            content = manifest.read_sealed(self.mark)
            manifest.check_provenance(self.mark, content["made_by"], self.provenance)
        return content

    @property
    def notes(self) -> dict[str, Any]:
        """Notes given when it was made."""
        return self._content["notes"]

    @property
    def names(self) -> list[str]:
        """Names of the files."""
        return [*self._content["files"]]

    def path(self, name: str) -> Path:
        """Path of a file, after a check against the mark; a changed one is an InputError."""
        path = self.folder / name
        expected = self._content["files"].get(name)
        if expected is None or not path.is_file():
            raise InputError(f"{paths.shown(path)} is missing: restore it, or {self.advice}")
        if manifest.digest_file(path) != expected:
            raise InputError(
                f"{paths.shown(path)} does not match {self.mark.name} (changed, damaged or "
                f"replaced): restore it, or {self.advice}"
            )
        return path

    def check(self) -> None:
        """Check all files."""
        for name in self.names:
            self.path(name)

    @property
    def digest(self) -> str:
        """Digest of all files, as the mark has them."""
        return manifest.digest([repr(sorted(self._content["files"].items()))])
