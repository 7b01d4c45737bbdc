"""Classes out of votes: hand-worked galaxies, edges of the thresholds, and the real label table."""

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.data.readers.kaggle import open_dataset_files
from galaxyzoo.io.tables import read_csv
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.kinds import CLASS
from galaxyzoo.tasks.label_rules import ClassRule, ClassValues, Votes, share
from galaxyzoo.tasks.registry import TASKS
from support.datasets import COLUMNS, draw_votes
from support.real_data import MINI, ZOO5, needs_data
from support.refusals import one_line_refusal

RULES = {name: task.rule for name, task in TASKS.items() if task.rule}

# A galaxy is written as the shares that differ from these, per question: Class1 to Class11.
EVEN = {q.number: [1 / len(q.answers)] * len(q.answers) for q in GALAXY_ZOO_2.questions}

SMOOTH = [0.9, 0.08, 0.02]
DISK = [0.05, 0.9, 0.05]
ARTIFACT = [0.1, 0.1, 0.8]

NOT_ODD = [0.1, 0.9]
ODD = [0.9, 0.1]

EDGE_ON = [0.9, 0.1]
FACE_ON = [0.1, 0.9]

YES = [0.8, 0.2]
NO = [0.2, 0.8]

RING = [0.8, 0, 0, 0, 0, 0.1, 0.1]
DISTURBED = [0, 0, 0.8, 0, 0.2, 0, 0]
IRREGULAR = [0, 0, 0, 0.8, 0.2, 0, 0]
MERGER = [0, 0, 0, 0, 0.2, 0.8, 0]

UNBARRED = {1: DISK, 6: NOT_ODD, 2: FACE_ON, 4: YES, 3: NO}

ROUND = [0.8, 0.2, 0]
BETWEEN = [0.1, 0.8, 0.1]
CIGAR = [0, 0.2, 0.8]


def galaxy(shares: dict[int, list[float]]) -> pd.DataFrame:
    """(1, 37) votes of a galaxy whose volunteers answered with these shares, even elsewhere."""
    votes = np.zeros((1, len(COLUMNS)))
    for question in GALAXY_ZOO_2.top_down:
        parent = GALAXY_ZOO_2.parent_index(question)
        asked = 1.0 if parent is None else votes[0, parent]
        answers = np.array({**EVEN, **shares}[question.number])
        assert answers.sum() == pytest.approx(1), "a galaxy of this test is no galaxy"
        votes[0, GALAXY_ZOO_2.span(question)] = answers * asked
    return pd.DataFrame(votes, columns=COLUMNS)


def class_of(task: str, votes: pd.DataFrame) -> str | None:
    """The class that the rule gives to the only galaxy, None where it drops it."""
    labels = RULES[task].labels(votes)
    if labels.empty:
        return None
    return str(labels.iloc[0].idxmax())


def with_votes(**votes: float) -> pd.DataFrame:
    """A galaxy by published fractions, `Class1_1=0.8`; all others are 0."""
    frame = pd.DataFrame(0.0, index=[0], columns=COLUMNS)
    for name, value in votes.items():
        frame[name.replace("_", ".")] = value
    return frame


