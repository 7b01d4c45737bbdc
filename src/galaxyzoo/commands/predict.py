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

import argparse
import importlib
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.config.names import BUNDLED, COLUMN_NAMES, TABLE_FORMATS
from galaxyzoo.core import launch, outputs, paths
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.data.catalog import load_catalog
from galaxyzoo.data.stores.base import ImageStore
from galaxyzoo.data.stores.fits import STRETCHES, FitsSettings
from galaxyzoo.data.stores.opening import open_stores
from galaxyzoo.io.tables import TABLE_SUFFIXES, plain_cell, read_table, write_predictions
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.kinds import COMPETITION_TASK, Task
from galaxyzoo.tasks.registry import find_column, find_task, is_ensemble, task_name, task_of

_RANK_NEEDS = {"disagreement": "spread", "width": "intervals"}  # by -> extra


def main() -> None:
    """Parse, then predict into a table or a folder of parts."""
    args = parse_args()
    name, images = split_name_and_images(args.words)
    is_job = is_folder(args.output)
    args.output = Path(args.output)
    check_paths(args, images, is_job)
    # Only now, and torch in the functions below, or mistakes and --help wait for them.
    from galaxyzoo.ensemble.predictors import choose_default, find_predictor

    if name is None:
        best, line = choose_default(args.dataset)
        dataset, name = best.dataset, best.name
        print(line)
    else:
        dataset, name = find_predictor(name, args.dataset)
    if args.rank and args.rank not in _RANK_NEEDS:
        task = task_of(name)
        args.rank = task.columns[find_column(task, args.rank, "--rank")]
    write = write_job if is_job else write_table
    write(args, dataset, name, images)


def is_folder(output: str) -> bool:
    """Check whether an output is a folder: it ends with a slash or has no suffix."""
    return output.endswith("/") or not Path(output).suffix


def check_paths(args: argparse.Namespace, images: list[Path], is_job: bool) -> None:
    """Refuse missing inputs, outputs that are not tables or replace images, misplaced options."""
    for path in images:
        if not path.exists():
            raise InputError(f"{paths.shown(path)} is missing")
    options = {
        "--rank": args.rank,
        "--with": args.extras,
        "--table": args.table,
        "--keep": args.keep,
    }
    given = [name for name, value in options.items() if value]
    if given and not is_job:
        raise InputError(f"{given[0]} needs a folder: add --output votes/")
    if args.names and not args.table:
        raise InputError("--names needs --table, such as --table votes.fits")
    needed = _RANK_NEEDS.get(args.rank)
    if needed and needed not in args.extras:
        raise InputError(f"--rank {args.rank}: add --with {needed}")
    if args.table and args.table.suffix not in TABLE_FORMATS:
        raise InputError(
            f"--table {paths.shown(args.table)} ends with none of {', '.join(TABLE_FORMATS)}"
        )
    output = args.output
    if output.suffix.lower() == ".parquet":
        importlib.import_module("pyarrow")  # which pandas would miss after the work
    if is_job:  # whose own check knows the files of a job
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


def write_table(args: argparse.Namespace, dataset: str, name: str, images: list[Path]) -> None:
    """Predict into one table."""
    from galaxyzoo.ensemble.networks import describe, load_predictor
    from galaxyzoo.inference.predict import predict_stores

    task, fits = task_of(name), fits_settings(args)
    prior = prior_of(dataset, task)

    def is_earlier(path: Path) -> bool:
        return is_own(path, task, open_stores(images, fits))

    outputs.check_output("--output", args.output, images, is_earlier)
    predictor = load_predictor(dataset, name, args.folds, args.views)
    predictions, unreadable = predict_stores(predictor, images, fits)
    write_predictions(args.output, predictor.task.with_decision(predictions, prior))
    print_left_out(unreadable, len(predictions))
    count = f"{len(predictions):,} images, {describe(predictor)}"
    launch.print_done(f"{paths.shown(args.output.resolve())}, {count}", _meaning(predictor.task))


