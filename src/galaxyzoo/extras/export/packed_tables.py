"""Export a run's tables of predictions, compressed.

Networks are large and stay on the machine that trained them. Tables of predictions are small and
can be kept beside the code; `src/ensemble.py --import` makes a run of them on the same split.
"""

import gzip
from pathlib import Path

from galaxyzoo.config.loading import CONFIG, load_run_config, portable_config
from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import load_catalog
from galaxyzoo.ensemble.members import Networks, load_oof, load_test
from galaxyzoo.extras.export.bundle import read_scores
from galaxyzoo.results import layout
from galaxyzoo.results.card import Digests, RunCard
from galaxyzoo.results.table import PredictionTable, digest_table

_NUMBER = "%.5f"  # changes a score by 1e-9, and halves the file


def export_tables(dataset: str, run: str, folder: Path) -> None:
    """Write a run's predictions, whole or not at all; the same predictions make the same bytes.

    `oof.csv.gz` has every training galaxy once, with the `fold` it was left out of, `test.csv.gz`
    the test galaxies (five decimals), `test_refit.csv.gz` those of networks trained on all
    galaxies, `oof.json` is the run's score card, with their digests, and `config.yaml` its
    settings.

    Args:
        dataset: that the run was trained on.
        run: such as gz37/resnet18, finished on all folds.
        folder: must not exist.
    Raises:
        InputError: a table or the card is missing, or does not fit the run's folds; the run was
            imported.
    """
    catalog = load_catalog(dataset)
    _refuse_imported(dataset, run)
    saved = load_run_config(layout.RunFolder(dataset, run).path)
    config = saved.config
    task = config.predicted_task
    labeled = catalog.for_task(task)
    oof = load_oof(run, task, catalog).astype(float)
    scores = read_scores(dataset, config, list(range(labeled.n_folds)))
    tables = {"oof": PredictionTable(task, labeled.ids, oof, labeled.folds)}
    tests: dict[str, Networks] = {"test": "folds"}
    if scores.refits:
        tests["refit"] = "refit"
    for key, networks in tests.items():
        values = load_test(run, task, catalog, networks).astype(float)
        tables[key] = PredictionTable(task, catalog.test_ids, values)
    with files.writing_folder(folder) as new:
        digests = {}
        for key, table in tables.items():
            digests[key] = _pack(new / layout.PACKED[key], table)
        scores.model_copy(update={"tables": Digests(**digests)}).write(new / layout.SCORES)
        (new / CONFIG).write_text(portable_config(config, saved.fingerprint), encoding="utf-8")


def _refuse_imported(dataset: str, run: str) -> None:
    """Refuse a run without settings: its tables were made elsewhere."""
    trained = layout.RunFolder(dataset, run)
    if not trained.card.exists() or (trained.path / CONFIG).exists():
        return
    if RunCard.of(dataset, run).imported:
        raise InputError(
            f"{run} was imported: its tables are where you imported them from, and --tables "
            "exports those of a run that was trained here"
        )


def _pack(path: Path, table: PredictionTable) -> str:
    """Write a compressed table; returns its digest."""
    path.write_bytes(gzip.compress(table.format(number=_NUMBER).encode(), mtime=0))
    return digest_table(path)
