"""How much memory a machine has."""

import pytest

from galaxyzoo.core import memory


@pytest.mark.parametrize(("limits", "expected"), [((3000, None), 3000), (("max", 2000), 2000)])
def test_memory_is_the_containers(limits, expected, monkeypatch, tmp_path):
    paths = (tmp_path / "v2", tmp_path / "v1")
    for path, limit in zip(paths, limits, strict=True):
        if limit is not None:
            path.write_text(f"{limit}\n")
    monkeypatch.setattr(memory, "_CONTAINER_LIMITS", paths)
    assert memory.memory_bytes() == expected
