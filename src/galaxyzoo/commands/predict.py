"""Predict galaxies in images; write one table.

IMAGES are JPEG or PNG files, or folders or zips of them.

RUN is a trained run or an ensemble; predictions are averaged over the networks
of its folds and over test-time augmentations. For the bundled networks, their
student predicts: one network distilled from the five. The default has the best
out-of-fold score among the bundled networks and those of your runs and
ensembles that are trained on at least as many real galaxies. For runs on the
demo set, add `--dataset demo`.

  python3 src/predict.py my_galaxies/
  python3 src/predict.py ensemble:default my_galaxies/
  python3 src/predict.py ensemble:hubble10/all my_galaxies/
  python3 src/predict.py gz37/mobilenetv2 images.zip --output votes.csv
  python3 src/predict.py gz37/mobilenetv2 a.jpg b.jpg --dataset demo
"""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from galaxyzoo.commands import references
from galaxyzoo.core import console, extras, launch, paths
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.options import (
    DatasetOptions,
    fold_numbers,
    option,
    positional,
    read_options,
    take_option,
)
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.catalog import find_task, load_catalog, read_image_settings, task_of
from galaxyzoo.data.stores.base import Images
from galaxyzoo.data.stores.opening import open_all, read_settings, spell_settings, with_settings
from galaxyzoo.io.tables import read_table
from galaxyzoo.io.writing import TABLE_SUFFIXES, plain_cell, write_predictions
from galaxyzoo.tasks import decision_tree, kinds
from galaxyzoo.tasks.registry import is_ensemble, task_name

OF_STUDENT = (
    "predicting with the student, one network distilled from the five bundled ones; the "
    "out-of-fold score is theirs (--networks folds uses the five)"
)


def columns_in_words() -> str:
    """The eleven questions, each with the columns of its answers, one a line."""
    lines = []
    for question in decision_tree.GALAXY_ZOO_2.questions:
        asked = f"after {question.parent}" if question.parent else "asked of everyone"
        lines.append(f"{question.number}. {question.text} ({asked})")
        for column, answer in zip(question.columns, question.answers, strict=True):
            lines.append(f"   {column:10} {answer}")
    return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class ImageOptions(DatasetOptions):
    """Options of commands that predict images."""

    words: tuple[str, ...] = positional(
        "run or ensemble (default: the best), then folders, zips, images, files of many images, or "
        "lists",
        "[RUN|ensemble:NAME] IMAGES",
        nargs="+",
    )
    folds: tuple[int, ...] | None = option(
        "use only the networks of these folds (0 or 0,2)", type=fold_numbers, metavar="FOLDS"
    )
    views: Literal[1, 8] | None = option(
        "orientations of each image to average (default: as in each run's config)"
    )
    networks: Literal["folds"] | None = option(
        "folds: average the five bundled networks instead of using their student (slightly more "
        "accurate, slower)",
        excludes=("folds",),
    )

    @property
    def predictor(self) -> str | None:
        """Run or ensemble, if the first word is one and no file."""
        first = self.words[0]
        is_name = is_ensemble(first) or find_task(task_name(first)) is not None
        if is_name and not Path(first).exists():
            return first
        return None

    @property
    def files(self) -> list[Path]:
        """The other words: folders, zips and files."""
        images = self.words[1:] if self.predictor else self.words
        return [Path(image) for image in images]


def endings() -> list[str]:
    """Endings of all outputs; "/" of a folder."""
    return [*TABLE_SUFFIXES, *extras.outputs()]


@dataclass(frozen=True, kw_only=True)
class PredictOptions(ImageOptions):
    """Options of the command."""

    output: str = option(
        f"table, or what an extra writes ({', '.join(endings())}; default: predictions.csv)",
        "predictions.csv",
    )
    columns: bool = option(
        "explain the output columns and exit", False, action="version", version=columns_in_words()
    )

    def __post_init__(self) -> None:
        """Refuse a predictor without images."""
        if not self.files:
            raise InputError(f"{self.predictor} needs images to predict, such as my_galaxies/")

    @property
    def path(self) -> Path:
        """The output."""
        return Path(self.output)

    @property
    def ending(self) -> str:
        """The output's suffix, or "/" of a folder, which ends with a slash or has no suffix."""
        if self.output.endswith("/"):
            return "/"
        return self.path.suffix.lower() or "/"


def main() -> None:
    """Read the options, then predict into a table, or hand on to the command of an extra."""
    options = read_options(with_settings(PredictOptions), __doc__ + extras.describe("predict"))
    check_images(options.files)
    command = extras.outputs().get(options.ending)
    if command:
        hand_on(command, options)
        return
    if options.ending == ".parquet":
        launch.require(paths.shown(options.path), "pyarrow")  # or the work would be in vain
    predict_to_table(options)


