"""Predict any galaxies: a folder, a zip, or image files -> one CSV table.

By a trained run, whose folds' models and views are averaged as for the test set, or by an ensemble,
as its submission was made. Where none is named: by the ensemble that wrote
submissions/predictions.csv, else by the best run.

  python3 src/predict.py my_galaxies/
  python3 src/predict.py ensemble:hubble10 my_galaxies/
  python3 src/predict.py gz37/resnet18 images.zip --output votes.csv
  python3 src/predict.py gz37/resnet18 a.jpg b.jpg --dataset demo
"""

from galaxyzoo.core.launch import run_main, use_project_python

use_project_python()

import argparse
from pathlib import Path

from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.launch import add_dataset, new_parser
from galaxyzoo.core.paths import shown, task_name
from galaxyzoo.data.catalog import load_catalog
from galaxyzoo.io.tables import write_predictions
from galaxyzoo.tasks.registry import ENSEMBLE, TASKS


def main() -> None:
    """Parse, predict, write."""
    args = parse_args()
    name, images = split_words(args.words)
    # Only now, or --help waits for torch.
    from galaxyzoo.ensemble.networks import (
        choose_dataset_of,
        describe,
        load_predictor,
        pick_default,
    )
    from galaxyzoo.inference.predict import check_output, predict_stores

    check_output(args.output, images)
    if name is None:
        dataset, name = pick_default(args.dataset)
        print(f"by {name} of dataset {dataset}")
    else:
        dataset = choose_dataset_of(args.dataset, name)
    predictor = load_predictor(dataset, name)
    task = predictor.task
    prior = load_catalog(dataset).for_task(task).targets(task.name).mean(axis=0)
    predictions, unreadable = predict_stores(predictor, images)
    write_predictions(args.output, task.with_decision(predictions, prior))
    count = f"{len(predictions):,} images, {describe(predictor)}"
    print(one_line(f"wrote {shown(args.output.resolve())}: {count}"))
    if unreadable:
        print(f"left out {len(unreadable):,} of {len(predictions) + len(unreadable):,} images:")
    for image, why in unreadable:
        print(one_line(f"  {image}: {why}"))


def split_words(words: list[str]) -> tuple[str | None, list[Path]]:
    """The name of what predicts, where the first word is one and no path, and the images."""
    first = words[0]
    is_name = first.startswith(ENSEMBLE) or task_name(first) in TASKS
    if not is_name or Path(first).exists():
        return None, [Path(word) for word in words]
    if len(words) == 1:
        raise InputError(f"{first}: name the images too, such as my_galaxies/")
    return first, [Path(word) for word in words[1:]]


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = new_parser(__doc__)
    parser.add_argument(
        "words",
        nargs="+",
        metavar="[RUN|ensemble:NAME] IMAGES",
        help="what predicts, and folders, zips or image files",
    )
    add_dataset(parser)
    parser.add_argument(
        "--output", type=Path, default=Path("predictions.csv"), help="default: predictions.csv here"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_main(main)
