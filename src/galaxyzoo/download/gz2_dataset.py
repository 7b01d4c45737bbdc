"""Make a balanced dataset with a class per galaxy from Galaxy Zoo 2's published files.

Votes become classes by the rule of a task; equally many galaxies of each class are drawn at random,
and their images come from the folder or from the sky survey's server. The result is a dataset of
the labeled form, `input/<name>/`, which also holds `dataset_galaxies.zip`: the same, packed to be
used elsewhere.
"""

import gzip
import io
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.config.names import DEMOS
from galaxyzoo.core import files
from galaxyzoo.core.console import print_table
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import cache_dir, input_dir, shown
from galaxyzoo.data.catalog import input_places
from galaxyzoo.data.readers import gz2
from galaxyzoo.data.readers.labeled import IMAGES, LABELS
from galaxyzoo.download.sdss import (
    GOOD,
    MANIFEST,
    Cutout,
    Downloader,
    DownloadError,
    DownloadPolicy,
    check_url,
    download_cutouts,
)
from galaxyzoo.io.archives import write_zip
from galaxyzoo.io.tables import ID
from galaxyzoo.tasks.kinds import CLASS, Task
from galaxyzoo.tasks.registry import TASKS, get_task

PACKED = "dataset_galaxies.zip"
_MAX_TABLE_BYTES = 1_000_000_000  # bytes, packed; 5 times as many unpacked
_TABLE_DEADLINE_S = 3600.0
_NAME = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True)
class Order:
    """Settings of a dataset to make."""

    data: str | None = None  # folder of the published files; default: what is found in input/
    task: str = "hubble10"  # whose rule makes the classes
    name: str | None = None  # of the new dataset; default gz2-<task>
    per_class: int | None = None  # of each class at most; default: the smallest class's
    seed: int = 0  # of the draw
    # get images from the survey's server, and the vote table where it is missing
    download: bool = False
    drop: bool = False  # galaxies without an image to download: leave them out instead of stopping
    # linked as table 1 of Galaxy Zoo 2 on https://data.galaxyzoo.org
    table_url: str = "https://gz2hart.s3.amazonaws.com/gz2_hart16.csv.gz"
    cutout: Cutout = field(default_factory=Cutout)
    policy: DownloadPolicy = field(default_factory=DownloadPolicy)


def make_dataset(order: Order) -> Path:
    """Make the dataset in a new folder of `input/`, and print how many galaxies each class has."""
    task, target = _check_order(order)
    folder = _find_folder(order)
    votes, read_image, positions = _open_source(folder, order)
    classes = _classify(votes, task, folder)
    drawn = draw_balanced(classes, order.per_class, order.seed)
    _print_counts(classes, drawn, task)
    if positions is not None:
        images = folder / order.cutout.folder_name()
        statuses = download_cutouts(positions.loc[drawn.index], images, order.cutout, order.policy)
        failed = statuses[statuses != GOOD]
        if len(failed):
            _report_failures(failed, len(drawn), images / MANIFEST, order.drop)
            left = drawn[~drawn.index.isin(failed.index)]
            _check_classes(left, folder)
            drawn = draw_balanced(left, order.per_class, order.seed)
            _print_counts(classes, drawn, task)
    with files.writing_folder(target) as new:
        _write(new, drawn, read_image)
    return target


def draw_balanced(classes: pd.Series, per_class: int | None, seed: int) -> pd.Series:
    """Draw at most so many galaxies of each class, each galaxy with the same probability.

    The draw does not depend on the galaxies' order, and a larger draw contains a smaller one.

    Args:
        classes: class names by GalaxyID.
        per_class: how many; default: as many as the smallest class has.
        seed: of the draw.
    Returns:
        Class names by GalaxyID of the drawn galaxies, ids ascending.
    """
    classes = classes.sort_index()
    most = int(classes.value_counts().min()) if per_class is None else per_class
    drawn = []
    for name in sorted(classes.unique()):
        # a stream per class, so that one more galaxy of a class changes no other's draw
        rng = np.random.default_rng([seed, *name.encode()])
        drawn.append(rng.permutation(classes.index[classes == name].to_numpy())[:most])
    return classes.loc[np.sort(np.concatenate(drawn))]


def _check_order(order: Order) -> tuple[Task, Path]:
    """The task, and where the dataset will be."""
    task = get_task(order.task)
    if task.rule is None:
        known = ", ".join(name for name, other in TASKS.items() if other.rule)
        raise InputError(f"no rule makes classes of '{order.task}' from votes: known are {known}")
    name = order.name or f"gz2-{order.task}"
    if not _NAME.fullmatch(name) or name in (*DEMOS, cache_dir().name):
        raise InputError(
            f"'{name}' cannot be a dataset's name: letters, digits, '.', '-' and '_', and none of "
            f"{', '.join(DEMOS)} and {cache_dir().name}"
        )
    target = input_dir() / name
    if target.exists() or target.is_symlink():
        raise InputError(f"{shown(target)} exists already: move it away first, or add --name")
    return task, target


