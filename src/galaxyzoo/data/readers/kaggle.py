"""The competition's own files in `input/`: zips, zips inside the one big zip, or unpacked.

A folder has four parts: `images_training_rev1`, `images_test_rev1`, `training_solutions_rev1` and a
sample submission (`all_zeros_benchmark` or another benchmark). The dataset's name follows from its
ids, so that the whole competition, a subset and the demo never mix. Subsets are cut out of the
whole competition by the lists of ids in `configs/subsets/<name>/`.
"""

import difflib
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from galaxyzoo.core import files
from galaxyzoo.core.artifact import Artifact, State
from galaxyzoo.core.console import ProgressBar
from galaxyzoo.core.errors import DamageError, InputError
from galaxyzoo.core.launch import quote, suggest
from galaxyzoo.core.manifest import digest
from galaxyzoo.core.paths import DEMO, DEMOS, WHOLE, cache_dir, configs_dir, input_dir, shown
from galaxyzoo.data.catalog import input_places
from galaxyzoo.data.demo.dataset import write_demo
from galaxyzoo.data.readers.dataset_files import DatasetFiles, check_images
from galaxyzoo.data.stores.base import Images
from galaxyzoo.data.stores.opening import open_by_galaxy_id
from galaxyzoo.io.archives import BROKEN_ZIP, open_zip, write_zip
from galaxyzoo.io.tables import ID, read_csv, select_numbers
from galaxyzoo.io.vote_checks import check_range, check_sums
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2

WHOLE_ZIP = "galaxy-zoo-the-galaxy-challenge.zip"
TRAIN_IMAGES, TEST_IMAGES = "images_training_rev1", "images_test_rev1"
SOLUTIONS = "training_solutions_rev1"
SAMPLES = ("all_zeros_benchmark", "all_ones_benchmark", "central_pixel_benchmark")
_PARTS = (TRAIN_IMAGES, TEST_IMAGES, SOLUTIONS, *SAMPLES)
COMPETITION_SIZE = (61_578, 79_975)  # training and test galaxies of the whole competition


def find_folder(data: str | None = None) -> Path:
    """Find the folder with the competition's files; draw the demo set if there is none.

    Args:
        data: a folder or dataset that the user named; default: `input/`, else its only subfolder
            with such files, else the demo.
    """
    if data in DEMOS:
        return _demo_folder(data)
    if data is not None:
        return _find_named_folder(data)
    folders = competition_folders()
    if len(folders) > 1:
        names = ", ".join(path.name for path in folders)
        raise InputError(f"input/ has several datasets: add --data with one of {names}")
    return folders[0] if folders else _demo_folder(DEMO, announce=True)


def _find_named_folder(data: str) -> Path:
    """Find a folder by its path or name; refuse one that has no part of the competition."""
    top = input_dir()
    places = [Path(data), top / data]
    for folder in places:
        if holds_data(folder):
            return folder
    # The zips in `input/` itself may be of the dataset of that name.
    if holds_data(top) and open_dataset_files(top).dataset == data:
        return top
    problem = "not found here or in input/"
    near = difflib.get_close_matches(data, _names_in(top), 1)
    if near:
        problem += f": did you mean {near[0]}?"
    existing = [place for place in places if place.exists()]
    if existing:
        names = ", ".join(_names_in(existing[0])[:4]) or "no files"
        problem = f"{shown(existing[0])} has {names}, but no table of labels"
    raise InputError(f"--data {data}: {problem} (see Input forms in docs/tasks.md)")


def _names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("[!.]*"))


def competition_folders() -> list[Path]:
    """Folders of `input/` that hold the competition or a part of it, the demo aside."""
    if holds_data(input_dir()):
        return [input_dir()]
    return [path for path in input_places()[1:] if holds_data(path)]


def holds_data(folder: Path) -> bool:
    """Check whether a folder has any part of the competition; missing ones are named later."""
    return (folder / WHOLE_ZIP).exists() or any(_find_part(folder, part) for part in _PARTS)


def open_dataset_files(folder: Path) -> DatasetFiles:
    """Read labels and ids and check that they and the images belong together."""
    place = _unpack_whole_zip(folder)
    targets = _read_solutions(place)
    test_ids = _read_sample_ids(place)
    train_images = open_by_galaxy_id(_part(place, TRAIN_IMAGES))
    test_images = open_by_galaxy_id(_part(place, TEST_IMAGES))
    check_images(targets.index.to_numpy(), train_images, f"{SOLUTIONS}.csv", exact=True)
    check_images(test_ids, test_images, "the sample submission", exact=True)
    dataset = dataset_name(targets.index.to_numpy(), test_ids, place)
    return DatasetFiles(
        dataset,
        folder,
        targets,
        train_images,
        test_images,
        test_ids,
        galaxy_ids=dataset not in DEMOS,
    )


