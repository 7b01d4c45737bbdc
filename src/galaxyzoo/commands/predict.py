"""Predict galaxies: folders, zips or image files -> one table, or a folder of Parquet parts.

IMAGES are folders, zips and files of JPEG and PNG, archives and lists: HDF5 and .npz
(arrays `images` and `ids`), Parquet (columns `image` and `id`), CSV or Parquet lists (column
`path`). Folders, zips and lists may hold FITS cut-outs too, which the options below turn into
pictures.

RUN is a trained run, whose folds' models and views are averaged as for the test set, or an
ensemble. Without it the best out-of-fold score decides, among the networks in weights/ (dataset
`bundled`) and the runs and ensembles trained on as many real galaxies or more. Networks of the demo
set need `--dataset demo`.

  python3 src/predict.py my_galaxies/
  python3 src/predict.py ensemble:default my_galaxies/
  python3 src/predict.py ensemble:hubble10/all my_galaxies/
  python3 src/predict.py gz37/mobilenetv2 images.zip --output votes.csv
  python3 src/predict.py gz37/mobilenetv2 a.jpg b.jpg --dataset demo
  python3 src/predict.py survey/ --output votes/ --jobs 2

An output without a suffix, or with a slash at its end, is a folder for many galaxies: each part is
whole or absent, and each image is in one part or among the errors. After a kill the same command
continues, also on several machines that share the folder.
"""

import importlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from galaxyzoo.config.names import BUNDLED, COLUMN_NAMES, TABLE_FORMATS
from galaxyzoo.core import launch, outputs, paths
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.options import (
    DatasetOptions,
    JobOptions,
    fold_numbers,
    option,
    positional,
    positive,
    read_groups,
)
from galaxyzoo.data.catalog import load_catalog
from galaxyzoo.data.stores.base import ImageStore
from galaxyzoo.data.stores.fits import FitsSettings
from galaxyzoo.data.stores.opening import open_stores
from galaxyzoo.io.tables import TABLE_SUFFIXES, plain_cell, read_table, write_predictions
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.kinds import COMPETITION_TASK, Task
from galaxyzoo.tasks.registry import find_column, find_task, is_ensemble, task_name, task_of

_RANK_NEEDS = {"disagreement": "spread", "width": "intervals"}  # by -> extra


def columns_in_words() -> str:
    """The eleven questions, each with the columns of its answers, one a line."""
    lines = []
    for question in GALAXY_ZOO_2.questions:
        asked = f"after {question.parent}" if question.parent else "asked of everyone"
        lines.append(f"{question.number}. {question.text} ({asked})")
        answers = zip(question.columns, question.answers, strict=True)
        lines += [f"   {column:10} {answer}" for column, answer in answers]
    return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class PredictOptions(DatasetOptions, JobOptions):
    """Options of the command; those of surveys and of FITS cut-outs are groups of their own."""

    words: tuple[str, ...] = positional(
        "predictor (default: the best one), then folders, zips, images, archives or lists",
        "[RUN|ensemble:NAME] IMAGES",
        nargs="+",
    )
    output: str = option(
        "a table, .csv or .parquet, or a folder for many galaxies, such as votes/ (default: "
        "predictions.csv here)",
        "predictions.csv",
    )
    folds: tuple[int, ...] | None = option(
        "use the networks of these folds only, such as 0", type=fold_numbers, metavar="FOLDS"
    )
    views: Literal[1, 8] | None = option(
        "orientations of each image (default: each run's own; 1 for a folder by the networks in "
        "weights/, which gain nothing from more, but 8 with intervals)"
    )
    columns: bool = option(
        "print what each column means", False, action="version", version=columns_in_words()
    )

    @property
    def is_job(self) -> bool:
        """Check whether the output is a folder: it ends with a slash or has no suffix."""
        return self.output.endswith("/") or not self.path.suffix

    @property
    def path(self) -> Path:
        """The output."""
        return Path(self.output)


