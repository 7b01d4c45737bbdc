"""The list of submissions: users' cells stay, and kills lose no submission."""

import csv
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from extras.download.test_submit import submit_by, write_submission
from galaxyzoo.core.errors import InputError
from galaxyzoo.extras.download import submit
from galaxyzoo.extras.download.ledger import Ledger, ledger_csv
from support.kaggle_server import REF
from support.kills import Killed
from support.refusals import listing, one_line_refusal

COLUMNS = "time,ensemble,cross_validated,nested,public,private,message,digest,kaggle_number"


def write_ledger(*rows: str, head: str = COLUMNS, line_end: str = "\n", mark: str = "") -> None:
    text = mark + line_end.join([head, *rows]) + line_end
    ledger_csv().write_bytes(text.encode())


def written_cells() -> list[list[str]]:
    text = ledger_csv().read_bytes().decode("utf-8-sig")
    return [*csv.reader(io.StringIO(text, newline=""))]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_all_that_users_wrote_stays(line_end, mark, stand_in, rests, root, monkeypatch):
    head = "note,kaggle_number,time,ensemble,private,public,nested,cross_validated,message,digest,n"
    rows = [
        "001,4,-,001,0.10,,0.1,1e-1,NA,-,1234567890123456789",
        "1.10,,29/11/2026 21:14,-,NA,None,null,nan,None,-,",
        'NA,5.0,-,=a,,0.5,,,"null, ""x""\nof two lines",-,007',
        " a ,x,-,N/A,,,,,null,-,-0",
        "# the final ones",
    ]
    write_ledger(*rows, head=head, line_end=line_end, mark=mark)
    before = written_cells()
    write_submission(root)
    submit_by(monkeypatch, "-m", "m", "--no-wait")
    stand_in.polls_before_score = 0
    submit_by(monkeypatch, "--scores")
    header, *cells = written_cells()
    assert header == [*before[0], "status"]
    for old, new in zip(before[1:], cells, strict=False):
        assert new == old + [""] * (len(header) - len(old))
    added = [dict(zip(header, row, strict=True)) for row in cells[len(rows) :]]
    assert [row["kaggle_number"] for row in added] == [str(REF), "1"]
    data = ledger_csv().read_bytes()
    assert data.startswith(mark.encode() + b"note")
    lines = data.count(line_end.encode()) - (line_end == "\n")  # without that in a message
    assert lines == len(written_cells())


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_line_breaks_in_cells_do_not_tear_the_ledger(line_end, stand_in, rests, root, monkeypatch):
    write_submission(root)
    for number, message in enumerate(["a\rb", "a\r\nb", "a\nb", '\r"', "\r,\r"]):
        write_ledger('"two\rlines",a,,,,,"\r",d,2', line_end=line_end)
        first, sent = submit_by(monkeypatch, "-m", message, "--no-wait")
        assert (first["time"], first["message"]) == ("two\rlines", "\r")
        assert (sent["message"], sent["kaggle_number"]) == (message, str(REF + number))


def test_a_message_that_is_no_text_is_neither_written_nor_sent(stand_in, rests, root, monkeypatch):
    write_submission(root)
    message = one_line_refusal(submit_by, monkeypatch, "-m", "caf\udce9")
    assert "is not UTF-8" in message
    assert not ledger_csv().exists()
    assert not stand_in.uploads


def test_scores_fill_empty_cells_of_their_own_rows(stand_in, rests, root, monkeypatch):
    listed = {"status": "COMPLETE", "date": "2026-01-02T03:04:05Z", "publicScore": "0.07"}
    numbers = range(1, 51)  # on three pages
    stand_in.elsewhere = [{**listed, "ref": n, "description": "x"} for n in reversed(numbers)]
    write_ledger("-,a,,,,,m,d,2", "-,b,,,0.0700,0.5,m,d,3.0", "-,c,,,,,m,d,", "-,d,,,,,m,d,999")
    rows = submit_by(monkeypatch, "--scores")
    cells = [(row["ensemble"], row["public"], row["private"], row["status"]) for row in rows[:4]]
    assert cells == [
        ("a", "0.07", "", "complete"),
        ("b", "0.0700", "0.5", "complete"),
        ("c", "", "", ""),
        ("d", "", "", ""),
    ]
    added = [int(row["kaggle_number"]) for row in rows[4:]]
    assert added == [n for n in numbers if n not in (2, 3)]
    assert rows[4]["time"] == "2026-01-02T03:04:05+00:00"
    text = ledger_csv().read_bytes()
    submit_by(monkeypatch, "--scores")
    assert ledger_csv().read_bytes() == text


