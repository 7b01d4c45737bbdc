"""Options of a command: a frozen dataclass, filled by argparse from the command line.

    @dataclass(frozen=True, kw_only=True)
    class Cut(DataOptions):
        images: tuple[Path, ...] = positional("images or folders", "IMAGE", nargs="+")
        size: int = option("side in px", 64)
        fast: bool = option("no checks", False)

    options = read_options(Cut, __doc__)

The annotation says how a word is read: `bool` is a switch, `Literal[...]` one of a few, and a tuple
takes words with commas between them (`--candidates nnls,mean`), or the option again.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.launch import typed
from galaxyzoo.core.paths import INSTALLED

Options = TypeVar("Options")


def option(
    text: str,
    default: Any = None,
    *names: str,
    needs: str = "",
    excludes: Sequence[str] = (),
    **settings: Any,
) -> Any:
    """A field that is an option.

    Args:
        text: for `--help`.
        default: MISSING where the option must be given.
        names: default `--` and the field's name.
        needs: name of the field without which this one does nothing.
        excludes: names of the fields that do nothing beside this one.
        settings: of `argparse.ArgumentParser.add_argument`, where the annotation does not say it.
    """
    table = {"names": names, "needs": needs, "excludes": excludes}
    return field(default=default, metadata={"help": text, **table, **settings})


def positional(text: str, metavar: str, default: Any = (), **settings: Any) -> Any:
    """A field that is a word, or several, without an option's name."""
    return option(text, default, "", metavar=metavar, **settings)


def read_options(
    kind: type[Options], description: str | None, arguments: Sequence[str] | None = None
) -> Options:
    """Read a command line; words and options may come in any order.

    Args:
        kind: frozen dataclass of `option` and `positional` fields.
        description: for `--help`, line breaks kept.
        arguments: default those typed.
    Raises:
        InputError: what was typed does not fit.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    for argument in arguments:  # a Path("") would be the current folder
        if re.fullmatch("(--[^=]+=)?", argument):
            name = argument or "an argument"
            raise InputError(f"{name} is empty: is a shell variable unset?")
    parser = _Parser(formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.usage = _usage(kind)
    parser.description = description or ""
    if INSTALLED:  # its examples are written for a checkout
        script = r"(?:python3 src|bash scripts|src)/(\w+)\.(?:py|sh)"
        parser.description = re.sub(script, lambda named: typed(named[1]), parser.description)
    hints = get_type_hints(kind)
    for item in fields(kind):  # type: ignore[arg-type]
        _add(parser, item, hints[item.name])
    values = vars(parser.parse_intermixed_args(arguments))
    _refuse_idle(kind, values)
    return kind(**{name: _as_tuple(value) for name, value in values.items()})


def _usage(kind: type) -> str:
    """The usage line, which does not list the options."""
    usage = "%(prog)s [options]"
    for item in fields(kind):
        if _is_positional(item):
            metavar = item.metadata["metavar"]
            may_lack = item.metadata.get("nargs") in ("?", "*") and metavar[0] != "["
            usage += f" [{metavar}]" if may_lack else f" {metavar}"
    return usage


def _is_positional(item: Field[Any]) -> bool:
    return item.metadata["names"] == ("",)


def _flags(item: Field[Any]) -> tuple[str, ...]:
    """How a field is typed."""
    if _is_positional(item):
        return (item.metadata["metavar"],)
    return item.metadata["names"] or (f"--{item.name.replace('_', '-')}",)


def _refuse_idle(kind: type, values: Mapping[str, Any]) -> None:
    """Refuse options that do nothing beside, or without, others.

    Args:
        kind: dataclass of the options.
        values: of what was typed, and of all positional words.
    """
    flags = {item.name: _flags(item)[-1] for item in fields(kind)}
    typed = [item for item in fields(kind) if values.get(item.name, item.default) != item.default]
    names = [item.name for item in typed]
    for item in typed:
        needed = item.metadata["needs"]
        if needed and needed not in names:
            raise InputError(f"{flags[item.name]} needs {flags[needed]}")
        for other in item.metadata["excludes"]:
            if other in names:
                raise InputError(
                    f"{flags[other]} does nothing with {flags[item.name]}: leave one of them out"
                )


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _add(parser: argparse.ArgumentParser, item: Field[Any], hint: Any) -> None:
    """Add a field to a parser."""
    settings = {"default": argparse.SUPPRESS, **item.metadata}
    for name in ("names", "needs", "excludes"):
        del settings[name]
    if get_origin(hint) in (Union, UnionType):
        hint = next(part for part in get_args(hint) if part is not NoneType)
    is_tuple = get_origin(hint) is tuple
    element = get_args(hint)[0] if is_tuple else hint
    if hint is bool:
        settings.setdefault("action", "store_true")
    elif is_tuple and not settings.keys() & {"type", "nargs", "action"}:
        settings.update(action="extend", type=_split(element))
    elif get_origin(element) is Literal:
        settings.update(choices=get_args(element), type=type(get_args(element)[0]))
    else:
        settings.setdefault("type", element)
    if item.default not in (None, (), "", False, MISSING) and "default" not in settings["help"]:
        settings["help"] += f" (default: {item.default})".replace("%", "%%")
    if _is_positional(item):
        parser.add_argument(item.name, **settings | {"default": item.default})
    else:
        if item.default is MISSING:
            settings["required"] = True
        parser.add_argument(*_flags(item), dest=item.name, **settings)


def _split(element: Any) -> Callable[[str], list[Any]]:
    """A reader of words with commas between them, each of a type or one of a few."""
    known = get_args(element)

    def split(text: str) -> list[Any]:
        for word in text.split(","):
            if known and word not in known:
                raise argparse.ArgumentTypeError(f"'{word}': choose from {', '.join(known)}")
        return [word if known else element(word) for word in text.split(",")]

    return split


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise an InputError in place of the usage and exit status 2."""
        known = [name for action in self._actions for name in action.option_strings]
        typed = [word.split("=")[0] for word in message.split() if word.startswith("--")] or [""]
        near = difflib.get_close_matches(typed[0], known, 1) if "unrecognized" in message else ()
        hint = f"did you mean {near[0]}? " if near else ""
        raise InputError(f"{message}: {hint}`{self.prog} --help` lists the options")