CLASSES: list[tuple[str, str | None, dict[int, list[float]]]] = [
    ("elliptical_spiral", "elliptical", {1: SMOOTH}),
    ("elliptical_spiral", "spiral", {1: DISK}),
    ("elliptical_spiral", None, {1: ARTIFACT}),
    ("elliptical_spiral", None, {1: [0.7, 0.3, 0]}),
    ("hubble10", "E_round", {1: SMOOTH, 6: NOT_ODD, 7: ROUND}),
    ("hubble10", "E_intermediate", {1: SMOOTH, 6: NOT_ODD, 7: BETWEEN}),
    ("hubble10", "E_cigar", {1: SMOOTH, 6: NOT_ODD, 7: CIGAR}),
    ("hubble10", None, {1: SMOOTH, 6: NOT_ODD, 7: [0.4, 0.4, 0.2]}),
    ("hubble10", "edge_on_bulge", {1: DISK, 6: NOT_ODD, 2: EDGE_ON, 9: [0.8, 0.1, 0.1]}),
    ("hubble10", "edge_on_bulge", {1: DISK, 6: NOT_ODD, 2: EDGE_ON, 9: [0.1, 0.8, 0.1]}),
    ("hubble10", "edge_on_no_bulge", {1: DISK, 6: NOT_ODD, 2: EDGE_ON, 9: [0.1, 0.1, 0.8]}),
    ("hubble10", "SB", {1: DISK, 6: NOT_ODD, 2: FACE_ON, 4: YES, 3: YES}),
    ("hubble10", "S_early", {**UNBARRED, 5: [0.1, 0.2, 0.4, 0.3]}),
    ("hubble10", "S_late", {**UNBARRED, 5: [0.3, 0.4, 0.2, 0.1]}),
    ("hubble10", None, {**UNBARRED, 5: [0.25] * 4}),  # neither early nor late, exactly
    ("hubble10", None, {1: DISK, 6: NOT_ODD, 2: FACE_ON, 4: NO, 3: YES}),  # a disk without arms
    ("hubble10", None, {1: DISK, 6: NOT_ODD, 2: FACE_ON, 4: YES, 3: [0.5, 0.5]}),
    ("hubble10", None, {1: DISK, 6: NOT_ODD, 2: [0.5, 0.5], 4: YES, 3: YES}),
    ("hubble10", None, {1: [0.55, 0.45, 0], 6: NOT_ODD, 7: ROUND}),  # no clear first answer
    ("hubble10", None, {1: [0.45, 0.55, 0], 6: NOT_ODD, 2: EDGE_ON, 9: [0.8, 0.1, 0.1]}),
    ("hubble10", None, {1: ARTIFACT, 6: NOT_ODD}),
    ("hubble10", "merger", {1: SMOOTH, 7: ROUND, 6: ODD, 8: MERGER}),  # odd comes first
    ("hubble10", "irregular", {1: DISK, 2: EDGE_ON, 6: ODD, 8: IRREGULAR}),
    ("hubble10", None, {1: SMOOTH, 7: ROUND, 6: ODD, 8: RING}),
    ("hubble10", None, {1: DISK, 2: FACE_ON, 4: YES, 3: YES, 6: ODD, 8: DISTURBED}),
    ("anomaly4", "normal", {6: NOT_ODD}),
    ("anomaly4", "ringed", {6: ODD, 8: RING}),
    ("anomaly4", "merger", {6: ODD, 8: MERGER}),
    ("anomaly4", "irregular", {6: ODD, 8: IRREGULAR}),
    ("anomaly4", None, {6: ODD, 8: DISTURBED}),
    ("anomaly4", None, {6: [0.4, 0.6], 8: MERGER}),  # half odd
    ("zoo5", "completely_round_smooth", {1: SMOOTH, 7: ROUND}),
    ("zoo5", "in_between_smooth", {1: SMOOTH, 7: BETWEEN}),
    ("zoo5", "cigar_shaped_smooth", {1: SMOOTH, 7: CIGAR}),
    ("zoo5", "edge_on", {1: DISK, 2: EDGE_ON}),
    ("zoo5", "spiral", {1: DISK, 2: FACE_ON, 4: YES}),
    ("zoo5", None, {1: SMOOTH, 7: [0.4, 0.4, 0.2]}),  # no roundness
    ("zoo5", None, {1: DISK, 2: [0.5, 0.5]}),  # neither edge-on nor not
    ("zoo5", None, {1: DISK, 2: FACE_ON, 4: NO}),  # no arms
    ("zoo5", None, {1: ARTIFACT}),
]


@pytest.mark.parametrize(("task", "expected", "shares"), CLASSES)
def test_a_hand_worked_galaxy_gets_its_class_or_is_dropped(task, expected, shares):
    assert class_of(task, galaxy(shares)) == expected


def test_every_class_and_a_drop_of_every_rule_has_a_hand_worked_galaxy():
    for name in RULES:
        worked = {expected for task, expected, _ in CLASSES if task == name}
        assert worked == {*TASKS[name].columns, None}


ABOVE = 1e-6