def test_a_link_stays_and_its_target_is_written(stand_in, rests, root, tmp_path, monkeypatch):
    target = tmp_path / "elsewhere" / "mine.csv"
    target.parent.mkdir()
    write_ledger("-,a,,,,,m,d,2")
    ledger_csv().rename(target)
    ledger_csv().symlink_to("../elsewhere/mine.csv")
    write_submission(root)
    submit_by(monkeypatch, "-m", "mine", "--no-wait")
    assert str(ledger_csv().readlink()) == "../elsewhere/mine.csv"
    assert [row.split(",")[1] for row in target.read_text().splitlines()[1:]] == [
        "a",
        "submissions/predictions.csv",
    ]


def test_the_picture_has_kaggles_scores_over_ours_and_the_line_of_equal_ones(root, monkeypatch):
    drawn: list[Figure] = []
    save = Figure.savefig

    def note(figure: Figure, *arguments: Any, **options: Any) -> None:
        drawn.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", note)
    unscored = ["-,a,0.08,,,,m,d,2", "-,b,,,0.07,0.07,m,d,3"]
    scored = ["-,c,0.08,,0.085,,m,d,4", "-,d,0.076,,0.080,0.081,m,d,5", "-,e,0.076,,0.080,,m,d,6"]
    pairs = [(0.08, 0.085), (0.076, 0.080), (0.076, 0.080)]
    for n_rows, n_pairs in ((0, 0), (2, 0), (3, 1), (5, 3)):
        write_ledger(*[*unscored, *scored][:n_rows])
        Ledger().print()
        picture = ledger_csv().with_suffix(".png")
        assert picture.exists() == (n_pairs > 0)
        if not n_pairs:
            continue
        axes = drawn[-1].axes[0]
        public, private, line = axes.lines
        np.testing.assert_array_equal(public.get_xydata(), pairs[:n_pairs])
        assert 0.07 not in np.asarray(private.get_ydata())
        ends = line.get_transform().transform([(0, 0), (1, 1)])  # in pixels
        (x, y), (last_x, last_y) = axes.transData.inverted().transform(ends)
        assert (x, last_x) == pytest.approx((y, last_y))
        assert last_x - x > 0.001  # in view
        picture.unlink()


def break_ledger(fault: str) -> None:
    path = ledger_csv()
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    write_ledger("-,a,,,0.08,,m,d,2")
    if fault == "folder":
        path.unlink()
        path.mkdir()
    elif fault == "link to nothing":
        path.unlink()
        path.symlink_to("nothing.csv")
    elif fault == "link to itself":
        path.unlink()
        path.symlink_to("ledger.csv")
    elif fault == "not UTF-8":
        write_ledger("-,a,,,0.08,,m,d,2")
        path.write_bytes(path.read_bytes().replace(b"m,", b"caf\xe9,"))
    elif fault == "empty":
        path.write_text("")
    elif fault == "lacks columns":
        write_ledger("-,-", head="time,ensemble")
    elif fault == "column twice":
        write_ledger("-,a,,,0.08,,m,d,2,x,y", head=f"{COLUMNS},note,note")
    elif fault == "semicolons":
        path.write_text(path.read_text().replace(",", ";"))
    elif fault == "comma in a score":
        write_ledger("-,a,,,0,08,,m,d,2")
    elif fault == "open quote":
        write_ledger('-,"a,,,0.08,,m,d,2')
    else:
        write_ledger("-,a,,,0.08,,m,d,2", f"-,a,,,{fault},,m,d,2")


