"""Text from outside, such as names of files: in tables, on pages, on the terminal."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tqdm import tqdm

from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.launch import run_main
from galaxyzoo.data.readers.find import open_input
from galaxyzoo.extras.reports.evaluate import Evaluation
from galaxyzoo.inference.predict import predict_stores
from galaxyzoo.io.writing import without_formulas, write_predictions, write_table
from support.datasets import write_labeled
from support.pictures import draw_image, encode
from support.small_models import small_config, untrained

# OWASP's list; a line break inside a cell would begin a row, and with it a cell, of its own.
STARTS = {start: f"'{start}" for start in "=+-@＝＋－＠"}
STARTS |= {"\t": "\\t", "\r": "\\r", "\n": "\\n", "a\r=": "a\\r=", "a\n=": "a\\n="}
SCRIPT = "<img src=x onerror=alert(1)>"
ESCAPES = "\x1b]0;renamed\x07\x1b[2Jgone\r\u202egpj"


@pytest.mark.parametrize(("start", "shown"), STARTS.items(), ids=map(repr, STARTS))
def test_no_cell_index_or_column_name_becomes_a_formula(start, shown):
    text, written = f"{start}1+1", f"{shown}1+1"
    table = pd.DataFrame({text: [text, "2=1+1"], "x": [-0.5, 1.0]}, index=[text, "b"])
    plain = without_formulas(table)
    assert plain.columns.tolist() == [written, "x"]
    assert plain.index.tolist() == [written, "b"]
    assert plain[written].tolist() == [written, "2=1+1"]
    assert plain["x"].tolist() == [-0.5, 1.0]
    assert table.index.tolist() == [text, "b"]  # the caller's own is left alone


def write_csv_of_evaluation(path: Path, table: pd.DataFrame) -> None:
    evaluation = Evaluation.__new__(Evaluation)
    object.__setattr__(evaluation, "folder", path.parent)
    object.__setattr__(evaluation, "written", [])
    evaluation.write_csv(path.name, table)


@pytest.mark.parametrize("write", [write_table, write_csv_of_evaluation])
def test_every_writer_of_tables_heeds_it(tmp_path, write):
    write(tmp_path / "a.csv", pd.DataFrame({"run": list(STARTS), "score": -1.5}))
    read = pd.read_csv(tmp_path / "a.csv")
    assert read["run"].tolist() == list(STARTS.values())
    assert (read["score"] == -1.5).all()


def test_names_of_files_reach_the_table_as_text(tmp_path):
    """Also one that is not UTF-8, as old archives unpack to."""
    folder = tmp_path / "images"
    folder.mkdir()
    picture = encode(draw_image(np.random.default_rng(0), 48))
    for name in ("=1+1.jpg", f"{SCRIPT}.jpg", "\x1b[2J.jpg", 'a",b.jpg', os.fsdecode(b"\xff.jpg")):
        (folder / name).write_bytes(picture)
    predictions, unreadable = predict_stores(untrained(small_config()), [folder])
    assert not unreadable
    write_predictions(tmp_path / "a.csv", predictions)
    names = pd.read_csv(tmp_path / "a.csv", index_col="id").index
    expected = ["'=1+1.jpg", f"{SCRIPT}.jpg", "\\x1b[2J.jpg", 'a",b.jpg', "\\udcff.jpg"]
    assert sorted(names) == sorted(expected)


def exit_of(main: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught:
        run_main(main)
    return int(str(caught.value.code)), capsys.readouterr().err


def raiser(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


def test_what_cannot_be_printed_is_shown_as_its_escape():
    assert one_line(ESCAPES) == "\\x1b]0;renamed\\x07\\x1b[2Jgone\\r\\u202egpj"
    assert one_line("a\nb\u2028\udcff") == "a\\nb\\u2028\\udcff"
    assert one_line("Größe – 5 × 6 ≥ 日本 é") == "Größe – 5 × 6 ≥ 日本 é"


def test_an_error_moves_no_cursor_and_stays_on_its_line(capsys):
    code, said = exit_of(raiser(InputError(f"input/{ESCAPES}.jpg\nis missing")), capsys)
    assert code == 1
    assert said == f"error: input/{one_line(ESCAPES)}.jpg\\nis missing\n"


@pytest.mark.parametrize(("name", "sign"), [("a\x1b[2Jb", "\\x1b"), ("mine [2]", "[")])
def test_a_dataset_whose_name_cannot_be_printed_or_is_a_pattern_is_refused(root, name, sign):
    write_labeled(root / "input" / name, n=20)
    with pytest.raises(InputError) as caught:
        open_input(None, {"zoo5"})
    assert str(caught.value) == f"rename {name!r}: its name contains '{sign}'"


def test_too_little_memory_is_one_line(capsys):
    status, said = exit_of(lambda: np.zeros(2**55).sum(), capsys)
    assert status == 1
    assert said.startswith("error: out of memory (Unable to allocate 256. PiB for an array")
    assert exit_of(raiser(MemoryError()), capsys)[1].startswith("error: out of memory (the system")


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOENT, "no such file"), OSError("no number"), ValueError("x")]
)
def test_other_errors_are_bugs_and_keep_their_traceback(error):
    with pytest.raises(type(error)) as caught:
        run_main(raiser(error))
    assert caught.value is error


def test_an_error_amid_a_progress_bar_is_the_last_line_and_has_it_for_itself(capsys):
    def main() -> None:
        bar = tqdm(total=5, desc="unpacking", disable=False)
        bar.update()
        raise InputError("x.zip is damaged")

    _, said = exit_of(main, capsys)
    assert said.splitlines()[-1] == "error: x.zip is damaged"
    assert said.endswith("\nerror: x.zip is damaged\n")
