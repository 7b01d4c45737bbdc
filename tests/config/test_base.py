"""Settings explain themselves: name, type, bounds, default and description; numbers in YAML."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from galaxyzoo.config.base import Settings, changed_settings, override, parse_yaml
from galaxyzoo.config.loading import EnsembleSettings, load_config
from galaxyzoo.config.schema import Config
from galaxyzoo.extras.tuning.search_space import Search


def every_class(model: type[Settings]) -> Iterator[type[Settings]]:
    yield model
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            yield from every_class(field.annotation)


@pytest.mark.parametrize("model", [Config, EnsembleSettings, Search])
def test_every_setting_has_a_description(model):
    fields = [(name, f) for part in every_class(model) for name, f in part.model_fields.items()]
    assert [name for name, field in fields if not field.description] == []


NUMBERS = ["1e-4", "1E5", "1.5e3", ".5e3", "1.e2", "-2e1", "+1e+3", "1.0e-4", "0.5", "7"]
TEXTS = ["1e", "e5", "1e5x", "12e7f", "1e3e3", "'1e3'", "e-4"]


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_is_read_with_and_without_a_point_before_its_exponent(text):
    typed: dict[str, object] = {}
    override(typed, f"train.kwargs=[{text}]")
    content = f"a: {text}\nb: [{{c: {text}}}]\n".encode()
    number = float(text)
    assert parse_yaml(content, Path("my.yaml")) == {"a": number, "b": [{"c": number}]}
    assert typed == {"train": {"kwargs": [number]}}


@pytest.mark.parametrize("text", TEXTS)
def test_text_that_resembles_a_number_stays_text(text):
    assert parse_yaml(f"a: {text}".encode(), Path("my.yaml")) == {"a": text.strip("'")}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("stages.small.train.epochs=9", "earlier.small.train.epochs 36 → 9"),
        ("train.lr=0.5", "earlier.small.train.lr 0.002 → 0.5"),
        ("stages.large.train.epochs=9", "train.epochs 6 → 9"),
    ],
)
def test_a_changed_setting_of_any_stage_is_named(override, expected):
    before = load_config("gz37/d4cnn")
    assert expected in changed_settings(before, load_config("gz37/d4cnn", [override]))
