"""The label loop: labels on disk before they count, rankings by what they teach, honest scores."""

import io
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from starlette.testclient import TestClient

from galaxyzoo.config.names import BUNDLED
from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.image_cache import decode_many
from galaxyzoo.ensemble.load_model import load_predictor
from galaxyzoo.extras.labels.heads import Heads, Proportion
from galaxyzoo.extras.labels.label_loop import LabelLoop
from galaxyzoo.extras.labels.label_page import PICTURE, build_app
from galaxyzoo.extras.surveys.finished import SurveyFeatures, read_features
from galaxyzoo.extras.surveys.survey import Survey, add_features
from support.brightness import Darkness, make_job
from support.browser import PATIENCE_MS, check_accessibility, find_browser, start
from support.commands import call, complaint
from support.page_client import FOREIGN, OWN
from support.refusals import one_line_refusal

if TYPE_CHECKING:
    from playwright.sync_api import Page

COUNT = 60
RARE = [3, 7, 11, 40, 41, 50]  # rows whose features are unlike the others'
PLAIN = [0, 1, 2, 4, 5, 6]


def make_loop(folder: Path, width: int = 8) -> LabelLoop:
    features = np.random.default_rng(0).normal(size=(COUNT, width)).astype(np.float32)
    features[RARE, :4] += 6
    ids = np.array([f"galaxy {i}.png" for i in range(COUNT)], object)
    votes, nowhere = np.full((COUNT, 1), 0.5, np.float32), np.full((COUNT, 2), np.nan)
    parts = np.zeros(COUNT, int)
    return LabelLoop(SurveyFeatures(folder, cast(Any, None), ids, parts, features, votes, nowhere))


@pytest.fixture
def loop(tmp_path: Path) -> LabelLoop:
    made = make_loop(tmp_path)
    made.add_class("rare")
    made.add_class("plain, old")
    return made


def saved(loop: LabelLoop) -> list[tuple[str, str]]:
    table = pd.read_csv(loop.path)
    assert [*table.columns] == ["id", "class"]
    return [*table.itertuples(index=False, name=None)]


def test_each_label_is_on_disk_and_there_at_a_new_start(loop):
    loop.label([3], 0)
    loop.label([1, 2], 1)
    plain = [("galaxy 1.png", "plain, old"), ("galaxy 2.png", "plain, old")]
    assert saved(loop) == [("galaxy 3.png", "rare"), *plain]
    again = make_loop(loop.survey.folder)
    assert (again.classes, again.labels) == (loop.classes, loop.labels)
    again.label([3], None, 0)
    assert saved(again) == plain


def test_a_label_that_has_changed_meanwhile_stays(loop):
    """Of two tabs, each knows what it shows; what one gave, the other cannot take back."""
    assert loop.label([3, 4], 0, None) == [3, 4]
    assert loop.label([3, 5], 1, None) == [5]
    assert loop.label([3, 4, 5], None, 0) == [3, 4]
    assert loop.labels == {5: 1}
    assert saved(loop) == [("galaxy 5.png", "plain, old")]


def test_a_label_that_cannot_be_written_does_not_count(loop, monkeypatch):
    def fail(*_: object) -> None:
        raise InputError("disk full")

    loop.label([3], 0)
    monkeypatch.setattr(files, "write_text", fail)
    for rows, number, before in (([4], 1, None), ([3], None, 0)):
        assert one_line_refusal(loop.label, rows, number, before) == "disk full"
        assert loop.labels == {3: 0}
    assert one_line_refusal(loop.add_class, "new") == "disk full"
    assert len(loop.classes) == 2
    monkeypatch.undo()
    loop.label([3], None, 0)
    assert saved(loop) == []


