"""Predict millions of images into a folder of Parquet parts.

The last word is the folder to write. Every image is in one part or in the list
of errors. Rerun the command to resume; several machines can share one folder.
RUN and IMAGES are those of src/predict.py, whose --help describes them. A table
(.fits, .vot, .ecsv or .parquet) in place of the folder is written alone; it
cannot be resumed.

  python3 src/survey.py survey/ votes/
  python3 src/survey.py ensemble:default zips/ votes/ --jobs 2
  python3 src/survey.py list.csv votes/ --table votes/votes.fits --names words
  python3 src/survey.py survey/ ranked/ --with spread --rank disagreement
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from galaxyzoo.commands import predict
from galaxyzoo.core import console, launch, manifest, paths
from galaxyzoo.core.errors import InputError, advise
from galaxyzoo.core.options import (
    JobOptions,
    option,
    positional,
    positive,
    read_options,
    select,
)
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.catalog import task_of
from galaxyzoo.data.stores.opening import with_settings
from galaxyzoo.extras.formats.fits import FitsSettings
from galaxyzoo.extras.surveys import (
    COLUMN_NAMES,
    FEATURES,
    INTERVALS,
    JOB,
    RANK_NEEDS,
    SPREAD,
    TABLE_FORMATS,
    table_format,
)
from galaxyzoo.tasks.registry import find_column

if TYPE_CHECKING:
    from galaxyzoo.extras.surveys.survey import Survey
    from galaxyzoo.inference.predict import Predictor


@dataclass(frozen=True, kw_only=True)
class SurveyOptions(JobOptions, predict.ImageOptions):
    """Options of the command."""

    words: tuple[str, ...] = positional(
        "run or ensemble (default: the best); folders, zips, images, files of many images, or "
        "lists; and the folder to write",
        "[RUN|ensemble:NAME] IMAGES FOLDER",
        nargs="+",
    )
    views: Literal[1, 8] | None = option(
        "orientations of each image to average (default: as in each run's config; 1 for the "
        "bundled networks and their student: faster, nearly as accurate)"
    )
    part_size: int = option("galaxies per part (default: 8192)", 8192, type=positive, metavar="N")
    extras: tuple[Literal["spread", "features", "intervals"], ...] = option(
        "extra columns: spread (standard deviation between the folds' networks), features (input "
        "of the head of the first fold's network; the bundled networks write them to "
        "the parts anyway, but to --table only with this), intervals (which contain the vote "
        "fraction of 90 %% of galaxies like the training galaxies)",
        (),
        "--with",
        metavar="EXTRA",
    )
    keep: tuple[str, ...] = option(
        "columns of a list or Parquet file to copy; ra and dec are always copied if all have them",
        (),
        metavar="COLUMN",
    )
    rank: str | None = option(
        "also write a page of the top galaxies by disagreement (--with spread), width (--with "
        "intervals), or an answer or class such as odd or Class6.1",
        metavar="BY",
    )
    top: int = option(
        "galaxies on the --rank page (default: 100)", 100, needs="rank", type=positive, metavar="N"
    )
    table: Path | None = option(
        "also write one table (.fits, .vot, .ecsv or .parquet) with each column's description, "
        "unit and UCD",
        metavar="FILE",
    )
    names: str | None = option(
        "column names of the table: Class1.1, t01_smooth_or_features_a01_smooth or "
        f"smooth_or_features_smooth; TOPCAT and ADQL reject dots (default: {COLUMN_NAMES[0]})",
        choices=COLUMN_NAMES,
    )

    def __post_init__(self) -> None:
        """Refuse what lacks another option, or is no table."""
        if len(self.files) < 2:
            raise InputError(
                f"after {self.words[-1]}, name the folder to write: IMAGES FOLDER, such as "
                "my_galaxies/ votes/"
            )
        if self.is_table and not table_format(self.output):
            raise InputError(
                f"{paths.shown(self.output)} is neither a folder to write, such as votes/, nor a "
                f"table ({', '.join(TABLE_FORMATS)})"
            )
        for_folders = self.top != SurveyOptions.top or self.part_size != SurveyOptions.part_size
        if self.is_table and (self.table or for_folders):
            raise InputError(
                "--table, --top and --part-size need a folder, but the last word is a table"
            )
        if self.names and not (self.table or self.is_table):
            raise InputError("--names needs --table, such as --table votes.fits")
        needed = RANK_NEEDS.get(self.rank or "")
        if needed and needed not in self.extras:
            raise InputError(f"--rank {self.rank}: add --with {needed}")
        if self.table and not table_format(self.table):
            formats = ", ".join(TABLE_FORMATS)
            raise InputError(f"--table {paths.shown(self.table)} must end in one of {formats}")

    @property
    def images(self) -> list[Path]:
        """Folders, zips and files to predict."""
        return self.files[:-1]

    @property
    def output(self) -> Path:
        """Folder or table to write."""
        return self.files[-1]

    @property
    def is_table(self) -> bool:
        """Check whether the last word is a table: it has a suffix and no final slash."""
        return bool(self.output.suffix) and not self.words[-1].endswith("/")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the options, then predict into a folder, or into a table alone.

    Args:
        arguments: default those typed.
    """
    options = read_options(with_settings(SurveyOptions), __doc__, arguments)
    predict.check_images(options.images)
    if options.is_table:
        try:
            with tempfile.TemporaryDirectory() as folder:
                predict_survey(options, Path(folder, "votes"))
        except KeyboardInterrupt:
            raise InputError(
                "stopped, and nothing is kept: a survey that can be resumed goes into a folder, "
                f"such as votes/ --table {launch.quote(paths.shown(options.output))}"
            ) from None
    else:
        predict_survey(options, options.output)


