"""Search for better settings with Optuna; each trial is trained on one fold.

Trials worse than the median of earlier ones stop early. The search is saved in
folds/: rerun the command to resume until N trials are done. The best trial
becomes a config there. Its score in the search is optimistic: train the config
like any other run, and judge it by the out-of-fold score.

  python3 src/tune.py elliptical_spiral_cnn --trials 30           a first search
  python3 src/tune.py elliptical_spiral_cnn --trials 60 --jobs 2  two at a time
  python3 src/tune.py my_search.yaml --trials 20                  your own
"""

from dataclasses import MISSING, dataclass

from galaxyzoo.core import console, launch, paths
from galaxyzoo.core.options import (
    DataOptions,
    JobOptions,
    option,
    positional,
    positive,
    read_options,
)
from galaxyzoo.data.prepare import prepare


@dataclass(frozen=True, kw_only=True)
class TuneOptions(DataOptions, JobOptions):
    """Options of the command."""

    search: str = positional("search in configs/tuning/, or your own YAML file", "SEARCH")
    trials: int = option(
        "total number of trials, including earlier ones", MISSING, type=positive, metavar="N"
    )


def main() -> None:
    """Read the options, check everything, search, print, write the best trial's config."""
    options = read_options(TuneOptions, __doc__)
    from galaxyzoo.extras.tuning.search_space import Search

    search = Search.load(options.search, options.data)
    data = prepare(options.data, tasks={search.config.task})
    # Imported here, so that mistakes in arguments or files are reported before torch's slow import.
    from galaxyzoo.extras.tuning.search import Tuning

    tuning = Tuning(search, data)
    tuning.check()
    tuning.train(options.trials, options.jobs or 1, options.backend)
    path, caveat = tuning.write_best()
    console.print_text(caveat)
    config = launch.quote(paths.shown(path))
    command = f"{launch.typed('train')} {config}{launch.data_option(options.data)}"
    launch.print_done(paths.shown(path), command)
