"""Settings explain themselves: each field's name, type, bounds, default and description."""

from collections.abc import Iterator

import pytest

from galaxyzoo.config.base import Settings
from galaxyzoo.config.loading import EnsembleSettings
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
