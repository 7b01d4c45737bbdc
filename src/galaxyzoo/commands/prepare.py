"""Find and check the input, decode it, and make the folds; training does the same by itself.

python3 src/prepare.py                       what lies in input/, or the demo set
python3 src/prepare.py --subset kaggle-mini  cut that subset out of the whole competition, into
                                             input/kaggle-mini/
python3 src/prepare.py gz2                   make a balanced dataset from Galaxy Zoo 2's published
                                             files, downloaded where wanted (gz2 --help)
"""

import argparse
import sys
from pathlib import Path

from galaxyzoo.core import launch, paths
from galaxyzoo.data.catalog import dataset_dir
from galaxyzoo.data.prepare import prepare
from galaxyzoo.data.readers.kaggle import write_subset
from galaxyzoo.download.gz2_dataset import PACKED, Order, make_dataset
from galaxyzoo.download.sdss import SERVICE
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import get_task

GZ2 = "gz2"
GZ2_HELP = f"""Make a balanced dataset with a class per galaxy from Galaxy Zoo 2's published files:
input/<name>/ with train_labels.csv, images.zip, and both packed as {PACKED}.

python3 src/prepare.py gz2                 gz2_hart16.csv, gz2_filename_mapping.csv and
                                           images_gz2.zip lie in input/ or a folder in it
python3 src/prepare.py gz2 --download      the images come from the sky survey's server, by the
                                           table's ra and dec; the table too where it is missing
"""


def main() -> None:
    """Parse, prepare, print."""
    args = parse_args()
    if args.form == GZ2:
        made = make_dataset(_order(args))
        # It has no votes, so its runs cannot start from those that learn votes.
        print_made(made, f"{args.task} --data {made.name} stages=null")
        return
    get_task(args.task)
    if args.subset:
        print_made(write_subset(args.subset, args.data), f"--data {args.subset}")
        return
    drop = args.on_bad_image == "drop"
    data = prepare(args.data, args.folds, args.seed, {args.task}, drop)
    catalog, config = data.catalog, data.raw.image
    data.train_images(config)
    bad = data.test_images(config).unreadable.sum()
    dropped = len(catalog.about.get("dropped_images", {}))
    others = f" ({dropped} others left out for their image)" if dropped else ""
    print(
        f"{catalog.dataset}: {len(catalog.ids):,} training galaxies in {catalog.n_folds} folds, "
        f"{catalog.about['galaxies_with_a_near_duplicate']} of them with a near-duplicate"
        f"{others}; "
        f"{len(catalog.test_ids):,} test galaxies, {bad} unreadable"
    )
    asked = "" if args.task == COMPETITION_TASK else f" {args.task}"
    launch.print_done(
        f"the split in {paths.shown(dataset_dir(catalog.dataset))}/",
        launch.with_data(f"bash scripts/train_folds.sh{asked}", args.data),
    )


def print_made(folder: Path, arguments: str) -> None:
    """Print where a new dataset is, and the command that trains on it."""
    launch.print_done(f"{paths.shown(folder)}/", f"bash scripts/train_folds.sh {arguments}")


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = launch.new_parser(__doc__, "--data", "--folds")
    parser.add_argument(
        "--task",
        default=COMPETITION_TASK,
        help="task to prepare the data for (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, help="of a new split (default: 0)")
    parser.add_argument(
        "--on-bad-image",
        choices=("stop", "drop"),
        default="stop",
        help="training images that cannot be used: stop, or leave those galaxies out of a new "
        "split (default: %(default)s)",
    )
    parser.add_argument(
        "--subset", metavar="NAME", help="cut a subset of configs/subsets/ out of the competition"
    )
    _add_gz2(parser)
    args = parser.parse_args()
    if args.form == GZ2 and sys.argv[1] != GZ2:  # gz2's defaults would replace options before it
        parser.error("gz2 must be the first argument")
    return args


def _order(args: argparse.Namespace) -> Order:
    return Order(
        data=args.data,
        task=args.task,
        name=args.name,
        per_class=args.per_class,
        seed=args.seed,
        download=args.download,
        drop=args.on_bad_image == "drop",
        service=args.base_url,
    )


def _add_gz2(parser: argparse.ArgumentParser) -> None:
    """Add `gz2` as an optional first argument, with options of its own."""
    commands = parser.add_subparsers(dest="form", metavar="[gz2]")
    gz2 = commands.add_parser(
        GZ2,
        help="make a balanced dataset from Galaxy Zoo 2's published files: gz2 --help",
        description=GZ2_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    gz2.add_argument("--data", help="folder with the published files (default: found in input/)")
    gz2.add_argument(
        "--task",
        default=Order.task,
        help="task whose rule makes classes of votes (default: %(default)s)",
    )
    gz2.add_argument("--name", help="of the new dataset (default: gz2-<task>)")
    gz2.add_argument(
        "--per-class",
        type=launch.positive,
        metavar="N",
        help="at most so many galaxies of each class (default: as many as the smallest class has)",
    )
    gz2.add_argument("--seed", type=int, default=0, help="of the draw (default: %(default)s)")
    gz2.add_argument(
        "--on-bad-image",
        choices=("stop", "drop"),
        default="stop",
        help="images that cannot be downloaded: stop, or leave those galaxies out (default: "
        "%(default)s)",
    )
    gz2.add_argument(
        "--download", action="store_true", help="get the images, and the table where it is missing"
    )
    gz2.add_argument(
        "--base-url",
        default=SERVICE,
        metavar="URL",
        help="of the cut-out service (default: %(default)s)",
    )
