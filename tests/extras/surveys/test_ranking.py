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
from support.report_pages import read_sky_links
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
    gray = pd.Series(GRAYS)
    gray.index = gray.index.str.removesuffix(".png").astype(int)
    smooth = gray / 255
    spread = smooth * (1 - smooth)
    width = 1.5 * spread**2
    scores = {
        TASK.columns[0]: smooth,
        TASK.columns[1]: 1 - smooth,
        "disagreement": spread,
        "width": width,
    }
    table = pd.read_csv(job.folder / ranking.TABLE, index_col=0)["score"]
    highest = scores[by].sort_values(ascending=False)[:20]
    np.testing.assert_allclose(table, highest, atol=1e-6)
    np.testing.assert_allclose(table, scores[by][table.index], atol=1e-6)
    assert f"<h1>20 galaxies by {by}</h1>" in page
    assert ("mean over the answers." in page) == (by not in TASK.columns)
    cards = re.findall(r'<img alt="galaxy (\d+)" src="data:image/jpeg;base64,([^"]*)"', page)
    assert [int(galaxy) for galaxy, _ in cards] == table.index.tolist()
    seen = [read_embedded(jpeg)[80, 80, 0] for _, jpeg in cards]
    assert seen == pytest.approx(gray[table.index].tolist(), abs=1)
    first = table.index[0]
    lower = smooth[first] - width[first] / 3
    upper = smooth[first] + width[first] / 1.5
    note = f"elliptical {smooth[first]:.2f}\u00a0±\u00a0{spread[first]:.2f}"
    assert f"{note} ({lower:.2f}\u00a0to\u00a0{upper:.2f})" in page


def test_all_of_a_small_survey(job):
    ranking.write_ranking(job, TASK.columns[0], 1000)
    assert len(pd.read_csv(job.folder / ranking.TABLE)) == len(GRAYS)


def test_a_galaxy_links_to_its_place_on_the_sky(tmp_path):
    draw_survey(tmp_path / "survey", {f"{k}.png": 50 * k for k in range(1, 4)})
    path = tmp_path / "list.csv"
    path.write_text("path,RA,Dec\nsurvey/1.png,10.5,-1\nsurvey/2.png,,\nsurvey/3.png,20.25,2\n")
    listed = make_job(tmp_path / "votes", path)
    listed.run()
    page = ranking.write_ranking(listed, TASK.columns[0], 3).read_text(encoding="utf-8")
    assert read_sky_links(page) == {"1": (10.5, -1), "3": (20.25, 2)}
