"""The competition's files out of Kaggle into a folder: resumed, checked, whole or not there.

What has arrived of a file waits in `.<name>.<digest>.part`, where the digest is of the server's own
mark of the content (ETag) and its size, so that bytes of two versions never mix.
"""

import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from galaxyzoo import atomic, locks
from galaxyzoo.archives import BROKEN_ZIP, open_zip
from galaxyzoo.errors import InputError
from galaxyzoo.kaggle import SAMPLES, SOLUTIONS, TEST_IMAGES, TRAIN_IMAGES
from galaxyzoo.kaggle_client import COMPETITION, TIMEOUT_S, connect, pause_after
from galaxyzoo.paths import shown

if TYPE_CHECKING:
    import requests

# The small ones first: whatever is refused is refused at once.
FILES = tuple(f"{part}.zip" for part in (SAMPLES[0], SOLUTIONS, TRAIN_IMAGES, TEST_IMAGES))
CHUNK_BYTES = 1 << 16  # what of the last one has come is lost when the connection breaks


def download(folder: Path) -> list[str]:
    """Get what is missing of the four files; those that are there and whole are left alone.

    Args:
        folder: is made where it is missing.
    Returns:
        Names of the files that were got.
    Raises:
        InputError: Kaggle refuses or does not answer, a file arrives damaged twice, or the disk is
            full. Files got before stay, and the next call goes on from there.
    """
    with locks.holding(folder / locks.NAME, "downloading"):
        missing = [name for name in FILES if not _is_whole(folder / name)]
        if missing:
            api = connect()
            for name in missing:
                _fetch(api, name, folder)
    return missing


def check_zip(path: Path) -> None:
    """Read a zip to its end.

    Raises:
        InputError: it is missing or cut off, or a member does not have its checksum.
    """
    with open_zip(path) as archive:
        try:
            damaged = archive.testzip()
        except BROKEN_ZIP as error:
            raise InputError(f"{shown(path)} is damaged ({error})") from None
    if damaged:
        raise InputError(f"{shown(path)} is damaged: '{damaged}' does not have its checksum")


def _is_whole(path: Path) -> bool:
    """Whether a file is there, with a word where it is broken: it is then got again."""
    if not path.exists():
        return False
    try:
        check_zip(path)
    except InputError as error:
        tqdm.write(f"getting it again: {error}")
        return False
    tqdm.write(f"{shown(path)} is there and whole")
    return True


def _fetch(api: Any, name: str, folder: Path) -> None:
    """Get one file, once more from its start where it arrives damaged, and give it its name."""
    for is_last in (False, True):
        part = _receive(api, name, folder)
        try:
            check_zip(part)
        except InputError as error:
            part.unlink()
            if is_last:
                raise InputError(f"{name} arrived damaged twice: try later ({error})") from None
            tqdm.write(f"{name} arrived damaged; from the start: {error}")
            continue
        with atomic.explaining(folder / name):
            part.replace(folder / name)
            atomic.sync_folder(folder)
        return


def _receive(api: Any, name: str, folder: Path) -> Path:
    """Get all bytes of a file, however often the connection breaks; its `.part`."""
    tries = 0
    while True:
        before = _received_bytes(folder, name)
        try:
            return _receive_once(api, name, folder)
        except OSError as error:
            tries = 1 if _received_bytes(folder, name) > before else tries + 1
            pause_after(error, tries, name)


def _receive_once(api: Any, name: str, folder: Path) -> Path:
    """Ask for a file and write what comes behind what is there.

    Raises:
        OSError: an error of the connection.
        InputError: the disk is full.
    """
    from kagglesdk.competitions.types.competition_api_service import ApiDownloadDataFileRequest

    request = ApiDownloadDataFileRequest()
    request.competition_name, request.file_name = COMPETITION, name
    with api.build_kaggle_client() as kaggle:
        response = kaggle.competitions.competition_api_client.download_data_file(request)
        with response:
            size = int(response.headers.get("Content-Length", -1))
            part = _part(folder, name, response.headers.get("ETag"), size)
            start = part.stat().st_size if part.exists() else 0
            if start != size:
                _check_space(folder, name, size - start)
                rest = _ask_for_rest(response, start)
                if rest is None:
                    _append(response, part, 0, size, name)
                else:
                    with rest:
                        _append(rest, part, start, size, name)
    return part


def _part(folder: Path, name: str, mark: str | None, size: int) -> Path:
    """Where the bytes of this content wait; those of any other content are removed."""
    digest = hashlib.sha256(f"{mark} {size}".encode()).hexdigest()[:12]
    part = folder / f".{name}.{digest}.part"
    for other in folder.glob(f".{name}.*.part"):
        # Without the server's mark nothing tells whose bytes they are.
        if other != part or mark is None or other.stat().st_size > size:
            other.unlink()
    return part


def _ask_for_rest(response: "requests.Response", start: int) -> "requests.Response | None":
    """The answer that goes on from a byte; None where the file has to come from its start.

    It is asked of the store that Kaggle's answer led to, as the client itself does, and without
    credentials: the address is signed.
    """
    import requests

    if start == 0 or not response.history:
        return None
    headers = {"Range": f"bytes={start}-", "If-Range": response.headers["ETag"]}
    rest = requests.get(response.url, headers=headers, stream=True, timeout=TIMEOUT_S)
    if rest.status_code == 206 and rest.headers.get("Content-Range", "").startswith(
        f"bytes {start}-"
    ):
        return rest
    rest.close()
    return None


def _append(response: "requests.Response", part: Path, start: int, size: int, name: str) -> None:
    import requests

    with atomic.explaining(part):
        file = open(part, "r+b" if start else "wb")  # noqa: SIM115 closed below
    with (
        file,
        tqdm(
            total=max(size, 0) or None,
            initial=start,
            desc=name,
            unit="B",
            unit_scale=True,
            disable=None,
        ) as bar,
    ):
        file.seek(start)
        for chunk in response.iter_content(CHUNK_BYTES):
            with atomic.explaining(part):
                file.write(chunk)
            bar.update(len(chunk))
        with atomic.explaining(part):
            file.flush()
            os.fsync(file.fileno())
    if part.stat().st_size != size >= 0:
        raise requests.ConnectionError(f"{name} ended early")


def _check_space(folder: Path, name: str, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{name} needs {needed:,} more bytes, the disk of {shown(folder)}/ has {free:,}: "
            "make room, then again"
        )


def _received_bytes(folder: Path, name: str) -> int:
    return sum(part.stat().st_size for part in folder.glob(f".{name}.*.part"))
