"""Labels in every form that they come in: folders, tables, JSON, flags, exports."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from galaxyzoo.data.readers.find import open_input
from support.forms import write_folder
from support.pictures import draw_images


def to_folders(folder: Path, table: pd.DataFrame, *tops: str) -> None:
    """Below one folder, or by turns."""
    for row, (file, name) in enumerate(zip(table["file"], table["class"], strict=True)):
        place = folder / tops[row % len(tops)] / name
        place.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / file, place)
    shutil.rmtree(folder / "pictures")
    (folder / tops[0] / "Thumbs.db").touch()


def to_json(folder: Path, table: pd.DataFrame) -> None:
    table = table.rename(columns={"file": "file_name", "class": "Label"})
    table.to_json(folder / "metadata.jsonl", orient="records", lines=True)


def to_export(folder: Path, table: pd.DataFrame) -> None:
    """As Label Studio exports: a number and an uploaded file, several people, a name of its own."""
    files = table["file"].map(lambda file: f"/data/upload/1/1a2b3c4d-{Path(file).name}")
    export = pd.DataFrame({"id": range(12), "image": files, "choice": table["class"]})
    others = export[:4].assign(choice="a"), export[:4]  # 'a' for four: two of them wrongly
    pd.concat([export, *others]).to_csv(folder / "labels.csv", index=False)
    (folder / "task.yaml").write_text("label: choice\n")


def to_flags(folder: Path, table: pd.DataFrame) -> None:
    pd.get_dummies(table["class"]).join(table["file"]).to_csv(folder / "labels.csv", index=False)


def to_numbers(folder: Path, table: pd.DataFrame) -> None:
    table.assign(id=range(12)).to_csv(folder / "labels.csv", index=False)


FORMS: dict[str, Callable[[Path, pd.DataFrame], None]] = {
    "a folder each": lambda folder, table: to_folders(folder, table, "."),
    "a folder each in train": lambda folder, table: to_folders(folder, table, "train"),
    "a folder each in two": lambda folder, table: to_folders(folder, table, "train", "val"),
    "another case": lambda folder, table: table.to_csv(folder / "Labels.csv", index=False),
    "packed": lambda folder, table: table.to_csv(folder / "labels.csv.gz", index=False),
    "Parquet": lambda folder, table: table.to_parquet(folder / "labels.parquet", index=False),
    "JSON": to_json,
    "an export": to_export,
    "flags": to_flags,
    "numbers and files": to_numbers,
}


@pytest.mark.parametrize("form", FORMS)
def test_labels_are_read_in_the_form_that_they_come_in(root, form, capsys):
    folder = root / "input" / "mine"
    folder.mkdir()
    write_folder(folder / "pictures", list(draw_images(12)), [f"g{n:02}" for n in range(12)])
    files = [f"pictures/g{n:02}.png" for n in range(12)]
    FORMS[form](folder, pd.DataFrame({"file": files, "class": [*"abc"] * 4}))
    raw = open_input("mine", {"mine"})
    stems = {Path(name).stem: i for i, name in raw.train_images.names.items()}
    classes = raw.targets.loc[[stems[f"g{n:02}"] for n in range(12)]].idxmax(axis=1)
    assert classes.tolist() == [*"abc"] * 4
    said = "20 labels of 12 images; 90.0% match the majority\n"
    assert (said in capsys.readouterr().out) == (form == "an export")
