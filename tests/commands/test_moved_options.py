"""Options that are commands of their own now: the old spelling names the new one."""

import shlex
import sys

import pytest

from galaxyzoo import commands
from galaxyzoo.core import extras
from support.commands import parser_of

# What is typed, and what is to be typed.
MOVED = {
    "predict a/ --output v/ --with spread": "survey a/ --with spread v/",
    "predict --with=spread --output=v/ a/": "survey --with=spread a/ v/",
    "predict gz37/cnn a/ --output v.fits --rank odd": "survey gz37/cnn a/ --rank odd v.fits",
    "predict a/ --top 3": "survey a/ --top 3 votes/",
    "predict a/ --output v/ --keep ra": "survey a/ --keep ra v/",
    "predict a/ --output v/ --table v.vot": "survey a/ --table v.vot v/",
    "predict a/ --output v/ --names words": "survey a/ --names words v/",
    "predict a/ --output v/ --part-size 9": "survey a/ --part-size 9 v/",
    "predict a/ b.zip --output v/ --jobs 2": "survey a/ b.zip --jobs 2 v/",
    "predict 'my galaxies/' --output v/ --backend ray": "survey 'my galaxies/' --backend ray v/",
    "ensemble --intervals": "intervals",
    "ensemble default --intervals --dataset demo": "intervals default --dataset demo",
    "ensemble --intervals 0.8 default": "intervals default 0.8",
    "ensemble --intervals=0.8": "intervals 0.8",
    "ensemble a b --name x --intervals 0.8": "intervals x 0.8",
    "ensemble --intervals --name 'x y' a --dataset mine": "intervals 'x y' --dataset mine",
    "app --label votes/ --port 80": "label --port 80 votes/",
    "app --open --label=votes/": "label --open votes/",
}


@pytest.mark.parametrize(("typed", "spelled"), MOVED.items())
def test_the_old_spelling_names_the_new_command(typed, spelled, monkeypatch, capsys):
    name, *words = shlex.split(typed)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *words])
    with pytest.raises(SystemExit) as stopped:
        commands.run(name)
    assert stopped.value.code == 2
    command, _, rest = spelled.partition(" ")
    line = f"python3 src/{command}.py {rest}".rstrip()
    told = capsys.readouterr().err
    assert f"`{line}`\n" in told
    assert (", then `" in told) == ("--name" in words)  # which is made first
    parser, arguments = parser_of(command, *shlex.split(rest))
    parser.parse_intermixed_args(arguments)


def test_an_ensemble_with_intervals_is_made_first(monkeypatch, capsys):
    words = ["gz37/a", "gz37/b", "--name", "x", "--intervals", "0.8", "--dataset", "mine"]
    monkeypatch.setattr(sys, "argv", ["ensemble.py", *words])
    with pytest.raises(SystemExit):
        commands.run("ensemble")
    first = "python3 src/ensemble.py gz37/a gz37/b --name x --dataset mine"
    then = "python3 src/intervals.py x --dataset mine 0.8"
    told = capsys.readouterr().err
    assert told == f"error: ensemble no longer takes --intervals: type `{first}`, then `{then}`\n"


def test_each_moved_option_is_tried_and_no_command_has_it():
    for extra in extras.installed().values():
        for moved in extra.moved:
            name, option = moved.split()
            assert any(typed.startswith(name) and option in typed for typed in MOVED)
            assert option not in parser_of(name)[0]._option_string_actions
