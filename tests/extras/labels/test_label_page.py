"""Requests to the label page."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.stores import opening
from galaxyzoo.extras.labels.label_loop import LabelLoop
from galaxyzoo.extras.labels.label_page import PICTURE, build_app
from galaxyzoo.extras.surveys.finished import read_features
from support.page_client import FOREIGN, OWN
from support.refusals import check_refusal, listing
from support.surveys import draw_survey, make_job, make_loop


def visit(loop: LabelLoop) -> TestClient:
    return TestClient(build_app(loop, []), base_url=f"http://localhost/{loop.key}/")


def give(page: TestClient, galaxies: list[str], label: str, before: str | None = None) -> Any:
    body = {"galaxies": galaxies, "label": label, "before": before}
    return page.post("label", json=body)


def test_the_page_shows_each_galaxy_with_its_own_picture_and_label(votes):
    survey = read_features(votes)
    assert survey.ids.tolist() == [i for i in range(100, 112) if i != 105]
    assert (np.diff(survey.features[:, 1]) > 0).all()  # brighter ones, like the ids, come later
    pictures, problems = survey.images.pictures(survey.parts, survey.rows, PICTURE)
    assert not problems
    assert pictures[:, 80, 80, 0].tolist() == [20 * (i - 100) + 1 for i in survey.ids]
    page = visit(LabelLoop(survey))
    assert page.post("class", json={"name": "bright"}).json()["name"] == "bright"
    assert give(page, ["111"], "bright").json()["labels"] == {"111": "bright"}
    shown = page.get("ranking?by=likely&of=bright").json()
    assert [galaxy["id"] for galaxy in shown[:3]] == ["110", "109", "108"]
    assert page.get("ranking?by=doubtful&of=bright").json()[0]["id"] == "111"
    assert page.get("state").json() == {"classes": ["bright"], "counts": [1]}
    lines = page.get("ranking.csv?by=likely&of=bright").text.splitlines()
    assert lines[0] == "id,class,bright"
    assert [line.split(",")[0] for line in lines[1:]] == [galaxy["id"] for galaxy in shown]
    assert (votes / "labels.csv").read_text() == "id,class\n111,bright\n"


def test_a_galaxy_links_to_its_place_on_the_sky(tmp_path):
    draw_survey(tmp_path / "survey", {"1.png": 50, "2.png": 90})
    path = tmp_path / "list.csv"
    path.write_text("path,RA,Dec\nsurvey/1.png,10.5,-1\nsurvey/2.png,,\n")
    make_job(tmp_path / "votes", path, extras=("features",)).run()
    page = visit(LabelLoop(read_features(tmp_path / "votes")))
    links = {card["id"]: card["sky"] for card in page.get("ranking?by=mix").json()}
    assert links.pop("2") is None
    assert "legacysurvey.org/viewer?ra=10.50000&dec=-1.00000&" in links["1"]


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
        expected = [probs[loop.row_of(galaxy["id"]), number] for galaxy in shown]
        assert [galaxy["share"] for galaxy in shown] == pytest.approx(expected, abs=5e-4)


def test_images_that_are_no_longer_those_predicted_say_so_in_place_of_a_picture(votes):
    """Also enlarged: 101 replaced, 102 and 103 exchanged, 104 removed, 106 cut off."""
    page = visit(LabelLoop(read_features(votes)))
    folder = votes.parent / "survey"
    files = {number: folder / f"{number}.png" for number in range(100, 112)}

    def check(changed: set[int]) -> None:
        for card in page.get("ranking?by=mix").json():
            large = page.get("picture", params={"galaxy": card["id"]}).json()
            is_changed = int(card["id"]) in changed
            for answer in (card, large):
                assert ("changed or removed" in answer["problem"]) == is_changed
                assert answer["picture"].startswith("data:image/jpeg;base64,") != is_changed

    check(set())
    files[101].write_bytes(files[110].read_bytes())
    files[102].rename(folder / "x")
    files[103].rename(files[102])
    (folder / "x").rename(files[103])
    files[104].unlink()
    files[106].write_bytes(files[106].read_bytes()[:40])
    check({101, 102, 103, 104, 106})


def test_an_image_that_cannot_be_read_any_more_is_not_black(votes, monkeypatch):
    """As from a failing disk, which leaves the file's time and size."""
    survey = read_features(votes)
    read = opening.read_in

    def fail(folder: Path, name: str) -> bytes:
        if name == "104.png":
            raise InputError("input/output error")
        return read(folder, name)

    for part in survey.images.parts:
        part.images.table["reader"] = partial(fail, part.images.path)
    cards = visit(LabelLoop(survey)).get("ranking?by=mix").json()
    assert [card["id"] for card in cards if card["problem"]] == ["104"]
    assert [card["id"] for card in cards if not card["picture"]] == ["104"]


