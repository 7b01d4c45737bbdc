"""A synthetic project of a class task: catalog and finished runs."""

import numpy as np
import pandas as pd

from galaxyzoo.data.catalog import GROUP, Catalog, save_catalog
from galaxyzoo.io.tables import FOLD
from galaxyzoo.tasks.registry import TASKS
from support.class_fixtures import draw_probs, one_hot
from support.ensemble_fixtures import make_catalog, save_run

TASK = TASKS["anomaly4"]
NAMES = list(TASK.columns)


def save_project(n: int = 90, n_runs: int = 3) -> Catalog:
    """A dataset with four rare and frequent classes, and finished runs anomaly4/run0, …"""
    rng = np.random.default_rng(5)
    votes, _ = make_catalog(rng, n, 3, "tiny", 10)
    labels = one_hot(rng.permutation(np.minimum(np.arange(n) % 12, 3)), 4)
    train = pd.concat(
        [votes.train[[FOLD, GROUP]], pd.DataFrame(labels, index=votes.ids, columns=NAMES)], axis=1
    )
    catalog = Catalog("tiny", train, votes.test_ids)
    save_catalog(catalog)
    of_train = draw_probs(rng, labels, n_runs)
    of_test = draw_probs(rng, one_hot(np.arange(10) % 4, 4), n_runs)
    for i in range(n_runs):
        save_run(catalog, f"anomaly4/run{i}", of_train[:, i], of_test[:, i])
    return catalog