def _find_folder(order: Order) -> Path:
    """The folder with the vote table, which is downloaded where that is wanted."""
    named = None if order.data is None else [Path(order.data), input_dir() / order.data]
    places = named or input_places()
    folders = [place for place in places if gz2.holds_table(place)]
    if order.data is None and len(folders) > 1:
        names = ", ".join(shown(place) for place in folders)
        raise InputError(f"several folders hold a {gz2.TABLES[0]}: add --data with one of {names}")
    if folders:
        return folders[0]
    if not order.download:
        where = "input/ and its folders hold" if order.data is None else f"{order.data} holds"
        raise InputError(
            f"{where} no {gz2.TABLES[0]} (or {gz2.TABLES[1]}): put it into input/gz2/, or add "
            "--download"
        )
    if named is None:
        folder = input_dir() / "gz2"
    else:
        folder = next((place for place in named if place.is_dir()), named[0])
    _download_table(folder / gz2.TABLES[1], order)
    return folder


def _download_table(path: Path, order: Order) -> None:
    check_url(order.table_url)
    print(f"downloading {order.table_url} to {shown(path)}")
    policy = DownloadPolicy(deadline_s=_TABLE_DEADLINE_S, first_pause_s=order.policy.first_pause_s)
    try:
        data = Downloader(policy).fetch(order.table_url, _check_table, _MAX_TABLE_BYTES)
    except DownloadError as error:
        raise InputError(
            f"{order.table_url} cannot be downloaded ({error}): get {gz2.TABLES[1]} from "
            f"https://data.galaxyzoo.org by hand, and put it into {shown(path.parent)}/"
        ) from None
    files.write_bytes(path, data)


def _check_table(data: bytes) -> None:
    """Raise ValueError unless the bytes are the packed vote table, whole by its checksum."""
    try:
        with gzip.open(io.BytesIO(data)) as file:
            if gz2.GALAXY.encode() not in file.readline(1 << 20):
                raise ValueError(f"its first line has no column '{gz2.GALAXY}'")
            size = 0
            while part := file.read(1 << 20):
                size += len(part)
                if size > 5 * _MAX_TABLE_BYTES:
                    raise ValueError("it unpacks to more than any table")
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"it is no whole gzip file ({error})") from None


def _open_source(
    folder: Path, order: Order
) -> tuple[pd.DataFrame, Callable[[int], bytes], pd.DataFrame | None]:
    """Votes by GalaxyID ascending, a function that reads an image, and positions to download."""
    if not order.download:
        if not gz2.has_images(folder):
            raise InputError(
                f"{shown(folder)}/ lacks {gz2.IMAGES[0]}: put it there, or add --download to get "
                "the images from the sky survey's server"
            )
        raw = gz2.open_raw_dataset(folder)
        return raw.targets, raw.train_images.read, None
    table = gz2.find_table(folder)
    positions = gz2.read_positions(table)
    images = folder / order.cutout.folder_name()

    def read_image(galaxy_id: int) -> bytes:
        return (images / f"{galaxy_id}.jpg").read_bytes()

    return gz2.read_votes(table).sort_index(), read_image, positions


def _classify(votes: pd.DataFrame, task: Task, folder: Path) -> pd.Series:
    """Class names by GalaxyID of the galaxies that the task's rule keeps."""
    assert task.rule is not None
    labels = task.rule.labels(votes)
    print(
        f"{shown(folder)}: {len(votes):,} galaxies, of which the rule of {task.name} keeps "
        f"{len(labels):,}"
    )
    classes = labels.idxmax(axis=1) if len(labels) else pd.Series(dtype=object)
    _check_classes(classes, folder)
    return classes


def _check_classes(classes: pd.Series, folder: Path) -> None:
    """Raise InputError where there are not two classes."""
    if classes.nunique() < 2:
        raise InputError(
            f"{shown(folder)}: the galaxies are of {classes.nunique()} classes, which leaves "
            "nothing to tell apart"
        )


def _report_failures(failed: pd.Series, asked: int, manifest: Path, drop: bool) -> None:
    failures = (
        f"{len(failed):,} of {asked:,} images could not be downloaded (first: {ID} "
        f"{failed.index[0]}: {failed.iloc[0]}; all in {shown(manifest)})"
    )
    if not drop:
        raise InputError(
            f"{failures}: the same command tries these again, --on-bad-image drop goes on without"
        )
    print(f"{failures}: left out")


def _print_counts(before: pd.Series, after: pd.Series, task: Task) -> None:
    rows = [
        [name, *(f"{(classes == name).sum():,}" for classes in (before, after))]
        for name in task.columns
    ]
    rows.append(["all", f"{len(before):,}", f"{len(after):,}"])
    print_table("galaxies", ("class", "by votes", "balanced"), rows, {len(rows) - 1})


def _write(folder: Path, classes: pd.Series, read_image: Callable[[int], bytes]) -> None:
    """Labels, images byte for byte, and both once more in one zip."""
    labels, images = folder / LABELS, folder / f"{IMAGES}.zip"
    text = classes.to_csv(index_label=ID, header=[CLASS], lineterminator="\n")
    files.write_text(labels, text)
    ids = map(int, classes.index)
    write_zip(images, ((f"{IMAGES}/{i}.jpg", read_image(i)) for i in ids))
    write_zip(folder / PACKED, [(path.name, path) for path in (labels, images)])