def write_job(args: argparse.Namespace, dataset: str, name: str, images: list[Path]) -> None:
    """Predict into a folder of parts, and rank the galaxies."""
    from galaxyzoo.ensemble.networks import describe, load_intervals, load_predictor
    from galaxyzoo.inference.images import SurveyImages
    from galaxyzoo.inference.survey import ERRORS, INTERVALS, Survey
    from galaxyzoo.reports.ranking import write_ranking

    bounds, views = None, args.views
    if INTERVALS in args.extras:
        if views:
            raise InputError(
                "--with intervals goes without --views: intervals are calibrated for the views of "
                "the run's config"
            )
        bounds = load_intervals(dataset, name).bounds
    elif dataset == BUNDLED:
        views = views or 1  # its five networks gain nothing from more (docs/lab/performance.md)
    load = partial(load_predictor, dataset, name, args.folds, views)
    survey_images = SurveyImages(
        tuple(images), args.part_size, fits_settings(args), tuple(args.keep)
    )
    prior = prior_of(dataset, task_of(name))
    job = Survey(args.output, name, load, survey_images, prior, tuple(args.extras), bounds)
    job.check(args.table, args.names or COLUMN_NAMES[0])
    if args.table:
        job.check_free(args.table)
    manifest = job.run(args.jobs, args.backend)
    if lost := manifest["errors"]:
        print(f"left out {lost:,} images that cannot be read: {ERRORS}")
    print_left_out(survey_images.left_out, manifest["rows"])
    if args.table:
        job.write_table(args.table, args.names or COLUMN_NAMES[0])
        print(f"table: {paths.shown(args.table.resolve())}")
    if args.rank:
        print(f"ranking: {paths.shown(write_ranking(job, args.rank, args.top).resolve())}")
    count = f"{manifest['rows']:,} images, {describe(job.predictor)}"
    then = f"python3 src/app.py --label {shlex.quote(paths.shown(args.output.resolve()))}"
    launch.print_done(
        f"{paths.shown(args.output.resolve())}/, {count}",
        then if "features" in args.extras else _meaning(job.predictor.task),
    )


def _meaning(task: Task) -> str:
    """Command that explains the columns of vote fractions; other columns explain themselves."""
    return "python3 src/predict.py --columns" if task.name == COMPETITION_TASK else ""


def prior_of(dataset: str, task: Task) -> np.ndarray:
    """(column,) means of the training targets, by which classes are decided."""
    if dataset == BUNDLED:  # comes without its galaxies; those of votes have no use of a prior
        return np.full(len(task.columns), 1 / len(task.columns))
    return load_catalog(dataset).for_task(task).targets(task.name).mean(axis=0)


def fits_settings(args: argparse.Namespace) -> FitsSettings:
    """Settings that turn FITS cut-outs into pictures."""
    return FitsSettings(args.stretch, args.bands, args.field, args.pixel_scale, args.hdu)


def print_left_out(images: list[tuple[str, str]], rest: int) -> None:
    """Print the name and reason of each image without a prediction, beside `rest` with one."""
    if images:
        print(f"left out {len(images):,} of {rest + len(images):,} images:")
    for image, why in images:
        print(one_line(f"  {image}: {why}"))


def split_name_and_images(arguments: list[str]) -> tuple[str | None, list[Path]]:
    """Split arguments into the predictor's name, if the first is one, and the images."""
    first = arguments[0]
    is_name = is_ensemble(first) or find_task(task_name(first)) is not None
    if not is_name or Path(first).exists():
        return None, [Path(word) for word in arguments]
    if len(arguments) == 1:
        raise InputError(f"{first} is not followed by images: name some, such as my_galaxies/")
    return first, [Path(word) for word in arguments[1:]]