def dataset_name(train_ids: np.ndarray, test_ids: np.ndarray, folder: Path) -> str:
    """Name of a dataset by its ids: a demo, kaggle, a known subset, else `kaggle-` and a digest."""
    for name in DEMOS:
        if folder.resolve() == (input_dir() / name).resolve():
            return name
    if (len(train_ids), len(test_ids)) == COMPETITION_SIZE:
        return WHOLE
    for path in sorted(configs_dir().glob("subsets/*/train_ids.txt")):
        if np.array_equal(_read_ids(path), np.sort(train_ids)):
            return path.parent.name
    ids = np.concatenate([np.sort(train_ids), np.sort(test_ids)])
    return f"kaggle-{digest([ids.tobytes()])[:6]}"


def whole_sample_ids() -> np.ndarray:
    """(test galaxy,) GalaxyIDs of the whole competition's sample submission, in its order.

    Raises:
        DamageError: `input/` has no whole one.
    """
    for folder in competition_folders():
        try:
            ids = _read_sample_ids(_unpack_whole_zip(folder))
        except InputError:
            continue  # a folder of something else, or a download that did not end
        if len(ids) == COMPETITION_SIZE[1]:
            return ids
    place = shown(input_dir())
    raise DamageError(
        f"Kaggle needs all {COMPETITION_SIZE[1]:,} test galaxies, but {place}/ lacks them"
    )


def _read_ids(path: Path) -> np.ndarray:
    """(galaxy,) int64 ids of a text file with one id a line."""
    return np.loadtxt(path, dtype=np.int64, ndmin=1)


def _how_to_get() -> str:
    """Say how the competition's files come into `input/`."""
    download = suggest("data")
    how = f"`{download}` puts" if download else "put"
    names = f"{TRAIN_IMAGES}.zip, {TEST_IMAGES}.zip, {SOLUTIONS}.zip and {SAMPLES[0]}.zip"
    return f"{how} {names} there"


def _demo_folder(name: str, announce: bool = False) -> Path:
    folder = input_dir() / name
    if announce:
        others = ""
        for path in input_places()[1:]:
            others += f" (for {path.name}/, add --data {quote(path.name)})"
        print(
            f"no competition data in {shown(input_dir())}/: using simulated demo galaxies"
            f"{others}. For the competition, {_how_to_get()}."
        )
    names = (TRAIN_IMAGES, TEST_IMAGES, SOLUTIONS, SAMPLES[0])
    demo = _FilesInPlace(folder, {folder / f"{name}.zip": None for name in names})
    if demo.missing():
        with demo.make("simulating the demo set") as filling:
            if filling:
                write_demo(folder)
    return folder


@dataclass(frozen=True)
class _FilesInPlace(Artifact):
    """Files that are finished once all of them are there: each is written whole.

    Args:
        place: their folder.
        sizes: bytes of each file, by path; None: any.
    """

    place: Path
    sizes: Mapping[Path, int | None]

    @property
    def folder(self) -> Path:
        """Folder of the files."""
        return self.place

    def state(self) -> State:
        """Ask whether all files are there."""
        return "unfinished" if self.missing() else "finished"

    def missing(self) -> list[Path]:
        """List the files that are not there, or of another size."""
        missing = []
        for path, size in self.sizes.items():
            if not path.exists() or size not in (None, path.stat().st_size):
                missing.append(path)
        return missing


def _find_part(folder: Path, name: str) -> Path | None:
    """Find a part: unpacked before zipped; in a folder of a table's name, the table in it."""
    for form in (f"{name}/{name}.csv", name, f"{name}.csv", f"{name}.zip"):
        path = folder / form
        if path.exists():
            return path
    return None


def _part(folder: Path, name: str) -> Path:
    path = _find_part(folder, name)
    if path:
        return path
    raise InputError(
        f"{shown(folder)}/ lacks {name}.zip (or unzipped): download it from the competition's page"
    )


def _read_solutions(folder: Path) -> pd.DataFrame:
    path = _part(folder, SOLUTIONS)
    frame = select_numbers(_read_table(path), GALAXY_ZOO_2.columns, path).sort_index()
    if frame.empty:
        raise InputError(f"{shown(path)} has no galaxies: download it again")
    check_range(frame, path)
    check_sums(frame, path)
    return frame.clip(0.0, 1.0)


def _read_sample_ids(folder: Path) -> np.ndarray:
    for name in SAMPLES:
        path = _find_part(folder, name)
        if path:
            return _read_table(path).index.to_numpy()
    raise InputError(f"{shown(folder)}/ lacks a sample submission: add Kaggle's {SAMPLES[0]}.zip")


