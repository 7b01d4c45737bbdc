"""`src/ensemble.py NAME --intervals`: intervals of an ensemble that is built."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from galaxyzoo.commands.ensemble import DEFAULT, EnsembleOptions
from galaxyzoo.core import launch, paths
from galaxyzoo.core.console import print_table
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.extras import Use
from galaxyzoo.core.options import option
from galaxyzoo.data.catalog import load_catalog
from galaxyzoo.extras.intervals.intervals import LEVEL, IntervalCard, intervals_csv, make_intervals
from galaxyzoo.results import layout
from galaxyzoo.results.card import EnsembleCard
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import ensemble_name


@dataclass(frozen=True, kw_only=True)
class IntervalOptions:
    """Options of intervals."""

    intervals: float | None = option(
        f"add intervals of this coverage ({LEVEL} without a number) to an ensemble's predictions",
        nargs="?",
        const=LEVEL,
        metavar="LEVEL",
    )


def _make(options: EnsembleOptions, chosen: IntervalOptions, _: Mapping[str, Any]) -> bool:
    """Calibrate intervals of a built ensemble, write, print; False where none are asked for."""
    level = chosen.intervals
    if level is None:
        return False
    if not 0 < level < 1:
        raise InputError(f"--intervals {level:g} must lie between 0 and 1, such as {LEVEL}")
    others = options.candidates, options.imports, options.task, options.name
    if len(options.runs) > 1 or any(others):
        raise InputError("--intervals takes only a built ensemble's name and --dataset")
    dataset = layout.choose_dataset(options.dataset, COMPETITION_TASK)
    built = {folder.name: folder for folder in layout.list_ensembles(dataset, COMPETITION_TASK)}
    asked = options.runs or ([DEFAULT] if DEFAULT in built else [*built])
    if len(asked) != 1 or asked[0] not in built:
        raise InputError(
            f"--intervals needs an ensemble built on {dataset} ({', '.join(built) or 'none yet'}): "
            f"name one, or build one with `{launch.typed('ensemble')}`"
        )
    card = make_intervals(asked[0], load_catalog(dataset), level)
    path = intervals_csv(built[asked[0]])
    print_intervals(card)
    print(f"coverage by answer: {paths.shown(layout.card_path(path))}")
    page = f"{launch.typed('app')} {ensemble_name(COMPETITION_TASK, asked[0])} --dataset {dataset}"
    has_page = EnsembleCard.of(built[asked[0]]).has_networks
    made = f"{paths.shown(path)}, intervals of {level:g} around {asked[0]}"
    launch.print_done(made, page if has_page else "")
    return True


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


INTERVALS_USE = Use("intervals", IntervalOptions, _make)
