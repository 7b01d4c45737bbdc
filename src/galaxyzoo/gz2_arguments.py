"""The words of `prepare.py gz2`."""

import argparse
import math
from collections.abc import Callable
from typing import TypeVar

from galaxyzoo.cutouts import Cutout
from galaxyzoo.downloads import Manners
from galaxyzoo.gz2_dataset import DEFAULT_TASK, PACKED, TABLE_URL, Order

GZ2 = "gz2"
Number = TypeVar("Number", int, float)
_EXAMPLES = f"""Galaxy Zoo 2 as published, to a balanced dataset with a class per galaxy:
input/<name>/ with train_labels.csv, images.zip, and both packed as {PACKED}.

python src/prepare.py gz2                  gz2_hart16.csv, gz2_filename_mapping.csv and
                                           images_gz2.zip lie in input/ or a folder in it
python src/prepare.py gz2 --download       the images come from the sky survey's server, by the
                                           table's ra and dec; the table too where it is missing
"""


def add_gz2(parser: argparse.ArgumentParser) -> None:
    """Add `gz2` as an optional first word, with options of its own."""
    words = parser.add_subparsers(dest="form", metavar="[gz2]")
    gz2 = words.add_parser(
        GZ2,
        help="make a balanced dataset out of Galaxy Zoo 2's published files: gz2 --help",
        description=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    gz2.add_argument("--data", help="folder with the published files (default: found in input/)")
    gz2.add_argument(
        "--task",
        default=DEFAULT_TASK,
        help="whose rule makes classes out of votes (default: %(default)s)",
    )
    gz2.add_argument("--name", help="of the new dataset (default: gz2-<task>)")
    gz2.add_argument(
        "--per-class",
        type=_whole(1, 10**9),
        metavar="N",
        help="at most so many galaxies of each class (default: as many as the smallest class has)",
    )
    gz2.add_argument(
        "--seed", type=_whole(0, 2**31), default=0, help="of the draw (default: %(default)s)"
    )
    gz2.add_argument(
        "--on-bad-image",
        choices=("stop", "drop"),
        default="stop",
        help="images that cannot be downloaded: stop, or leave those galaxies out (default: "
        "%(default)s)",
    )
    _add_download(gz2.add_argument_group("download"))


def read_order(args: argparse.Namespace) -> Order:
    """What the words ask for."""
    return Order(
        data=args.data,
        task=args.task,
        name=args.name,
        per_class=args.per_class,
        seed=args.seed,
        download=args.download,
        drop=args.on_bad_image == "drop",
        table_url=args.table_url,
        cutout=Cutout(args.scale, args.size_px, args.base_url),
        manners=Manners(workers=args.workers, rate=args.rate, tries=args.tries),
    )


def _add_download(group: argparse._ArgumentGroup) -> None:
    cutout, manners = Cutout(), Manners()
    group.add_argument(
        "--download", action="store_true", help="get the images, and the table where it is missing"
    )
    group.add_argument(
        "--base-url",
        default=cutout.service,
        metavar="URL",
        help="of the cut-out service (default: %(default)s)",
    )
    group.add_argument(
        "--table-url", default=TABLE_URL, metavar="URL", help="of the table (default: %(default)s)"
    )
    group.add_argument(
        "--scale",
        type=_number(0.015, 60),
        default=cutout.scale,
        metavar="ARCSEC",
        help="per pixel (default: %(default)s)",
    )
    group.add_argument(
        "--size-px",
        type=_whole(64, 2048),
        default=cutout.size_px,
        metavar="N",
        help="side of an image (default: %(default)s)",
    )
    group.add_argument(
        "--workers",
        type=_whole(1, 16),
        default=manners.workers,
        metavar="N",
        help="images on their way at once (default: %(default)s)",
    )
    group.add_argument(
        "--rate",
        type=_number(0.01, 1000),
        default=manners.rate,
        metavar="N",
        help="requests per second, all workers together (default: %(default)s)",
    )
    group.add_argument(
        "--tries",
        type=_whole(1, 20),
        default=manners.tries,
        metavar="N",
        help="per image, after pauses of 1, 2, 4, … s (default: %(default)s)",
    )


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        return _between(int(text), lowest, highest)

    return whole_number


def _number(lowest: float, highest: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        return _between(float(text), lowest, highest)

    return number


def _between(value: Number, lowest: float, highest: float) -> Number:
    if not (math.isfinite(value) and lowest <= value <= highest):
        raise argparse.ArgumentTypeError(f"{value} is not {lowest:g} to {highest:g}")
    return value
