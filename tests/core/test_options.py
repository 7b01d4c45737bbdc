"""Options as dataclasses: words and options in any order, and mistakes in one line."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from galaxyzoo.core import launch, options
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.options import option, positional, positive, read_options, take_option


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Of each kind one."""

    images: tuple[Path, ...] = positional("images", "IMAGE", nargs="+")
    size: int = option("side", 64, type=positive)
    form: Literal["png", "jpg"] | None = option("of the files")
    side: Literal[1, 8] | None = option("one of two")
    keep: tuple[str, ...] = option("columns", ())
    bands: tuple[Literal["r", "g"], ...] = option("colors", (), "--with")
    fast: bool = option("no checks", False, excludes=("size", "keep"))
    table: str | None = option("file", needs="keep")


def test_each_annotation_is_read():
    assert read_options(Cut, None, ["a.png"]) == Cut(images=(Path("a.png"),))
    words = "a --size 3 --form jpg --side 8 --keep ra,dec --keep z --with r,g --table t b"
    named: dict[str, Any] = {"size": 3, "form": "jpg", "side": 8, "keep": ("ra", "dec", "z")}
    named |= {"bands": ("r", "g"), "images": (Path("a"), Path("b")), "table": "t"}
    assert read_options(Cut, None, words.split()) == Cut(**named)
    assert read_options(Cut, None, ["a", "--fast"]) == Cut(images=(Path("a"),), fast=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "IMAGE"),
        (["a", "--sise", "3"], "unrecognized arguments: --sise.*did you mean --size?"),
        (["a", "-s", "3"], "unrecognized arguments: -s"),
        (["a", ""], "an argument is empty: is a shell variable unset?"),
        (["a", "--table="], "--table= is empty: is a shell variable unset?"),
        (["a", "--fast", "--keep", "ra"], "--keep does nothing with --fast: leave one of them out"),
        (["a", "--size", "3", "--fast"], "--size does nothing with --fast"),
        (["a", "--table", "t"], "--table needs --keep"),
        (["a", "--size", "0"], "--size: must be 1 or more"),
        (["a", "--size", "x"], "--size: invalid positive value: 'x'"),
        (["a", "--form", "gif"], "--form: invalid choice: 'gif'"),
        (["a", "--with", "r,b"], "--with: 'b': choose from r, g"),
    ],
)
def test_a_mistake_is_one_line(words, message):
    with pytest.raises(InputError, match=message):
        read_options(Cut, None, words)


def test_an_empty_word_that_was_typed_is_refused(monkeypatch):
    for words in (["", "a"], ["a", "--keep", ""]):
        monkeypatch.setattr(sys, "argv", ["cut.py", *words])
        with pytest.raises(InputError, match="an argument is empty"):
            read_options(Cut, None)
    monkeypatch.setattr(sys, "argv", ["cut.py", "a"])
    assert read_options(Cut, None) == Cut(images=(Path("a"),))


def test_examples_of_an_installed_package_are_its_commands(monkeypatch, capsys):
    for module in (options, launch):
        monkeypatch.setattr(module, "INSTALLED", True)
    with pytest.raises(SystemExit):
        read_options(Cut, "python3 src/cut.py a\nbash scripts/submit.sh, src/predict.py", ["-h"])
    assert "galaxyzoo cut a\ngalaxyzoo submit, galaxyzoo predict\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "spelled"),
    [
        ("a/ --output v/ --folds 0", "a/ --folds 0 v/"),
        ("--output=v/ --folds 0 a/ b.zip", "--folds 0 a/ b.zip v/"),
        ("a/ --folds=0 --out v.fits --views 1", "a/ --folds=0 --views 1 v.fits"),
        ("a/ --output --fast", "a/ --fast"),
        ("a/ --keep x", "a/ --keep x votes/"),
    ],
)
def test_an_option_is_taken_out_with_its_value_or_the_default(typed, spelled):
    others, value = take_option(typed.split(), "--output", "votes/")
    assert others + value == spelled.split()
