"""Plot a Grad-CAM heat map for an answer, or a network's feature maps.

Heat maps are averaged over the run's folds and over the image's eight
orientations.

  python3 src/gradcam.py --image mine.jpg
  python3 src/gradcam.py gz37/d4cnn --galaxy-id 781510
  python3 src/gradcam.py ensemble:default --galaxy-id 781510
  python3 src/gradcam.py gz37/cnn --galaxy-id 781510 --answer Class4.1
  python3 src/gradcam.py zoo5/resnet18 --image mine.jpg --answer spiral
  python3 src/gradcam.py gz37/d4cnn --galaxy-id 781510 --feature-maps
  python3 src/gradcam.py gz37/cnn --image mine.jpg --feature-maps --fold 2
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from galaxyzoo.core import launch, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.options import (
    DataOptions,
    DatasetOptions,
    option,
    positional,
    read_options,
)
from galaxyzoo.data.catalog import task_of
from galaxyzoo.extras.pages.output import has_mark, reports_dir
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import find_column, is_ensemble

if TYPE_CHECKING:
    from galaxyzoo.extras.explain.galaxy import Galaxy


@dataclass(frozen=True, kw_only=True)
class GradcamOptions(DatasetOptions, DataOptions):
    """Options of the command."""

    run: str | None = positional(
        "run or ensemble:NAME (default with --image: the best; if bundled, all five networks)",
        "RUN",
        None,
        nargs="?",
    )
    galaxy_id: str | None = option("galaxy id in the dataset (GalaxyID or your own)", metavar="ID")
    image: Path | None = option("image file of a galaxy", excludes=("data",), metavar="FILE")
    output: Path | None = option("output file (default: in reports/)", metavar="FILE")
    answer: str | None = option(
        "answer or class: its column or text (default: the likeliest one, of votes to question 1)"
    )
    method: Literal["hirescam", "gradcam"] = option("HiResCAM (default) or Grad-CAM", "hirescam")
    layer: tuple[str, ...] = option(
        "layer to show (default: the deepest with spatial maps); with --feature-maps, one or more "
        "layers (default: the last of each resolution)",
        (),
        metavar="NAME",
    )
    feature_maps: bool = option(
        "instead, plot the feature maps of one network", False, excludes=("answer", "method")
    )
    fold: int = option(
        "fold of the network for --feature-maps (default: 0)", 0, needs="feature_maps"
    )

    def __post_init__(self) -> None:
        """Refuse no galaxy or two, and several layers for one map."""
        if (self.galaxy_id is None) == (self.image is None):
            raise InputError("choose a galaxy: either --galaxy-id ID or --image FILE")
        if self.run is None and self.image is None:
            raise InputError("--galaxy-id needs RUN: a run or ensemble that has this galaxy")
        if len(self.layer) > 1 and not self.feature_maps:
            raise InputError("a heat map takes one --layer; only --feature-maps takes several")


def main() -> None:
    """Read the options, load the run, draw the picture."""
    options = read_options(GradcamOptions, __doc__)
    # Only now and in the functions below, or --help waits for torch.
    from galaxyzoo.ensemble.model_listing import pick_predictor

    dataset, run = pick_predictor(options.run, options.dataset)
    task = task_of(run)
    column = None if options.answer is None else find_column(task, options.answer, "--answer")
    if options.feature_maps and is_ensemble(run):
        raise InputError(f"--feature-maps needs one run, not {run}")
    if options.feature_maps:
        plot_feature_maps(options, dataset, run)
    else:
        plot_gradcam(options, dataset, run, column)


def plot_gradcam(options: GradcamOptions, dataset: str, run: str, column: int | None) -> None:
    """Draw the heat map of an answer, by default the likeliest one."""
    from galaxyzoo.extras.explain.figures import draw_gradcam
    from galaxyzoo.extras.explain.gradcam import METHODS, explain, likeliest
    from galaxyzoo.inference.load_model import describe, load_predictor

    predictor = load_predictor(dataset, run)
    task = predictor.task
    galaxy = load_galaxy(options, task, dataset)
    has_fold = all(galaxy.fold in networks.models for networks in predictor.runs)
    if not has_fold:
        galaxy = replace(galaxy, fold=None)  # networks that learned from it predict it
    prediction = predictor.predict(galaxy.decode, galaxy.fold)[0]
    if column is None:
        column = likeliest(prediction[None], task)[0]
    layer = options.layer[0] if options.layer else None
    heat_map = explain(predictor, galaxy, column, options.method, layer)
    path = picture_path(options, dataset, run, f"{options.method}_{task.columns[column]}")
    note = f"{run}, {describe(predictor)}, {METHODS[options.method]} of layer {heat_map.layer}"
    draw_gradcam(path, galaxy, heat_map, prediction, column, task, note)
    result = f"{task.text(column)}: predicted {prediction[column]:.3f}"
    if galaxy.truth is not None:
        result += f", actual {galaxy.truth[column]:.3f}"
    print(result)
    page = f"{launch.typed('app')} {launch.quote(run, '--dataset', dataset)}"
    launch.print_done(paths.shown(path), page)


def plot_feature_maps(options: GradcamOptions, dataset: str, name: str) -> None:
    """Draw the feature maps of one fold's network, and the filters of its first layer.

    A fold that is not trained is an error.
    """
    from galaxyzoo.extras.explain.figures import draw_feature_maps, draw_filters
    from galaxyzoo.extras.explain.layers import compute_feature_maps, first_filters
    from galaxyzoo.inference.predict import load_run

    run = load_run(dataset, name)
    fold = options.fold
    if fold not in run.models:
        raise InputError(f"--fold: fold {fold} of {name} is not trained")
    model = run.models[fold]
    galaxy = load_galaxy(options, run.task, dataset)
    image = galaxy.as_input(run.config.image)
    maps = compute_feature_maps(model, image, options.layer)
    title = f"{galaxy.name} in {run.config.run}, fold {fold}"
    path = picture_path(options, dataset, name, "feature_maps")
    filters_path = path.with_name(f"{path.stem}_filters.png")
    if options.output is not None:
        check_output(filters_path, options)
    draw_feature_maps(path, image[0], maps, title)
    pictures = paths.shown(path)
    filters = first_filters(model)
    if filters is not None:
        draw_filters(filters_path, filters, f"first filters, {title}")
        pictures += f" and {paths.shown(filters_path)}"
    launch.print_done(pictures)


def load_galaxy(options: GradcamOptions, task: Task, dataset: str) -> "Galaxy":
    """The galaxy that the options name."""
    from galaxyzoo.data.prepare import open_dataset
    from galaxyzoo.extras.explain.galaxy import find_galaxy, read_galaxy, settings_of_run

    if options.image is not None:
        return read_galaxy(options.image, settings_of_run(dataset))
    data = open_dataset(options.data, dataset, task.name)
    return find_galaxy(options.galaxy_id or "", task, data)


def check_output(path: Path, options: GradcamOptions) -> None:
    """Refuse to write over the input, or over a file that is no picture of ours."""
    inputs = [options.image] if options.image else []
    paths.check_output("--output", path, inputs, has_mark)


def picture_path(options: GradcamOptions, dataset: str, run: str, suffix: str) -> Path:
    """`--output`, by default a file in reports/<dataset>/<run>/."""
    if options.output is not None:
        check_output(options.output, options)
        return options.output.resolve()
    galaxy = options.image.stem if options.image else options.galaxy_id
    name = re.sub(r"[^\w.+-]+", "_", f"{galaxy}_{suffix}.png")
    return reports_dir() / dataset / run.replace(":", "-") / name