CHANGES: dict[str, Callable[[str], str]] = {
    "row added": lambda text: f"{text}galaxy 9.png,rare\n",
    "row deleted": lambda text: "\n".join(text.split("\n")[:-2]) + "\n",
    "label corrected": lambda text: text.replace('"plain, old"', "rare"),
    "class renamed": lambda text: text.replace("rare", "rarest"),
    "column added": lambda text: text.replace("\n", ",me\n"),
    "all deleted": lambda text: "",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_table_that_another_program_changed_is_not_written_over(loop, change):
    loop.label([3], 0)
    loop.label([1, 2], 1)
    changed = CHANGES[change](loop.path.read_text())
    loop.path.write_text(changed) if changed else loop.path.unlink()
    for act in (lambda: loop.label([5], 0, None), lambda: loop.add_class("new")):
        assert "labels.csv or classes.txt was changed" in one_line_refusal(act)
        assert (loop.path.read_text() if loop.path.exists() else "") == changed
    loop.read()
    loop.label([5], 1)
    assert loop.path.read_text().startswith(changed)
    assert "galaxy 5.png" in loop.path.read_text()


def test_what_else_a_table_has_stays(tmp_path):
    """Columns of one's own, digit by digit; the name of the ids; a link; rows without a class."""
    (tmp_path / "mine").mkdir()
    table = tmp_path / "mine" / "table.csv"
    lines = ["file,note,class,code", "galaxy 1.png,NA,rare,007", "galaxy 2.png,=why?,,1.50"]
    table.write_text("\n".join([*lines, "galaxy 4.png,,,", ""]))
    (tmp_path / "labels.csv").symlink_to("mine/table.csv")
    loop = make_loop(tmp_path)
    loop.label([3], loop.add_class("plain"))
    loop.label([3], None, 1)
    loop.label([1], None, 0)
    loop.label([5], 1)
    lines[1] = "galaxy 1.png,NA,,007"
    assert table.read_text() == "\n".join([*lines, "galaxy 4.png,,,", "galaxy 5.png,,plain,", ""])
    assert (tmp_path / "labels.csv").is_symlink()
    assert make_loop(tmp_path).labels == {5: 1}


def test_classes_keep_their_order_also_those_without_a_label(tmp_path):
    """A key means the same class for ever: keys and colors are of the order."""
    (tmp_path / "labels.csv").write_text("id,class\ngalaxy 1.png,b\ngalaxy 2.png,a\n")
    loop = make_loop(tmp_path)
    for name in ("empty", "d"):
        loop.add_class(name)
    (tmp_path / "labels.csv").write_text("id,class\ngalaxy 2.png,c\ngalaxy 1.png,d\n")
    assert make_loop(tmp_path).classes == ["b", "a", "empty", "d", "c"]
    assert make_loop(tmp_path).labels == {2: 4, 1: 3}


def test_one_label_of_one_class_finds_those_like_it(loop):
    loop.label([3], 0)
    assert {*loop.ranking("likely", 0)[:5].tolist()} == {*RARE} - {3}


def test_rankings_are_as_the_probabilities_have_it(loop):
    loop.label([3, 7], 0)
    loop.label(PLAIN, 1)
    labels, probs = [*loop.labels], loop.probabilities()
    assert probs is not None
    rest = [row for row in range(COUNT) if row not in labels]
    orders = (loop.ranking(by, 0) for by in ("likely", "uncertain", "diverse", "mix"))
    likely, uncertain, diverse, mix = orders
    assert likely.tolist() == sorted(rest, key=lambda row: -probs[row, 0])
    assert {*likely[:4].tolist()} == {*RARE} - {3, 7}
    assert uncertain.tolist() == sorted(rest, key=lambda row: abs(probs[row, 0] - 0.5))
    assert sorted(mix.tolist()) == sorted(diverse.tolist()) == rest
    assert {likely[0], uncertain[0], diverse[0]} == {*mix[:3].tolist()}
    assert loop.ranking("likely", 1)[0] == likely[-1]


def test_diverse_ones_are_each_the_farthest_from_those_before(tmp_path):
    """Against a plain search."""
    points = np.random.default_rng(1).normal(size=(30, 3)).astype(np.float32)
    heads = Heads(points, np.full((30, 1), 0.5, np.float32))
    known, rest = [4, 9], [row for row in range(30) if row not in (4, 9)]
    expected = list[int]()
    while len(expected) < len(rest):
        before = heads.points[known + expected]
        free = [row for row in rest if row not in expected]
        nearest = {row: np.linalg.norm(before - heads.points[row], axis=1).min() for row in free}
        expected.append(max(nearest, key=nearest.__getitem__))
    order = heads.farthest_first(np.array(rest), np.array(known))
    assert order.tolist() == expected


@pytest.mark.parametrize(("share", "limit"), [(0.03, 0.1), (0.5, 0.3), (0.9, 0.2)])
def test_probabilities_mean_what_they_say_with_three_labels_a_class(share, limit):
    """Whatever share of the galaxies a class has; by labels alone the gaps are 0.2 to 0.4."""
    gaps = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        is_first = rng.random(2000) < share
        features = rng.normal(size=(2000, 20)).astype(np.float32)
        features[:, :4] += 2 * is_first[:, None]
        heads = Heads(features, np.full((2000, 1), 0.5, np.float32))
        rows = np.concatenate([np.flatnonzero(is_first)[:3], np.flatnonzero(~is_first)[:3]])
        probs = heads.probabilities(rows, np.repeat([0, 1], 3), np.arange(6), 2)[:, 0]
        bins = np.array_split(np.argsort(probs), 10)
        gaps.append(np.mean([abs(probs[each].mean() - is_first[each].mean()) for each in bins]))
    assert np.mean(gaps) < limit


def test_tables_are_in_order_of_rank_with_labels_and_likely_errors(loop):
    loop.label(RARE[1:], 0)
    loop.label([*PLAIN, 3], 1)  # 3 is rare
    probs, scores = loop.probabilities(), loop.scores()
    assert probs is not None
    assert scores is not None
    for number in range(2):
        table = pd.read_csv(io.StringIO(loop.table("mix", number)), index_col="id")
        rows = [loop.rows[name] for name in table.index]
        assert rows == sorted(range(COUNT), key=lambda row: -probs[row, number])
        np.testing.assert_allclose(table[loop.classes], probs[rows], atol=1e-6)
        assert [loop.class_of(row) for row in rows] == table["class"].replace(
            {np.nan: None}
        ).tolist()
    doubtful = pd.read_csv(io.StringIO(loop.table("doubtful", 0)), index_col="id")
    assert doubtful.index[0] == "galaxy 3.png"
    assert len(doubtful) == len(loop.labels)
    assert doubtful["rare"].iloc[0] == pytest.approx(1 - scores.confidence[3], abs=1e-6)


def test_the_most_uncertain_are_between_their_two_likeliest_classes(tmp_path):
    """Of three: 0.46, 0.44, 0.1 is less certain than 0.4, 0.3, 0.3."""
    loop = make_loop(tmp_path)
    for number, name in enumerate("abc"):
        loop.label([10 + 2 * number, 11 + 2 * number], loop.add_class(name))
    probs = loop.probabilities()
    assert probs is not None
    rest = [row for row in range(COUNT) if row not in loop.labels]
    margins = {row: np.diff(np.sort(probs[row])[-2:])[0] for row in rest}
    order = loop.ranking("uncertain", 0).tolist()
    assert order == sorted(rest, key=margins.__getitem__)
    assert order != sorted(rest, key=lambda row: probs[row].max())


@pytest.mark.parametrize(("copies", "is_named"), [(1, False), (4, False), (4, True)])
def test_scores_are_of_heads_that_have_not_seen_the_galaxy(tmp_path, copies, is_named):
    """Labels at random, which a head of 300 features learns by heart, nor a turned copy of it.

    Nor one of its group, which a column of labels.csv names: such as less alike images of it.
    """
    noise = 0.6 if is_named else 0.01
    loop = make_loop(tmp_path, width=300)
    rows = np.setdiff1d(range(COUNT), RARE)[:40]
    features = loop.survey.features
    first = np.arange(40) % (40 // copies)
    features[rows] = features[rows[first]] + noise * features[rows]
    if is_named:
        names = [f"galaxy {row}.png,,{k}" for row, k in zip(rows, first, strict=True)]
        (tmp_path / "labels.csv").write_text("\n".join(["id,class,group", *names, ""]))
        loop = make_loop(tmp_path, width=300)
        loop.survey.features[:] = features
    for number, name in enumerate(("heads", "tails")):
        loop.label(rows[number::2].tolist(), loop.add_class(name))
    by_heart = loop.probabilities()
    assert by_heart is not None
    assert (by_heart[rows].argmax(axis=1) == np.arange(40) % 2).mean() > 0.9
    scores = loop.scores()
    assert scores is not None
    hits = sum(share.hits for share in scores.recall)
    assert 10 <= hits <= 30
    assert [share.n for share in scores.recall] == [20, 20]
    assert sum(share.n for share in scores.precision) == 40
    assert sum(share.hits for share in scores.precision) == hits
    predicted = scores.probs.to_numpy().max(axis=1)
    assert scores.calibration_error is not None
    assert abs(predicted.mean() - hits / 40) - 1e-9 <= scores.calibration_error <= 1


def test_a_wrong_label_is_the_most_doubtful(loop):
    loop.label(RARE, 0)
    loop.label([*PLAIN, 20, 21], 1)
    loop.label([22], 0)
    assert loop.ranking("doubtful", 0)[0] == 22
    scores = loop.scores()
    assert scores is not None
    assert scores.recall == [Proportion(6, 7), Proportion(8, 8)]
    assert scores.precision == [Proportion(6, 6), Proportion(8, 9)]


def test_few_labels_have_no_score_or_a_wide_one(loop):
    assert loop.scores() is None
    assert not loop.ranking("doubtful", 0).size
    loop.label([3, 7], 0)
    loop.label([0], 1)
    assert loop.scores() is None  # one galaxy cannot be learned from without itself
    loop.label([1], 1)
    scores = loop.scores()
    assert scores is not None
    assert [share.n for share in scores.recall] == [2, 2]
    assert Proportion(0, 0).interval == (0, 1)
    np.testing.assert_allclose(Proportion(3, 4).interval, (0.3006, 0.9544), atol=1e-4)  # Wilson's
    np.testing.assert_allclose(Proportion(0, 10).interval, (0, 0.2775), atol=1e-4)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("id,class\ngalaxy 61.png,rare\n", "csv: the survey has no galaxy 'galaxy 61.png'"),
        ("id,class\ngalaxy 1.png,a\ngalaxy 1.png,b\n", "csv: 'galaxy 1.png' appears twice"),
        ("name,class\ngalaxy 1.png,a\n", "has no ids: name them"),
        ("", "labels.csv"),
    ],
)
def test_labels_that_are_not_of_the_survey_are_one_line(tmp_path, content, complaint):
    (tmp_path / "labels.csv").write_text(content)
    assert complaint in one_line_refusal(make_loop, tmp_path)
    assert (tmp_path / "labels.csv").read_text() == content


