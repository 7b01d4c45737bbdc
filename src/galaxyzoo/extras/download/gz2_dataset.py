"""Make a balanced dataset with a class per galaxy from Galaxy Zoo 2's published files.

Votes become classes by the rule of a task; equally many galaxies of each class are drawn at random,
and their images come from the folder or from the sky survey's server. The result is a dataset of
the labeled form, `input/<name>/`, which also holds `dataset_galaxies.zip`: the same, packed to be
used elsewhere.
"""

import gzip
import re
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from galaxyzoo.commands.prepare import print_made
from galaxyzoo.core import console, files, launch, options, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import DEMOS
from galaxyzoo.data.catalog import input_places
from galaxyzoo.data.readers import labeled
from galaxyzoo.extras.download import gz2, sdss
from galaxyzoo.io import archives, tables
from galaxyzoo.tasks import kinds, registry

PACKED = "dataset_galaxies.zip"
HELP = f"""Make a balanced dataset of classes from Galaxy Zoo 2's published files.

The dataset is input/<name>/: train_labels.csv, images.zip, and both zipped as
{PACKED}. Put gz2_hart16.csv, gz2_filename_mapping.csv and
images_gz2.zip into input/ or a folder in it. Or add --download to get the
images from the SDSS server, by ra and dec, and the table if it is missing.

  python3 src/prepare.py gz2
  python3 src/prepare.py gz2 --download
"""
# linked as table 1 of Galaxy Zoo 2 on https://data.galaxyzoo.org
TABLE_URL = "https://gz2hart.s3.amazonaws.com/gz2_hart16.csv.gz"
_NAME = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True, kw_only=True)
class Gz2Options:
    """Dataset to make; options of the command."""

    data: str | None = options.option("folder with the published files (default: in input/)")
    task: str = options.option("task whose label rule turns votes into classes", "hubble10")
    name: str | None = options.option("name of the new dataset (default: gz2-<task>)")
    per_class: int | None = options.option(
        "maximum number of galaxies per class (default: the size of the smallest class)",
        type=options.positive,
        metavar="N",
    )
    seed: int = options.option("random seed (default: 0)", 0)
    on_bad_image: Literal["stop", "drop"] = options.option(
        "if images cannot be downloaded, stop or drop their galaxies", "stop", needs="download"
    )
    download: bool = options.option("download the images, and the table if it is missing", False)
    base_url: str = options.option(
        "URL of the cut-out service (default: SkyServer's)",
        sdss.SERVICE,
        needs="download",
        metavar="URL",
    )


def main() -> None:
    """Read the options, make the dataset, print."""
    order = options.read_options(Gz2Options, HELP, sys.argv[2:])
    folder = make_balanced_set(order)
    # It has no votes, so its runs cannot start from those that learn votes.
    print_made(folder, f"{order.task} --data {launch.quote(folder.name)} stages=null")


def make_balanced_set(order: Gz2Options) -> Path:
    """Make the dataset in a new folder of `input/`, and print how many galaxies each class has.

    Raises:
        InputError: the options do not fit, published files are missing, there are fewer than two
            classes, or images cannot be downloaded and their galaxies are not to be dropped.
    """
    task, target = _check_order(order)
    assert task.rule is not None
    folder = _find_folder(order)
    source = _open_source(folder, order)
    labels = task.rule.labels(source.votes)
    print(
        f"{paths.shown(folder)}: the label rule of {task.name} assigns a class to {len(labels):,} "
        f"of {len(source.votes):,} galaxies"
    )
    classes = labels.idxmax(axis=1) if len(labels) else pd.Series(dtype=object)
    drawn = _draw(classes, classes, folder, task, order)
    if source.positions is not None:
        sky = source.positions.loc[drawn.index]
        failed = sdss.download_cutouts(sky, folder / sdss.FOLDER, order.base_url)
        if failed:
            first, reason = next(iter(failed.items()))
            failures = (
                f"{len(failed):,} of {len(drawn):,} images could not be downloaded (first: "
                f"{tables.ID} {first}: {reason})"
            )
            if order.on_bad_image == "stop":
                raise InputError(
                    f"{failures}: rerun the command to try again, or skip them with --on-bad-image "
                    "drop"
                )
            print(f"{failures}; dropped their galaxies")
            drawn = _draw(classes, drawn.drop(list(failed)), folder, task, order)
    with files.writing_folder(target) as new:
        _write(new, drawn, source.read_image)
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
    if per_class is None:
        per_class = int(classes.value_counts().min())
    drawn = []
    for name in sorted(classes.unique()):
        # a stream per class, so that one more galaxy of a class changes no other's draw
        rng = np.random.default_rng([seed, *name.encode()])
        ids = classes.index[classes == name].to_numpy()
        drawn.append(rng.permutation(ids)[:per_class])
    return classes.loc[np.sort(np.concatenate(drawn))]


