"""Labels, classes and notes of the label loop: on disk before they count."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError
from galaxyzoo.extras.labels.heads import Proportion
from galaxyzoo.extras.labels.label_loop import LabelLoop
from support.refusals import one_line_refusal
from support.surveys import COUNT, make_loop


def saved(loop: LabelLoop) -> list[tuple[str, str]]:
    table = pd.read_csv(loop.path)
    assert [*table.columns] == ["id", "class"]
    return [*table.itertuples(index=False, name=None)]


def test_each_label_is_on_disk_and_there_at_a_new_start(loop):
    loop.label([3], 0)
    loop.label([1, 2], 1)
    plain = [("1.png", "plain, old"), ("2.png", "plain, old")]
    assert saved(loop) == [("3.png", "rare"), *plain]
    again = make_loop(loop.survey.folder)
    assert (again.classes, again.labels) == (loop.classes, loop.labels)
    again.label([3], None, 0)
    assert saved(again) == plain


def test_a_label_that_has_changed_meanwhile_stays(loop):
    """Of two tabs, each knows what it shows; what one gave, the other cannot take back."""
    assert loop.label([3, 4], 0, None) == [3, 4]
    assert loop.label([3, 5], 1, None) == [5]
    assert loop.label([3, 4, 5], None, 0) == [3, 4]
    assert loop.labels == {5: 1}
    assert saved(loop) == [("5.png", "plain, old")]


def test_a_label_that_cannot_be_written_does_not_count(loop, monkeypatch):
    def fail(*_: object) -> None:
        raise InputError("disk full")

    loop.label([3], 0)
    monkeypatch.setattr(files, "write_text", fail)
    for rows, number, before in (([4], 1, None), ([3], None, 0)):
        assert one_line_refusal(loop.label, rows, number, before) == "disk full"
        assert loop.labels == {3: 0}
    assert one_line_refusal(loop.add_class, "new") == "disk full"
    assert len(loop.classes) == 2
    monkeypatch.undo()
    loop.label([3], None, 0)
    assert saved(loop) == []


CHANGES: dict[str, Callable[[str], str]] = {
    "row added": lambda text: f"{text}9.png,rare\n",
    "row deleted": lambda text: "\n".join(text.split("\n")[:-2]) + "\n",
    "label corrected": lambda text: text.replace('"plain, old"', "rare"),
    "class renamed": lambda text: text.replace("rare", "rarest"),
    "column added": lambda text: text.replace("\n", ",me\n"),
    "all deleted": lambda text: "",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_table_that_another_program_changed_is_not_written_over(loop, change):
    loop.label([3], 0)
    loop.label([1, 2], 1)
    changed = CHANGES[change](loop.path.read_text())
    loop.path.write_text(changed) if changed else loop.path.unlink()
    for act in (lambda: loop.label([5], 0, None), lambda: loop.add_class("new")):
        assert "labels.csv or classes.txt changed on disk" in one_line_refusal(act)
        assert (loop.path.read_text() if loop.path.exists() else "") == changed
    loop.read()
    loop.label([5], 1)
    assert loop.path.read_text().startswith(changed)
    assert "5.png" in loop.path.read_text()


def test_what_else_a_table_has_stays(tmp_path):
    """Columns of one's own, digit by digit; the name of the ids; a link; rows without a class."""
    (tmp_path / "mine").mkdir()
    table = tmp_path / "mine" / "table.csv"
    lines = ["file,note,class,code", "1,NA,rare,007", "2.png,=why?,,1.50"]
    table.write_text("\n".join([*lines, "4.png,,,", ""]))
    (tmp_path / "labels.csv").symlink_to("mine/table.csv")
    loop = make_loop(tmp_path)
    loop.label([3], loop.add_class("plain"))
    loop.label([3], None, 1)
    loop.label([1], None, 0)
    loop.label([5], 1)
    lines[1] = "1,NA,,007"
    assert table.read_text() == "\n".join([*lines, "4.png,,,", "5.png,,plain,", ""])
    assert (tmp_path / "labels.csv").is_symlink()
    assert make_loop(tmp_path).labels == {5: 1}


