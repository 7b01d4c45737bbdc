"""Export a trained run or ensemble: one folder with weights, config, scores, model card and ONNX.

The folder is written whole or not at all. Nothing is uploaded; the last line says how to.

  python3 src/export.py gz37/d4cnn
  python3 src/export.py ensemble:default           what was fitted, and each of its runs
  python3 src/export.py gz37/d4cnn --dataset demo --output my_model
  python3 src/export.py gz37/d4cnn --no-onnx    without the packages of scripts/setup.sh --extras
  python3 src/export.py gz37/d4cnn --half       weights of half the size
  python3 src/export.py gz37/d4cnn --tables     only its predictions, for an ensemble elsewhere
"""

import argparse
import shlex
from pathlib import Path

from galaxyzoo.config.names import BUNDLED
from galaxyzoo.core import launch, outputs
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.results.layout import OOF_PACKED, TEST_PACKED, bundled_dir
from galaxyzoo.tasks import registry


def main() -> None:
    """Parse, write the folder, print how to publish it."""
    args = parse_args()
    # Only now, or --help waits for torch.
    from galaxyzoo.ensemble.predictors import ensemble_folder, find_predictor
    from galaxyzoo.export.bundle import (
        TABLE_FILES,
        export_ensemble,
        export_run,
        export_tables,
    )
    from galaxyzoo.export.onnx import OLDEST_RUNTIME

    of = registry.is_ensemble(args.run)
    if of and args.tables:
        raise InputError("--tables exports a run's tables: name a run, not an ensemble")
    if args.half and (of or args.tables):
        raise InputError("--half exports a run's weights: name a run, without --tables")
    dataset, args.run = find_predictor(args.run, args.dataset)
    if dataset == BUNDLED:
        raise InputError(f"{args.run} is exported already: {shown(bundled_dir() / args.run)}/")
    name = args.run.replace("/", "-").replace(":", "-")
    default = Path("exported") / (f"{name}-tables" if args.tables else name)
    folder = (args.output or default).resolve()
    outputs.check_output("--output", folder)
    if args.tables:
        mark = f" --possible-leakage {name}" if export_tables(dataset, args.run, folder) else ""
        files = [*TABLE_FILES]
        paths = " ".join(shlex.quote(shown(folder / file)) for file in (OOF_PACKED, TEST_PACKED))
        task = f"--task {registry.task_name(args.run)} --dataset {dataset}"
        then = f"python3 src/ensemble.py {task} --external {name} {paths}{mark}"
    else:
        if of:
            files = export_ensemble(ensemble_folder(dataset, args.run), folder, args.onnx)
        else:
            files = export_run(dataset, args.run, folder, args.onnx, args.half)
        then = f"hf upload YOUR_NAME/{name} {shlex.quote(shown(folder))}"
    runtime = "" if args.tables or not args.onnx else f"; onnxruntime {OLDEST_RUNTIME} or newer"
    launch.print_done(f"{shown(folder)}: {', '.join(files)}{runtime}", then)


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = launch.new_parser(__doc__, "run", "--dataset")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="default: exported/<task>-<run> here, with --tables exported/<task>-<run>-tables",
    )
    parser.add_argument(
        "--no-onnx", dest="onnx", action="store_false", help="leave the ONNX file out"
    )
    parser.add_argument(
        "--half", action="store_true", help="weights in half precision, of half the size"
    )
    parser.add_argument(
        "--tables",
        action="store_true",
        help="only its out-of-fold and test tables, packed, with the score card and config",
    )
    return parser.parse_args()
