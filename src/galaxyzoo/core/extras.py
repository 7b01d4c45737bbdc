"""Find what the folders in `extras/` add to the commands; a deleted folder adds nothing.

Each has an `EXTRA` in its `__init__.py`, which names objects as entry points do, `module:object`;
nothing is imported before it is asked for.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal


@dataclass(frozen=True)
class Moved:
    """The command of an extra that does what another command did by an option."""

    command: str
    option: str  # of the other command; its value is the last word of this one
    default: str = ""  # of this value


@dataclass(frozen=True)
class Extra:
    """References to the objects that a folder in `extras/` offers."""

    commands: Mapping[str, str] = field(default_factory=dict)  # name -> main; also "prepare NAME"
    datasets: Sequence[str] = ()  # forms of labeled input: `data.readers.find.Form`
    images: Sequence[str] = ()  # forms of images: `data.stores.opening.ImageForm`
    pictures: Sequence[str] = ()  # endings of files with an image each, which such a form reads
    # Ending of an output of `predict`, "/" of a folder -> the extra's command that writes it
    outputs: Mapping[str, str] = field(default_factory=dict)
    # Option that a command had before, "predict --NAME" -> where it is now
    moved: Mapping[str, Moved] = field(default_factory=dict)
    help: Mapping[str, str] = field(default_factory=dict)  # command -> lines below its own
    # Command that has ended, or "data" where there are none -> the command to type next
    next: Mapping[str, str] = field(default_factory=dict)
    packages: Sequence[str] = ()  # optional ones, as they are imported
    seals: Sequence[str] = ()  # files that mark folders in which no other command writes


@cache
def installed() -> dict[str, Extra]:
    """The extras that are there, by the names of their folders."""
    try:
        package = importlib.import_module("galaxyzoo.extras")
    except ModuleNotFoundError:
        return {}
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return {name: importlib.import_module(f"{package.__name__}.{name}").EXTRA for name in names}


def describe(command: str) -> str:
    """The lines that extras add to the help of a command."""
    lines = ""
    for extra in installed().values():
        if command in extra.help:
            lines += f"\n{extra.help[command]}\n"
    return lines


def load_entry_point(reference: str) -> Any:
    """The object that a reference names, `module:object`."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def outputs() -> dict[str, str]:
    """The endings of all outputs that extras write, each with its command."""
    commands: dict[str, str] = {}
    for extra in installed().values():
        commands |= extra.outputs
    return commands


def load_all(kind: Literal["datasets", "images"]) -> Iterator[Any]:
    """The objects of a kind that the extras offer."""
    for extra in installed().values():
        for reference in getattr(extra, kind):
            yield load_entry_point(reference)