@dataclass(frozen=True, kw_only=True)
class SurveyOptions:
    """Options of output folders."""

    part_size: int = option(
        "most galaxies in a part of an output folder", 8192, type=positive, metavar="N"
    )
    extras: tuple[Literal["spread", "features", "intervals"], ...] = option(
        "more columns in an output folder, with commas between them; spread: standard deviation "
        "between the folds' networks; features: input of the first fold's head; intervals: two "
        "bounds around each vote fraction that hold 90 %% of galaxies like the training ones",
        (),
        "--with",
        metavar="EXTRA",
    )
    keep: tuple[str, ...] = option(
        "columns of a list or Parquet file, to stand in each row of such a folder, with "
        "commas between them; ra and dec also by the headers of FITS cut-outs (default: ra and "
        "dec, where tables have both)",
        (),
        metavar="COLUMN",
    )
    rank: str | None = option(
        "add a page of the first galaxies to an output folder, ranked by disagreement (needs "
        "spread), width (needs intervals) or an answer or class, such as odd or Class6.1",
        metavar="BY",
    )
    top: int = option("galaxies on that page", 100, type=positive, metavar="N")
    table: Path | None = option(
        "also write an output folder as one table, .fits, .vot, .ecsv or .parquet, with "
        "description, unit and UCD of each column",
        metavar="FILE",
    )
    names: str | None = option(
        "column names in that table: Class1.1, t01_smooth_or_features_a01_smooth or "
        f"smooth_or_features_smooth; TOPCAT and ADQL take no dot (default: {COLUMN_NAMES[0]})",
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
            raise InputError(f"--table {paths.shown(self.table)} ends with none of {formats}")

    @property
    def first(self) -> str:
        """The first option given that needs a folder; empty where there is none."""
        given = {"rank": self.rank, "with": self.extras, "table": self.table, "keep": self.keep}
        return next((f"--{name}" for name, value in given.items() if value), "")


def main() -> None:
    """Read the options, then predict into a table or a folder of parts."""
    groups = {"output folders": SurveyOptions, "FITS cut-outs": FitsSettings}
    options, read = read_groups(PredictOptions, groups, __doc__)
    survey, fits = read.values()
    name, images = split_name_and_images(options.words)
    check_paths(options, survey, images)
    # Only now, and torch in the functions below, or mistakes and --help wait for them.
    from galaxyzoo.ensemble.predictors import choose_default, find_predictor

    if name is None:
        best, line = choose_default(options.dataset)
        dataset, name = best.dataset, best.name
        print(line)
    else:
        dataset, name = find_predictor(name, options.dataset)
    if options.is_job:
        write_job(options, survey, fits, dataset, name, images)
    else:
        write_table(options, fits, dataset, name, images)


def check_paths(options: PredictOptions, survey: SurveyOptions, images: list[Path]) -> None:
    """Refuse missing inputs, outputs that are not tables or replace images, misplaced options."""
    for path in images:
        if not path.exists():
            raise InputError(f"{paths.shown(path)} is missing")
    if survey.first and not options.is_job:
        raise InputError(f"{survey.first} needs a folder: add --output votes/")
    output = options.path
    if output.suffix.lower() == ".parquet":
        importlib.import_module("pyarrow")  # which pandas would miss after the work
    if options.is_job:  # whose own check knows the files of a job
        outputs.check_output("--output", output, images, Path.is_dir)
    elif output.is_dir() or output.suffix.lower() not in TABLE_SUFFIXES:
        raise InputError(
            f"--output {paths.shown(output)} is not a table ({', '.join(TABLE_SUFFIXES)}): name a "
            "file such as votes.csv, or a folder with a slash at its end"
        )


def is_own(path: Path, task: Task, stores: Sequence[ImageStore]) -> bool:
    """Check whether a table holds predictions of a task for the same images, or some of them."""
    from galaxyzoo.inference.images import IdColumn

    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = read_table(path, texts=None)
    except (InputError, OSError, ValueError):
        return False
    labels = IdColumn.of(stores)
    names = {plain_cell(str(labels[name])) for store in stores for name in store.names.values()}
    columns = [labels.column, *task.decision_columns, *task.columns]
    return [*table.columns] == columns and names.issuperset(table[labels.column].map(str))


def write_table(
    options: PredictOptions, fits: FitsSettings, dataset: str, name: str, images: list[Path]
) -> None:
    """Predict into one table."""
    from galaxyzoo.ensemble.networks import describe, load_predictor
    from galaxyzoo.inference.predict import predict_stores

    task, output = task_of(name), options.path
    prior = prior_of(dataset, task)

    def is_earlier(path: Path) -> bool:
        return is_own(path, task, open_stores(images, fits))

    outputs.check_output("--output", output, images, is_earlier)
    predictor = load_predictor(dataset, name, options.folds, options.views)
    predictions, unreadable = predict_stores(predictor, images, fits)
    write_predictions(output, predictor.task.with_decision(predictions, prior))
    print_left_out(unreadable, len(predictions))
    count = f"{len(predictions):,} images, {describe(predictor)}"
    launch.print_done(f"{paths.shown(output.resolve())}, {count}", _meaning(predictor.task))


def write_job(
    options: PredictOptions,
    survey: SurveyOptions,
    fits: FitsSettings,
    dataset: str,
    name: str,
    images: list[Path],
) -> None:
    """Predict into a folder of parts, and rank the galaxies."""
    from galaxyzoo.ensemble.networks import describe, load_intervals, load_predictor
    from galaxyzoo.inference.images import SurveyImages
    from galaxyzoo.inference.survey import ERRORS, INTERVALS, Survey
    from galaxyzoo.reports.ranking import write_ranking

    task, output, by = task_of(name), options.path, survey.rank
    if by and by not in _RANK_NEEDS:
        by = task.columns[find_column(task, by, "--rank")]
    bounds, views = None, options.views
    if INTERVALS in survey.extras:
        if views:
            raise InputError(
                "--with intervals goes without --views: intervals are calibrated for the views of "
                "the run's config"
            )
        bounds = load_intervals(dataset, name).bounds
    elif dataset == BUNDLED:
        views = views or 1  # its five networks gain nothing from more (docs/lab/performance.md)
    load = partial(load_predictor, dataset, name, options.folds, views)
    survey_images = SurveyImages(tuple(images), survey.part_size, fits, survey.keep)
    prior, table, names = prior_of(dataset, task), survey.table, survey.names or COLUMN_NAMES[0]
    job = Survey(output, name, load, survey_images, prior, survey.extras, bounds)
    job.check(table, names)
    if table:
        job.check_free(table)
    manifest = job.run(options.jobs or 1, options.backend)
    if lost := manifest["errors"]:
        print(f"left out {lost:,} images that cannot be read: {ERRORS}")
    print_left_out(survey_images.left_out, manifest["rows"])
    if table:
        job.write_table(table, names)
        print(f"table: {paths.shown(table.resolve())}")
    if by:
        print(f"ranking: {paths.shown(write_ranking(job, by, survey.top).resolve())}")
    count, folder = f"{manifest['rows']:,} images, {describe(job.predictor)}", output.resolve()
    label = f"{launch.typed('app')} --label {shlex.quote(paths.shown(folder))}"
    launch.print_done(
        f"{paths.shown(folder)}/, {count}",
        label if "features" in survey.extras else _meaning(task),
    )


def _meaning(task: Task) -> str:
    """Command that explains the columns of vote fractions; other columns explain themselves."""
    return f"{launch.typed('predict')} --columns" if task.name == COMPETITION_TASK else ""


def prior_of(dataset: str, task: Task) -> np.ndarray:
    """(column,) means of the training targets, by which classes are decided."""
    if dataset == BUNDLED:  # comes without its galaxies; those of votes have no use of a prior
        return np.full(len(task.columns), 1 / len(task.columns))
    return load_catalog(dataset).for_task(task).targets(task.name).mean(axis=0)


def print_left_out(images: list[tuple[str, str]], rest: int) -> None:
    """Print the name and reason of each image without a prediction, beside `rest` with one."""
    if images:
        print(f"left out {len(images):,} of {rest + len(images):,} images:")
    for image, why in images:
        print(one_line(f"  {image}: {why}"))


def split_name_and_images(arguments: Sequence[str]) -> tuple[str | None, list[Path]]:
    """Split arguments into the predictor's name, if the first is one, and the images."""
    first = arguments[0]
    is_name = is_ensemble(first) or find_task(task_name(first)) is not None
    if not is_name or Path(first).exists():
        return None, [Path(word) for word in arguments]
    if len(arguments) == 1:
        raise InputError(f"{first} is not followed by images: name some, such as my_galaxies/")
    return first, [Path(word) for word in arguments[1:]]