EDGES = [
    # exactly at a threshold that has to be exceeded: dropped
    ("elliptical_spiral", "elliptical", {"Class1_1": 0.8}, ABOVE),
    ("elliptical_spiral", "spiral", {"Class1_2": 0.8}, ABOVE),
    ("hubble10", "E_round", {"Class1_1": 0.6, "Class7_1": 0.5}, ABOVE),
    ("hubble10", "E_round", {"Class7_1": 0.35, "Class1_1": 0.7}, ABOVE),
    ("hubble10", "E_cigar", {"Class7_3": 0.35, "Class1_1": 0.7}, ABOVE),
    ("hubble10", "edge_on_no_bulge", {"Class1_2": 0.6, "Class2_1": 0.5, "Class9_3": 0.4}, ABOVE),
    ("hubble10", "edge_on_no_bulge", {"Class2_1": 0.4, "Class1_2": 0.8, "Class9_3": 0.3}, ABOVE),
    ("hubble10", "edge_on_no_bulge", {"Class9_3": 0.4, "Class1_2": 0.9, "Class2_1": 0.8}, ABOVE),
    ("hubble10", "merger", {"Class6_1": 0.5, "Class8_6": 0.4}, ABOVE),
    ("hubble10", "merger", {"Class8_6": 0.4, "Class6_1": 0.8}, ABOVE),
    ("anomaly4", "normal", {"Class6_2": 0.8}, ABOVE),
    ("anomaly4", "ringed", {"Class6_1": 0.5, "Class8_1": 0.4}, ABOVE),
    ("anomaly4", "irregular", {"Class8_4": 0.4, "Class6_1": 0.8}, ABOVE),
    # exactly at a threshold that suffices: kept, and dropped just below
    ("zoo5", "completely_round_smooth", {"Class1_1": 0.469, "Class7_1": 0.6}, 0.0),
    ("zoo5", "completely_round_smooth", {"Class7_1": 0.5, "Class1_1": 0.9}, 0.0),
    ("zoo5", "in_between_smooth", {"Class7_2": 0.5, "Class1_1": 0.9}, 0.0),
    ("zoo5", "cigar_shaped_smooth", {"Class7_3": 0.5, "Class1_1": 0.9}, 0.0),
    ("zoo5", "edge_on", {"Class1_2": 0.430, "Class2_1": 0.7}, 0.0),
    ("zoo5", "edge_on", {"Class2_1": 0.602, "Class1_2": 0.9}, 0.0),
    ("zoo5", "spiral", {"Class1_2": 0.430, "Class2_2": 0.8, "Class4_1": 0.7}, 0.0),
    ("zoo5", "spiral", {"Class2_2": 0.715, "Class1_2": 0.9, "Class4_1": 0.7}, 0.0),
    ("zoo5", "spiral", {"Class4_1": 0.619, "Class1_2": 0.9, "Class2_2": 0.8}, 0.0),
]


@pytest.mark.parametrize(("task", "name", "votes", "needed"), EDGES)
def test_at_the_edge_of_the_first_named_vote(task, name, votes, needed):
    first = next(iter(votes))
    enough = {**votes, first: votes[first] + needed}
    too_little = {**votes, first: votes[first] + needed - ABOVE}
    assert class_of(task, with_votes(**enough)) == name
    assert class_of(task, with_votes(**too_little)) is None


def test_exactly_half_without_a_bulge_is_neither_of_the_edge_on_classes():
    votes = with_votes(Class1_2=0.9, Class2_1=0.8, Class9_1=0.4, Class9_3=0.4)
    assert class_of("hubble10", votes) is None


def test_a_half_odd_galaxy_stays_in_the_hubble_sequence():
    votes = with_votes(Class1_1=0.9, Class7_1=0.8, Class6_1=0.5, Class6_2=0.5, Class8_6=0.5)
    assert class_of("hubble10", votes) == "E_round"


