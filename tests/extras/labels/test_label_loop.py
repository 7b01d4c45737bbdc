"""Rankings by what a label teaches, and honest scores."""

import io

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.extras.labels import label_loop
from galaxyzoo.extras.labels.label_loop import LabelLoop, Order
from galaxyzoo.extras.labels.scores import Proportion, Scores
from support.refusals import one_line_refusal
from support.surveys import COUNT, RARE, make_loop

PLAIN = [0, 1, 2, 4, 5, 6]


def fit(loop: LabelLoop) -> tuple[np.ndarray, Scores]:
    """Probabilities and scores by labels that are enough for both."""
    probs = loop.probabilities()
    scores = loop.scores()
    assert probs is not None
    assert scores is not None
    return probs, scores


def test_one_label_of_one_class_finds_those_like_it(loop):
    loop.label([3], 0)
    assert {*loop.ranking("likely", 0)[:5].tolist()} == {*RARE} - {3}


def test_rankings_are_as_the_probabilities_have_it(loop):
    loop.label([3, 7], 0)
    loop.label(PLAIN, 1)
    probs = fit(loop)[0][:, 0]
    rest = [row for row in range(COUNT) if row not in loop.labels]
    likely = loop.ranking("likely", 0).tolist()
    uncertain = loop.ranking("uncertain", 0).tolist()
    diverse = loop.ranking("diverse", 0).tolist()
    mix = loop.ranking("mix", 0).tolist()
    assert likely == sorted(rest, key=lambda row: -probs[row])
    assert set(likely[:4]) == set(RARE) - {3, 7}
    assert uncertain == sorted(rest, key=lambda row: abs(probs[row] - 0.5))
    assert sorted(mix) == sorted(diverse) == rest
    assert {likely[0], uncertain[0], diverse[0]} == set(mix[:3])
    assert loop.ranking("likely", 1)[0] == likely[-1]


@pytest.mark.parametrize("count", [1, 5, 17, COUNT - 9])
def test_the_first_of_a_ranking_are_those_of_the_whole_one(loop, monkeypatch, count):
    """Also of equal galaxies."""
    monkeypatch.setattr(label_loop, "_CANDIDATES", 4)
    loop.survey.features[20:39] = loop.survey.features[20]
    loop.label([3, 7], 0)
    loop.label(PLAIN, 1)
    loop.annotate(30, "skipped", "yes")
    probs = fit(loop)[0][:, 0]
    rows = loop.heads.shuffled.tolist()
    rest = [row for row in rows if row not in loop.labels and row != 30]
    likely = sorted(rest, key=lambda row: -probs[row])
    assert loop.ranking("likely", 0, count)[:count].tolist() == likely[:count]
    orders: list[tuple[Order, int]] = [("uncertain", 0), ("diverse", 0), ("mix", 1), ("like", 25)]
    for by, of in orders:
        whole = loop.ranking(by, of)
        assert len(whole) == (COUNT if by == "like" else len(rest))
        np.testing.assert_array_equal(loop.ranking(by, of, count)[:count], whole[:count])


def test_a_ranking_is_downloaded_as_it_is_shown_with_probabilities(loop):
    assert loop.table("mix", 0).splitlines()[0] == "id,class"  # no labels, no probabilities
    loop.label(RARE[1:], 0)
    loop.label([*PLAIN, 3], 1)
    loop.rename(loop.add_class("removed"), "")
    probs, _ = fit(loop)
    orders: list[tuple[Order, int]] = [("likely", 0), ("likely", 1), ("doubtful", 0), ("like", 5)]
    for by, of in orders:
        content = io.StringIO(loop.table(by, of))
        table = pd.read_csv(content, index_col="id", keep_default_na=False)
        rows = [loop.row_of(name) for name in table.index]
        assert rows == loop.ranking(by, of).tolist()
        assert [*table.columns] == ["class", "rare", "plain, old"]
        np.testing.assert_allclose(table[["rare", "plain, old"]], probs[rows, :2], atol=1e-6)
        assert [loop.class_of(row) or "" for row in rows] == table["class"].tolist()


