"""`src/prepare.py --audit`: leaks that were planted are counted, and there are no others."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from galaxyzoo.data.stores import opening
from galaxyzoo.data.stores.base import Images
from support.datasets import draw_competition
from support.pictures import draw_images, encode
from support.trained import run_command

AUDIT = ["prepare", "--fail", "--audit", "other"]  # the option need not come first


def printed_checks(printed: str) -> dict[str, int]:
    """Number that was printed for each check."""
    lines = re.findall(r"^(.* \((?:error|warning)\)): (\d+)$", printed, re.M)
    return {check: int(number) for check, number in lines}


def write_other(folder: Path, image: bytes) -> None:
    """Write a folder with an image, and with one that is nowhere else."""
    folder.mkdir()
    (folder / "mine.jpg").write_bytes(image)
    (folder / "stranger.jpg").write_bytes(encode(draw_images(1, 106)[0]))


def test_planted_leaks_are_counted_and_shown(root, monkeypatch, capsys):
    competition = draw_competition(n_train=30, n_test=5)
    ids = competition.votes.index.tolist()
    test_id = int(competition.test_ids[0])
    copies = {ids[1]: ids[0], ids[3]: ids[2], ids[12]: ids[15], test_id: ids[4]}
    for copy, original in copies.items():
        competition.images[copy] = competition.images[original]
    competition.write_zips(root / "input")
    write_other(root / "other", competition.images[ids[5]])
    groups = pd.DataFrame({"id": ids, "group": None, "ra": 3.0 * pd.RangeIndex(30), "dec": 1.0})
    groups.loc[[6, 7], "group"] = "a"
    groups.loc[[10, 13], "group"] = "b"
    groups.loc[9, "ra"] = groups.loc[8, "ra"] + 0.5 / 3600
    groups.to_csv(root / "input" / "groups.csv", index=False)
    folds = pd.DataFrame({"GalaxyID": ids, "fold": pd.RangeIndex(30) % 3})
    folds.to_csv(root / "team.csv", index=False)
    monkeypatch.chdir(root)
    run_command(monkeypatch, "prepare", "--folds-from", "team.csv")
    with pytest.raises(SystemExit, match="error: "):
        run_command(monkeypatch, *AUDIT)

    printed = capsys.readouterr().out
    assert "\nnext: " not in printed.partition("Near-duplicates across")[2]  # no such training
    assert printed_checks(printed) == {
        "Near-duplicates across folds (error)": 2,  # ids[12] and ids[15] are in one fold
        "Groups across folds (error)": 1,
        "Positions across folds (error)": 1,
        "Near-duplicates in the test set (warning)": 1,
        "Near-duplicates in other (warning)": 1,
    }
    (page,) = root.glob("reports/*/audit/index.html")
    table = pd.read_csv(page.with_name("audit.csv"), dtype=str)
    assert list(table.columns[:4]) == ["check", "severity", "number", "ids"]
    listed = table.groupby(["severity", "check"])["ids"].agg(set).tolist()
    expected = [(6, 7), (0, 1, 2, 3), (8, 9)]
    assert listed[:3] == [{str(ids[row]) for row in rows} for rows in expected]
    assert listed[3:] == [{str(ids[5]), "mine.jpg"}, {str(ids[4]), str(test_id)}]
    assert page.read_text().count("<img ") == len(table)


def test_images_that_are_not_compared_are_named(prepared, root, monkeypatch, capsys):
    """Read as the dataset's own were."""
    seen = []
    opened = opening.open_images

    def open_images(path: Path, settings: Any) -> Images:
        seen.append(settings.stretch)
        return opened(path, settings)

    monkeypatch.setattr(opening, "read_image_settings", lambda dataset: ["--stretch", "linear"])
    monkeypatch.setattr(opening, "open_images", open_images)
    (image,) = draw_images(1, 96)
    write_other(root / "other", encode(image, end=".png")[:900])
    (root / "other" / "new.webp").write_bytes(b"x")
    monkeypatch.chdir(root)
    run_command(monkeypatch, "prepare", "--audit", "other")
    printed = capsys.readouterr().out
    assert "1 of 2 images cannot be used: they are not compared; first: mine.jpg: " in printed
    assert "\nnot compared: new.webp: .webp is not supported" in printed
    assert seen == ["linear"]


def test_a_split_of_our_own_has_no_leaks(prepared, root, monkeypatch, capsys):
    (image,) = draw_images(1, 96)
    write_other(root / "other", encode(image))
    monkeypatch.chdir(root)
    run_command(monkeypatch, "prepare", "--audit=other", "--fail")
    printed = capsys.readouterr().out
    assert "--plan\n" in printed
    checks = printed_checks(printed)
    assert len(checks) == 3
    assert set(checks.values()) == {0}
    (table,) = root.glob("reports/*/audit/audit.csv")
    assert pd.read_csv(table).empty
