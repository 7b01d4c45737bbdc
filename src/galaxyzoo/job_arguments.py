"""What commands that train several folds at a time share: their words."""

import argparse

BACKENDS = ("loky", "ray", "dask")


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add how many folds are trained at a time, and what starts their processes."""
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="train so many folds at a time, each in a process and on a GPU of its own "
        "(default: 1, with all cores)",
    )
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        default=BACKENDS[0],
        help="what starts those: loky on this machine (default), ray or dask on a cluster too",
    )


def check_jobs(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """There is at least one job."""
    if args.jobs < 1:
        parser.error("--jobs must be 1 or more")