def select(options: Any, kind: type[Options]) -> Options:
    """The fields of one of the dataclasses that a command's options inherit from."""
    return kind(**{item.name: getattr(options, item.name) for item in fields(kind)})  # type: ignore[arg-type]


def spell(options: Any, kind: type) -> list[str]:
    """Spell the fields of a dataclass that are not its defaults, as they are typed."""
    arguments = []
    for item in fields(kind):
        value = getattr(options, item.name, item.default)
        if value != item.default:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            arguments += [_flags(item)[-1], text]
    return arguments


def take_option(
    arguments: Sequence[str], name: str, default: str = ""
) -> tuple[list[str], list[str]]:
    """Split a command line: all but an option, and the option's value or a default, if any."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(name, dest="value", nargs="?", default=default)
    typed, others = parser.parse_known_args(arguments)
    return others, [typed.value] if typed.value else []


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def fold_numbers(text: str) -> list[int]:
    """`0,2` -> [0, 2]."""
    return sorted({int(part) for part in text.split(",")})


# What several commands take.


@dataclass(frozen=True, kw_only=True)
class DatasetOptions:
    """Options of commands that read what was trained."""

    dataset: str | None = option("dataset of the runs (default: your only one, else demo)")


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Options of commands that read a dataset's files."""

    data: str | None = option("dataset folder, demo or demo-full (default: the dataset in input/)")


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """Options of commands that start several processes."""

    jobs: int | None = option(
        "processes to run in parallel, spread over the GPUs (default: 1, using all cores; in "
        "training, as many as cores and memory allow)",
        metavar="N",
        type=positive,
    )
    backend: Literal["loky", "ray", "dask"] = option(
        "run processes on this machine with loky (default), or on a cluster with ray or dask",
        "loky",
        needs="jobs",
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions(DatasetOptions):
    """Options of commands on a run or an ensemble."""

    run: str = positional("trained run (gz37/resnet18) or ensemble (ensemble:default)", "RUN")
