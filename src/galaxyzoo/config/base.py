"""Typed settings: parse them from YAML and `key=value` overrides; a mistake is one line."""

import difflib
import reprlib
from pathlib import Path
from typing import Any, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown

# What yaml.safe_load raises for text that is not YAML, bad dates and too deep nesting included.
_YAML_ERRORS = (yaml.YAMLError, ValueError, RecursionError)


class Settings(BaseModel):
    """Settings that refuse unknown keys and do not change once they are checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, values: Any, source: str) -> Self:
        """Check nested values; the error names `source`, the key, and what may have been meant."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputError(f"{source}: {cls._first_problem(error)}") from None

    @classmethod
    def _first_problem(cls, error: ValidationError) -> str:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            parts = cls.model_json_schema().get("$defs", {}).values()
            known = {name: name for part in parts for name in part.get("properties", ())}
            for section, about in cls.model_fields.items():
                inner = getattr(about.annotation, "model_fields", ())
                known |= {name: f"{section}.{name}" for name in inner}
            known |= {name: name for name in cls.model_fields}
            near = difflib.get_close_matches(key.split(".")[-1], known, n=1)
            hint = f" (did you mean '{known[near[0]]}'?)" if near else ""
            return f"unknown key '{key}'{hint}"
        if first["type"] == "missing":
            return f"key '{key}' is missing"
        where = f"key '{key}': " if key else ""
        return f"{where}{first['msg']} (got {reprlib.repr(first['input'])})"

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_switches_for_numbers(cls, value: Any, about: ValidationInfo) -> Any:
        """`dropout: on` would be 1, which nobody means."""
        wanted = cls.model_fields[about.field_name or ""].annotation
        if isinstance(value, bool) and {int, float} & {wanted, *get_args(wanted)}:
            raise PydanticCustomError("switch", "Input should be a number")
        return value


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except _YAML_ERRORS as error:
        raise InputError(f"{shown(path)} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise InputError(f"{shown(path)}: expected keys and values")
    return values


def override(values: dict[str, Any], assignment: str) -> None:
    """Set one nested value in place from `section.key=value`, the value read as YAML."""
    key, equals, text = assignment.partition("=")
    if not equals or not key:
        raise InputError(f"'{assignment}' is no override: write key=value, such as train.epochs=4")
    try:
        value = yaml.safe_load(text)
    except _YAML_ERRORS:
        raise InputError(f"'{assignment}': the value is not YAML") from None
    stages = [one for one in values.get("stages") or () if isinstance(one, dict)]
    if key.startswith("stages."):
        _, name, own = [*key.split(".", 2), ""][:3]
        stages = [one for one in stages if one.get("name") == name]
        if not stages or not own:
            raise InputError(f"'{assignment}': write stages.NAME.key=value, NAME as in the config")
        key = own
    else:
        set_key(values, key, value, assignment)
    for stage in stages:
        set_key(stage, key, value, assignment)


def set_key(values: dict[str, Any], key: str, value: Any, source: str) -> None:
    """Set the value of a dotted key in place; `source` begins the error message."""
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise InputError(f"'{source}': '{section}' is a value, not a section")
    values[last] = value


def changed_settings(old: BaseModel, new: BaseModel) -> str:
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