def test_classes_keep_their_order_also_those_without_a_label(tmp_path):
    """A key means the same class for ever. Spreadsheets write rows of nothing but commas."""
    (tmp_path / "labels.csv").write_text("id,class\n1.png,b\n,\n2.png,a\n,\n")
    loop = make_loop(tmp_path)
    for name in ("empty", "d"):
        loop.add_class(name)
    (tmp_path / "labels.csv").write_text("id,class\n2.png,c\n1.png,d\n")
    assert make_loop(tmp_path).classes == ["b", "a", "empty", "d", "c"]
    assert make_loop(tmp_path).labels == {2: 4, 1: 3}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("id,class\n61.png,rare\n", "csv labels '61.png', which the survey"),
        ("id,class\n1.png,a\n1.png,b\n", "csv: '1.png' appears twice"),
        ("name,class\n1.png,a\n", "has no id column (expected one of"),
        ("", "labels.csv"),
    ],
)
def test_labels_that_are_not_of_the_survey_are_one_line(tmp_path, content, complaint):
    (tmp_path / "labels.csv").write_text(content)
    assert complaint in one_line_refusal(make_loop, tmp_path)
    assert (tmp_path / "labels.csv").read_text() == content


@pytest.mark.parametrize("name", ["", "  ", "=1+1", "fold", "a\nb", "x" * 41])
def test_a_name_that_a_table_would_not_keep_is_no_class(loop, name):
    assert "class" in one_line_refusal(loop.add_class, name)
    assert len(loop.classes) == 2
    assert loop.add_class(" rare ") == 0


def test_classes_are_renamed_merged_and_removed_with_their_labels(loop):
    """On disk, too; the keys of the other classes stay."""
    third = loop.add_class("third")
    for number, rows in enumerate(([3, 7], [0], [1, 2])):
        loop.label(rows, number)

    def check(classes: list[str], labels: dict[int, str]) -> None:
        for each in (loop, make_loop(loop.survey.folder)):
            assert each.classes == classes
            assert {row: each.class_of(row) for row in each.labels} == labels

    assert loop.rename(0, " odd ") == [3, 7]
    labels = {3: "odd", 7: "odd", 0: "plain, old", 1: "third", 2: "third"}
    check(["odd", "plain, old", "third"], labels)
    assert loop.rename(third, "odd") == [1, 2]
    check(["odd", "plain, old"], labels | {1: "odd", 2: "odd"})
    assert loop.rename(0, "odd") == []
    assert loop.rename(0, "") == [3, 7, 1, 2]
    check(["plain, old"], {0: "plain, old"})
    assert "cannot name a class" in one_line_refusal(loop.rename, 0, "=1")
    loop.rename(0, "")
    check([], {})


def test_a_note_is_a_column_and_a_skipped_galaxy_is_not_proposed(loop):
    loop.label([3], 0)
    loop.annotate(3, "two\nrings")
    loop.annotate(5, "skipped")
    loop.annotate(6, "bar?")
    lines = ["id,class,note", "3.png,rare,two rings", "5.png,,skipped", "6.png,,bar?"]
    assert loop.path.read_text().splitlines() == lines
    again = make_loop(loop.survey.folder)
    for by in ("likely", "uncertain", "diverse", "mix"):
        assert {*again.ranking(by, 0).tolist()} == {*range(COUNT)} - {3, 5}
    again.annotate(5, "")
    assert loop.path.read_text().splitlines() == [*lines[:2], lines[3]]
    assert 5 in again.ranking("mix", 0)
    assert (again.note(3), again.note(5)) == ("two rings", "")


def test_labels_of_two_people_are_compared(loop):
    """Cohen's kappa by hand."""
    loop.label([0, 1], 0)
    loop.label([2, 3, 4, 9], 1)
    names = ["rare", "plain, old", "plain, old", "plain, old", "other"]
    rows = [f'{row}{".png" * (row > 2)},"{name}"' for row, name in enumerate(names)]
    text = "\n".join(["file,class", *rows, "8.png,rare", "stranger.png,rare", ""])
    agreement, kappa, others = loop.compare(text)
    assert agreement == Proportion(3, 5)
    assert kappa == pytest.approx((0.6 - 0.44) / (1 - 0.44))  # 0.4 * 0.2 + 0.6 * 0.6
    assert others == {1: "plain, old", 4: "other"}
    assert "no galaxy is labeled" in one_line_refusal(loop.compare, "id,class\n8.png,a\n")
    assert "'1.png' appears twice" in one_line_refusal(loop.compare, "id,class\n1,a\n1.png,a\n")
    assert "has no column 'class'" in one_line_refusal(loop.compare, "id,label\n1.png,a\n")
    assert np.isnan(loop.compare('id,class\n2.png,"plain, old"\n')[1])
