"""Search for better settings of a recipe with Optuna; each trial is trained on one fold.

Trials that are worse than the median of the earlier ones end early. The search is kept in folds/:
the same command continues until N trials are done; interrupted ones run again. The best trial
becomes a config beside them. Its own score is optimistic: train the config like any other run, and
judge it by the out-of-fold score.

  python3 src/tune.py elliptical_spiral_cnn --trials 30           configs/tuning/<name>.yaml
  python3 src/tune.py elliptical_spiral_cnn --trials 60 --jobs 2  30 more, two at a time
  python3 src/tune.py my_search.yaml --trials 20                  a search of your own
"""

import argparse
import shlex

from galaxyzoo.core.launch import new_parser, print_done, with_data
from galaxyzoo.core.paths import shown
from galaxyzoo.data.prepare import prepare


def main() -> None:
    """Parse, check everything, search, print, write the best trial's config."""
    args = parse_args()
    from galaxyzoo.tuning.search_space import Search

    search = Search.load(args.search)
    data = prepare(args.data, tasks={search.config.task})
    # Imported here, so that mistakes in arguments or files are reported before torch's slow import.
    from galaxyzoo.tuning.search import Tuning

    tuning = Tuning(search, data)
    tuning.check()
    tuning.train(args.trials, args.jobs, args.backend)
    path, caveat = tuning.write_best()
    print(caveat)
    command = f"python3 src/train.py {shlex.quote(shown(path))}"
    print_done(shown(path), with_data(command, args.data))


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = new_parser(__doc__, "--data", "--jobs", "--backend")
    parser.add_argument(
        "search", metavar="SEARCH", help="such as configs/tuning/elliptical_spiral_cnn.yaml"
    )
    parser.add_argument(
        "--trials", type=int, required=True, metavar="N", help="continue until N are done"
    )
    args = parser.parse_args()
    if args.trials < 1:
        parser.error("--trials must be 1 or more")
    return args
