"""A run's predictions as one small folder: what an ensemble elsewhere needs of it.

Networks are large and stay on the machine that trained them; tables of predictions can be kept
beside the code, and `src/ensemble.py --outside` combines them with other runs on the same split.
"""

import gzip
from pathlib import Path

import pandas as pd

from galaxyzoo import atomic, catalogs
from galaxyzoo.base_models import load_oof, load_test
from galaxyzoo.paths import oof_csv, run_dir
from galaxyzoo.run_configs import CONFIG, load_run_config, portable_config
from galaxyzoo.scores import card_path
from galaxyzoo.tables import FOLD, format_predictions
from galaxyzoo.tasks import get_task

OOF, TEST, SCORES = "oof.csv.gz", "test.csv.gz", "oof.json"
_DECIMALS = 5  # a score moves by 1e-9, and the file is half as large


def hand_over_tables(dataset: str, run: str, folder: Path) -> list[str]:
    """Write a run's predictions, whole or not at all.

    `oof.csv.gz` has every training galaxy once, with the `fold` that left it out, `test.csv.gz`
    the test galaxies (five decimals), `oof.json` is the run's score card and `config.yaml` says how
    it was trained. The same predictions make the same bytes.

    Args:
        dataset: that the run was trained on.
        run: such as gz37/resnet18.
        folder: to write; must not be there.
    Returns:
        Names of the files.
    Raises:
        InputError: the folder is there or cannot be written, the run is not finished on all folds,
            or its tables are missing, damaged or of another split.
    """
    atomic.check_free(folder)
    catalog = catalogs.load(dataset)
    task = get_task(run.split("/")[0])
    own = catalog.for_task(task)
    oof = pd.DataFrame(load_oof([run], task, catalog)[:, 0], own.ids, task.columns, dtype=float)
    test = pd.DataFrame(load_test([run], task, catalog)[:, 0], catalog.test_ids, task.columns)
    oof[FOLD] = own.folds
    saved = load_run_config(run_dir(dataset, run))
    with atomic.writing_folder(folder) as part:
        _pack(part / OOF, oof)
        _pack(part / TEST, test.astype(float))
        atomic.write_json(part / SCORES, atomic.read_json(card_path(oof_csv(dataset, run))))
        (part / CONFIG).write_text(portable_config(*saved), encoding="utf-8")
    return [CONFIG, SCORES, OOF, TEST]


def _pack(path: Path, table: pd.DataFrame) -> None:
    text = format_predictions(table, _DECIMALS)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
