"""Whatever lies in labels.csv and task.yaml or is asked of the page: an answer, or one line."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.readers.find import open_input
from galaxyzoo.extras.labels.label_loop import LabelLoop
from galaxyzoo.extras.labels.label_page import build_app
from support.forms import write_folder
from support.fuzz_fixtures import CASES, PICTURE, SLOW, mutate
from support.refusals import check_refusal, listing
from support.strategies import SEEDS
from support.surveys import survey_features

NAMES = [f"{k}.png" for k in range(6)]
TABLE = b'id,class,note\ng1.png,ring,\ng2.png,"merger, late",see\ng3.png,,\ng4.png,ring,=1+1\n'
YAML = b"label: class\nclasses: [ring, 'merger, late']\nmetric: balanced accuracy\n"


def make_loop(folder: Path) -> LabelLoop:
    """A survey of six galaxies."""
    images: Any = type("Images", (), {"pictures": lambda *_: ([PICTURE] * 6, {})})()
    features = np.random.default_rng(0).normal(size=(6, 4))
    return LabelLoop(survey_features(folder, features, images))


@CASES
@given(SEEDS)
def test_any_table_is_labels_of_the_survey_or_one_line(tmp_path, seed):
    (tmp_path / "classes.txt").unlink(missing_ok=True)
    table = mutate(TABLE, random.Random(seed))
    (tmp_path / "labels.csv").write_bytes(table)
    try:
        loop = make_loop(tmp_path)
    except InputError as error:
        check_refusal(error, "labels.csv")
    else:
        assert {*loop.labels} <= {*range(6)}
        assert {*loop.labels.values()} <= {*range(len(loop.classes))}
    assert (tmp_path / "labels.csv").read_bytes() == table


@pytest.fixture
def mine(root: Path) -> Path:
    """A folder of six images to be labeled."""
    (root / "input/mine").mkdir()
    write_folder(root / "input/mine/pictures", [PICTURE] * 6, [name[:-4] for name in NAMES])
    return root / "input/mine"


@CASES
@given(SEEDS, st.sampled_from(["labels.csv", "task.yaml"]))
def test_any_table_and_task_is_a_dataset_or_one_line(mine, seed, name):
    contents = {"labels.csv": TABLE, "task.yaml": YAML}
    contents[name] = mutate(contents[name], random.Random(seed))
    for file, content in contents.items():
        (mine / file).write_bytes(content)
    before = listing(mine)
    try:
        raw = open_input("mine", {"mine"})
    except InputError as error:
        check_refusal(error)
    else:
        assert set(np.unique(raw.targets)) <= {0, 1}
        assert (raw.targets.sum(axis=1) == 1).all()
        assert not {*raw.test_ids} & {*raw.targets.index}
    assert listing(mine) == before


ODD = ["", " ", "=1+1", "fold", "é", "\0", "\n", "\ud800", "skipped", "yes", "x" * 99]
WORDS = st.sampled_from([*NAMES, "ring", "new", *ODD])
JSON = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers(-3, 9) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=5,
)
POSTS = {
    "class": {"name": WORDS | JSON, "before": WORDS | JSON, "place": st.integers(-2, 9) | JSON},
    "label": {"galaxies": st.lists(WORDS) | JSON, "label": WORDS | JSON, "before": WORDS | JSON},
    "note": dict.fromkeys(("galaxy", "text", "before", "column"), WORDS | JSON),
    "compare": {"text": st.sampled_from([TABLE.decode(), "id,class\n", "\0"]) | JSON},
}
QUERY = WORDS.filter(lambda word: word != "\ud800")  # which no URL can hold
RANKS: dict[str, st.SearchStrategy[Any]] = {}
RANKS |= {"by": QUERY | st.sampled_from(["likely", "mix", "doubtful", "like"]), "of": QUERY}
RANKS |= {"start": st.integers(-2, 9), "galaxy": QUERY}


def requests(method: str, paths: list[str], optional: dict[str, Any]) -> st.SearchStrategy[Any]:
    values = st.fixed_dictionaries({}, optional=optional)
    return st.tuples(st.just(method), st.sampled_from(paths), values)


REQUESTS = st.one_of(
    requests("GET", ["state", "scores", "label_errors.csv", "x"], {}),
    requests("GET", ["ranking", "ranking.csv", "picture"], RANKS),
    *(requests("POST", [path], body) for path, body in POSTS.items()),
)


@pytest.fixture
def loop(tmp_path: Path) -> LabelLoop:
    return make_loop(tmp_path)


@pytest.fixture
def page(loop: LabelLoop) -> Iterator[TestClient]:
    """A client whose requests share one event loop."""
    with TestClient(build_app(loop, []), base_url=f"http://localhost/{loop.key}/") as client:
        yield client


@SLOW
@given(st.lists(REQUESTS, min_size=4, max_size=20))
def test_any_requests_are_answered_and_leave_labels_that_are_read_again(loop, page, requests):
    folder = loop.survey.folder
    for path in folder.iterdir():
        path.unlink()
    loop.read()
    loop.label([1], loop.add_class("ring"))
    for method, path, values in requests:
        if method == "GET":
            answer = page.get(path, params=values)
        else:
            body = json.dumps(values)
            answer = page.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (200, 400), answer.text
        if answer.status_code == 400:
            check_refusal(InputError(answer.text))
    again = make_loop(folder)
    assert (again.classes, again.labels) == (loop.classes, loop.labels)