FAULTS = [
    ("folder", "Is a directory"),
    ("link to nothing", "nothing.csv, is missing"),
    ("link to itself", "symbolic links"),
    ("not UTF-8", "UTF-8"),
    ("empty", "'time'"),
    ("lacks columns", "'cross_validated'"),
    ("column twice", "'note'"),
    ("semicolons", "commas"),
    ("comma in a score", "data row 1"),
    ("open quote", "line 2"),
    ('"0,08"', "data row 2, public: '0,08'"),
    ("0.08?", "data row 2, public: '0.08?'"),
    ("-", "data row 2, public: '-'"),
]


def test_a_damaged_ledger_is_refused_before_sending(stand_in, rests, root, monkeypatch):
    write_submission(root)
    for fault, named in FAULTS:
        break_ledger(fault)
        before = listing(root)
        for words in (["--check"], ["-m", "m"], ["--scores"]):
            monkeypatch.setattr(sys, "argv", ["submit.py", *words])
            line = one_line_refusal(submit.main)
            assert line.startswith("submissions/ledger.csv: ")
            assert named in line, fault
            assert stand_in.uploads == []
        assert listing(root) == before, fault


def test_nothing_is_sent_if_the_ledger_cannot_be_written(stand_in, rests, root, monkeypatch):
    def refuse(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    write_submission(root)
    monkeypatch.setattr("galaxyzoo.extras.download.ledger.files.write_text", refuse)
    with pytest.raises(OSError, match="No space"):
        submit_by(monkeypatch, "-m", "m")
    assert stand_in.uploads == []


# Places of kills: which replacement of the ledger, and whether the kill comes after it; None: in
# the upload. Then how many submissions Kaggle has after the kill, and after the same command again.
KILLS = {
    "before the row": ((0, False), 0, 1),
    "after the row": ((0, True), 0, 1),
    "before it arrived": (None, 0, 1),
    "after it arrived": (None, 1, 1),
    "before the number": ((1, False), 1, 1),
    "after the number": ((1, True), 1, 2),
    "before the score": ((2, False), 1, 2),
    "after the score": ((2, True), 1, 2),
}


@pytest.mark.parametrize(
    ("kill", "then"),
    [
        *((kill, "same") for kill in KILLS),
        ("before it arrived", "other"),
        ("after it arrived", "other"),
        ("before the number", "--scores"),
        ("before it arrived", "--scores"),
    ],
)
def test_kills_lose_no_submission(kill, then, stand_in, rests, root, monkeypatch):
    place, n_arrived, n_repeated = KILLS[kill]
    stand_in.polls_before_score = 0
    write_ledger("-,mine,,,,,m,d,2")
    write_submission(root)
    replace = Path.replace
    done: list[Path] = []

    def strike(path: Path, target: Path) -> Path:
        if target != ledger_csv():
            return replace(path, target)
        done.append(target)
        if place == (len(done) - 1, False):
            raise Killed
        replace(path, target)
        if place == (len(done) - 1, True):
            raise Killed
        return target

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", strike)
        if kill == "before it arrived":
            stand_in.faults["CreateSubmission"] = [None]
        stand_in.breaks_after_submission = int(kill == "after it arrived")
        with pytest.raises((Killed, InputError)):
            submit_by(patch, "-m", "m")
    assert len(stand_in.submissions) == n_arrived
    words = {"same": ["-m", "m"], "other": ["-m", "other"], "--scores": ["--scores"]}[then]
    rows = submit_by(monkeypatch, *words)
    n_sent = {"same": n_repeated, "other": n_arrived + 1, "--scores": n_arrived}[then]
    assert len(stand_in.submissions) == n_sent
    assert (rows[0]["ensemble"], rows[0]["public"], rows[0]["status"]) == ("mine", "", "")
    sent = [row for row in rows if row["kaggle_number"] not in ("1", "2", "")]
    assert [row["kaggle_number"] for row in sent] == [str(REF + k) for k in range(n_sent)]
    assert sent[-1:] == [] or sent[-1]["public"] == "0.07512"
    assert not Ledger().interrupted()