def _check_order(order: Gz2Options) -> tuple[kinds.Task, Path]:
    """The task, and where the dataset will be; an `InputError` where it cannot be made."""
    task = registry.get_task(order.task)
    if order.seed < 0:
        raise InputError("--seed must be 0 or more")
    if task.rule is None:
        choices = ", ".join(name for name, choice in registry.TASKS.items() if choice.rule)
        raise InputError(f"task '{order.task}' has no label rule: choose from {choices}")
    name = order.name or f"gz2-{order.task}"
    if not _NAME.fullmatch(name) or name in (*DEMOS, paths.cache_dir().name):
        raise InputError(
            f"'{name}' cannot name a dataset: use letters, digits, '.', '-', '_'; "
            f"{', '.join(DEMOS)} and {paths.cache_dir().name} are reserved"
        )
    target = paths.input_dir() / name
    if target.exists() or target.is_symlink():
        raise InputError(f"{paths.shown(target)} already exists: move it, or choose another --name")
    return task, target


def _find_folder(order: Gz2Options) -> Path:
    """The folder with the vote table, which is downloaded where that is wanted.

    Raises:
        InputError: no folder has it, several have, or it cannot be downloaded.
    """
    if order.data is None:
        places = input_places()
    else:
        places = [Path(order.data), paths.input_dir() / order.data]
    folders = [place for place in places if gz2.find_part(place, gz2.TABLES)]
    if order.data is None and len(folders) > 1:
        listed = ", ".join(paths.shown(folder) for folder in folders)
        raise InputError(f"several folders have a {gz2.TABLES[0]}: add --data with one of {listed}")
    if folders:
        return folders[0]
    if not order.download:
        searched = "input/ and its folders have" if order.data is None else f"{order.data} has"
        raise InputError(
            f"{searched} no {gz2.TABLES[0]} (or {gz2.TABLES[1]}): put it into input/gz2/, or add "
            "--download"
        )
    if order.data is None:
        folder = paths.input_dir() / "gz2"
    else:
        folder = next((place for place in places if place.is_dir()), places[0])
    _download_table(folder / gz2.TABLES[1])
    return folder


def _download_table(path: Path) -> None:
    print(f"downloading {TABLE_URL} to {paths.shown(path)}")
    try:
        sdss.fetch(TABLE_URL, path, _check_table)
    except sdss.DownloadError as error:
        raise InputError(
            f"{TABLE_URL} cannot be downloaded ({error}): get {gz2.TABLES[1]} from "
            f"https://data.galaxyzoo.org yourself, and put it into {paths.shown(path.parent)}/"
        ) from None


def _check_table(data: bytes) -> None:
    """Raise ValueError unless the bytes are the packed vote table, whole by its checksum."""
    try:
        first_line = gzip.decompress(data).partition(b"\n")[0]
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"it is not a complete gzip file ({error})") from None
    if gz2.GALAXY.encode() not in first_line:
        raise ValueError(f"its first line has no column '{gz2.GALAXY}'")


@dataclass(frozen=True, eq=False)
class _Source:
    """Galaxies to draw from."""

    votes: pd.DataFrame  # (galaxy, 37) by GalaxyID, ascending
    read_image: Callable[[int], bytes]  # by GalaxyID
    positions: pd.DataFrame | None = None  # (galaxy, 2) where images are to be downloaded


def _open_source(folder: Path, order: Gz2Options) -> _Source:
    """Read the votes of the published files, and find the images there or on the sky."""
    if not order.download:
        if not gz2.find_part(folder, gz2.IMAGE_PATHS):
            raise InputError(
                f"{paths.shown(folder)}/ lacks {gz2.IMAGE_PATHS[0]}: put it there, or add "
                "--download to get the images from SkyServer"
            )
        raw = gz2.open_galaxy_zoo_2(folder)
        return _Source(raw.targets, raw.train_images.read)
    table = gz2.get_part(folder, gz2.TABLES)
    positions = gz2.read_positions(table)
    votes = gz2.read_votes(table).sort_index()
    images = folder / sdss.FOLDER
    return _Source(votes, lambda galaxy: (images / f"{galaxy}.jpg").read_bytes(), positions)


def _draw(
    classes: pd.Series, usable: pd.Series, folder: Path, task: kinds.Task, order: Gz2Options
) -> pd.Series:
    """Draw among usable galaxies, and print how many of each class there are and were drawn."""
    n_classes = usable.nunique()
    if n_classes < 2:
        raise InputError(f"{paths.shown(folder)} needs at least two classes, but has {n_classes}")
    drawn = draw_balanced(usable, order.per_class, order.seed)
    counts = pd.DataFrame({"by votes": classes.value_counts(), "balanced": drawn.value_counts()})
    table = counts.reindex(list(task.columns)).fillna(0).astype(int)
    table.loc["all"] = len(classes), len(drawn)
    console.print_table("galaxies", table.rename_axis("class").reset_index())
    return drawn


def _write(folder: Path, classes: pd.Series, read_image: Callable[[int], bytes]) -> None:
    """Labels, images byte for byte, and both once more in one zip."""
    labels = folder / labeled.LABELS_CSV
    images = folder / f"{labeled.IMAGES}.zip"
    text = classes.to_csv(index_label=tables.ID, header=[kinds.CLASS], lineterminator="\n")
    files.write_text(labels, text)
    ids = classes.index.tolist()
    archives.write_zip(images, ((f"{labeled.IMAGES}/{i}.jpg", read_image(i)) for i in ids))
    archives.write_zip(folder / PACKED, [(path.name, path) for path in (labels, images)])
