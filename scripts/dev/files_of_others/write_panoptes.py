# /// script
# requires-python = ">=3.11"
# dependencies = ["panoptes-aggregation==5.3.1"]
# ///
"""Zooniverse's exports, and what panoptes-aggregation makes of them, as tables of labels."""

import json
from pathlib import Path
from typing import Any

from recording import NAMES, Galaxies, Written, add, write_all

PEOPLE = range(3)


def make_classifications() -> list[dict]:
    """Rows of the export: one for each subject and person, the first of whom says no."""
    rows = []
    for number, name in enumerate(NAMES):
        subject = json.dumps({str(number): {"retired": None, "filename": f"{name}.png"}})
        for person in PEOPLE:
            answer = {"task": "T0", "task_label": "Ring?", "value": "Yes" if person else "No"}
            row = {"classification_id": str(10 * number + person), "user_name": f"u{person}"}
            row |= {"workflow_id": "1", "created_at": "2026-01-01 00:00:00 UTC"}
            row |= {"annotations": json.dumps([answer]), "subject_data": subject}
            rows.append(row | {"subject_ids": str(number)})
    return rows


def make_subjects() -> list[dict]:
    rows = []
    for number, name in enumerate(NAMES):
        row = {"subject_id": str(number), "project_id": "1", "workflow_id": "1"}
        row |= {"metadata": json.dumps({"filename": f"{name}.png"})}
        row |= {"locations": json.dumps({"0": f"https://example.org/{name}.png"})}
        rows.append(row | {"classifications_count": "3"})
    return rows


def make_extractions() -> list[dict]:
    from panoptes_aggregation.extractors import question_extractor

    rows = []
    for row in make_classifications():
        task = {"annotations": {"T0": json.loads(row["annotations"])}, "metadata": {}}
        made: dict[str, Any] = {"classification_id": row["classification_id"], "task": "T0"}
        made |= {"subject_id": row["subject_ids"], "extractor": "question_extractor"}
        rows.append(made | {"data": question_extractor(task)})
    return rows


def make_reductions() -> list[dict]:
    from panoptes_aggregation.reducers import question_reducer

    rows = []
    for number in range(len(NAMES)):
        answers = [{"yes" if person else "no": 1} for person in PEOPLE]
        times = ["2026-01-01 00:00:00 UTC" for _ in PEOPLE]
        votes = question_reducer(answers, user_id=list(PEOPLE), created_at=times)
        row = {"subject_id": str(number), "workflow_id": "1", "task": "T0"}
        rows.append(row | {"reducer": "question_reducer", "data": votes})
    return rows


MAKERS = {
    "Zooniverse's classifications": make_classifications,
    "its subjects": make_subjects,
    "extractions": make_extractions,
    "reductions": make_reductions,
}


def write_labels(galaxies: Galaxies, folder: Path, form: str) -> Written:
    import pandas as pd
    from panoptes_aggregation.csv_utils import flatten_data

    galaxies.write_pngs(folder / "mine" / "images")
    table = pd.DataFrame(MAKERS[form]())
    if "data" in table:
        table = flatten_data(table)
    table.to_csv(folder / "mine" / "labels.csv", index=False)
    return Written(folder / "mine")


for form in MAKERS:
    add("panoptes-aggregation", form, write_labels, form)

if __name__ == "__main__":
    write_all()