def predict_survey(options: SurveyOptions, folder: Path) -> None:
    """Predict into a folder of parts; rank the galaxies, and write one table of them."""
    # Its own check knows the files of a job.
    paths.check_output("FOLDER", folder, options.images, Path.is_dir)
    # Only now, or mistakes and --help wait for torch.
    from galaxyzoo.ensemble.model_listing import pick_predictor

    dataset, name = pick_predictor(options.predictor, options.dataset)
    task = task_of(name)
    by = options.rank
    if by and by not in RANK_NEEDS:
        by = task.columns[find_column(task, by, "--rank")]
    from galaxyzoo.extras.surveys.one_table import write_one_table
    from galaxyzoo.extras.surveys.ranking import score_rows, write_ranking
    from galaxyzoo.extras.surveys.survey import ERRORS
    from galaxyzoo.inference.load_model import describe

    job = make_job(options, folder, dataset, name)
    table = options.table
    table_option = "--table"
    if options.is_table:
        table = options.output
        table_option = "TABLE"
    style = options.names or COLUMN_NAMES[0]
    # Not those that were added for the label page, which reads the parts: 640 bytes a galaxy
    has_features = FEATURES in options.extras
    job.check(table, style, table_option, has_features)
    if job.predictor.galaxies:
        print(predict.OF_STUDENT)
    print(job.cost)
    notes = job.run(options.jobs or 1, options.backend)
    left_out = job.images.left_out
    n_others = notes["rows"]
    if options.is_table:  # the list of errors goes with the folder
        left_out += pd.read_parquet(folder / ERRORS).to_records(index=False).tolist()
    elif notes["errors"]:
        print(f"skipped {console.count(notes['errors'], 'unreadable image')}, listed in {ERRORS}")
        n_others += notes["errors"]
    predict.print_left_out(left_out, n_others)
    if not notes["rows"]:
        raise InputError(f"{paths.shown(options.output)}: no image can be read")
    if table:
        score = partial(score_rows, list(task.columns), by) if by else None
        parts = [job.part_path(part) for part in job.images.parts]
        write_one_table(table, parts, style, score, has_features)
    summary = f"{console.count(notes['rows'], 'image')}, {describe(job.predictor)}"
    output = paths.shown(options.output.resolve())
    next_command = predict.meaning(task)
    if options.is_table:
        launch.print_done(f"{output}, {summary}", next_command)
        return
    if table:
        print(f"table: {paths.shown(table.resolve())}")
    if by:
        print(f"ranking: {paths.shown(write_ranking(job, by, options.top).resolve())}")
    if FEATURES in job.extras:
        next_command = f"{launch.typed('label')} {launch.quote(output)}"
    launch.print_done(f"{output}/, {summary}", next_command)


def make_job(options: SurveyOptions, folder: Path, dataset: str, name: str) -> "Survey":
    """The job of a run or ensemble, with the views, extra columns and intervals that it takes."""
    from galaxyzoo.extras.surveys.images import SurveyImages
    from galaxyzoo.extras.surveys.survey import Survey, choose_networks
    from galaxyzoo.inference.load_model import load_predictor

    predict.check_networks(options, dataset, name)
    views = options.views
    bounds = None
    if INTERVALS in options.extras:
        if views and dataset != BUNDLED:
            raise InputError(
                "--with intervals cannot be combined with --views: intervals are calibrated for "
                "the views in the run's config"
            )
        from galaxyzoo.extras.intervals.intervals import load_intervals

        bounds = load_intervals(dataset, name).bounds
    if dataset == BUNDLED:
        views = views or 1  # docs/intervals.md has the coverage in one view
    extras: tuple[str, ...] = options.extras
    if not options.is_table:
        extras = pick_extras(extras, dataset, folder)
    load: Callable[[], Predictor] = partial(load_predictor, dataset, name, options.folds, views)
    # One network has no spread, and intervals are calibrated for the mean of five
    may_be_one = options.networks is None and not {SPREAD, INTERVALS} & set(extras)
    if dataset == BUNDLED and may_be_one:
        student = partial(load_predictor, dataset, name, options.folds, views, by_student=True)
        name, load = choose_networks(folder, student, load)
    fits = select(predict.settings_of(dataset, options), FitsSettings)
    images = SurveyImages(tuple(options.images), options.part_size, fits, options.keep)
    prior = predict.prior_of(dataset, task_of(name))
    return Survey(folder, name, load, images, prior, extras, bounds)


def pick_extras(given: tuple[str, ...], dataset: str, folder: Path) -> tuple[str, ...]:
    """Add features to the extras asked for, by the bundled networks: a survey is to be labeled.

    A job that was begun without them goes on without them, and in the order that it was begun with.
    """
    path = folder / JOB
    begun = [FEATURES]
    if path.exists():
        with advise("choose a new folder"):
            begun = manifest.read_sealed(path)["made_by"]["extras"].split(", ")
    picked = list(dict.fromkeys(given))
    if dataset == BUNDLED and FEATURES in begun and FEATURES not in picked:
        picked.append(FEATURES)
    return tuple(begun if set(begun) == set(picked) else picked)