@pytest.mark.parametrize("name", ["", "  ", "=1+1", "fold", "a\nb", "x" * 41])
def test_a_name_that_a_table_would_not_keep_is_no_class(loop, name):
    assert "class" in one_line_refusal(loop.add_class, name)
    assert len(loop.classes) == 2
    assert loop.add_class(" rare ") == 0


def test_classes_are_renamed_merged_and_removed_with_their_labels(loop):
    """On disk, too; the keys of the other classes stay."""
    third = loop.add_class("third")
    for number, rows in enumerate(([3, 7], [0], [1, 2])):
        loop.label(rows, number)

    def check(classes: list[str], labels: dict[int, str]) -> None:
        for each in (loop, make_loop(loop.survey.folder)):
            assert each.classes == classes
            assert {row: each.class_of(row) for row in each.labels} == labels

    assert loop.rename(0, " odd ") == [3, 7]
    labels = {3: "odd", 7: "odd", 0: "plain, old", 1: "third", 2: "third"}
    check(["odd", "plain, old", "third"], labels)
    assert loop.rename(third, "odd") == [1, 2]
    check(["odd", "plain, old"], labels | {1: "odd", 2: "odd"})
    assert loop.rename(0, "odd") == []
    assert loop.rename(0, "") == [3, 7, 1, 2]
    check(["plain, old"], {0: "plain, old"})
    assert "cannot name a class" in one_line_refusal(loop.rename, 0, "=1")
    loop.rename(0, "")
    check([], {})


