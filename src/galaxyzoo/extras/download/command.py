"""Download the competition's files from Kaggle into input/; skip complete ones.

  bash scripts/download_data.sh
  python3 src/download_data.py --folder input/kaggle   # beside other datasets

Credentials are Kaggle's usual ones: ~/.kaggle/kaggle.json, KAGGLE_USERNAME and
KAGGLE_KEY, or KAGGLE_API_TOKEN. An interrupted download resumes.
"""

from dataclasses import dataclass
from pathlib import Path

from galaxyzoo.core import launch, options, paths
from galaxyzoo.extras.download.kaggle_api import ZIPS, download


@dataclass(frozen=True, kw_only=True)
class DownloadOptions:
    """Options of the command."""

    folder: Path | None = options.option("default: input/", metavar="FOLDER")


def main() -> None:
    """Parse, download, print."""
    folder = options.read_options(DownloadOptions, __doc__).folder or paths.input_dir()
    folder = folder.resolve()
    paths.check_output("--folder", folder, is_own=Path.is_dir)
    fetched = download(folder)
    launch.print_done(
        f"{paths.shown(folder)}/ has all {len(ZIPS)} files ({len(fetched)} new)",
        f"{launch.typed('train_folds')} --plan",
    )
