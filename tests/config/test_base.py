"""Settings explain themselves: each field's name, type, bounds, default and description."""

from collections.abc import Iterator
from typing import Literal

import pytest
from pydantic import Field

from galaxyzoo.config.base import Settings, commented_yaml
from galaxyzoo.config.loading import EnsembleSettings
from galaxyzoo.config.schema import Config, Positive
from galaxyzoo.tuning.search_space import Search


class Part(Settings):
    """A section."""

    amp: Literal["auto", "bf16"] = "auto"
    """precision"""
    zooms: tuple[Positive, ...] = (1.0,)
    """apparent sizes"""


class Whole(Settings):
    """A recipe."""

    name: str
    """name of a network, in so many words that they do not fit on one line of the page that shows
    them"""
    clip: float | None = Field(None, gt=0, le=5)
    """largest norm"""
    part: Part = Part()
    """a section"""


TEXT = """\
# name (str, required): name of a network, in so many words that they do not fit on one line of
#   the page that shows them
name: cnn
# clip (float or null, > 0, ≤ 5, default null): largest norm
clip: 0.5

# a section
part:
  # amp (auto or bf16, default "auto"): precision
  amp: bf16
  # zooms (list of float, default [1.0]): apparent sizes
  zooms:
  - 0.9
  - 1.2"""


def test_settings_are_explained_above_their_values() -> None:
    part = Part(amp="bf16", zooms=(0.9, 1.2))
    assert commented_yaml(Whole(name="cnn", clip=0.5, part=part)) == TEXT


def every_class(model: type[Settings]) -> Iterator[type[Settings]]:
    yield model
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            yield from every_class(field.annotation)


@pytest.mark.parametrize("model", [Config, EnsembleSettings, Search])
def test_every_setting_has_a_description(model: type[Settings]) -> None:
    fields = [(name, f) for part in every_class(model) for name, f in part.model_fields.items()]
    assert [name for name, field in fields if not field.description] == []