def test_a_note_is_a_column_and_a_skipped_galaxy_is_not_proposed(loop):
    loop.label([3], 0)
    loop.annotate(3, "two\nrings")
    loop.annotate(5, "skipped")
    loop.annotate(6, "bar?")
    lines = [
        "id,class,note",
        "galaxy 3.png,rare,two rings",
        "galaxy 5.png,,skipped",
        "galaxy 6.png,,bar?",
    ]
    assert loop.path.read_text().splitlines() == lines
    again = make_loop(loop.survey.folder)
    for by in ("likely", "uncertain", "diverse", "mix"):
        assert {*again.ranking(by, 0).tolist()} == {*range(COUNT)} - {3, 5}
    again.annotate(5, "")
    assert loop.path.read_text().splitlines() == [*lines[:2], lines[3]]
    assert 5 in again.ranking("mix", 0)
    assert (again.note(3), again.note(5)) == ("two rings", "")


def test_labels_of_two_people_are_compared(loop):
    """Cohen's kappa by hand."""
    loop.label([0, 1], 0)
    loop.label([2, 3, 4, 9], 1)
    names = ["rare", "plain, old", "plain, old", "plain, old", "other"]
    rows = [f'galaxy {row}.png,"{name}"' for row, name in enumerate(names)]
    text = "\n".join(["file,class", *rows, "galaxy 8.png,rare", "stranger.png,rare", ""])
    agreement, kappa, others = loop.compare(text)
    assert agreement == Proportion(3, 5)
    chance = 0.4 * 0.2 + 0.6 * 0.6
    assert kappa == pytest.approx((0.6 - chance) / (1 - chance))
    assert others == {1: "plain, old", 4: "other"}
    assert "no galaxy is labeled" in one_line_refusal(loop.compare, "id,class\ngalaxy 8.png,a\n")
    alone = 'id,class\ngalaxy 2.png,"plain, old"\n'
    assert np.isnan(loop.compare(alone)[1])


