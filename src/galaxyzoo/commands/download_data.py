"""Get the competition's files from Kaggle into input/; what is complete stays.

  bash scripts/download_data.sh
  python3 src/download_data.py --folder input/kaggle   # a subfolder, beside other datasets

Credentials are Kaggle's usual ones: ~/.kaggle/kaggle.json, KAGGLE_USERNAME and KAGGLE_KEY, or
KAGGLE_API_TOKEN. An interrupted download goes on where it stopped.
"""

import argparse
from pathlib import Path

from galaxyzoo.core import launch, outputs, paths
from galaxyzoo.download.kaggle_api import FILES, download


def main() -> None:
    """Parse, download, print."""
    folder = parse_args().folder.resolve()
    outputs.check_output("--folder", folder, is_own=Path.is_dir)
    fetched = download(folder)
    launch.print_done(
        f"{paths.shown(folder)}/ holds {len(FILES)} of {len(FILES)} files, {len(fetched)} new",
        "bash scripts/train_folds.sh --plan",
    )


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = launch.new_parser(__doc__)
    parser.add_argument("--folder", type=Path, default=paths.input_dir(), help="default: input/")
    return parser.parse_args()
