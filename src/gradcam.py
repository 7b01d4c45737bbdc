"""Show which parts of a galaxy speak for an answer: a heat map beside votes and prediction.

Averaged over the run's folds and, but for the slow methods, over the image's eight orientations.

  python src/gradcam.py gz37/resnet18 --galaxy-id 100008
  python src/gradcam.py gz37/resnet18 --galaxy-id 100008 --answer Class4.1 --method gradcam++
  python src/gradcam.py zoo5/resnet18 --image mine.jpg --answer spiral
  python src/gradcam.py gz37/resnet18 --faithfulness 40    do the maps of each method mean anything?
"""

from galaxyzoo.core.launch import run_main, use_project_python

use_project_python()

import argparse

from galaxyzoo.core.console import print_table
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import choose_dataset, shown
from galaxyzoo.data.prepare import open_prepared
from galaxyzoo.explain.figures import draw_heat, find_column
from galaxyzoo.explain.galaxy import (
    add_galaxy,
    check_galaxy,
    galaxy_of,
    picture_path,
    predict_galaxy,
)
from galaxyzoo.explain.gradcam import METHODS, explain, find_method, likeliest, measure_faithfulness
from galaxyzoo.inference.predict import load_run_models
from galaxyzoo.tasks.registry import Task, task_of


def main() -> None:
    """Parse, load the run, draw the picture or print the table."""
    args = parse_args()
    task, method = task_of(args.run), find_method(args.method)
    column = None if args.answer is None else column_of(task, args.answer)
    dataset = choose_dataset(args.dataset, task.name)
    if args.faithfulness:
        print_faithfulness(args, dataset)
    else:
        draw(args, dataset, task, method, column)


def draw(
    args: argparse.Namespace, dataset: str, task: Task, method: str, column: int | None
) -> None:
    """Explain an answer, or the likeliest, and draw it."""
    config, models = load_run_models(dataset, args.run)
    galaxy = galaxy_of(args, config, dataset)
    prediction, _ = predict_galaxy(galaxy, config, models)
    asked = likeliest(prediction[None], task)[0] if column is None else column
    image = galaxy.as_input(config.image)
    heat, layer = explain(models, image, asked, method, args.layer)
    path = picture_path(args, dataset, config.run, f"{method}_{task.columns[asked]}")
    folds = f"{len(models)} fold{'s' if len(models) > 1 else ''}"
    note = f"{config.run}, {folds}, {METHODS[method].class_name} of layer {layer}"
    draw_heat(path, galaxy, image[0], heat, prediction, asked, task, note)
    known = "" if galaxy.truth is None else f", known {galaxy.truth[asked]:.3f}"
    print(f"{task.text(asked)}: predicted {prediction[asked]:.3f}{known}")
    print(f"picture: {shown(path)}")


def print_faithfulness(args: argparse.Namespace, dataset: str) -> None:
    """Score the fast methods beside controls."""
    config, models = load_run_models(dataset, args.run)
    data = open_prepared(args.data, dataset, config.task)
    found = measure_faithfulness(config, models, data, args.faithfulness, args.layer)
    title = f"faithfulness of heat maps, {config.run} on {dataset}, {args.faithfulness} galaxies"
    print_table(title, ("method", "score", "SE"), [(f.method, *f.describe()) for f in found])
    print(
        "score: half of how much more the likeliest answer falls without the hottest places than "
        "without the coldest; `random` and `centre` (a spot in the middle) are the controls"
    )


def column_of(task: Task, answer: str) -> int:
    """The column that the user means.

    Raises:
        InputError: none, or several.
    """
    column = find_column(task, answer)
    if column is None:
        raise InputError(f"--answer '{answer}' is none, or several, of {', '.join(task.labels)}")
    return column


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_galaxy(parser)
    parser.add_argument(
        "--answer", help="an answer or class, by name or wording (default: the likeliest)"
    )
    parser.add_argument(
        "--method", default="gradcam", help=f"{', '.join(METHODS)} (default: gradcam)"
    )
    parser.add_argument("--layer", help="whose maps (default: the deepest that shows places)")
    parser.add_argument(
        "--faithfulness", type=int, metavar="N", help="score the fast methods on so many galaxies"
    )
    args = parser.parse_args()
    if args.faithfulness is None:
        check_galaxy(parser, args)
    elif args.faithfulness < 2:
        parser.error("--faithfulness must be 2 or more")
    return args


if __name__ == "__main__":
    run_main(main)
