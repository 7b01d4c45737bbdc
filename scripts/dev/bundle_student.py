"""Write the student that comes with the project, from its training on all galaxies.

  PYTHONPATH=src .venv/bin/python scripts/dev/bundle_student.py FOLDER

FOLDER must not exist. Before, `bash scripts/train_folds.sh --data kaggle-mini gz37/student --refit`
has trained it. Weights are rounded to half precision; its model card is written by hand.
"""

import sys
from pathlib import Path

import numpy as np

from galaxyzoo.config.loading import CONFIG, load_config, portable_config
from galaxyzoo.core import files
from galaxyzoo.data.prepare import prepare
from galaxyzoo.data.stores.names import galaxy_id_of
from galaxyzoo.models.build import load_network
from galaxyzoo.models.weights import save_weights
from galaxyzoo.results.fold_files import GALAXIES, WEIGHTS
from galaxyzoo.results.layout import exported_files
from galaxyzoo.training.run import Run

RUN = "gz37/student"
DATASET = "kaggle-mini"


def main() -> None:
    """Write the folder, whole or not at all."""
    data = prepare(DATASET)
    run = Run(load_config(RUN, dataset=DATASET), data)
    trained = run.files("refit_0")
    network = load_network(run.config, trained.path(WEIGHTS)).half()
    learned = run.load_data(trained.name)
    ids = [galaxy_id_of(str(name)) for name in learned.ids[learned.train_rows]]
    with files.writing_folder(Path(sys.argv[1])) as new:
        (new / trained.name).mkdir()
        save_weights(new / trained.name / WEIGHTS, network.state_dict())
        config = portable_config(run.config, run.catalog.fingerprint)
        (new / CONFIG).write_text(config, encoding="utf-8")
        np.save(new / GALAXIES, np.unique(np.array(ids, np.int32)))
        provenance = {"run": RUN, "networks": trained.digest[:16]}
        contents = [CONFIG, GALAXIES, f"{trained.name}/{WEIGHTS}"]
        exported_files(new, provenance, contents).seal({})


if __name__ == "__main__":
    main()