@pytest.mark.parametrize("name", RULES)
def test_classes_exclude_each_other_on_random_votes(name):
    votes = draw_votes(np.random.default_rng(1), np.arange(20_000))
    members = pd.DataFrame(RULES[name].hard(votes))
    assert list(members.columns) == list(TASKS[name].columns)
    assert members.sum(axis=1).max() == 1
    assert members.any().all()  # each class was met, or the draw shows nothing
    labels = RULES[name].labels(votes)
    assert (labels.sum(axis=1) == 1).all()
    assert labels.index.tolist() == np.flatnonzero(members.any(axis=1)).tolist()


def test_a_rule_that_gives_two_classes_is_refused():
    twice = {"a": np.array([True, False]), "b": np.array([True, True])}

    def overlapping(votes: Votes) -> ClassValues:
        return twice

    rule = ClassRule(overlapping, overlapping)
    line = one_line_refusal(rule.labels, pd.DataFrame(index=[100, 200]))
    assert line.startswith(
        "the label rule overlapping puts galaxy 100 into a and b (such galaxies: 1)"
    )


@pytest.mark.parametrize("name", RULES)
def test_shares_are_probabilities_in_the_tasks_order(name):
    votes = draw_votes(np.random.default_rng(2), np.arange(100, 600))
    shares = RULES[name].shares(votes)
    assert list(shares.columns) == list(TASKS[name].columns)
    assert shares.index.tolist() == votes.index.tolist()
    assert shares.to_numpy().min() >= 0
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("name", RULES)
def test_without_a_vote_all_classes_are_equally_likely(name):
    votes = with_votes()
    shares = RULES[name].shares(votes)
    assert np.allclose(shares, 1 / shares.shape[1], atol=1e-12)


@pytest.mark.parametrize(("task", "expected", "shares"), [row for row in CLASSES if row[1]])
def test_the_class_of_a_clear_galaxy_is_also_its_most_voted(task, expected, shares):
    assert RULES[task].shares(galaxy(shares)).iloc[0].idxmax() == expected


def test_hand_worked_shares_of_the_hubble_classes():
    votes = galaxy(
        {
            1: [0.5, 0.5, 0],
            2: [0.2, 0.8],
            3: [0.25, 0.75],
            4: [0.5, 0.5],
            5: [0, 0.4, 0.4, 0.2],
            6: [0.4, 0.6],
            7: [0.6, 0.4, 0],
            8: [0, 0, 0, 0.25, 0.5, 0.25, 0],
            9: [0.5, 0.25, 0.25],
        }
    )
    regular = 0.8  # merger and irregular 0.1 each
    smooth = regular * 0.5
    edge_on = regular * 0.5 * 0.2
    arms = regular * 0.5 * 0.8 * 0.5
    expected = {
        "E_round": smooth * 0.6,
        "E_intermediate": smooth * 0.4,
        "E_cigar": 0.0,
        "edge_on_bulge": edge_on * 0.75,
        "edge_on_no_bulge": edge_on * 0.25,
        "S_early": arms * 0.75 * 0.6,
        "S_late": arms * 0.75 * 0.4,
        "SB": arms * 0.25,
        "merger": 0.1,
        "irregular": 0.1,
    }
    got = RULES["hubble10"].shares(votes).iloc[0] * sum(expected.values())
    assert got.to_dict() == pytest.approx(expected)


def test_a_share_is_of_those_who_were_asked():
    votes = with_votes(Class1_1=0.5, Class7_1=0.2, Class6_1=0.3)
    assert share(votes, "Class7.1").tolist() == pytest.approx([0.4])
    assert share(votes, "Class6.1").tolist() == pytest.approx([0.3])  # everybody is asked
    assert share(votes, "Class9.3").tolist() == [0.0]  # nobody is


@needs_data(MINI, ZOO5)
def test_the_zoo5_rule_gives_the_published_classes_galaxy_by_galaxy(root):
    labels = RULES["zoo5"].labels(open_dataset_files(MINI).targets)
    table = read_csv(ZOO5 / "train_labels.csv")[CLASS]
    assert labels.index.isin(table.index).all()
    assert labels.idxmax(axis=1).tolist() == table.loc[labels.index].tolist()
    others = open_dataset_files(MINI).targets.index.difference(labels.index)
    assert not others.isin(table.index).any()  # what the rule drops is not in the table either
