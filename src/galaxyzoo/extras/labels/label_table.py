"""Galaxies with labels of a user's own: `labels.csv` beside images of any form.

Rows without a class are galaxies to predict, images without a row are ignored. Where all are named
by GalaxyIDs of six digits or more, they are those galaxies; else their ids are what the user wrote.
Forms and columns: docs/labels.md.
"""

from functools import partial
from pathlib import Path

import pandas as pd

from galaxyzoo.core.console import count
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.readers.dataset_files import DatasetCandidate, DatasetFiles, find_file
from galaxyzoo.data.readers.labeled import image_files, make_dataset
from galaxyzoo.data.stores.base import Images
from galaxyzoo.data.stores.columns import NAMES, find_ids, pick_columns, read_ids
from galaxyzoo.data.stores.matching import match
from galaxyzoo.data.stores.opening import open_whole
from galaxyzoo.extras.labels.class_columns import read_classes, refuse_zooniverse
from galaxyzoo.extras.labels.class_folders import find_class_folders
from galaxyzoo.extras.labels.own_task import TaskFile, find_task, print_alike, read_task_file
from galaxyzoo.io.tables import read_table

# Names of tables of labels, in whatever case
_FORMS = ("labels.csv", "labels.csv.gz", "labels.parquet", "labels.json", "metadata.csv",
          "metadata.jsonl", "metadata.parquet")  # fmt: skip


def find_label_table(folder: Path) -> DatasetCandidate | None:
    """The dataset of a folder with a table of own labels, or with a folder of images a class."""
    settings = read_task_file(folder)
    path = find_file(folder, _FORMS)
    if path is None:
        return find_class_folders(folder, settings)
    table = read_table(path, texts=None).dropna(how="all")
    if path.stem.lower() == "metadata" and "file_name" not in table:  # some catalog
        return find_class_folders(folder, settings)
    if settings.label is None:
        refuse_zooniverse(table, path)
    table.index = table[find_ids(table, path)].fillna("")
    id_columns = table[pick_columns(table, NAMES)]
    classes = read_classes(table.drop(columns=id_columns.columns), path, settings.label)
    task = find_task(folder, path, set(classes) - {""}, settings)
    read = partial(_read, folder, path, id_columns, classes, settings)
    return DatasetCandidate(folder, frozenset({task.name}), read, image_files(folder, path))


def _read(
    folder: Path, path: Path, id_columns: pd.DataFrame, classes: pd.Series, settings: TaskFile
) -> DatasetFiles:
    """The dataset with its images; classes by rows of the table, empty where to be predicted."""
    files = image_files(folder, path) or [folder]
    images = Images.concat(folder, [open_whole(file) for file in files])
    ids = _match_images(id_columns, images, path)
    labels = _majority(ids.index, classes, path)
    print_alike(set(classes), path)
    voted = set(labels) - {""}
    lost = sorted(set(classes).union(settings.classes or ()) - voted - {""})
    if lost:
        print(f"{shown(path)}: left out, without a majority for any image: {', '.join(lost)}")
    task = find_task(folder, path, voted, settings)
    n_empty = (classes == "").sum()
    if n_empty:
        print(
            f"{shown(path)}: {n_empty:,} of {count(len(classes), 'row')} have no class and "
            'will be predicted (if "no answer" is a class, write its name)'
        )
    return make_dataset(
        folder,
        images,
        rows=labels.index.tolist(),
        classes=labels.tolist(),
        task=task,
        may_change=True,
        table=path,
        written=ids.groupby(level=0).first().tolist(),
    )


def _match_images(id_columns: pd.DataFrame, images: Images, path: Path) -> pd.Series:
    """Ids of the first column that names the images, by the row in `images` of each.

    Two columns that name different images are an error.
    """
    matched = []
    problems = []
    for column in id_columns:
        try:
            ids = read_ids(id_columns[column].to_numpy(), path)
            matched.append(pd.Series(ids, match(ids, images, path), name=column))
        except InputError as error:
            problems.append(str(error))
    if not matched:
        raise InputError("; ".join(problems))
    first = matched[0]
    for other in matched:
        if not other.index.equals(first.index):
            raise InputError(
                f"{shown(path)}: columns '{first.name}' and '{other.name}' name different images: "
                "delete one"
            )
    return first


def _majority(rows: pd.Index, classes: pd.Series, path: Path) -> pd.Series:
    """Class of each image that most of its rows have, empty where there is none; rows ascend.

    Args:
        rows: of the images, for each row of the table.
        classes: of the rows of the table, empty where they have none; there are two or more.
        path: the table, for messages.
    """
    counts = pd.crosstab(rows.to_numpy(), classes.to_numpy())
    counts = counts.drop(columns="", errors="ignore")
    most = counts.max(axis=1)
    is_clear = counts.eq(most, axis=0).sum(axis=1) == 1
    labels = counts.idxmax(axis=1).where(is_clear, "")
    if len(labels) < len(rows):
        n_labels = counts.to_numpy().sum()
        n_ties = int((~is_clear & (most > 0)).sum())
        line = f"{count(n_labels, 'label')} of {count(len(labels), 'image')}"
        line += f"; {most.sum() / n_labels:.1%} match the majority"
        if n_ties:
            line += f"; {count(n_ties, 'tie')}, treated as unlabeled"
        print(f"{shown(path)}: {line}")
    return labels
