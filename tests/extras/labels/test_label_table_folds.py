"""Fold numbers of own labels stay as they were: trained runs belong to them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.data.prepare import prepare
from support.pictures import draw_images, encode

# Columns: set, id (as the user writes it), fold. Changed by nothing but a new way to deal.
KNOWN = pd.read_csv(Path(__file__).with_name("known_folds.csv"), dtype={"id": str})
N_FOLDS = 3


def pictures(count: int) -> list[np.ndarray]:
    """Pictures of which each seventh is the one before it, turned by 90°."""
    images = [*draw_images(count)]
    for row in range(6, count, 7):
        images[row] = np.rot90(images[row - 1])
    return images


def write_pictures(folder: Path, names: list[str]) -> None:
    for name, image in zip(names, pictures(len(names)), strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(image, end=".png"))


def write_table_with_ids(folder: Path) -> None:
    """Ids that are no file names' numbers, a column of fields, three galaxies to predict."""
    ids = [f"J{817872 + 913 * row % 100_000}{'ab'[row % 2]}" for row in range(45)]
    write_pictures(folder / "images", [f"{name}.png" for name in ids])
    classes = [("ring", "plain", "merger", "plain")[row % 4] for row in range(42)] + [""] * 3
    fields = [f"F{row // 2}" if row % 5 < 2 else "" for row in range(45)]
    table = pd.DataFrame({"id": ids, "class": classes, "group": fields})
    table.sample(frac=1, random_state=0).to_csv(folder / "labels.csv", index=False)


def write_class_folders(folder: Path) -> None:
    names = [f"{('dusty', 'clean')[row % 3 > 0]}/cutout {row:03}.png" for row in range(40)]
    write_pictures(folder, names)


def write_votes_of_several_people(folder: Path) -> None:
    """Three people; two of them agree, but for each eleventh galaxy, which has no majority."""
    names = [f"night{row % 4}/{row:04}.png" for row in range(44)]
    write_pictures(folder / "images", names)
    rows = []
    for row, name in enumerate(names):
        choice = ("bar", "no bar", "unsure")[row % 3]
        answers = (choice, choice, "unsure")
        if row % 11 == 10:
            answers = ("bar", "no bar", "unsure")
        for person, label in zip("abc", answers, strict=True):
            rows.append({"file": name, "class": label, "person": person})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)


WRITERS = {
    "table": write_table_with_ids,
    "folders": write_class_folders,
    "people": write_votes_of_several_people,
}


@pytest.mark.parametrize("name", WRITERS)
def test_galaxies_have_the_folds_of_before(root, name):
    WRITERS[name](root / "input" / name)
    catalog = prepare(name, n_folds=N_FOLDS)
    known = KNOWN[KNOWN["set"] == name].set_index("id")["fold"]
    assert catalog.train["fold"].to_dict() == known.to_dict()
