"""Options that would do nothing are refused: every pair of options of every command is tried."""

import argparse
import sys
from itertools import combinations

import pytest

from galaxyzoo import commands
from galaxyzoo.core import options
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.extras import load_entry_point
from support.commands import parser_of

# What a command must be given, and the options of which it must have one.
WORDS = {"evaluate": "gz37", "export": "gz37/cnn", "gradcam": "gz37/cnn", "label": "votes/"}
WORDS |= {"predict": "a/", "survey": "a/ votes/", "tune": "search"}
ONE_OF = {"gradcam": ["galaxy_id", "image"], "tune": ["trials"]}
# Values of options that do not take a 2.
VALUES = {"bands": "0,1,2", "extras": "features", "imports": "a=b.csv,c.csv", "table": "v.fits"}
# What an option does nothing without.
NEEDED = {
    ("explore", "fail"): "audit",
    ("gradcam", "fold"): "feature_maps",
    ("prepare --audit", "fail"): "audit",
    ("prepare gz2", "base_url"): "download",
    ("prepare gz2", "on_bad_image"): "download",
    ("prepare", "strict"): "folds_from",
    ("survey", "backend"): "jobs",
    ("survey", "names"): "table",
    ("survey", "top"): "rank",
    ("train", "backend"): "jobs",
    ("train", "seeds"): "refit",
    ("tune", "backend"): "jobs",
}
OF_FOLDS = "only refit seeds jobs backend"
# What does nothing, or would not be asked for, beside an option.
IDLE = {
    ("ensemble", "imports"): "runs name candidates test similar",
    ("ensemble", "similar"): "name candidates test",
    ("export", "tables"): "no_onnx half",
    ("gradcam", "image"): "data galaxy_id",
    ("gradcam", "feature_maps"): "answer method",
    ("gradcam", "fold"): "answer method",
    ("predict", "networks"): "folds",
    ("prepare", "folds_from"): "folds seed subset",
    ("prepare", "strict"): "folds seed subset",
    ("prepare", "subset"): "folds task seed on_bad_image",
    ("submit", "check"): "message no_wait",
    ("submit", "scores"): "file message no_wait check",
    ("survey", "networks"): "folds",
    ("train", "plan"): f"smoke holdout {OF_FOLDS}",
    ("train", "holdout"): f"smoke {OF_FOLDS}",
    ("train", "smoke"): OF_FOLDS,
    ("train", "settings"): f"plan holdout smoke folds {OF_FOLDS}",
}
REFUSED = {
    (command, frozenset((name, other)))
    for (command, name), others in IDLE.items()
    for other in others.split()
}


def options_of(command: str) -> type:
    """The dataclass that a command fills."""
    main = load_entry_point(commands.references()[command])
    taken: list[type] = []

    def take(kind: type, *_: object) -> None:
        taken.append(kind)
        raise InterruptedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(options, "read_options", take)
        patch.setattr(sys.modules[main.__module__], "read_options", take, raising=False)
        patch.setattr(sys, "argv", command.split())
        with pytest.raises(InterruptedError):
            main()
    return taken[0]


def spell(action: argparse.Action) -> list[str]:
    """Words that give an option another value than its default."""
    if not action.option_strings:
        return ["word"]
    flag = action.option_strings[-1]
    if action.nargs == 0:
        return [flag]
    value = str([*action.choices][-1]) if action.choices else "2"
    return [flag, VALUES.get(action.dest, value)]


@pytest.mark.parametrize("command", commands.references())
def test_options_that_would_do_nothing_are_refused_and_no_others(command):
    kind = options_of(command)
    actions = parser_of(*command.split())[0]._actions
    left_out = ("help", "columns") if command not in WORDS else ("help", "columns", "words")
    known = {action.dest: action for action in actions if action.dest not in left_out}
    if command in WORDS:
        known = {name: action for name, action in known.items() if action.option_strings}

    def read(*names: str) -> None:
        typed = set(names)
        typed |= {NEEDED[command, name] for name in names if (command, name) in NEEDED}
        must = ONE_OF.get(command, [])
        if must and not typed.intersection(must):
            typed.add(must[0])
        words = WORDS.get(command, "").split()
        for name in sorted(typed):
            words += spell(known[name])
        options.read_options(kind, None, words)

    for pair in combinations(known, 2):
        if (command, frozenset(pair)) not in REFUSED:
            read(*pair)
            continue
        with pytest.raises(InputError) as refused:
            read(*pair)
        flags = [known[name].option_strings[-1:] or [known[name].metavar] for name in pair]
        assert any(flag in str(refused.value) for (flag,) in flags), pair


@pytest.mark.parametrize(("command", "name"), NEEDED)
def test_an_option_names_what_it_needs(command, name):
    parser, _ = parser_of(*command.split())
    (action,) = [action for action in parser._actions if action.dest == name]
    words = WORDS.get(command, "").split() + spell(action)
    for must in ONE_OF.get(command, [])[:1]:
        words += [f"--{must.replace('_', '-')}", "2"]
    needed = f"--{NEEDED[command, name].replace('_', '-')}"
    with pytest.raises(InputError, match=rf"^--{name.replace('_', '-')} needs {needed}"):
        options.read_options(options_of(command), None, words)
