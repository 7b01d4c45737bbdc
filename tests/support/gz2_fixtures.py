"""Small made-up Galaxy Zoo 2 tables whose galaxies are clearly of one class, or of none."""

from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.extras.download.gz2_dataset import Gz2Options, make_balanced_set
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, PUBLISHED_NAMES
from support.refusals import one_line_refusal

TABLE, MAPPING, IMAGES = "gz2_hart16.csv", "gz2_filename_mapping.csv", "images_gz2.zip"
FIRST_ID = 587722982291472386
# The number of the answer that most give to a question, from 0; other questions are undecided.
CLASSES = {
    "E_round": {1: 0, 6: 1, 7: 0},
    "E_intermediate": {1: 0, 6: 1, 7: 1},
    "E_cigar": {1: 0, 6: 1, 7: 2},
    "edge_on_bulge": {1: 1, 6: 1, 2: 0, 9: 0},
    "edge_on_no_bulge": {1: 1, 6: 1, 2: 0, 9: 2},
    "S_early": {1: 1, 6: 1, 2: 1, 4: 0, 3: 1, 5: 2},
    "S_late": {1: 1, 6: 1, 2: 1, 4: 0, 3: 1, 5: 1},
    "SB": {1: 1, 6: 1, 2: 1, 4: 0, 3: 0},
    "merger": {6: 0, 8: 5},
    "irregular": {6: 0, 8: 3},
    "unclear": {6: 1},
}
COUNTS = {name: 4 + i % 3 for i, name in enumerate(CLASSES)}
SMALLEST = 4


def ra_of(galaxy_id: int) -> float:
    """Degrees; the stand-in server draws another picture for each."""
    return 100 + (galaxy_id - FIRST_ID) / 7


def draw_published(counts: dict[str, int] | None = None) -> tuple[pd.DataFrame, pd.Series]:
    """The vote table with `ra` and `dec`, rows shuffled, and each galaxy's class."""
    counts = COUNTS if counts is None else counts
    names = np.repeat(list(counts), list(counts.values()))
    names = np.random.default_rng(5).permutation(names).tolist()
    ids = FIRST_ID + 7 * np.arange(len(names))
    table = pd.DataFrame({"dr7objid": ids, "ra": [ra_of(i) for i in ids.tolist()], "dec": 1.5})
    for question in GALAXY_ZOO_2.questions:
        span = PUBLISHED_NAMES[GALAXY_ZOO_2.span(question)]
        shares = np.full((len(names), len(span)), 1 / len(span))
        for row, name in enumerate(names):
            if question.number in CLASSES[name]:
                shares[row] = 0.1 / (len(span) - 1)
                shares[row, CLASSES[name][question.number]] = 0.9
        for i, answer in enumerate(span):
            table[f"{answer}_debiased"] = shares[:, i]
    shuffled = table.sample(frac=1, random_state=2)
    return shuffled, pd.Series(names, index=ids)


def labels(folder: Path) -> pd.Series:
    return pd.read_csv(folder / "train_labels.csv", index_col="GalaxyID")["class"]


def refusal(order: Gz2Options) -> str:
    return one_line_refusal(make_balanced_set, order)
