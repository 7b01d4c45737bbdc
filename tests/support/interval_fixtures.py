"""Tables of single networks for a synthetic project of votes."""

import numpy as np
import pandas as pd
import yaml

from galaxyzoo.core import paths
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.inference.oof import TEST_SPREAD, TEST_TABLE, VAL_SPREAD, VAL_TABLE
from galaxyzoo.io.tables import write_predictions
from support.ensemble_fixtures import COLUMNS, draw_run

RUNS = ("gz37/run0", "gz37/run1")


def save_folds(catalog: Catalog, runs: tuple[str, ...] = RUNS, spread: bool = True) -> None:
    """What single networks leave: predictions, and how far their views differ."""
    rng = np.random.default_rng(4)
    for run in runs:
        folder = paths.run_dir(catalog.dataset, run)
        folder.mkdir(parents=True)
        config = {"task": "gz37", "run": run, "model": {"name": "cnn"}}
        config["data_fingerprint"] = catalog.fingerprint
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        for fold in range(catalog.n_folds):
            own = catalog.folds == fold
            sides = {
                (VAL_TABLE, VAL_SPREAD): catalog.train.loc[own, COLUMNS],
                (TEST_TABLE, TEST_SPREAD): pd.DataFrame(0.3, catalog.test_ids, COLUMNS),
            }
            for (name, spread_name), votes in sides.items():
                values = draw_run(rng, votes.to_numpy(), 0.1)
                table = pd.DataFrame(values, votes.index, COLUMNS)
                write_predictions(paths.fold_dir(catalog.dataset, run, fold) / name, table)
                if spread:
                    place = paths.fold_dir(catalog.dataset, run, fold) / spread_name
                    write_predictions(place, (table - votes).abs())
