"""Draw galaxies beside their votes and a run's out-of-fold predictions, as a PNG.

python src/gallery.py gz37/resnet18
python src/gallery.py gz37/resnet18 --data demo --output docs/demo_gallery.png
"""

from galaxyzoo.core.launch import run_main, use_project_python

use_project_python()

import argparse
from pathlib import Path

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import oof_csv, reports_dir, shown
from galaxyzoo.data.prepare import prepare
from galaxyzoo.io.tables import read_predictions
from galaxyzoo.reports.figures import draw_gallery, pick_varied
from galaxyzoo.tasks.registry import get_task


def main() -> None:
    """Parse, read, draw."""
    args = parse_args()
    data = prepare(args.data)
    catalog, task = data.catalog, get_task("gz37")
    table = read_predictions(oof_csv(catalog.dataset, args.run), task.columns, catalog.ids)
    targets = catalog.targets(task.name)
    if not 1 <= args.count <= len(targets):
        raise InputError(f"--count {args.count}: the dataset has {len(targets)} galaxies to draw")
    rows = pick_varied(targets, args.count)
    images = data.train_images(ImageConfig()).images[rows]
    predictions = task.project(table[list(task.columns)].to_numpy()[rows])
    path = args.output or reports_dir() / catalog.dataset / f"{args.run}_gallery.png"
    title = f"{catalog.dataset}: votes and {args.run}"
    draw_gallery(path, catalog.ids[rows], images, targets[rows], predictions, title)
    print(f"wrote {shown(path.resolve())}")


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "run", metavar="RUN", help="a run with an out-of-fold table, such as gz37/resnet18"
    )
    parser.add_argument(
        "--data", help="folder with the competition's files (default: found in input/), or 'demo'"
    )
    parser.add_argument("--count", type=int, default=8, help="galaxies to draw (default: 8)")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="default: reports/<dataset>/<run>_gallery.png"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_main(main)