def test_more_like_a_galaxy_begins_with_it_and_its_like(loop):
    loop.label([7], 0)
    order = loop.ranking("like", 3).tolist()
    assert order[0] == 3
    assert {*order[:6]} == {*RARE}
    assert sorted(order) == [*range(COUNT)]


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    """A finished survey of twelve pictures in three parts, one of them broken."""
    (tmp_path / "survey").mkdir()
    for number in range(12):
        picture = np.full((16, 16, 3), 20 * number + 1, np.uint8)
        picture[0] += 1  # one color alone is no galaxy
        cv2.imwrite(str(tmp_path / "survey" / f"{100 + number}.png"), picture)
    (tmp_path / "survey" / "105.png").write_bytes(b"broken")
    make_job(tmp_path / "votes", tmp_path / "survey", size=5, extras=("features",)).run()
    return tmp_path / "votes"


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
    assert page.get("ranking.csv?by=mix").text.splitlines()[:2] == [
        "id,class,bright",
        "111,bright,1.000000",
    ]
    assert (votes / "labels.csv").read_text() == "id,class\n111,bright\n"


def visit(loop: LabelLoop) -> TestClient:
    return TestClient(build_app(loop, []), base_url=f"http://localhost/{loop.key}/")


def give(page: TestClient, galaxies: list[str], label: str, before: str | None = None) -> Any:
    body = {"galaxies": galaxies, "label": label, "before": before}
    return page.post("label", json=body)


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
        *map(tab.get, ("ranking?by=mix", "ranking.csv?by=mix")),
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


