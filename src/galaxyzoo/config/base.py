"""Typed settings, parsed from YAML and `key=value` overrides; a mistake is reported in one line."""

import difflib
import json
import re
import reprlib
import textwrap
from collections.abc import Collection
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown

# What yaml.safe_load raises for text that is not YAML, bad dates and too deep nesting included.
_YAML_ERRORS = (yaml.YAMLError, ValueError, RecursionError)
_EXPONENT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$")


class _Loader(yaml.SafeLoader):
    """Read 1e-4 and 1.5e3 as numbers, as YAML 1.2 does; for PyYAML's YAML 1.1 they are text."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))


class Settings(BaseModel):
    """Settings that refuse unknown keys and do not change once they are checked."""

    # The text below a field is its description, for `commented_yaml` and for messages
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @classmethod
    def parse(cls, values: Any, source: str) -> Self:
        """Check nested values; the error names `source`, the key, and the nearest known key."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputError(f"{source}: {cls._first_problem(error)}") from None

    @classmethod
    def _first_problem(cls, error: ValidationError) -> str:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known: dict[str, tuple[str, str | None]] = {}
            for section, field in cls.model_fields.items():
                inner = getattr(field.annotation, "model_fields", {})
                known |= {k: (f"{section}.{k}", v.description) for k, v in inner.items()}
            known |= {name: (name, field.description) for name, field in cls.model_fields.items()}
            near = difflib.get_close_matches(key.split(".")[-1], known, n=1)
            if not near:
                return f"unknown key '{key}'"
            name, description = known[near[0]]
            meaning = " ".join((description or "").split())
            return f"unknown key '{key}': did you mean '{name}' ({meaning})?"
        if first["type"] == "missing":
            return f"key '{key}' is missing"
        where = f"key '{key}': " if key else ""
        return f"{where}{first['msg']} (got {reprlib.repr(first['input'])})"

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_bool_for_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse a bool where a number belongs: `dropout: on` would be 1."""
        wanted = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and {int, float} & {wanted, *get_args(wanted)}:
            raise PydanticCustomError("switch", "Input should be a number")
        return value


def commented_yaml(settings: Settings, without: Collection[str] = ()) -> str:
    """YAML of settings, each below a comment with its name, type, default and description."""
    lines: list[str] = []
    values = settings.model_dump(mode="json")
    for name, field in type(settings).model_fields.items():
        section = getattr(settings, name)
        if name in without:
            continue
        if isinstance(section, Settings):
            lines += ["", f"# {field.description}", f"{name}:"]
            lines += [textwrap.indent(commented_yaml(section), "  ")]
            continue
        default = json.dumps(field.get_default(call_default_factory=True), default=str)
        facts = [_type_name(field.annotation), *_bounds(field)]
        facts += ["required" if field.is_required() else f"default {default}"]
        comment = f"{name} ({', '.join(facts)}): {field.description}"
        lines += textwrap.wrap(comment, 98, initial_indent="# ", subsequent_indent="#   ")
        lines += [yaml.safe_dump({name: values[name]}, allow_unicode=True).rstrip()]
    return "\n".join(lines)


def _type_name(annotation: Any) -> str:
    """Name a type as YAML has it: `float or null`, the choices of a Literal, `list of float`."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(inner)
    if origin is Annotated:
        return _type_name(inner[0])
    if origin in (list, tuple):
        return f"list of {_type_name(inner[0])}"
    if origin in (Union, UnionType):
        return " or ".join(map(_type_name, inner))
    name = (origin or annotation).__name__
    return {"NoneType": "null", "dict": "mapping"}.get(name, name)


def _bounds(field: FieldInfo) -> list[str]:
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    return [
        f"{sign} {getattr(bound, name)}"
        for bound in field.metadata
        for name, sign in signs.items()
        if hasattr(bound, name)
    ]


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file."""
    return parse_yaml(path.read_bytes(), path)


def parse_yaml(
    content: bytes, path: Path, loader: type[yaml.SafeLoader] = _Loader
) -> dict[str, Any]:
    """The keys and values of a YAML file with that content.

    Args:
        loader: `yaml.SafeLoader` for what `yaml.safe_dump` wrote, where 12e7 is part of a digest.
    """
    try:
        values = loader(content.decode()).get_single_data()
    except _YAML_ERRORS as error:
        raise InputError(f"{shown(path)} is invalid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise InputError(f"{shown(path)}: expected `key: value` pairs")
    return values


def override(values: dict[str, Any], assignment: str) -> None:
    """Set one nested value in place from `section.key=value`, the value read as YAML.

    It holds in every stage of the recipe; `stages.NAME.section.key=value` in stage NAME alone.
    """
    key, equals, text = assignment.partition("=")
    if not equals or not key:
        raise InputError(
            f"'{assignment}' is not a setting: write key=value, such as train.epochs=4"
        )
    try:
        value = _Loader(text).get_single_data()
    except _YAML_ERRORS:
        raise InputError(f"'{assignment}': the value is not valid YAML") from None
    stages = [stage for stage in values.get("stages") or () if isinstance(stage, dict)]
    if key.startswith("stages."):
        name, _, stage_key = key.removeprefix("stages.").partition(".")
        stages = [stage for stage in stages if stage.get("name") == name]
        if not stages or not stage_key:
            raise InputError(f"'{assignment}': write stages.NAME.key=value with a stage's name")
        key = stage_key
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
            raise InputError(f"'{source}': '{section}' is a setting, not a section")
    values[last] = value


def changed_settings(old: BaseModel, new: BaseModel) -> str:
    """The settings that differ, as `section.key old → new`."""
    before = _flatten(old)
    after = _flatten(new)
    changes = []
    for key in before | after:
        if key.endswith(".run") and key != "teacher.run":  # of a stage: a digest of its settings
            continue
        if before.get(key) != after.get(key):
            changes.append(f"{key} {before.get(key)} → {after.get(key)}")
    return ", ".join(changes)[:300]


def _flatten(settings: BaseModel) -> dict[str, Any]:
    """Values of all sections by `section.key`, of earlier stages by `earlier.stage.section.key`."""
    values = settings.model_dump(mode="json")
    if values.get("earlier"):
        values["earlier"] = {stage["stage"]: stage for stage in values["earlier"]}
    table = pd.json_normalize(values)
    return table.astype(object).iloc[0].to_dict()
