"""The task of own labels: what `task.yaml` decides, and names that it cannot have."""

import numpy as np
import pytest

from galaxyzoo.core.errors import one_line
from galaxyzoo.extras.labels.own_task import find_task, read_task_file
from support.refusals import one_line_refusal

NAMES = ["ring", 'merger, "late"', "naïve <b>"]


def test_task_yaml_has_the_order_and_what_is_decided(tmp_path):
    (tmp_path / "task.yaml").write_text(
        "metric: balanced accuracy\nclasses: [ring, naïve <b>, 'merger, \"late\"']\n"
    )
    task = find_task(tmp_path, tmp_path / "labels.csv", set(NAMES), read_task_file(tmp_path))
    assert task.columns == ("ring", "naïve <b>", 'merger, "late"')
    prior = np.array([0.8, 0.1, 0.1])
    probs = np.array([[0.6, 0.3, 0.1]])
    assert task.decide(probs, prior).tolist() == [1]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["gz37", "transfer", "all", "a=b", "a@b", "a\nb"])
def test_a_task_does_not_take_the_name_of_another_or_of_an_ensemble(tmp_path, name):
    folder = tmp_path / name
    arguments = folder, folder / "labels.csv", {"a", "b"}, read_task_file(folder)
    shown_name = one_line(name)
    assert f"'{shown_name}' cannot name a task" in one_line_refusal(find_task, *arguments)
