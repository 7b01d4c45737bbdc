"""Runs that start from another run's weights: which is trained first, and what stops them."""

from pathlib import Path

import pytest

import train
from galaxyzoo.config.loading import load_config
from galaxyzoo.core.errors import InputError


@pytest.fixture(autouse=True)
def zoo5(configs: Path) -> None:
    """Configs of zoo5: last -> middle -> first, other -> first, alone, and two in a ring."""
    starts = {"last": "middle", "middle": "first", "first": "", "other": "first", "alone": ""}
    (configs / "zoo5").mkdir()
    for name, start in (starts | {"ring": "round", "round": "ring", "self": "self"}).items():
        line = f", start_run: zoo5/{start}" if start else ""
        text = f"task: zoo5\nmodel: {{name: cnn{line}}}\n"
        (configs / "zoo5" / f"{name}.yaml").write_text(text)


def order(*names: str, overrides: tuple[str, ...] = ()) -> list[str]:
    configs = [load_config(f"zoo5/{name}", overrides) for name in names]
    return [config.run.removeprefix("zoo5/") for config in train.with_start_runs(configs)]


@pytest.mark.parametrize(
    ("asked", "trained"),
    [
        (["alone"], ["alone"]),
        (["alone", "first"], ["alone", "first"]),
        (["other"], ["first", "other"]),
        (["last"], ["first", "middle", "last"]),
        (["last", "middle"], ["first", "middle", "last"]),
        (["last", "first", "middle"], ["first", "middle", "last"]),
        (["other", "alone", "last", "first"], ["first", "other", "alone", "middle", "last"]),
    ],
)
def test_a_run_is_trained_after_the_one_that_it_starts_from(asked, trained):
    assert order(*asked) == trained


def test_a_start_that_was_asked_for_keeps_its_own_settings():
    asked = [load_config(f"zoo5/{name}", ["train.epochs=3"]) for name in ("other", "first")]
    assert train.with_start_runs(asked) == asked[::-1]
    unasked = train.with_start_runs(asked[:1])
    assert [config.train.epochs for config in unasked] == [16, 3]
    unasked = train.with_start_runs(asked[:1], {"zoo5/first": ["train.epochs=2"]})
    assert [config.train.epochs for config in unasked] == [2, 3]


@pytest.mark.parametrize("name", ["self", "ring"])
def test_a_run_that_starts_from_itself_is_refused(name):
    with pytest.raises(InputError, match=f"zoo5/{name} starts from itself"):
        order(name)


def test_a_start_that_does_not_exist_is_named(configs):
    path = configs / "zoo5" / "lost.yaml"
    path.write_text("task: zoo5\nmodel: {name: cnn, start_run: zoo5/frist}\n")
    with pytest.raises(InputError, match=r"no run 'zoo5/frist'.*zoo5/first"):
        order("lost")
