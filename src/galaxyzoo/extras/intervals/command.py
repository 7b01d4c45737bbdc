"""Add an interval to each vote fraction that a built ensemble predicts.

The intervals are calibrated on the ensemble's cross-fitted predictions, and
their coverage is measured on held-out folds.

  python3 src/intervals.py               90 % intervals of the only ensemble
  python3 src/intervals.py default 0.8   80 % intervals of `default`
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from galaxyzoo.commands.ensemble import DEFAULT
from galaxyzoo.core import launch, paths
from galaxyzoo.core.console import print_table
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.options import DatasetOptions, positional, read_options
from galaxyzoo.data.catalog import load_catalog
from galaxyzoo.ensemble import fitted
from galaxyzoo.extras.intervals.intervals import LEVEL, IntervalCard, intervals_csv, make_intervals
from galaxyzoo.results import layout
from galaxyzoo.results.card import EnsembleCard
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import ensemble_name, split_ensemble

_FRACTION = re.compile(r"0?\.\d*[1-9]\d*")  # between 0 and 1


@dataclass(frozen=True, kw_only=True)
class IntervalOptions(DatasetOptions):
    """Options of the command."""

    words: tuple[str, ...] = positional(
        f"built ensemble (if none: '{DEFAULT}', or the only one) and coverage (default: {LEVEL})",
        "[ENSEMBLE] [LEVEL]",
        nargs="*",
    )

    def __post_init__(self) -> None:
        """Refuse several ensembles or levels."""
        if len(self.levels) > 1 or len(self.ensembles) > 1:
            raise InputError(
                f"name one ensemble and one level between 0 and 1, such as {DEFAULT} {LEVEL}"
            )

    @property
    def levels(self) -> list[str]:
        """The words that are numbers between 0 and 1."""
        return [word for word in self.words if _FRACTION.fullmatch(word)]

    @property
    def ensembles(self) -> list[str]:
        """The other words."""
        return [word for word in self.words if not _FRACTION.fullmatch(word)]


def main() -> None:
    """Calibrate intervals of a built ensemble, write, print."""
    options = read_options(IntervalOptions, __doc__)
    level = LEVEL
    if options.levels:
        level = float(options.levels[0])
    dataset = layout.choose_dataset(options.dataset, COMPETITION_TASK)
    built = {folder.name: folder for folder in layout.list_ensembles(dataset, COMPETITION_TASK)}
    name = pick_ensemble(options.ensembles, list(built), dataset)
    card = make_intervals(name, load_catalog(dataset), level)
    path = intervals_csv(built[name])
    print_intervals(card)
    print(f"coverage by answer: {paths.shown(layout.card_path(path))}")
    page = ""
    if fitted.has_networks(EnsembleCard.of(built[name])):
        ensemble = ensemble_name(COMPETITION_TASK, name)
        page = f"{launch.typed('app')} {launch.quote(ensemble, '--dataset', dataset)}"
    launch.print_done(f"{paths.shown(path)}, intervals of {level:g} around {name}", page)


def pick_ensemble(named: Sequence[str], built: Sequence[str], dataset: str) -> str:
    """Choose the ensemble that is named, else the default, else the only one.

    Args:
        named: one ensemble, or none.
        built: the ensembles on the dataset.
        dataset: their dataset's name.
    Raises:
        InputError: it is not built, or there is none or no only one.
    """
    candidates = built
    if named:
        task, stem = split_ensemble(named[0])
        candidates = [stem] if task in ("", COMPETITION_TASK) else []
    elif DEFAULT in built:
        candidates = [DEFAULT]
    if len(candidates) == 1 and candidates[0] in built:
        return candidates[0]
    ensembles = f"ensemble built on {dataset} ({', '.join(built) or 'none yet'})"
    advice = f"name one, or build one with `{launch.typed('ensemble')}`"
    if named:
        raise InputError(
            f"'{named[0]}' is neither an {ensembles} nor a level between 0 and 1, such as {LEVEL}: "
            f"{advice}"
        )
    raise InputError(f"intervals need an {ensembles}: {advice}")


def print_intervals(card: IntervalCard) -> None:
    """Print coverage, width and interval score at each level."""
    table = pd.DataFrame(
        {
            "level": level,
            "coverage ± SE": f"{scores['coverage']:.4f} ± {scores['coverage_se']:.4f}",
            "width": f"{scores['width']:.4f}",
            "interval score": f"{scores['score']:.4f}",
        }
        for level, scores in card.levels.items()
    )
    print_table(f"intervals on {card.dataset}, {card.galaxies} galaxies, cross-fitted", table)
