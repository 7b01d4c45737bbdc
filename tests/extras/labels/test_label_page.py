"""Requests to the label page."""

from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from galaxyzoo.extras.labels.label_loop import LabelLoop
from galaxyzoo.extras.labels.label_page import PICTURE, build_app
from galaxyzoo.extras.surveys.finished import read_features
from support.page_client import FOREIGN, OWN
from support.surveys import make_job


def visit(loop: LabelLoop) -> TestClient:
    return TestClient(build_app(loop, []), base_url=f"http://localhost/{loop.key}/")


def give(page: TestClient, galaxies: list[str], label: str, before: str | None = None) -> Any:
    body = {"galaxies": galaxies, "label": label, "before": before}
    return page.post("label", json=body)


def test_the_page_shows_each_galaxy_with_its_own_picture_and_label(votes):
    survey = read_features(votes)
    assert survey.ids.tolist() == [i for i in range(100, 112) if i != 105]
    assert (np.diff(survey.features[:, 1]) > 0).all()  # brighter ones, like the ids, come later
    pictures = survey.images.pictures(survey.parts, survey.ids, PICTURE)
    assert pictures[:, 80, 80, 0].tolist() == [20 * (i - 100) + 1 for i in survey.ids]
    page = visit(LabelLoop(survey))
    assert page.post("class", json={"name": "bright"}).json()["name"] == "bright"
    assert give(page, ["111"], "bright").json()["labels"] == {"111": "bright"}
    shown = page.get("ranking?by=likely&of=bright").json()
    assert [galaxy["id"] for galaxy in shown[:3]] == ["110", "109", "108"]
    assert page.get("ranking?by=doubtful&of=bright").json()[0]["id"] == "111"
    assert page.get("state").json() == {"classes": ["bright"], "counts": [1]}
    lines = page.get("ranking.csv?by=mix").text.splitlines()
    assert lines[:2] == ["id,class,bright", "111,bright,1.000000"]
    assert (votes / "labels.csv").read_text() == "id,class\n111,bright\n"


def test_shares_are_of_the_class_that_is_asked_for(votes):
    loop = LabelLoop(read_features(votes))
    page = visit(loop)
    for galaxy, name in (("100", "dark"), ("106", "gray"), ("111", "bright")):
        page.post("class", json={"name": name})
        give(page, [galaxy], name)
    probs = loop.probabilities()
    assert probs is not None
    for number, name in enumerate(loop.classes):
        shown = page.get(f"ranking?by=likely&of={name}").json()
        expected = [probs[loop.rows[galaxy["id"]], number] for galaxy in shown]
        assert [galaxy["share"] for galaxy in shown] == pytest.approx(expected, abs=5e-4)


def test_a_tab_of_another_survey_on_the_same_port_is_refused(votes):
    """Also where that has galaxies and classes of the same names."""
    make_job(votes.parent / "other", votes.parent / "survey", extras=("features",)).run()
    loops = [LabelLoop(read_features(folder)) for folder in (votes, votes.parent / "other")]
    for loop in loops:
        loop.add_class("bright")
    tab = TestClient(build_app(loops[1], []), base_url=f"http://localhost/{loops[0].key}/")
    answers = [
        give(tab, ["100"], "bright"),
        tab.get("ranking?by=mix"),
        tab.get("ranking.csv?by=mix"),
    ]
    for answer in answers:
        assert answer.text == "this tab shows another survey: reload the page"
    assert not (votes.parent / "other" / "labels.csv").exists()
    assert give(visit(LabelLoop(loops[0].survey)), ["100"], "bright").status_code == 200


def test_what_another_web_site_asks_for_is_not_done(loop):
    page = visit(loop)

    def add(headers: dict[str, str]) -> int:
        return page.post("class", json={"name": str(headers)[:9]}, headers=headers).status_code

    assert {add(headers) for headers in FOREIGN} == {400}
    assert len(loop.classes) == 2
    assert {add(headers) for headers in OWN} == {200}
    assert (
        page.get("http://localhost/").headers["Content-Security-Policy"] == "frame-ancestors 'self'"
    )