@pytest.mark.parametrize("change", ["replaced", "written over", "removed"])
def test_images_of_a_zip_that_was_changed_are_not_shown(tmp_path, change):
    draw_survey(tmp_path / "survey", {f"{k}.png": 20 * k for k in range(1, 5)})
    archive = Path(shutil.make_archive(str(tmp_path / "survey"), "zip", tmp_path / "survey"))
    make_job(tmp_path / "votes", archive, extras=("features",)).run()
    page = visit(LabelLoop(read_features(tmp_path / "votes")))
    assert not any(card["problem"] for card in page.get("ranking?by=mix").json())
    shutil.rmtree(tmp_path / "survey")
    draw_survey(tmp_path / "survey", {f"{k}.png": 200 - 20 * k for k in range(1, 5)})
    other = Path(shutil.make_archive(str(tmp_path / "other"), "zip", tmp_path / "survey"))
    if change == "replaced":
        other.rename(archive)
    elif change == "written over":
        archive.write_bytes(other.read_bytes())
    else:
        archive.unlink()
    cards = page.get("ranking?by=mix").json()
    assert len(cards) == 4
    assert all("The image" in card["problem"] and not card["picture"] for card in cards)


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("label", {"galaxies": ["1.png", "1.png"], "label": "rare", "before": None}),
    ("label", {"galaxies": ["1.png", "stranger.png"], "label": "rare", "before": None}),
    ("label", {"galaxies": ["1.png"], "label": "removed", "before": None}),
    ("label", {"galaxies": ["1.png"], "label": "", "before": None}),
    ("label", {"galaxies": ["1.png\ud800"], "label": "rare", "before": None}),
    ("label", {"galaxies": [1], "label": "rare\ud800"}),
    ("note", {"galaxy": "1.png", "text": "a\0b"}),
    ("note", {"galaxy": "1.png", "text": "\udc80"}),
    ("note", {"galaxy": "1.png", "text": "yes", "column": "class"}),
    ("class", {"name": "a\0"}),
    ("class", {"name": "\ud800", "before": "rare"}),
    ("class", {"name": "new", "before": "\ud800"}),
    ("class", {"name": "", "before": "removed"}),
    ("class", {"name": "", "before": "rare", "count": 7}),
]


@pytest.mark.parametrize(("path", "body"), REFUSED)
def test_a_request_that_cannot_be_done_is_one_line_and_changes_nothing(loop, path, body):
    loop.rename(loop.add_class("removed"), "")
    loop.label([3], 0)
    before = listing(loop.survey.folder)
    headers = {"Content-Type": "application/json"}  # and JSON as JavaScript writes it
    answer = visit(loop).post(path, content=json.dumps(body), headers=headers)
    assert answer.status_code == 400
    check_refusal(InputError(answer.text))
    assert listing(loop.survey.folder) == before
    assert make_loop(loop.survey.folder).labels == loop.labels == {3: 0}


def test_a_fault_of_the_page_is_no_fault_of_the_request(loop, monkeypatch):
    """It goes to the server's log."""
    monkeypatch.setattr(loop, "label", {}.__getitem__)
    page = TestClient(
        build_app(loop, []), f"http://localhost/{loop.key}/", raise_server_exceptions=False
    )
    answer = give(page, ["1.png"], "rare")
    assert answer.status_code == 500
    assert "terminal" in answer.text
    with pytest.raises(TypeError):
        give(visit(loop), ["1.png"], "rare")


def test_two_tabs_do_not_write_over_each_others_note(loop):
    page = visit(loop)

    def note(text: str, before: str, column: str = "note") -> list[Any]:
        body = {"galaxy": "1.png", "text": text, "before": before, "column": column}
        return [*page.post("note", json=body).json().values()]

    assert note(" two  rings", "") == [True, "two rings"]
    assert note("a bar", "") == [False, "two rings"]
    assert note("yes", "", "skipped") == [True, "yes"]
    assert note("a bar", "two rings") == [True, "a bar"]
    assert loop.path.read_text() == "id,class,note,skipped\n1.png,,a bar,yes\n"


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
