"""Manifests: a folder's files, what made them, and checks that they are as written.

Nothing on disk is trusted: a file is used only if it is unchanged and was made by the same
settings, split and fold.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from galaxyzoo.core import files, paths
from galaxyzoo.core.errors import DamageError

Provenance = Mapping[str, str | int | None]  # what made a file, such as settings, galaxies, fold
FORMAT = 3  # of all manifests, 1 where none is named; raise it when one gets another content
OLDEST_FORMAT = 2  # that is read; it differs in splits of own labels, which `load_catalog` refuses
_DIGEST = "digest"  # keys of a sealed file
FORMAT_KEY = "format"
_OTHER = {
    "config": "other settings",
    "fingerprint": "another split",
    "fold": "another fold",
    "images": "other images or columns",
    "extras": "other extra columns",
}


def digest(content: Iterable[str | bytes | memoryview]) -> str:
    """SHA-256 of texts and bytes one after another, 64 hexadecimal digits."""
    hasher = hashlib.sha256()
    for piece in content:
        hasher.update(piece.encode() if isinstance(piece, str) else piece)
    return hasher.hexdigest()


def digest_json(value: Any) -> str:
    """SHA-256 of settings or a record, computed once a process for each content."""
    return _digest_text(json.dumps(value, sort_keys=True))


@lru_cache(maxsize=256)
def _digest_text(text: str) -> str:
    return digest([text])


def digest_file(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object and, under two more keys, its format and digest, which are replaced."""
    content = json.loads(json.dumps({**content, FORMAT_KEY: FORMAT}))  # as read back: text keys
    files.write_json(path, {**content, _DIGEST: _digest(content)})


def is_unsealed(path: Path) -> bool:
    """Check whether a file is a JSON object without a seal, as earlier versions wrote some."""
    content = files.read_json(path)
    return isinstance(content, dict) and not {_DIGEST, FORMAT_KEY} & content.keys()


def read_sealed(path: Path) -> dict[str, Any]:
    """Read what `write_sealed` wrote; a changed file or another format is a `DamageError`."""
    content = files.read_json(path)
    if isinstance(content, dict):
        check_format(path, content.get(FORMAT_KEY))
    if not isinstance(content, dict) or content.get(_DIGEST) != _digest(content):
        raise DamageError(f"{paths.shown(path)} was changed after it was written")
    return content


def check_format(path: Path, number: int | None) -> None:
    """Refuse a file that a version with another format wrote; None: it names no format."""
    number = number or 1
    if OLDEST_FORMAT <= number <= FORMAT:
        return
    version = "another version"
    if number in range(OLDEST_FORMAT):
        version = "an earlier version"
    raise DamageError(f"{paths.shown(path)} was made by {version} (format {number}, not {FORMAT})")


def _digest(content: Mapping[str, Any]) -> str:
    plain = {key: value for key, value in content.items() if key != _DIGEST}
    return digest_json(plain)


def check_provenance(path: Path, actual: Provenance, expected: Provenance) -> None:
    """Refuse what other settings, galaxies or another fold made."""
    for key, value in expected.items():
        if actual.get(key) != value:
            difference = _OTHER.get(key, f"other {key}")
            is_digest = len(str(value)) >= 16 and str(value).isalnum()
            if not is_digest:
                difference += f" ({actual.get(key)!r}, not {value!r})"
            raise DamageError(f"{paths.shown(path)} has {difference}")
