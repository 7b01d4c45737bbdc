"""Pretrain a network on unlabelled images.

It learns from the dataset's training and test images, and those of other datasets in input/ that
the config names. An interrupted pretraining goes on where it stopped. A run starts from the weights
with model.start_run=pretrain/<name>.

  python3 src/pretrain.py pretrain/simsiam_mobilenetv2
  python3 src/pretrain.py pretrain/simsiam_mobilenetv2 train.epochs=20  one setting changed; for one
                                                                        not yet begun
"""

from galaxyzoo.core.launch import run_main, use_project_python

use_project_python()

import argparse

from galaxyzoo.config.pretrain import load_pretrain_config
from galaxyzoo.core.launch import add_data, new_parser
from galaxyzoo.core.paths import shown
from galaxyzoo.data.prepare import prepare
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import get_task


def main() -> None:
    """Parse, prepare, pretrain, print."""
    args = parse_args()
    get_task(args.task)
    config = load_pretrain_config(args.run, args.overrides)
    data = prepare(args.data, tasks={args.task})
    # Only now, so that mistakes in arguments or files are reported before torch's slow import.
    from galaxyzoo.core.devices import describe_machine
    from galaxyzoo.training.pretraining import Pretraining

    print(f"dataset {data.catalog.dataset}: {', '.join(config.images)}; {describe_machine()}")
    pretraining = Pretraining(config, data, args.task)
    found = pretraining.run()
    print(
        f"{config.run}: {found['images']:,} images, {found['epochs']} epochs from "
        f"{found['start']}, {pretraining.minutes():.1f} minutes: loss {found['loss']:.4f}, "
        f"projections' standard deviation {found['projection_std']:.4f} (about "
        f"{found['healthy_std']:.4f} is healthy); weights in {shown(pretraining.folder)}/, for "
        f"model.start_run={config.run}"
    )


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = new_parser(__doc__)
    parser.add_argument("run", metavar="RUN", help="such as pretrain/simsiam_mobilenetv2")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="such as train.epochs=20")
    add_data(parser)
    parser.add_argument(
        "--task", default=COMPETITION_TASK, help="task of the dataset (default: %(default)s)"
    )
    return parser.parse_intermixed_args()  # KEY=VALUE may stand before and after options


if __name__ == "__main__":
    run_main(main)
