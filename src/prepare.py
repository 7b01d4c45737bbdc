"""Find and check the input, decode it, and make the folds; training does the same by itself.

python src/prepare.py                       what lies in input/, or the demo set
python src/prepare.py --subset kaggle-mini  cut that subset out of the whole competition, into
input/kaggle-mini/
python src/prepare.py gz2                   make a balanced dataset out of Galaxy Zoo 2's published
files, downloaded where wanted (gz2 --help)
"""

from galaxyzoo.core.launch import run_main, use_project_python

use_project_python()

import argparse
import sys

from galaxyzoo.core.paths import dataset_dir, shown
from galaxyzoo.data.prepare import prepare
from galaxyzoo.data.readers.kaggle import write_subset
from galaxyzoo.download.gz2_dataset import GZ2, add_gz2, make_dataset, read_order
from galaxyzoo.tasks.registry import COMPETITION_TASK, get_task


def main() -> None:
    """Parse, prepare, print."""
    args = parse_args()
    if args.form == GZ2:
        made = make_dataset(read_order(args))
        print(f"wrote {shown(made)}/: train with --data {made.name}")
        return
    get_task(args.task)
    if args.subset:
        print(
            f"wrote {shown(write_subset(args.subset, args.data))}/: train with --data {args.subset}"
        )
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
        f"{len(catalog.test_ids):,} test galaxies, {bad} unreadable; "
        f"split in {shown(dataset_dir(catalog.dataset))}/"
    )


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", help="folder with the competition's files (default: found in input/), or 'demo'"
    )
    parser.add_argument(
        "--folds", type=int, metavar="K", help="number of folds of a new split (default: 5)"
    )
    parser.add_argument(
        "--task", default=COMPETITION_TASK, help="what the data are for (default: %(default)s)"
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
    add_gz2(parser)
    args = parser.parse_args()
    if args.form == GZ2 and sys.argv[1] != GZ2:  # its own defaults would replace what is before it
        parser.error("gz2 must be the first word")
    return args


if __name__ == "__main__":
    run_main(main)
