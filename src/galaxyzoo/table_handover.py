"""A run's predictions as one small folder: what an ensemble elsewhere needs of it.

Networks are large and stay on the machine that trained them; tables of predictions can be kept
beside the code, and `src/ensemble.py --outside` combines them with other runs on the same split.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo import atomic, catalogs
from galaxyzoo.base_models import find_optimistic, find_seen, load_oof, load_test
from galaxyzoo.handover import SCORES
from galaxyzoo.paths import oof_csv, run_dir
from galaxyzoo.run_configs import CONFIG, load_run_config, portable_config
from galaxyzoo.scores import card_path
from galaxyzoo.tables import FOLD, format_predictions
from galaxyzoo.tasks import Task, task_of

OOF, TEST = "oof.csv.gz", "test.csv.gz"
_DECIMALS = 5  # a score moves by 1e-9, and the file is half as large


@dataclass(frozen=True)
class HandedOver:
    """What was written of a run."""

    files: tuple[str, ...]
    # whether its networks, or the choice of their epochs, have seen the votes they are scored on
    seen: bool


def hand_over_tables(dataset: str, run: str, folder: Path) -> HandedOver:
    """Write a run's predictions, whole or not at all.

    `oof.csv.gz` has every training galaxy once, with the `fold` that left it out, `test.csv.gz`
    the test galaxies (five decimals), `oof.json` is the run's score card and `config.yaml` says how
    it was trained. The same predictions make the same bytes.

    Args:
        dataset: that the run was trained on.
        run: such as gz37/resnet18.
        folder: to write; must not be there.
    Returns:
        Names of the files, and whether an ensemble is to be told of the run (`--seen`).
    Raises:
        InputError: the folder is there or cannot be written, the run is not finished on all folds,
            or its tables are missing, damaged or of another split.
    """
    atomic.check_free(folder)
    catalog = catalogs.load(dataset)
    task = task_of(run)
    own = catalog.for_task(task)
    oof = _table(load_oof([run], task, catalog), own.ids, task)
    test = _table(load_test([run], task, catalog), catalog.test_ids, task)
    oof[FOLD] = own.folds
    saved = load_run_config(run_dir(dataset, run))
    with atomic.writing_folder(folder) as part:
        _pack(part / OOF, oof)
        _pack(part / TEST, test)
        atomic.write_json(part / SCORES, atomic.read_json(card_path(oof_csv(dataset, run))))
        (part / CONFIG).write_text(portable_config(*saved), encoding="utf-8")
    seen = bool(find_seen([run], catalog) or find_optimistic([run], catalog))
    return HandedOver((CONFIG, SCORES, OOF, TEST), seen)


def _table(values: np.ndarray, ids: np.ndarray, task: Task) -> pd.DataFrame:
    return pd.DataFrame(values[:, 0].astype(float), ids, task.columns)


def _pack(path: Path, table: pd.DataFrame) -> None:
    text = format_predictions(table, _DECIMALS)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
