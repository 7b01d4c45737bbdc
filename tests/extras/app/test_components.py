"""HTML of one galaxy: the decision tree, classes, and escaped names."""

import re
from dataclasses import replace

import numpy as np

from galaxyzoo.extras.app.components import answers_html, facts_html, heat_html
from galaxyzoo.extras.app.service import PredictedGalaxy
from galaxyzoo.extras.explain.galaxy import Galaxy
from galaxyzoo.extras.explain.gradcam import HeatMap
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.registry import get_task
from support.problems import draw_votes


def some_votes(seed: int) -> np.ndarray:
    return draw_votes(np.random.default_rng(seed), 1)[0][0]


def predicted(prediction: np.ndarray, name: str = "1") -> PredictedGalaxy:
    image = np.zeros((8, 8, 3), np.uint8)
    return PredictedGalaxy(Galaxy(name, b"", "here"), prediction, image)


def tree_html(prediction: np.ndarray) -> str:
    return answers_html("gz37/cnn", get_task("gz37"), predicted(prediction))


def test_every_question_stands_once_under_the_answer_that_leads_to_it():
    page = tree_html(some_votes(2))
    for question in GALAXY_ZOO_2.questions:
        assert page.count(f"<span>{question.text}</span>") == 1
    assert page.count('class="answer') == 37
    arms = page.index("Are there spiral arms?")
    wound = page.index("How tightly are")
    assert arms < wound < page.index("no spiral arms: predicted")
    depth = [page[:place].count("<ul") - page[:place].count("</ul>") for place in (arms, wound)]
    assert depth[1] == depth[0] + 2  # the list of answers, and the one under an answer
    assert page.count("<ul") == page.count("</ul>")
    assert page.count("<li") == page.count("</li>")
    assert page.count("<div") == page.count("</div>")


def test_intervals_are_of_those_who_are_asked():
    prediction = GALAXY_ZOO_2.project(np.full((1, 37), 0.5))[0]
    bounds = np.stack([prediction / 2, prediction * 1.5], axis=1)
    shown = replace(predicted(prediction), bounds=bounds)
    page = answers_html("gz37/cnn", get_task("gz37"), shown)
    value = prediction[GALAXY_ZOO_2.columns.index("Class2.1")]  # asked where there are features
    share = value / prediction[1]
    expected = f"predicted {share:.0%}, 90% interval {share / 2:.0%} to {1.5 * share:.0%}"
    assert f'"edge-on: {expected}"' in page
    faint = replace(shown, prediction=GALAXY_ZOO_2.project(np.eye(1, 37))[0])  # smooth for sure
    pale = answers_html("gz37/cnn", get_task("gz37"), faint)
    assert "edge-on: predicted" in pale
    assert not re.search(r'"edge-on: [^"]*interval', pale)


HOSTILE = """<script>alert("1")</script> & 'x' onerror=y"""
ESCAPED = "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt; &amp; &#39;x&#39; onerror=y"


def test_names_are_escaped():
    """Of a class, a run, a file and an answer."""
    task = replace(get_task("elliptical_spiral"), columns=(HOSTILE, "spiral"))
    shown = predicted(np.array([0.8, 0.2]), name=HOSTILE)
    page = answers_html(HOSTILE, task, shown)
    assert page.count(ESCAPED) == 4  # heading; title, text and label of the class
    facts = facts_html(task, [shown])
    assert facts.count(ESCAPED) == 2
    heat = heat_html(HeatMap(shown.picture, np.zeros((8, 8)), "stages.2"), HOSTILE)
    assert heat.count(ESCAPED) == 2
    for part in (page, facts, heat):
        assert "<script" not in part
        assert "'x'" not in part
