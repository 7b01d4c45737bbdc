"""Labels, classes and notes of a survey: on disk before they count."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError
from galaxyzoo.extras.labels.label_loop import LabelLoop
from galaxyzoo.extras.labels.scores import Proportion
from galaxyzoo.extras.labels.survey_labels import NOTE, SKIPPED
from support.kills import Killed
from support.refusals import listing, one_line_refusal
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
    if changed:
        loop.path.write_text(changed)
    else:
        loop.path.unlink()
    for act in (lambda: loop.label([5], 0, None), lambda: loop.add_class("new")):
        assert "labels.csv or classes.txt changed on disk" in one_line_refusal(act)
        assert (loop.path.read_text() if loop.path.exists() else "") == changed
    loop.read()
    loop.label([5], 1)
    assert loop.path.read_text().startswith(changed)
    assert "5.png" in loop.path.read_text()


@pytest.mark.parametrize("content", ["plain\nrare\n", "rare\n", "", None])
def test_classes_that_another_program_changed_are_not_written_over(loop, content):
    loop.label([3], 0)
    labels = loop.path.read_bytes()
    path = loop.path.with_name("classes.txt")
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    for act in (lambda: loop.label([5], 0), lambda: loop.add_class("new")):
        assert "labels.csv or classes.txt changed on disk" in one_line_refusal(act)
        assert loop.path.read_bytes() == labels
        assert (path.read_text() if path.exists() else None) == content
    loop.read()
    assert loop.class_of(3) == "rare"
    loop.label([5], loop.add_class("new"))


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


@pytest.mark.parametrize("cell", ["two\rlines", "\r", "two\r\nlines", "two\nlines"])
def test_line_breaks_in_cells_do_not_tear_the_table(loop, cell):
    loop.path.write_bytes(f'id,class,me\n1.png,rare,"{cell}"\n'.encode())
    loop = make_loop(loop.survey.folder)
    loop.label([3], 0)
    again = make_loop(loop.survey.folder)
    assert again.labels == loop.labels
    assert again.cell(1, "me") == cell


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
    assert loop.rename(third, "odd", 2) == [1, 2]
    check(["odd", "plain, old", ""], labels | {1: "odd", 2: "odd"})
    assert loop.rename(0, "odd") == []
    assert loop.rename(0, "", 4) == [3, 7, 1, 2]
    check(["", "plain, old", ""], {0: "plain, old"})
    for text, cause in (("=1", "looks like a formula"), ("late\xa0type", "a non-breaking space")):
        line = one_line_refusal(loop.rename, 1, text)
        assert "cannot name a class" in line
        assert cause in line
    loop.rename(1, "")
    check(["", "", ""], {})


@pytest.mark.parametrize("name", ["", "third"])
def test_a_removed_class_comes_back_to_its_place(loop, name):
    """Whatever was added meanwhile: keys and colors go by places."""
    loop.add_class("third")
    loop.label([3], 0)
    loop.rename(0, name)
    assert loop.classes == ["", "plain, old", "third"]
    assert loop.add_class("fourth") == 3
    assert loop.add_class("rare", 0) == 0
    assert loop.add_class("fifth", 1) == 4  # that place has another class
    assert loop.classes == ["rare", "plain, old", "third", "fourth", "fifth"]
    assert make_loop(loop.survey.folder).classes == loop.classes


@pytest.mark.parametrize("name", ["", "plain, old"])
def test_labels_that_the_caller_has_not_seen_are_neither_removed_nor_merged(loop, name):
    loop.label([3, 7], 0)
    before = listing(loop.survey.folder)
    assert "'rare' has 2 labels by now" in one_line_refusal(loop.rename, 0, name, 1)
    assert listing(loop.survey.folder) == before
    assert loop.labels == {3: 0, 7: 0}
    assert loop.rename(0, name, 2) == [3, 7]


@pytest.mark.parametrize("name", ["", "plain, old", "odd"])
@pytest.mark.parametrize("step", range(4))
def test_a_kill_amid_a_change_of_classes_leaves_each_label_under_the_old_name_or_the_new(
    loop, monkeypatch, name, step
):
    """Before each of the files that a removal, a merge and a rename write."""
    loop.label([3, 7], 0)
    loop.annotate(3, NOTE, "two rings")
    loop.label([0], 1)
    write = files.write_text
    written = list[Path]()

    def write_until_killed(path: Path, text: str) -> None:
        if len(written) == step:
            raise Killed
        written.append(path)
        write(path, text)

    monkeypatch.setattr(files, "write_text", write_until_killed)
    with suppress(Killed):
        loop.rename(0, name)
    monkeypatch.undo()
    again = make_loop(loop.survey.folder)
    labels = {row: again.class_of(row) for row in (3, 7, 0)}
    assert labels[3] == labels[7]
    assert labels[3] in ("rare", name or None)
    assert labels[0] == "plain, old"
    assert again.cell(3, NOTE) == "two rings"
    assert again.classes[1] == "plain, old"
    assert again.classes[0] in ("rare", name if name == "odd" else "")


def test_a_skipped_galaxy_keeps_its_note_and_is_not_proposed_until_it_has_had_a_class(loop):
    loop.label([3], 0)
    loop.annotate(3, NOTE, "two\nrings")
    loop.annotate(5, NOTE, "bar?")
    loop.annotate(5, SKIPPED, "yes")
    loop.annotate(6, NOTE, "skipped")
    lines = ["id,class,note,skipped", "3.png,rare,two rings,", "5.png,,bar?,yes", "6.png,,skipped,"]
    assert loop.path.read_text().splitlines() == lines
    again = make_loop(loop.survey.folder)
    for by in ("likely", "uncertain", "diverse", "mix"):
        assert {*again.ranking(by, 0).tolist()} == {*range(COUNT)} - {3, 5}
    assert [again.cell(row, NOTE) for row in (3, 5, 6)] == ["two rings", "bar?", "skipped"]
    again.label([5], 1)
    again.label([5], None, 1)
    assert 5 in again.ranking("mix", 0)
    assert again.cell(5, NOTE) == "bar?"
    assert again.annotate(5, NOTE, "", "bar?")
    assert again.path.read_text().splitlines() == [*lines[:2], lines[3]]


def test_the_note_skipped_alone_hides_nothing(loop):
    loop.annotate(6, NOTE, "skipped")
    assert loop.path.read_text() == "id,class,note,skipped\n6.png,,skipped,\n"
    again = make_loop(loop.survey.folder)
    assert 6 in again.ranking("mix", 0)
    assert again.cell(6, NOTE) == "skipped"


def test_galaxies_that_an_earlier_version_skipped_stay_so(tmp_path):
    """It wrote a note, which hid a galaxy as long as that had no class."""
    written = "id,class,note\n3.png,rare,skipped\n5.png,,skipped\n6.png,,bar?\n"
    (tmp_path / "labels.csv").write_text(written)
    loop = make_loop(tmp_path)
    assert loop.path.read_text() == written
    assert {*range(COUNT)} - {*loop.ranking("mix", 0).tolist()} == {3, 5}
    loop.label([3], None, 0)
    assert {*range(COUNT)} - {*loop.ranking("mix", 0).tolist()} == {5}
    assert loop.path.read_text() == "id,class,note,skipped\n5.png,,,yes\n6.png,,bar?,\n"


def test_a_note_that_another_tab_has_changed_meanwhile_stays(loop):
    assert loop.annotate(3, NOTE, "bar", "")
    assert not loop.annotate(3, NOTE, "ring", "")
    assert loop.cell(3, NOTE) == "bar"
    assert loop.annotate(3, NOTE, "ring", "bar")
    assert not loop.annotate(3, NOTE, "", "bar")
    assert loop.path.read_text() == "id,class,note\n3.png,,ring\n"


def test_what_a_table_would_not_keep_is_refused_and_not_written(loop):
    loop.label([3], 0)
    before = listing(loop.survey.folder)
    for text in ("a\0b", "\ud800", "\x1b[2J", "\x7f"):
        for column in (NOTE, SKIPPED):
            assert "characters that a table cannot" in one_line_refusal(
                loop.annotate, 3, column, text
            )
        assert "cannot name a class" in one_line_refusal(loop.add_class, f"a{text}")
        assert "cannot name a class" in one_line_refusal(loop.rename, 0, f"a{text}")
    for text in ("a\0b", "\ud800"):
        assert "labels.csv" in one_line_refusal(loop.compare, f"id,class\n3.png,{text}\n")
    assert "named twice" in one_line_refusal(loop.label, [4, 5, 4], 0)
    assert listing(loop.survey.folder) == before
    assert make_loop(loop.survey.folder).labels == {3: 0}


@pytest.mark.parametrize("content", [b"Zwerg\xe4\n", b"a\0\n", b"=1\n"])
def test_classes_that_cannot_be_read_are_one_line(tmp_path, content):
    """Such as another program's encoding, of which a class would lose letters."""
    (tmp_path / "classes.txt").write_bytes(content)
    assert "classes.txt" in one_line_refusal(make_loop, tmp_path)
    assert (tmp_path / "classes.txt").read_bytes() == content


def test_labels_of_two_people_are_compared(loop):
    """Cohen's kappa by hand."""
    loop.label([0, 1], 0)
    loop.label([2, 3, 4, 9], 1)
    names = ["rare", "plain, old", "plain, old", "plain, old", "other"]
    rows = [f'{row}{".png" * (row > 2)},"{name}"' for row, name in enumerate(names)]
    text = "\n".join(["file,class", *rows, "8.png,rare", "stranger.png,rare", ""])
    agreement = loop.compare(text)
    assert agreement.share == Proportion(3, 5)
    assert agreement.kappa == pytest.approx((0.6 - 0.44) / (1 - 0.44))  # 0.4 * 0.2 + 0.6 * 0.6
    assert agreement.others == {1: "plain, old", 4: "other"}
    assert "no galaxy is labeled" in one_line_refusal(loop.compare, "id,class\n8.png,a\n")
    assert "'1.png' appears twice" in one_line_refusal(loop.compare, "id,class\n1,a\n1.png,a\n")
    assert "has no column 'class'" in one_line_refusal(loop.compare, "id,label\n1.png,a\n")
    assert np.isnan(loop.compare('id,class\n2.png,"plain, old"\n').kappa)
