"""Plot a Grad-CAM heat map for an answer, beside votes and prediction, or a network's feature maps.

Heat maps are averaged over the run's folds and over the image's eight orientations.

  python3 src/gradcam.py gz37/mobilenetv2 --galaxy-id 781510
  python3 src/gradcam.py ensemble:default --galaxy-id 781510
  python3 src/gradcam.py gz37/mobilenetv2 --galaxy-id 781510 --answer Class4.1 --method gradcam
  python3 src/gradcam.py zoo5/resnet18 --image mine.jpg --answer spiral
  python3 src/gradcam.py gz37/mobilenetv2 --galaxy-id 781510 --feature-maps
  python3 src/gradcam.py gz37/cnn --image mine.jpg --feature-maps --fold 2 --layer stages.1 stages.2
"""

import argparse
from pathlib import Path

from galaxyzoo.core import launch, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import find_column, is_ensemble, task_of


def main() -> None:
    """Parse, load the run, draw the picture."""
    args = parse_args()
    # Only now and in the functions below, or --help waits for torch.
    from galaxyzoo.ensemble.predictors import find_predictor

    dataset, args.run = find_predictor(args.run, args.dataset)
    task = task_of(args.run)
    column = None if args.answer is None else find_column(task, args.answer, "--answer")
    if args.feature_maps and is_ensemble(args.run):
        raise InputError(f"--feature-maps takes one run: name a run, not {args.run}")
    if args.feature_maps:
        plot_feature_maps(args, dataset)
    else:
        plot_gradcam(args, dataset, task, column)


def plot_gradcam(args: argparse.Namespace, dataset: str, task: Task, column: int | None) -> None:
    """Draw the heat map of an answer, by default the likeliest one."""
    from galaxyzoo.ensemble.networks import describe, load_predictor
    from galaxyzoo.explain.figures import draw_gradcam
    from galaxyzoo.explain.galaxy import load_galaxy, picture_path
    from galaxyzoo.explain.gradcam import METHODS, explain, likeliest

    predictor = load_predictor(dataset, args.run)
    galaxy = load_galaxy(args, task, dataset)
    prediction = predictor.predict(galaxy.decode, galaxy.fold)[0]
    asked = likeliest(prediction[None], task)[0] if column is None else column
    layer = args.layer[0] if args.layer else None
    image, heat, used = explain(predictor, galaxy, asked, args.method, layer)
    path = picture_path(args, dataset, args.run, f"{args.method}_{task.columns[asked]}")
    note = f"{args.run}, {describe(predictor)}, {METHODS[args.method]} of layer {used}"
    draw_gradcam(path, galaxy, image, heat, prediction, asked, task, note)
    known = "" if galaxy.truth is None else f", known {galaxy.truth[asked]:.3f}"
    print(f"{task.text(asked)}: predicted {prediction[asked]:.3f}{known}")
    launch.print_done(paths.shown(path), f"python3 src/app.py {args.run} --dataset {dataset}")


def plot_feature_maps(args: argparse.Namespace, dataset: str) -> None:
    """Draw the feature maps of one fold's network, and the filters of its first layer."""
    from galaxyzoo.explain.figures import draw_feature_maps, draw_filters
    from galaxyzoo.explain.galaxy import load_galaxy, picture_path
    from galaxyzoo.explain.layers import compute_feature_maps, first_filters
    from galaxyzoo.inference.predict import load_run

    run = load_run(dataset, args.run)
    config, models = run.config, run.models
    if args.fold not in models:
        raise InputError(f"fold {args.fold} of {args.run} is not trained (--fold)")
    model, galaxy = models[args.fold], load_galaxy(args, task_of(args.run), dataset)
    image = galaxy.as_input(config.image)
    maps = compute_feature_maps(model, image, args.layer)
    title = f"{galaxy.name} in {config.run}, fold {args.fold}"
    path = picture_path(args, dataset, config.run, "feature_maps")
    draw_feature_maps(path, image[0], maps, title)
    made = paths.shown(path)
    filters = first_filters(model)
    if filters is not None:
        path = path.with_name(f"{path.stem}_filters.png")
        draw_filters(path, filters, f"first filters, {title}")
        made += f" and {paths.shown(path)}"
    launch.print_done(made)


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = launch.new_parser(__doc__, "run", "--dataset", "--data")
    parser.add_argument("--galaxy-id", type=int, metavar="ID", help="GalaxyID in the dataset")
    parser.add_argument("--image", type=Path, metavar="FILE", help="an image of any galaxy")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="the picture (default: in reports/)"
    )
    parser.add_argument(
        "--answer", help="answer or class, by name or text (default: the likeliest)"
    )
    parser.add_argument(
        "--method",
        choices=("hirescam", "gradcam"),
        default="hirescam",
        help="HiResCAM (default) or Grad-CAM",
    )
    parser.add_argument(
        "--layer",
        nargs="+",
        metavar="NAME",
        help="layer of the maps (default: the deepest that shows places); several with "
        "--feature-maps (default: the last of each resolution)",
    )
    parser.add_argument(
        "--feature-maps",
        action="store_true",
        help="plot feature maps of a network for one galaxy instead",
    )
    parser.add_argument(
        "--fold", type=int, default=0, help="fold whose network --feature-maps shows (default: 0)"
    )
    args = parser.parse_args()
    if (args.galaxy_id is None) == (args.image is None):
        parser.error("name a galaxy: --galaxy-id ID or --image FILE")
    if args.layer and len(args.layer) > 1 and not args.feature_maps:
        parser.error("a heat map has one --layer; several go with --feature-maps")
    return args
