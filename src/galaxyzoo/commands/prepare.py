"""Check a dataset, decode its images and split it into folds, as training does.

python3 src/prepare.py                       input/, or the demo set
python3 src/prepare.py --subset kaggle-mini  a part of the competition
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from galaxyzoo.commands import references
from galaxyzoo.core import extras, launch, paths
from galaxyzoo.core.manifest import digest_file
from galaxyzoo.core.options import DataOptions, option, read_options
from galaxyzoo.data.catalog import TRAIN, dataset_dir
from galaxyzoo.data.prepare import Dataset, prepare_raw
from galaxyzoo.data.readers.find import find_named_task, open_input
from galaxyzoo.data.readers.kaggle import write_subset
from galaxyzoo.data.stores.opening import spell_settings, with_settings
from galaxyzoo.io.tables import read_folds
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import get_task


@dataclass(frozen=True, kw_only=True)
class PrepareOptions(DataOptions):
    """Options of the command."""

    folds: int | None = option("number of folds for a new split (default: 5)", metavar="K")
    task: str = option("task to prepare the dataset for", COMPETITION_TASK)
    seed: int | None = option("random seed for a new split (default: 0)")
    on_bad_image: Literal["stop", "drop"] = option(
        "stop if training images are unusable, or drop their galaxies from a new split", "stop"
    )
    folds_from: Path | None = option(
        "table of a team's folds (GalaxyID,fold) for a new split",
        excludes=("folds", "seed"),
        metavar="FILE",
    )
    strict: bool = option(
        "refuse folds of FILE that divide near-duplicates or groups", False, needs="folds_from"
    )
    subset: str | None = option(
        "extract one of the subsets in configs/subsets/ from Kaggle's files",
        excludes=("folds", "task", "seed", "on_bad_image", "folds_from"),
        metavar="NAME",
    )


def main() -> None:
    """Read the options, prepare, print."""
    commands = references()
    for position, word in enumerate(sys.argv[1:]):
        command = commands.get(f"prepare {word.partition('=')[0]}")
        may_be_one = position == 0 or word.startswith("-")  # else it is an option's value
        if command and may_be_one:
            extras.load_entry_point(command)()
            return
    options = read_options(with_settings(PrepareOptions), __doc__ + extras.describe("prepare"))
    task = find_named_task(options.task, options.data) or get_task(options.task)
    if options.subset:
        folder = write_subset(options.subset, options.data)
        print_made(folder, launch.quote("--data", options.subset))
        return
    drop = options.on_bad_image == "drop"
    raw = open_input(options.data, {task.name}, spell_settings(options))
    if options.folds_from:
        folds = read_folds(options.folds_from, raw.targets.index)
        raw = replace(
            raw,
            folds=folds,
            folds_from=f"{options.folds_from.name}, sha256sum {digest_file(options.folds_from)}",
            is_strict=options.strict,
        )
    data = prepare_raw(raw, options.folds, options.seed, drop)
    config = data.raw.image
    data.train_images(config)
    bad = data.test_images(config).unreadable.sum()
    print(f"{describe_split(data)}; {len(data.test_ids):,} test galaxies, {bad} unreadable")
    path = dataset_dir(data.dataset) / TRAIN
    asked = "" if options.task == COMPETITION_TASK else f" {launch.quote(options.task)}"
    launch.print_done(
        f"the split in {paths.shown(path)} (sha256sum {digest_file(path)[:16]}…)",
        f"{launch.typed('train_folds')}{asked}{launch.data_option(options.data)}",
    )


def describe_split(data: Dataset) -> str:
    """Describe how many galaxies a split has, lacks, and keeps together."""
    dropped = len(data.about.get("dropped_images", {}))
    without = f" ({dropped} dropped because of unusable images)" if dropped else ""
    together = f"{data.about['galaxies_with_a_near_duplicate']} galaxies with a near-duplicate"
    for kind, count in data.about.get("galaxies_that_share", {}).items():
        together += f", {count} sharing a {kind}"
        sources = data.about.get("shared_by", {}).get(kind)
        if sources:
            together += f" ({', '.join(sources)})"
    return (
        f"{data.dataset}: {len(data.ids):,} training galaxies in {data.n_folds} folds{without}, "
        f"{together}"
    )


def print_made(folder: Path, arguments: str) -> None:
    """Print where a new dataset is, and the command that trains on it."""
    launch.print_done(f"{paths.shown(folder)}/", f"{launch.typed('train_folds')} {arguments}")