@pytest.fixture
def begin(votes: Path) -> Iterator[Callable[[], tuple[subprocess.Popen[str], str]]]:
    """Start the real command; what is still running in the end is stopped."""
    processes = []

    def begin() -> tuple[subprocess.Popen[str], str]:
        process, address = start(votes.parent, "--label", str(votes))
        processes.append(process)
        return process, address

    yield begin
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_person_labels_by_mouse_and_keys_and_a_kill_loses_nothing(votes, begin):
    """Two visits of a real browser to the real command, the first ended by kill -9."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = find_browser() or pytest.skip("no browser: `apt-get install chromium`")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(PATIENCE_MS)
        process, address = begin()
        page.goto(address)
        refused = call(votes.parent, "app.py", "--port", "0", "--label", votes)
        assert "is open in another label page" in complaint(refused)
        page.click("#grid button >> nth=0")
        page.wait_for_selector("#message.error:has-text('Add the names of your classes first')")
        for name in ("bright", "empty", "<b>dark</b>"):
            page.fill("#name", name)
            page.keyboard.press("Enter")
            page.wait_for_selector(f"#classes :text('{name} (0)')")
        page.click("#grid button >> nth=0")  # dark, which was added last
        page.wait_for_selector("#classes :text('<b>dark</b> (1)')")
        tab = browser.new_page()
        tab.goto(address)
        tab.wait_for_selector("#grid li:nth-child(10):last-child")
        for key, text in (("u", "Nothing to undo"), ("9", "No class has the key 9")):
            tab.keyboard.press(key)
            tab.wait_for_selector(f"#message.error:has-text('{text}')")
        page.keyboard.press("ArrowRight")
        for key, text in (("1", "bright (1)"), ("1", "bright (2)"), ("u", "bright (1)")):
            page.keyboard.press(key)
            page.wait_for_selector(f"#classes :text('{text}')")
        page.keyboard.press("3")
        page.keyboard.press("1")
        page.wait_for_selector("#scores td:has-text('of 2')")
        names = ["<b>dark</b>", "bright", None, "<b>dark</b>", "bright"]
        expected = dict(zip(ids(page), names, strict=False))
        assert labels_of(votes) == {galaxy: name for galaxy, name in expected.items() if name}
        tab.click(f"#grid button[title='{ids(page)[1]}']")
        tab.wait_for_selector("#message.error:has-text('Another tab changed this label')")
        tab.wait_for_selector("#grid button[aria-pressed=true]:has-text('bright')")
        assert labels_of(votes) == {galaxy: name for galaxy, name in expected.items() if name}
        process.kill()
        process.wait()
        page.keyboard.press("r")
        page.wait_for_selector("#message.error:has-text('does not answer')")
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(begin()[1])
        page.wait_for_selector("#classes :text('3 <b>dark</b> (2)')")
        page.wait_for_selector("#grid li:nth-child(7):last-child")
        assert not {*ids(page)} & {*labels_of(votes)}
        page.select_option("#by", "doubtful")
        page.wait_for_selector("#grid li:nth-child(4):last-child")
        assert {*ids(page)} == {*labels_of(votes)}
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        check_accessibility(page)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_by_keys_alone_a_person_looks_closer_skips_notes_and_renames(votes, begin, width):
    """Each undo says what it took back, in a real browser."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = find_browser() or pytest.skip("no browser: `apt-get install chromium`")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 844})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(begin()[1])

        def press(*keys: str, until: str) -> None:
            for key in keys:
                page.keyboard.press(key)
            page.wait_for_selector(until)

        page.wait_for_selector("#grid li:first-child button[aria-current=true]")
        for name in ("bright", "dim"):
            page.focus("#name")
            page.keyboard.type(name)
            press("Enter", until=f"#classes :text('{name} (0)')")
        page.evaluate("document.activeElement.blur()")
        first, second, third, *_ = ids(page)
        press("1", "2", until="#classes :text('dim (1)')")
        press("s", until=f"#grid button[title='{third} skipped']")
        press("u", until=f"#message:has-text('Taken back: the note \"skipped\" on {third}.')")
        press("u", until=f"#message:has-text('Taken back: dim for {second}.')")
        press("n", until="#noting:not([hidden])")
        page.keyboard.type("two rings")
        press("Enter", until="#grid button[title$='two rings']")
        page.focus("#name")
        page.keyboard.type("bright")
        page.focus("#rename")  # dim, the class chosen last
        press("Enter", until="#message:has-text('dim merged into bright (0 labels).')")
        page.focus("#undo")
        press("Enter", until="#classes :text('2 dim (0)')")
        page.evaluate("document.activeElement.blur()")
        press("e", until="#closer[open] img[src^=data]")
        before = page.evaluate("getComputedStyle(document.querySelector('#closer img')).filter")
        press("]", "+", until="#closer[open]")
        after = page.evaluate("getComputedStyle(document.querySelector('#closer img')).filter")
        assert (before, after) == ("url(\"#stretching\") brightness(1)",
                                   "url(\"#stretching\") brightness(1.2)")  # fmt: skip
        size = page.evaluate("document.querySelector('#closer img').naturalWidth")
        assert size == 424
        shown = page.inner_text("#about")
        press("ArrowRight", until=f"#about:not(:text-is('{shown}'))")
        press("1", until="#classes :text('bright (2)')")
        check_accessibility(page)
        press("Escape", "l", until="#message:has-text('Ranks most like')")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        check_accessibility(page)
        table = pd.read_csv(votes / "labels.csv").fillna("")
        assert sorted(zip(table["class"], table["note"], strict=True)) == [
            ("", "two rings"), ("bright", ""), ("bright", "")]  # fmt: skip
        assert int(first) in table["id"].tolist()


def ids(page: "Page") -> list[str]:
    return page.locator("#grid button").evaluate_all("all => all.map(button => button.title)")


