"""Export a run or ensemble: a folder with weights, scores, model card and ONNX.

The folder is written completely or not at all. Nothing is uploaded; the last
line printed is the command that uploads it.

  python3 src/export.py gz37/d4cnn
  python3 src/export.py ensemble:default        with each of its runs
  python3 src/export.py gz37/d4cnn --dataset demo --output my_model
  python3 src/export.py gz37/d4cnn --no-onnx    needs no setup.sh --extras
  python3 src/export.py gz37/d4cnn --half       weights of half the size
  python3 src/export.py gz37/d4cnn --tables     only its predictions
  python3 src/export.py gz37/d4cnn_transfer     the bundled networks, with ONNX
"""

from dataclasses import dataclass
from pathlib import Path

from galaxyzoo.core import launch, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.options import RunOptions, option, read_options
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.results.layout import PACKED, bundled_dir
from galaxyzoo.tasks import registry


@dataclass(frozen=True, kw_only=True)
class ExportOptions(RunOptions):
    """Options of the command."""

    output: Path | None = option(
        "folder (default: exported/<task>-<run>; with --tables, exported/<task>-<run>-tables)",
        metavar="FOLDER",
    )
    no_onnx: bool = option("skip the ONNX file", False)
    half: bool = option("round weights to half precision (half the size)", False)
    tables: bool = option(
        "write only the run's compressed out-of-fold and test tables, score card and config",
        False,
        excludes=("no_onnx", "half"),
    )


def main() -> None:
    """Read the options, write the folder, print how to publish it."""
    options = read_options(ExportOptions, __doc__)
    # Only now, or --help waits for torch.
    from galaxyzoo.ensemble.model_listing import ensemble_folder, find_predictor
    from galaxyzoo.extras.export import bundle, packed_tables
    from galaxyzoo.extras.export.onnx import OLDEST_RUNTIME

    is_ensemble = registry.is_ensemble(options.run)
    with_onnx = not options.no_onnx
    if is_ensemble and options.tables:
        raise InputError("--tables exports a run's tables: name a run, not an ensemble")
    if is_ensemble and options.half:
        raise InputError("--half exports a run's weights: name a run, not an ensemble")
    dataset, run = find_predictor(options.run, options.dataset)
    if dataset == BUNDLED and (options.no_onnx or options.tables):
        bundled = paths.shown(bundled_dir() / run)
        raise InputError(f"{run} is bundled, in {bundled}/: for ONNX, omit --no-onnx and --tables")
    name = run.replace("/", "-").replace(":", "-")
    default = f"{name}-tables" if options.tables else name
    folder = (options.output or Path("exported", default)).resolve()
    paths.check_output("--output", folder)
    runtime = ""
    if options.tables:
        packed_tables.export_tables(dataset, run, folder)
        tables = ",".join(paths.shown(folder / PACKED[key]) for key in ("oof", "test"))
        arguments = launch.quote("--import", f"{run}-tables={tables}", "--dataset", dataset)
        advice = f"{launch.typed('ensemble')} {arguments}"
    else:
        if dataset == BUNDLED:
            bundle.export_bundled(run, folder)
        elif is_ensemble:
            bundle.export_ensemble(ensemble_folder(dataset, run), folder, with_onnx)
        else:
            bundle.export_run(dataset, run, folder, with_onnx, options.half)
        if with_onnx:
            runtime = f"; needs onnxruntime >= {OLDEST_RUNTIME}"
        advice = f"hf upload {launch.quote(f'YOUR_NAME/{name}', paths.shown(folder))}"
    files = ", ".join(bundle.list_files(folder))
    launch.print_done(f"{paths.shown(folder)}: {files}{runtime}", advice)