def _read_table(path: Path) -> pd.DataFrame:
    """A CSV, or the one CSV inside a zip."""
    if path.suffix != ".zip":
        return read_csv(path)
    with open_zip(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".csv")]
        names = [name for name in names if not name.startswith("__MACOSX")]
        if len(names) != 1:
            raise InputError(f"{shown(path)} should contain one CSV file, not {len(names)}")
        try:
            with archive.open(names[0]) as member:
                return read_csv(path / names[0], member)
        except BROKEN_ZIP as error:
            raise InputError(f"{shown(path)} is damaged ({error}): download it again") from None


def _unpack_whole_zip(folder: Path) -> Path:
    """Copy the inner zips of the one big zip into the cache, once, if nothing else is there."""
    whole = folder / WHOLE_ZIP
    if not whole.exists() or _find_part(folder, TRAIN_IMAGES):
        return folder
    with open_zip(whole) as archive:
        zips = [f"{part}.zip" for part in _PARTS]
        wanted = [m for m in archive.infolist() if PurePosixPath(m.filename).name in zips]
        if not wanted:
            raise InputError(
                f"{shown(whole)} has none of the competition's zips: download it again"
            )
        contents = [(member.filename, member.CRC, member.file_size) for member in wanted]
        target = cache_dir() / f"unpacked-{digest([repr(contents)])[:8]}"
        members = {target / PurePosixPath(member.filename).name: member for member in wanted}
        sizes = {path: member.file_size for path, member in members.items()}
        unpacked = _FilesInPlace(target, sizes)
        with unpacked.make(f"unpacking {WHOLE_ZIP}") as filling:
            missing = unpacked.missing() if filling else ()
            for path in ProgressBar(missing, desc=f"unpacking {WHOLE_ZIP}", unit="zip"):
                _copy_out(archive, members[path], path, whole)
    return target


def _copy_out(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, whole: Path) -> None:
    """Copy one member of the big zip to a file, checking its checksum on the way."""
    try:
        with (
            files.writing(path) as temporary,
            archive.open(member) as packed,
            open(temporary, "wb") as out,
        ):
            shutil.copyfileobj(packed, out, 1 << 22)
    except BROKEN_ZIP as error:
        raise InputError(f"{shown(whole)} is damaged ({error}): download it again") from None


def write_subset(name: str, data: str | None) -> Path:
    """Write a subset's four zips into `input/<name>/`, images byte for byte.

    A subset's test galaxies may be training galaxies of the whole competition; their labels are
    left out. An `input/<name>` that is there is refused: it may be a link to somebody's only copy.
    """
    lists = configs_dir() / "subsets" / name
    if not lists.is_dir():
        subsets = ", ".join(_names_in(configs_dir() / "subsets"))
        raise InputError(f"no {shown(configs_dir())}/subsets/{name}: choose from {subsets}")
    train_ids = _read_ids(lists / "train_ids.txt")
    test_ids = _read_ids(lists / "test_ids.txt")
    target = input_dir() / name
    if target.exists() or target.is_symlink():
        raise InputError(f"{shown(target)} already exists: move it first")
    if data is None and not competition_folders():
        raise InputError(
            f"no competition data in {shown(input_dir())}/, to which the galaxies of {name} "
            f"belong: {_how_to_get()}"
        )
    raw = open_dataset_files(find_folder(data))
    missing = np.setdiff1d(train_ids, raw.targets.index)
    if len(missing):
        raise InputError(
            f"{shown(raw.folder)} has no labels for GalaxyID {missing[0]} (such galaxies of "
            f"the subset: {len(missing)}): extract the subset from the complete competition data"
        )
    images = Images.concat(raw.folder, [raw.train_images, raw.test_images]).identified()
    missing = np.setdiff1d(test_ids, images.ids)
    if len(missing):
        raise InputError(f"no image of GalaxyID {missing[0]}: a subset needs the whole competition")
    zeros = pd.DataFrame(0, index=test_ids, columns=raw.targets.columns)
    with files.writing_folder(target) as folder:
        _write_images(folder / f"{TRAIN_IMAGES}.zip", images.select(train_ids))
        _write_images(folder / f"{TEST_IMAGES}.zip", images.select(test_ids))
        _write_table(folder / f"{SAMPLES[0]}.zip", zeros)
        _write_table(folder / f"{SOLUTIONS}.zip", raw.targets.loc[train_ids])
    return target


def _write_images(path: Path, images: Images) -> None:
    ids = images.ids.tolist()
    write_zip(path, ((f"{path.stem}/{galaxy_id}.jpg", images.read(galaxy_id)) for galaxy_id in ids))


def _write_table(path: Path, frame: pd.DataFrame) -> None:
    text = frame.to_csv(index_label=ID, lineterminator="\n")
    write_zip(path, [(f"{path.stem}.csv", text.encode())])