def labels_of(votes: Path) -> dict[str, str]:
    table = pd.read_csv(votes / "labels.csv", dtype=str)
    return dict(zip(table["id"], table["class"], strict=True))


def test_what_is_no_finished_survey_with_features_is_one_line(votes, tmp_path):
    assert "is not a finished survey: type" in one_line_refusal(read_features, tmp_path)
    broken = tmp_path / "survey" / "105.png"
    make_job(tmp_path / "none", broken, extras=("features",)).run()
    assert "none has no galaxy: none of its images" in one_line_refusal(
        read_features, tmp_path / "none"
    )
    (tmp_path / "survey").rename(tmp_path / "moved")
    assert "survey is missing" in one_line_refusal(read_features, votes)


def test_features_that_a_survey_lacks_are_computed_once(votes, monkeypatch):
    """By a bundled network; an interrupted computation goes on, and labels lie in the survey."""
    bare = votes.parent / "bare"
    make_job(bare, votes.parent / "survey", size=5).run()
    add_features(bare)
    part = bare / "features" / "parts" / "part-000001.parquet"
    content = part.read_bytes()
    part.unlink()
    (bare / "features" / "manifest.json").unlink()
    add_features(bare)
    assert part.read_bytes() == content
    survey = read_features(bare)
    assert survey.ids.tolist() == read_features(votes).ids.tolist()
    network = load_predictor(BUNDLED, "gz37/d4cnn_transfer", [0], 1)
    first = survey.images.parts[0]
    expected = network.features(lambda image: decode_many(first.images, image)[0])
    np.testing.assert_allclose(survey.features[:5], expected, atol=0.02)
    LabelLoop(survey).add_class("bright")
    assert (bare / "classes.txt").exists()
    monkeypatch.setattr(Survey, "run", None)
    add_features(votes)
    assert not (votes / "features").exists()


def rewrite(path: Path, name: str, values: Any) -> None:
    table = parquet.read_table(path)
    column = pa.array(values, table[name].type)
    parquet.write_table(table.set_column(table.column_names.index(name), name, column), path)


def record(part: Path) -> Path:
    return part.with_name(f"_{part.stem}.json")


def exchange(path: Path) -> None:
    """Exchange a part and its record with the next part's."""
    other = path.with_name("part-000001.parquet")
    for paths in ((path, other), (record(path), record(other))):
        contents = [each.read_bytes() for each in paths[::-1]]
        for each, content in zip(paths, contents, strict=True):
            each.write_bytes(content)


def take_another_jobs(path: Path) -> None:
    root, extras = path.parents[2], ("features",)
    make_job(root / "b", root / "survey", size=5, predictor=Darkness, extras=extras).run()
    for name in (path.name, record(path).name):
        shutil.copy(root / "b" / "parts" / name, path.parent)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda path: rewrite(path, "GalaxyID", range(104, 99, -1)), "is not the file that"),
        (lambda path: rewrite(path, "features", [[0.0, 1.0]] * 5), "is not the file that"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "is not the file that"),
        (lambda path: path.unlink(), "part-000000.parquet is missing"),
        (lambda path: record(path).unlink(), "_part-000000.json is missing"),
        (exchange, "part-000000.parquet is missing"),
        (take_another_jobs, "_part-000000.json has other networks"),
    ],
    ids=["ids", "features", "cut off", "no part", "no record", "exchanged", "another job's"],
)
def test_a_part_that_is_not_as_it_was_written_is_one_line(votes, damage, complaint):
    path = votes / "parts" / "part-000000.parquet"
    damage(path)
    message = one_line_refusal(read_features, votes)
    assert complaint in message
    assert f"delete {path}, and the same command of predict.py" in message


@pytest.mark.parametrize("change", ["content", "a name", "all names", "fewer"])
def test_no_pictures_of_other_galaxies_are_shown(votes, change):
    folder = votes.parent / "survey"
    paths = sorted(folder.iterdir())
    if change == "content":
        shutil.copy(paths[0], paths[8])
    for path in {"a name": paths[11:], "all names": paths}.get(change, []):
        path.rename(path.with_name(f"z{path.name}"))
    for path in paths[:3] if change == "fewer" else []:
        path.unlink()
    assert "votes belongs to other images than" in one_line_refusal(read_features, votes)
