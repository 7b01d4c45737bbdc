"""Tables of a run: out-of-fold predictions, and those of test galaxies."""

import pandas as pd

from galaxyzoo.results.card import RunCard
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.results.oof import save_run
from galaxyzoo.results.table import PredictionTable
from galaxyzoo.tasks.registry import get_task
from support.trained import save_class_project


def test_every_test_table_of_a_class_run_names_the_classes(root):
    catalog = save_class_project(n_runs=1)
    task = get_task("anomaly4")
    labeled = catalog.for_task(task)
    oof = PredictionTable(task, labeled.ids, labeled.targets(task), labeled.folds)
    test = PredictionTable(task, catalog.test_ids, labeled.targets(task)[: len(catalog.test_ids)])
    notes = RunCard.of("tiny", "anomaly4/run0").model_dump()
    save_run(labeled, "anomaly4/again", oof, test, notes, refit=test)
    folder = RunFolder("tiny", "anomaly4/again")
    assert pd.read_csv(folder.test_csv).columns[1] == "class"
    assert folder.refit_csv.read_bytes() == folder.test_csv.read_bytes()