def add_fits(parser: argparse.ArgumentParser) -> None:
    """Options of FITS cut-outs."""
    group = parser.add_argument_group("FITS cut-outs")
    group.add_argument(
        "--stretch", choices=STRETCHES, default="lupton", help="(default: %(default)s)"
    )
    group.add_argument(
        "--bands",
        type=band_numbers,
        default=(2, 1, 0),
        metavar="R,G,B",
        help="planes that are red, green and blue, from 0 (default: 2,1,0)",
    )
    group.add_argument(
        "--hdu",
        type=lambda text: tuple(text.split(",")),
        default=(),
        metavar="PART",
        help="name or number of the extension with the image, such as SCI or 1, or one per band, "
        "such as 1,2,3 (default: SCI, SCIENCE or IMAGE, else the first or only image)",
    )
    group.add_argument(
        "--field",
        type=positive_float,
        metavar="ARCSEC",
        help="side of the center square to use, best 8.48 Petrosian radii; a list may have the "
        "radii in a column petroR90_r (default: the whole cut-out)",
    )
    group.add_argument(
        "--pixel-scale",
        type=positive_float,
        metavar="ARCSEC",
        help="side of a pixel (default: by the header's coordinates)",
    )


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Add the options of output folders."""
    group = parser.add_argument_group("output folders")
    group.add_argument(
        "--part-size",
        type=launch.positive,
        default=8192,
        metavar="N",
        help="most galaxies in a part of an output folder (default: %(default)s)",
    )
    group.add_argument(
        "--with",
        dest="extras",
        nargs="+",
        choices=("spread", "features", "intervals"),
        default=(),
        metavar="EXTRA",
        help="more columns in an output folder; spread: standard deviation between the folds' "
        "networks; features: input of the first fold's head; intervals: two bounds around each "
        "vote fraction that hold 90 %% of galaxies like the training ones",
    )
    group.add_argument(
        "--keep",
        nargs="+",
        default=(),
        metavar="COLUMN",
        help="of a list or Parquet file, to stand in each row of such a folder; ra and "
        "dec also by the headers of FITS cut-outs (default: ra and dec, where tables have both)",
    )
    group.add_argument(
        "--rank",
        metavar="BY",
        help="add a page of the first galaxies to an output folder, ranked by disagreement (needs "
        "spread), width (needs intervals) or an answer or class, such as odd or Class6.1",
    )
    group.add_argument(
        "--top",
        type=launch.positive,
        default=100,
        metavar="N",
        help="galaxies on that page (default: %(default)s)",
    )
    group.add_argument(
        "--table",
        type=Path,
        metavar="FILE",
        help="also write an output folder as one table, .fits, .vot, .ecsv or .parquet, with "
        "description, unit and UCD of each column",
    )
    group.add_argument(
        "--names",
        choices=COLUMN_NAMES,
        help="column names in that table: Class1.1, t01_smooth_or_features_a01_smooth or "
        f"smooth_or_features_smooth; TOPCAT and ADQL take no dot (default: {COLUMN_NAMES[0]})",
    )


def positive_float(text: str) -> float:
    """A number above 0."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return number


def band_numbers(text: str) -> tuple[int, ...]:
    """Three numbers from 0."""
    numbers = text.split(",")
    if len(numbers) != 3 or not all(word.isdecimal() for word in numbers):
        raise argparse.ArgumentTypeError(f"'{text}' is not three numbers from 0, such as 2,1,0")
    return tuple(map(int, numbers))


def columns_in_words() -> str:
    """The eleven questions, each with the columns of its answers, one a line."""
    lines = []
    for question in GALAXY_ZOO_2.questions:
        asked = f"after {question.parent}" if question.parent else "asked of everyone"
        lines.append(f"{question.number}. {question.text} ({asked})")
        answers = zip(question.columns, question.answers, strict=True)
        lines += [f"   {column:10} {answer}" for column, answer in answers]
    return "\n".join(lines)


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = launch.new_parser(__doc__, "--dataset", "--jobs", "--backend")
    parser.add_argument(
        "words",
        nargs="+",
        metavar="[RUN|ensemble:NAME] IMAGES",
        help="predictor (default: the best one), then folders, zips, images, archives or lists",
    )
    parser.add_argument(
        "--output",
        default="predictions.csv",
        help="a table, .csv or .parquet, or a folder for many galaxies, such as votes/ (default: "
        "predictions.csv here)",
    )
    parser.add_argument(
        "--folds",
        type=launch.fold_numbers,
        metavar="FOLDS",
        help="use the networks of these folds only, such as 0",
    )
    parser.add_argument(
        "--views",
        type=int,
        choices=(1, 8),
        help="orientations of each image (default: each run's own; 1 for a folder by the networks "
        "in weights/, which gain nothing from more, but 8 with intervals)",
    )
    parser.add_argument(
        "--columns",
        action="version",
        version=columns_in_words(),
        help="print what each column means",
    )
    add_folder(parser)
    add_fits(parser)
    return parser.parse_args()
