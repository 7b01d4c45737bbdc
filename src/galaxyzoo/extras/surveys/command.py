"""`src/predict.py IMAGES --output FOLDER/`: a survey of any size."""

import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from galaxyzoo.commands import predict
from galaxyzoo.core import console, launch, manifest, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.extras import Use
from galaxyzoo.core.options import option, positive
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.catalog import task_of
from galaxyzoo.extras.formats.fits import TITLE
from galaxyzoo.extras.surveys import COLUMN_NAMES, FEATURES, INTERVALS, SPREAD, TABLE_FORMATS
from galaxyzoo.tasks.registry import find_column

_RANK_NEEDS = {"disagreement": SPREAD, "width": INTERVALS}  # by -> extra


@dataclass(frozen=True, kw_only=True)
class SurveyOptions:
    """Options of output folders."""

    part_size: int = option(
        "galaxies per part of an output folder (default: 8192)", 8192, type=positive, metavar="N"
    )
    extras: tuple[Literal["spread", "features", "intervals"], ...] = option(
        "extra columns for an output folder, comma-separated: spread (standard deviation between "
        "the folds' networks), features (input of the first fold's head; the bundled networks "
        "always write them to the parts, but to --table only if you name them here), intervals "
        "(bounds that contain the vote fraction of 90 %% of galaxies like the training galaxies)",
        (),
        "--with",
        metavar="EXTRA",
    )
    keep: tuple[str, ...] = option(
        "columns of a list or Parquet file to copy into an output folder, comma-separated; the "
        "position is always copied, as ra and dec, if all tables have one",
        (),
        metavar="COLUMN",
    )
    rank: str | None = option(
        "also write a page of an output folder's top galaxies by disagreement (--with spread), "
        "width (--with intervals), or an answer or class such as odd or Class6.1",
        metavar="BY",
    )
    top: int = option("galaxies on the --rank page (default: 100)", 100, type=positive, metavar="N")
    table: Path | None = option(
        "also write an output folder as one table (.fits, .vot, .ecsv or .parquet) with each "
        "column's description, unit and UCD",
        metavar="FILE",
    )
    names: str | None = option(
        "column names of --table: Class1.1, t01_smooth_or_features_a01_smooth or "
        f"smooth_or_features_smooth; TOPCAT and ADQL reject dots (default: {COLUMN_NAMES[0]})",
        choices=COLUMN_NAMES,
    )

    def __post_init__(self) -> None:
        """Refuse what lacks another option, or is no table."""
        if self.names and not self.table:
            raise InputError("--names needs --table, such as --table votes.fits")
        needed = _RANK_NEEDS.get(self.rank or "")
        if needed and needed not in self.extras:
            raise InputError(f"--rank {self.rank}: add --with {needed}")
        if self.table and self.table.suffix not in TABLE_FORMATS:
            formats = ", ".join(TABLE_FORMATS)
            raise InputError(f"--table {paths.shown(self.table)} must end in one of {formats}")


def _make(options: predict.PredictOptions, survey: SurveyOptions, read: Mapping[str, Any]) -> bool:
    """Predict into a folder, or a table for astronomers; False where a plain table is wanted."""
    suffix = options.path.suffix
    if not options.is_job and suffix in TABLE_FORMATS and suffix != ".parquet":
        if survey.table:
            raise InputError("--table needs an output folder, but --output is already a table")
        with tempfile.TemporaryDirectory() as folder:
            job = replace(options, output=f"{folder}/votes/")
            return _make_job(job, replace(survey, table=options.path), read, is_table=True)
    if options.is_job:
        return _make_job(options, survey, read)
    given = {"rank": survey.rank, "with": survey.extras, "table": survey.table, "keep": survey.keep}
    for name, value in given.items():
        if value:
            raise InputError(f"--{name} needs an output folder: add --output votes/")
    return False


def _make_job(
    options: predict.PredictOptions,
    survey: SurveyOptions,
    read: Mapping[str, Any],
    is_table: bool = False,
) -> bool:
    """Predict into a folder of parts and rank the galaxies, or write the one table out of it."""
    output, by = options.path, survey.rank
    # Its own check knows the files of a job.
    paths.check_output("--output", output, options.images, Path.is_dir)
    # Only now, or mistakes and --help wait for torch.
    from galaxyzoo.ensemble.model_listing import pick_predictor

    dataset, name = pick_predictor(options.predictor, options.dataset)
    task = task_of(name)
    from galaxyzoo.ensemble.load_model import describe, load_predictor
    from galaxyzoo.extras.surveys.images import SurveyImages
    from galaxyzoo.extras.surveys.ranking import order_by, write_ranking
    from galaxyzoo.extras.surveys.survey import ERRORS, Survey

    if by and by not in _RANK_NEEDS:
        by = task.columns[find_column(task, by, "--rank")]
    bounds, views = None, options.views
    if INTERVALS in survey.extras:
        if views and dataset != BUNDLED:
            raise InputError(
                "--with intervals cannot be combined with --views: intervals are calibrated for "
                "the views in the run's config"
            )
        from galaxyzoo.extras.intervals.intervals import load_intervals

        bounds = load_intervals(dataset, name).bounds
    if dataset == BUNDLED:
        views = views or 1  # docs/intervals.md has the coverage in one view
    extras = survey.extras if is_table else pick_extras(survey.extras, dataset, output)
    load = partial(load_predictor, dataset, name, options.folds, views)
    survey_images = SurveyImages(tuple(options.images), survey.part_size, read[TITLE], survey.keep)
    prior, table = predict.prior_of(dataset, task), survey.table
    names = survey.names or COLUMN_NAMES[0]
    job = Survey(output, name, load, survey_images, prior, extras, bounds)
    job.check(table, names, "--output" if is_table else "--table")
    print(job.cost)
    notes = job.run(options.jobs or 1, options.backend)
    if lost := notes["errors"]:
        print(f"skipped {console.count(lost, 'unreadable image')}, listed in {ERRORS}")
    predict.print_left_out(survey_images.left_out, notes["rows"])
    if table:
        order = partial(order_by, list(task.columns), by) if by else None
        # Not those that were added for the label page, which reads the parts: 640 bytes a galaxy
        job.write_table(table, names, order, has_features=FEATURES in survey.extras)
        if not is_table:
            print(f"table: {paths.shown(table.resolve())}")
    if by and not is_table:
        print(f"ranking: {paths.shown(write_ranking(job, by, survey.top).resolve())}")
    made, next_command = f"{paths.shown(output.resolve())}/", predict.meaning(task)
    if table and is_table:
        made = paths.shown(table.resolve())
    elif FEATURES in extras:
        next_command = f"{launch.typed('app')} --label {shlex.quote(made.removesuffix('/'))}"
    count = console.count(notes["rows"], "image")
    launch.print_done(f"{made}, {count}, {describe(job.predictor)}", next_command)
    return True


def pick_extras(given: tuple[str, ...], dataset: str, folder: Path) -> tuple[str, ...]:
    """Add features to the extras asked for, by the bundled networks: a survey is to be labeled.

    A job that was begun without them goes on without them.
    """
    path, begun = folder / paths.SURVEY_JOB, FEATURES
    if path.exists():
        begun = manifest.read_sealed(path, "choose a new folder")["made_by"]["extras"]
    is_added = dataset == BUNDLED and FEATURES not in given and FEATURES in begun
    return (*given, FEATURES) if is_added else given


SURVEY_USE = Use("output folders", SurveyOptions, _make)
