"""Check a submission, send it to Kaggle, and show its score.

  bash scripts/submit.sh -m "three networks, stacked"
  bash scripts/submit.sh submissions/kaggle/gz37/resnet18.csv -m "ResNet18 alone" --no-wait

Only a complete submission is sent: every galaxy of the sample submission, in its order, with values
that the decision tree allows.
"""

import argparse
from pathlib import Path

from galaxyzoo.core.errors import one_line
from galaxyzoo.core.launch import new_parser, print_done
from galaxyzoo.core.paths import shown
from galaxyzoo.download.kaggle_api import connect
from galaxyzoo.download.kaggle_submission import (
    SUBMISSIONS_PAGE,
    check_file,
    describe,
    send,
    wait_for_score,
)
from galaxyzoo.results.layout import published_csv

_LONGEST_WAIT_S = 600


def main() -> None:
    """Parse, check, send, wait."""
    args = parse_args()
    path = args.file.resolve()
    check_file(path)
    api = connect()
    ref = send(api, path, args.message)
    print(one_line(f"sent {shown(path)}: {SUBMISSIONS_PAGE}"), flush=True)
    entry = None if args.no_wait else wait_for_score(api, ref, _LONGEST_WAIT_S)
    print_done(describe(entry) if entry else "no score yet: see that page later")


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = new_parser(__doc__)
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        default=published_csv(),
        metavar="FILE",
        help="default: submissions/predictions.csv",
    )
    parser.add_argument("-m", "--message", required=True, help="its description on Kaggle")
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the score")
    return parser.parse_args()
