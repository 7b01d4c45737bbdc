# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6"]
# ///
"""Lists and labels by STILTS, of which Debian has a package."""

import shutil
import subprocess
from pathlib import Path

from recording import (
    CLASSES,
    COLUMN,
    FILES,
    IDS,
    LONG_IDS,
    NAMES,
    PLACES,
    Galaxies,
    Written,
    add,
    write_all,
)

RINGS = ["ring", "bar"] * 3
NAN = float("nan")  # an empty cell
COLUMNS = {
    "mag": ([15, 16.25, NAN, 17.5, 18, 18.75], ["15", "16.25", "", "17.5", "18", "18.75"]),
    "n": ([7, 8, 9, NAN, 11, 12], ["7", "8", "9", "", "11", "12"]),
    "is_big": ([1, NAN, 0, 1, 0, 1], ["true", "", "false", "true", "false", "true"]),
}


def find_version() -> str:
    if not shutil.which("stilts"):
        return ""
    command = ["stilts", "-version"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return next(line for line in lines if "version" in line.lower()).split()[-1]


def copy_rows(rows: list[list[str]], reading: str, form: str, target: Path) -> None:
    if not shutil.which("stilts"):
        raise ImportError("stilts")
    source = target.with_name("source.csv")
    lines = [",".join(row) for row in rows]
    source.write_text("\n".join(lines) + "\n")
    files = [f"in={source}", f"out={target}"]
    subprocess.run(["stilts", "tcopy", f"ifmt={reading}", f"ofmt={form}", *files], check=True)
    source.unlink()


def write_list(galaxies: Galaxies, folder: Path, form: str, name: str) -> Written:
    galaxies.write_pngs(folder)
    ids = [str(number) for number in LONG_IDS]
    cells = [ids, FILES]
    content: dict[str, list] = {IDS: ids, PLACES: FILES}
    for column, (values, texts) in COLUMNS.items():
        cells.append(texts)
        content[COLUMN + column] = [float(value) for value in values]
    rows = [["id", "path", *COLUMNS]]
    rows.extend(list(row) for row in zip(*cells, strict=True))
    copy_rows(rows, "csv", form, folder / name)
    return Written(folder / name, content)


def write_labels(galaxies: Galaxies, folder: Path, reading: str) -> Written:
    galaxies.write_pngs(folder / "mine" / "images")
    rows = [["id", "class"]]
    rows.extend(list(row) for row in zip(NAMES, RINGS, strict=True))
    copy_rows(rows, reading, "csv", folder / "mine" / "labels.csv")
    return Written(folder / "mine", {IDS: NAMES, CLASSES: RINGS})


stilts = f"stilts {find_version()}".strip()
for form, name in (
    ("csv", "a.csv"),
    ("fits-basic", "a.fits"),
    ("fits-plus", "a.fits"),
    ("colfits-basic", "a.fits"),
    ("votable", "a.vot"),
):
    add(stilts, f"{form} list", write_list, form, name)
add(stilts, "`labels.csv`, read as `csv(header=true)`", write_labels, "csv(header=true)")
add(stilts, "`labels.csv`, read as `csv`", write_labels, "csv")

if __name__ == "__main__":
    write_all()