def check_images(images: Sequence[Path]) -> None:
    """Refuse files and folders that are not there."""
    for path in images:
        if not path.exists():
            from galaxyzoo.ensemble.model_listing import refuse_bare_ensemble

            refuse_bare_ensemble(str(path))
            raise InputError(f"no such file or folder: {paths.shown(path)}")


def hand_on(command: str, options: PredictOptions) -> None:
    """Run another command with the words that were typed, the output as the last of them."""
    others, output = take_option(sys.argv[1:], "--output", options.output)
    arguments = others + output
    print(f"running `{launch.typed(command)} {launch.quote(*arguments)}`", flush=True)
    extras.load_entry_point(references()[command])(arguments)


def is_own_table(path: Path, task: kinds.Task, inputs: Sequence[Images]) -> bool:
    """Check whether a table holds predictions of a task for the same images, or some of them.

    A file that cannot be read as a table does not.
    """
    from galaxyzoo.inference.id_column import IdColumn

    try:
        table = read_table(path, texts=None)
    except InputError:
        return False
    labels = IdColumn.of(inputs)
    if list(table.columns) != [labels.column, *task.decision_columns, *task.columns]:
        return False
    ids: set[object] = set()
    for images in inputs:
        ids.update(plain_cell(str(labels[name])) for name in images.names)
    return ids.issuperset(table[labels.column].map(str))


def predict_to_table(options: PredictOptions) -> None:
    """Predict into one table."""
    output = options.path
    images = options.files
    if output.is_dir() or options.ending not in TABLE_SUFFIXES:
        raise InputError(
            f"--output {options.output}: no installed extra writes this; choose an ending of "
            f"{', '.join(endings())}"
        )
    # Only now, and torch in the functions below, or mistakes and --help wait for them.
    from galaxyzoo.ensemble.model_listing import pick_predictor

    dataset, name = pick_predictor(options.predictor, options.dataset)
    from galaxyzoo.inference.load_model import describe, load_predictor
    from galaxyzoo.inference.predict import predict_stores

    check_networks(options, dataset, name)
    task = task_of(name)
    settings = settings_of(dataset, options)
    prior = prior_of(dataset, task)

    def is_own(path: Path) -> bool:
        return is_own_table(path, task, open_all(images, settings))

    paths.check_output("--output", output, images, is_own)
    by_student = options.networks is None
    predictor = load_predictor(dataset, name, options.folds, options.views, by_student=by_student)
    if predictor.galaxies:
        print(OF_STUDENT)
    predictions, unreadable = predict_stores(predictor, images, settings)
    write_predictions(output, predictor.task.with_decision(predictions, prior))
    print_left_out(unreadable, len(predictions))
    count = f"{console.count(len(predictions), 'image')}, {describe(predictor)}"
    launch.print_done(f"{paths.shown(output.resolve())}, {count}", meaning(predictor.task))


def check_networks(options: ImageOptions, dataset: str, name: str) -> None:
    """Refuse a choice among the networks of a run that has none but those of its folds."""
    if options.networks and dataset != BUNDLED:
        raise InputError(f"--networks {options.networks}: {name} has no others: leave it out")


def settings_of(dataset: str, options: ImageOptions) -> object:
    """Settings of images: those typed, else those that the networks were trained with."""
    trained_with = read_image_settings(dataset)
    typed = spell_settings(options)
    if not typed:
        return read_settings(trained_with)
    if dataset != BUNDLED and typed != trained_with:
        before = shlex.join(trained_with) or "default settings of images"
        print(
            f"{dataset} was trained with {before}, these images are read with {shlex.join(typed)}"
        )
    return options


def meaning(task: kinds.Task) -> str:
    """Command that explains the columns of vote fractions; other columns explain themselves."""
    if task.name != kinds.COMPETITION_TASK:
        return ""
    return f"{launch.typed('predict')} --columns"


def prior_of(dataset: str, task: kinds.Task) -> np.ndarray:
    """(column,) means of the training targets, by which classes are decided."""
    if dataset == BUNDLED:  # comes without its galaxies; those of votes have no use of a prior
        return np.full(len(task.columns), 1 / len(task.columns))
    return load_catalog(dataset).for_task(task).targets(task).mean(axis=0)


def print_left_out(left_out: list[tuple[str, str]], n_others: int) -> None:
    """Print the name and reason of each image without a prediction, of these and `n_others`."""
    if left_out:
        total = n_others + len(left_out)
        print(f"skipped {len(left_out):,} of {console.count(total, 'image')} (unreadable):")
    for image, reason in left_out:
        print(one_line(f"  {image}: {reason}"))
