"""The decision tree as a page shows it."""

import re

import numpy as np
import pytest

from galaxyzoo.app.components import shares, tree_html
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from support.ensemble_fixtures import draw_votes


def some_votes(seed: int) -> np.ndarray:
    return draw_votes(np.random.default_rng(seed), 1)[0][0]


def test_shares_are_of_those_who_were_asked() -> None:
    values = np.zeros(37)
    values[:3] = 0.25, 0.75, 0.0  # smooth, features, star
    values[3:5] = 0.15, 0.6  # edge-on, not
    edge_on = GALAXY_ZOO_2.questions[1]
    assert shares(edge_on, values) == pytest.approx([0.2, 0.8])
    assert shares(GALAXY_ZOO_2.questions[0], values) == pytest.approx([0.25, 0.75, 0.0])
    odd = GALAXY_ZOO_2.questions[7]
    assert shares(odd, values).tolist() == [0.0] * 7  # nobody said odd
    for question in GALAXY_ZOO_2.questions:
        assert shares(question, some_votes(1)).sum() == pytest.approx(1)


def test_every_question_stands_once_under_the_answer_that_leads_to_it() -> None:
    page = tree_html(some_votes(2), some_votes(3))
    for question in GALAXY_ZOO_2.questions:
        assert page.count(f"<span>{question.text}</span>") == 1
    assert page.count("class='answer") == 37
    assert page.count("<i style=") == 37
    arms, wound = page.index("Are there spiral arms?"), page.index("How tightly are")
    assert arms < wound < page.index("no spiral arms: predicted")
    depth = [page[:place].count("<ul") - page[:place].count("</ul>") for place in (arms, wound)]
    assert depth[1] == depth[0] + 2  # the list of answers, and the one under an answer
    assert page.count("<ul") == page.count("</ul>")
    assert page.count("<li") == page.count("</li>")


def test_values_are_said_in_words_too() -> None:
    values = some_votes(4)
    page = tree_html(values)
    assert "<i" not in page  # no volunteers are known
    label = re.findall(r"aria-label='smooth: predicted (\d+)%'", page)
    assert label == [f"{values[0]:.0%}"[:-1]]
    assert "asked of 100%" in page
