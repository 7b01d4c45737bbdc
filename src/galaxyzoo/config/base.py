"""How typed settings are read: YAML, `key=value` on top, and mistakes as one line."""

import difflib
import reprlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown

# What yaml.safe_load raises of text that is no YAML: bad dates and nesting too deep included.
BROKEN_YAML = (yaml.YAMLError, ValueError, RecursionError)


class Section(BaseModel):
    """Settings of which an unknown key is an error; nothing changes once they are checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_switches_for_numbers(cls, value: Any, about: ValidationInfo) -> Any:
        """`mixup: on` would be 1, which nobody means."""
        wanted = cls.model_fields[about.field_name or ""].annotation
        if isinstance(value, bool) and {int, float} & {wanted, *get_args(wanted)}:
            raise PydanticCustomError("switch", "Input should be a number")
        return value


def read_saved(path: Path, missing: str, damaged: str) -> dict[str, Any]:
    """The settings that a training saved beside its weights.

    Args:
        path: of the YAML.
        missing: the whole message where it is not there.
        damaged: the whole message where it holds something else.
    Raises:
        InputError: with one of these.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(missing) from None
    except BROKEN_YAML:
        values = None
    if not isinstance(values, dict):
        raise InputError(damaged)
    for record in ("code_version", "packages"):
        values.pop(record, None)
    return values


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file.

    Raises:
        InputError: it is not YAML, or holds something else.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except BROKEN_YAML as error:
        raise InputError(f"{shown(path)} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise InputError(f"{shown(path)}: expected keys and values")
    return values


def override(values: dict[str, Any], word: str) -> None:
    """Set one nested value in place from `section.key=value`, the value read as YAML.

    Raises:
        InputError: it is no override, or the value is no YAML.
    """
    key, equals, text = word.partition("=")
    if not equals or not key:
        raise InputError(f"'{word}' is no override: write key=value, such as train.epochs=4")
    try:
        value = yaml.safe_load(text)
    except BROKEN_YAML:
        raise InputError(f"'{word}': the value is not YAML") from None
    place(values, key, value, word)


def place(values: dict[str, Any], key: str, value: Any, word: str) -> None:
    """Set one nested value in place.

    Args:
        values: nested sections.
        key: dotted.
        value: as YAML would give it.
        word: what the user wrote, for the message.
    Raises:
        InputError: what the key names as a section is a value.
    """
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise InputError(f"'{word}': '{section}' is a value, not a section")
    values[last] = value


def explain(error: ValidationError, sections: Iterable[type[BaseModel]]) -> str:
    """The first problem as one line: which key, what is wrong, what was meant.

    Args:
        error: what checking raised.
        sections: whose keys may have been meant.
    """
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = [name for section in sections for name in section.model_fields]
        near = difflib.get_close_matches(key.split(".")[-1], known, n=1)
        return f"unknown key '{key}'" + (f" (did you mean '{near[0]}'?)" if near else "")
    if first["type"] == "missing":
        return f"key '{key}' is missing"
    return f"key '{key}': {first['msg']} (got {reprlib.repr(first['input'])})"


def describe_changes(old: BaseModel, new: BaseModel) -> str:
    """The settings that differ, as `section.key old → new`."""
    before, after = (_flat(config.model_dump(mode="json")) for config in (old, new))
    changed = [k for k in before | after if before.get(k) != after.get(k)]
    return ", ".join(f"{k} {before.get(k)} → {after.get(k)}" for k in changed)[:300]


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as one dict with dotted keys."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        inner = isinstance(value, dict)
        out.update(_flat(value, f"{prefix}{key}.") if inner else {prefix + key: value})
    return out
