"""Predict any galaxies with a trained run: a folder, a zip, or image files -> one CSV table.

The folds' models and the run's views are averaged, as for the test set.

  python3 src/predict.py gz37/resnet18 my_galaxies/
  python3 src/predict.py gz37/resnet18 images.zip --output votes.csv
  python3 src/predict.py gz37/resnet18 a.jpg b.jpg --dataset demo
"""

from galaxyzoo.core.launch import run_main, use_project_python

use_project_python()

import argparse
from pathlib import Path

from galaxyzoo.core.errors import one_line
from galaxyzoo.core.launch import add_trained_run, new_parser
from galaxyzoo.core.paths import choose_dataset, shown
from galaxyzoo.data.catalog import load_catalog
from galaxyzoo.io.tables import write_predictions
from galaxyzoo.tasks.registry import get_task


def main() -> None:
    """Parse, predict, write."""
    args = parse_args()
    # Only now, or --help waits for torch.
    from galaxyzoo.inference.predict import check_output, load_run_models, predict_stores

    check_output(args.output, args.images)
    dataset = choose_dataset(args.dataset, args.run)
    config, models = load_run_models(dataset, args.run)
    task = get_task(config.task)
    prior = load_catalog(dataset).for_task(task).targets(task.name).mean(axis=0)
    predictions, unreadable = predict_stores(config, [*models.values()], args.images)
    write_predictions(args.output, task.with_decision(predictions, prior))
    count = f"{len(predictions):,} images, mean of {len(models)} folds' models"
    print(one_line(f"wrote {shown(args.output.resolve())}: {count}"))
    if unreadable:
        print(f"left out {len(unreadable):,} of {len(predictions) + len(unreadable):,} images:")
    for name, why in unreadable:
        print(one_line(f"  {name}: {why}"))


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = new_parser(__doc__)
    add_trained_run(parser)
    parser.add_argument(
        "images", nargs="+", type=Path, metavar="IMAGES", help="folders, zips or image files"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("predictions.csv"), help="default: predictions.csv here"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_main(main)
