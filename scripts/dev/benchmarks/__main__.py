"""Measure how fast this project is, as ratios within one run; see docs/lab/performance.md.

bash scripts/dev/bench.sh                      all parts but for a GPU's: hours on 2 cores
bash scripts/dev/bench.sh speed                each step against what you would use instead
bash scripts/dev/bench.sh --gpu                on a GPU
bash scripts/dev/bench.sh speed > speed.md     as Markdown, to paste into docs
"""

import argparse
import importlib

from galaxyzoo.core.devices import describe_machine
from galaxyzoo.core.launch import run_main
from galaxyzoo.core.versions import code_version
from galaxyzoo.data.prepare import prepare

PARTS = (
    "speed",
    "growth",
    "surveys",
    "lists",
    "views",
    "student",
    "trust",
    "own_labels",
    "labeling",
    "cutouts",
    "others",
)


def main() -> None:
    """Measure the parts one after another, print each when it is done."""
    args = parse_args()
    parts = ["gpu"] if args.gpu else args.parts or list(PARTS)
    data = prepare(args.data)
    for part in parts:
        tables = importlib.import_module(part).measure(data, args.repeats)
        where = (
            f"{describe_machine()}; dataset {data.dataset}, "
            f"{len(data.ids):,} training galaxies; commit {code_version()}; "
            f"`bash scripts/dev/bench.sh {'--gpu' if args.gpu else part}`"
        )
        text = "\n\n".join([*(table.format() for table in tables), where])
        print(f"{text}\n", flush=True)


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="bash scripts/dev/bench.sh",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--gpu", action="store_true", help="measure training on a GPU instead")
    parser.add_argument("--data", help="as of src/train.py")
    parser.add_argument("--repeats", type=int, default=5, help="rounds (default: %(default)s)")
    args = parser.parse_args()
    unknown = [part for part in args.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part '{unknown[0]}': there are {', '.join(PARTS)}")
    if args.repeats < 1:
        parser.error("--repeats must be 1 or more")
    return args


if __name__ == "__main__":
    run_main(main)
