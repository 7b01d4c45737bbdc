"""The ranking of a survey: the right galaxies in the right order, each with its own picture."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.extras.surveys import ranking
from galaxyzoo.extras.surveys.survey import INTERVALS, SPREAD, Survey
from support.pictures import read_embedded
from support.surveys import TASK, draw_survey, make_job

ORDER = np.random.default_rng(0).permutation(60) * 4
GRAYS = {f"{i}.png": int(gray) + 1 for i, gray in enumerate(ORDER)}


def narrow_ends(values: np.ndarray) -> np.ndarray:
    """Intervals that are narrowest where an answer is sure."""
    half = (values * (1 - values)) ** 2
    return np.stack([values - half / 2, values + half], axis=2)


@pytest.fixture
def job(tmp_path: Path) -> Survey:
    images = draw_survey(tmp_path / "survey", GRAYS | {"10000.png": b"broken"})
    more: dict[str, Any] = {"extras": (SPREAD, INTERVALS), "intervals": narrow_ends}
    made = make_job(tmp_path / "votes", images, size=16, **more)
    made.run()
    return made


@pytest.mark.parametrize("by", [*TASK.columns, "disagreement", "width"])
def test_the_highest_come_first_each_with_its_picture(job, by):
    page = ranking.write_ranking(job, by, 20).read_text(encoding="utf-8")
    cards = re.findall(r'<img alt="galaxy (\d+)" src="data:image/jpeg;base64,([^"]*)"', page)
    seen = {int(i): int(read_embedded(data)[80, 80, 0]) for i, data in cards}
    gray = {int(name[:-4]): value for name, value in GRAYS.items()}
    share = {i: value / 255 for i, value in gray.items()}
    score = {
        TASK.columns[0]: share,
        TASK.columns[1]: {i: 1 - x for i, x in share.items()},
        "disagreement": {i: x * (1 - x) for i, x in share.items()},
        "width": {i: 1.5 * (x * (1 - x)) ** 2 for i, x in share.items()},
    }[by]
    assert f"<h1>20 galaxies by {by}</h1>" in page
    table = pd.read_csv(job.folder / ranking.TABLE, index_col=0)
    np.testing.assert_allclose(table["score"], sorted(score.values(), reverse=True)[:20], atol=1e-6)
    np.testing.assert_allclose(table["score"], [score[i] for i in table.index], atol=1e-6)
    assert [*seen] == table.index.tolist()
    assert seen == pytest.approx({i: gray[i] for i in seen}, abs=1)
    value = share[table.index[0]]
    half = (value * (1 - value)) ** 2
    note = f"elliptical {value:.2f}\u00a0±\u00a0{value * (1 - value):.2f}"
    assert f"{note} ({value - half / 2:.2f}\u00a0to\u00a0{value + half:.2f})" in page


def test_all_of_a_small_survey(job):
    ranking.write_ranking(job, TASK.columns[0], 1000)
    assert len(pd.read_csv(job.folder / ranking.TABLE)) == len(GRAYS)