def test_likely_label_errors_are_the_labels_that_heads_of_the_others_contradict(loop):
    loop.label(RARE[2:], 0)
    loop.label([*PLAIN, 3, 7], 1)  # 3 and 7 are rare
    _, scores = fit(loop)
    table = pd.read_csv(io.StringIO(loop.label_errors()), index_col="id")
    rows = [loop.row_of(name) for name in table.index]
    wrong = [row for row in loop.labels if scores.probs.loc[row].idxmax() != loop.labels[row]]
    assert rows == sorted(wrong, key=scores.confidence.__getitem__)
    assert {3, 7} <= {*rows} < {*loop.labels}
    np.testing.assert_allclose(table[loop.classes], scores.probs.loc[rows], atol=1e-6)
    loop.label([*rows], None, 1)
    loop.label([3, 7], 0)
    assert loop.label_errors() == 'id,class,rare,"plain, old"\n'
    loop.label(RARE, None, 0)
    assert "label more galaxies" in one_line_refusal(loop.label_errors)


def test_doubtful_labels_are_those_of_cleanlab(loop):
    filters = pytest.importorskip("cleanlab.filter")
    loop.label(RARE[2:], 0)
    loop.label([*PLAIN, 3, 7], 1)
    _, scores = fit(loop)
    labels = pd.Series(loop.labels)[scores.probs.index]
    doubtful = filters.find_label_issues(
        labels.to_numpy(),
        scores.probs.to_numpy(),
        filter_by="predicted_neq_given",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    table = pd.read_csv(io.StringIO(loop.label_errors()), index_col="id")
    assert [loop.row_of(name) for name in table.index] == labels.index[doubtful].tolist()


def test_likeness_orders_galaxies_as_faiss_does(loop):
    faiss = pytest.importorskip("faiss")
    points = loop.heads.points(slice(None)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(points.shape[1])
    index.add(points)
    for row in (3, 7, 20):
        cosines, order = index.search(points[[row]], COUNT)
        assert loop.ranking("like", row).tolist() == order[0].tolist()
        likeness = loop.heads.likeness(np.array([row]))[order[0]]
        np.testing.assert_allclose(likeness, (1 + cosines[0]) / 2, atol=1e-6)


def test_the_most_uncertain_are_between_their_two_likeliest_classes(tmp_path):
    """Of three: 0.46, 0.44, 0.1 is less certain than 0.4, 0.3, 0.3."""
    loop = make_loop(tmp_path)
    for number, name in enumerate("abc"):
        loop.label([10 + 2 * number, 11 + 2 * number], loop.add_class(name))
    probs, _ = fit(loop)
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
        names = [f"{row}.png,,{k},-" for row, k in zip(rows, first, strict=True)]
        (tmp_path / "labels.csv").write_text("\n".join(["id,class,Group,group", *names, ""]))
        loop = make_loop(tmp_path, width=300)
        loop.survey.features[:] = features
    for number, name in enumerate(("heads", "tails")):
        loop.label(rows[number::2].tolist(), loop.add_class(name))
    by_heart, scores = fit(loop)
    assert (by_heart[rows].argmax(axis=1) == np.arange(40) % 2).mean() > 0.9
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
    _, scores = fit(loop)
    assert scores.recall == [Proportion(6, 7), Proportion(8, 8)]
    assert scores.precision == [Proportion(6, 6), Proportion(8, 9)]


def test_few_labels_have_no_score_or_a_wide_one(loop):
    assert loop.scores() is None
    assert not loop.ranking("doubtful", 0).size
    loop.label([3, 7], 0)
    loop.label([0], 1)
    assert loop.scores() is None  # one galaxy cannot be learned from without itself
    loop.label([1], 1)
    assert [share.n for share in fit(loop)[1].recall] == [2, 2]


def test_more_like_a_galaxy_begins_with_it_and_its_like(loop):
    loop.label([7], 0)
    order = loop.ranking("like", 3).tolist()
    assert order[0] == 3
    assert {*order[:6]} == {*RARE}
    assert sorted(order) == [*range(COUNT)]
