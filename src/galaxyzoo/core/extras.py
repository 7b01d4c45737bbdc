"""What folders in `extras/` add to the commands; a folder that is deleted adds nothing.

Each has an `EXTRA` in its `__init__.py`, which names objects as entry points do,
`galaxyzoo.extras.tuning.command:main`; nothing is imported before it is asked for.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

Kind = Literal["datasets", "images", "predictions"]


@dataclass(frozen=True)
class Use:
    """What may be made of predictions: an entry of `Extra.predictions`."""

    command: str  # that takes its options: predict or ensemble
    title: str  # above them in --help
    options: type  # their dataclass
    # From the command's options, its own, and those of all groups by title. Returns whether it was
    # asked for: then the command has nothing else to do.
    make: Callable[[Any, Any, Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Extra:
    """What a folder in `extras/` offers, as references to objects of these kinds."""

    commands: Mapping[str, str] = field(default_factory=dict)  # name -> main; also "prepare gz2"
    datasets: Sequence[str] = ()  # forms of labeled input: `data.readers.find.Form`
    images: Sequence[str] = ()  # forms of images: `data.stores.opening.ImageForm`
    predictions: Sequence[str] = ()  # what may be made of predictions: `Use`


@cache
def installed() -> dict[str, Extra]:
    """The extras that are there, by the names of their folders."""
    try:
        package = importlib.import_module("galaxyzoo.extras")
    except ModuleNotFoundError:
        return {}
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return {name: importlib.import_module(f"{package.__name__}.{name}").EXTRA for name in names}


def load(reference: str) -> Any:
    """The object that a reference names, `module:object`."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def load_all(kind: Kind) -> Iterator[Any]:
    """The objects of a kind that the extras offer."""
    for extra in installed().values():
        yield from map(load, getattr(extra, kind))
