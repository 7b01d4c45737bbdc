"""What commands about one galaxy share: their words, the galaxy, the picture's name."""

import argparse
import re
from pathlib import Path

from galaxyzoo import paths
from galaxyzoo.config import Config
from galaxyzoo.galaxy_images import open_prepared
from galaxyzoo.one_galaxy import Galaxy, find_galaxy, read_galaxy


def add_galaxy(parser: argparse.ArgumentParser) -> None:
    """Add the words that name a run and a galaxy, and say where the picture goes."""
    parser.add_argument("run", metavar="RUN", help="a trained run, such as gz37/resnet18")
    parser.add_argument("--galaxy-id", type=int, metavar="ID", help="a galaxy of the dataset")
    parser.add_argument("--image", type=Path, metavar="FILE", help="an image of any galaxy")
    parser.add_argument(
        "--dataset", help="the dataset that the run was trained on (default: the only real one)"
    )
    parser.add_argument("--data", help="folder with its images (default: found in input/)")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="the picture (default: in reports/)"
    )


def check_galaxy(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """One galaxy is named, and no more."""
    if (args.galaxy_id is None) == (args.image is None):
        parser.error("name a galaxy: --galaxy-id ID or --image FILE")


def galaxy_of(args: argparse.Namespace, config: Config, dataset: str) -> Galaxy:
    """The galaxy that the user named.

    Raises:
        InputError: it is not there, or its image cannot be used.
    """
    if args.image is not None:
        return read_galaxy(args.image, config.image)
    return find_galaxy(args.galaxy_id, config, open_prepared(args.data, dataset, config.task))


def picture_path(args: argparse.Namespace, dataset: str, run: str, what: str) -> Path:
    """Where the picture goes: as the user says, else reports/<dataset>/<run>/."""
    if args.output is not None:
        return args.output.resolve()
    name = str(args.galaxy_id or re.sub(r"[^\w.-]+", "_", args.image.stem))
    return paths.REPORTS / dataset / run / f"{name}_{re.sub(r'[^A-Za-z0-9.+_-]+', '_', what)}.png"
