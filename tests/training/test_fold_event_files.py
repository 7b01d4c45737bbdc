"""TensorBoard's event files hold the history's numbers, and change nothing else."""

import csv
from pathlib import Path

import pytest

from galaxyzoo.results.layout import EVENTS, HISTORY
from galaxyzoo.training.fold import train_fold
from support.training_fixtures import assert_same_files, config, fold_data, train_until_killed


def read_events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {
        name: [(one.step, one.value) for one in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def test_events_are_the_historys_numbers_each_once_and_nothing_else_differs(
    tmp_path: Path,
) -> None:
    pytest.importorskip("tensorboard")  # of `bash scripts/setup.sh --extras`
    data = fold_data()
    train_fold(config(), data, tmp_path / "without", "without")
    assert not (tmp_path / "without" / EVENTS).exists()
    switched = config(tensorboard=True)
    assert switched.digest() == config().digest()
    train_until_killed(switched, data, tmp_path / "with", 9)  # in the third epoch
    train_fold(switched, data, tmp_path / "with", "with")
    assert_same_files(tmp_path / "with", tmp_path / "without")
    with open(tmp_path / "with" / HISTORY, newline="") as file:
        history = list(csv.DictReader(file))
    events = read_events(tmp_path / "with" / EVENTS)
    assert set(events) == {"lr", "train_loss", "val_loss", "val_score"}
    for name, values in events.items():
        assert [step for step, _ in values] == [1, 2, 3]
        numbers = [float(row[name]) for row in history]
        assert [value for _, value in values] == pytest.approx(numbers, rel=1e-6)
