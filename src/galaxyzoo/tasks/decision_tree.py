"""The Galaxy Zoo 2 decision tree: eleven questions, 37 answers, the sums that votes obey.

Published values are already weighted: the answers of a question sum to the published value of the
answer that leads to it. Question 6 ("anything odd?") is asked of every galaxy and sums to 1 in the
released file, although the tree on paper would give 1 - Class1.3; this module follows the file.

Source: Willett et al. 2013 (MNRAS 435, 2835), table 2, for the questions; the sums are read off the
competition's `training_solutions_rev1.csv`, whose residuals are below 2e-6.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

READ_TOLERANCE = 1e-5  # largest residual of a question's sum in files of users
WRITE_TOLERANCE = 1e-6  # largest residual in files that the project writes
# Galaxy Zoo 2's galaxies were classified 40 to 45 times on average (Willett et al. 2013: some 16
# million classifications of the whole sample).
VOLUNTEERS = 43


@dataclass(frozen=True)
class Question:
    """A question: number, wording, answers, parent answer."""

    number: int
    text: str
    answers: tuple[str, ...]
    parent: str | None  # column such as "Class1.2"; None where the answers sum to 1

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names of the answers, in order: `Class<number>.<answer>`."""
        return tuple(f"Class{self.number}.{i + 1}" for i in range(len(self.answers)))


@dataclass(frozen=True)
class DecisionTree:
    """Questions and the columns of their answers; nothing else holds a column number.

    Examples:
        >>> GALAXY_ZOO_2.question_of("Class4.1").text
        'Are there spiral arms?'
        >>> len(GALAXY_ZOO_2.columns)
        37
    """

    questions: tuple[Question, ...]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The 37 column names in the competition's order."""
        return tuple(c for q in self.questions for c in q.columns)

    @cached_property
    def top_down(self) -> tuple[Question, ...]:
        """The questions ordered so that each one's parent answer comes before it."""
        return tuple(sorted(self.questions, key=self._depth))

    def _depth(self, question: Question) -> int:
        """Number of answers that lead to a question."""
        parent = question.parent
        return 0 if parent is None else 1 + self._depth(self.question_of(parent))

    def span(self, question: Question) -> slice:
        """Columns of a question's answers in a (galaxy, answer) array."""
        start = self.columns.index(question.columns[0])
        return slice(start, start + len(question.answers))

    def parent_index(self, question: Question) -> int | None:
        """Column of the parent answer; None where the answers sum to 1."""
        return None if question.parent is None else self.columns.index(question.parent)

    def question_of(self, column: str) -> Question:
        """The question that a column answers."""
        return next(question for question in self.questions if column in question.columns)

    def answer_text(self, column: str) -> str:
        """Wording of an answer, for pictures and reports."""
        question = self.question_of(column)
        return question.answers[question.columns.index(column)]

    def parents(self, votes: np.ndarray) -> np.ndarray:
        """(galaxy, answer) sums of the vote fractions of each answer's question."""
        values = np.empty_like(votes)
        for question in self.questions:
            values[:, self.span(question)] = self._parent_values(votes, question)[:, None]
        return values

    def shares(self, votes: np.ndarray) -> np.ndarray:
        """(galaxy, answer) share of those who were asked, of vote fractions; 0 where nobody was."""
        asked = self.parents(votes)
        return np.divide(votes, asked, out=np.zeros(votes.shape), where=asked > 0)

    def to_vote_fractions(self, shares: np.ndarray, fallback: np.ndarray) -> np.ndarray:
        """Vote fractions of the shares that each question's volunteers gave.

        The shares of a question, or counts, are scaled to add up to 1 and multiplied by the vote
        fraction of the answer that leads to the question.

        Args:
            shares: (galaxy, answer) >= 0.
            fallback: (galaxy, answer) shares that count where those of a question are all 0; where
                these are too, all answers are equally likely.
        Returns:
            (galaxy, answer) vote fractions that obey the tree, float64.
        """
        votes = np.empty(shares.shape)
        for question in self.top_down:
            span, reached = self.span(question), self._parent_values(votes, question)
            answers = shares[:, span]
            for candidate in (fallback[:, span], np.ones(answers.shape)):
                answers = np.where(answers.any(axis=1, keepdims=True), answers, candidate)
            votes[:, span] = answers / answers.sum(axis=1, keepdims=True) * reached[:, None]
        return votes

    def draw(self, odds: np.ndarray, volunteers: int, rng: np.random.Generator) -> np.ndarray:
        """Vote fractions of volunteers who answer at random, down the tree.

        All answer the questions without a parent; the others go to those alone who gave the answer
        that leads there.

        Args:
            odds: (galaxy, answer) >= 0, of each question's answers in proportion; where they are
                all 0 the answers are equally likely.
            volunteers: number per galaxy.
            rng: draws.
        Returns:
            (galaxy, answer) fractions that obey the tree, multiples of 1 / volunteers.
        """
        counts = np.zeros(odds.shape, dtype=np.int64)
        for question in self.top_down:
            span, parent = self.span(question), self.parent_index(question)
            asked = np.full(len(odds), volunteers) if parent is None else counts[:, parent]
            answers = np.maximum(odds[:, span].astype(np.float64), 0.0)
            answers[answers.sum(axis=1) == 0] = 1.0
            counts[:, span] = rng.multinomial(asked, answers / answers.sum(axis=1, keepdims=True))
        return counts / volunteers

    def residuals(self, votes: np.ndarray) -> np.ndarray:
        """Differences between the sum of each question's answers and its parent's value.

        Args:
            votes: (galaxy, answer) vote fractions.
        Returns:
            (galaxy, question) |sum of answers - parent|, float64, questions in the tree's order.
        Examples:
            >>> votes = np.zeros((1, 37))
            >>> votes[0, :3] = 0.5, 0.3, 0.1  # the first question's answers miss 1 by 0.1
            >>> GALAXY_ZOO_2.residuals(votes)[0, :2].round(2).tolist()
            [0.1, 0.3]
        """
        votes = self._checked(votes)
        differences = [
            votes[:, self.span(question)].sum(axis=1) - self._parent_values(votes, question)
            for question in self.questions
        ]
        return np.abs(np.stack(differences, axis=1))

    def project(self, votes: np.ndarray) -> np.ndarray:
        """Nearest vote fractions per question that obey the tree, worked from the root down.

        Each question's answers move to the closest point (Euclidean) of the simplex whose sum is
        the parent's projected value. Values that obey the tree already stay as they are to
        rounding.

        Args:
            votes: (galaxy, answer) finite numbers, any range.
        Returns:
            (galaxy, answer) vote fractions in [0, 1], float64, sums within `WRITE_TOLERANCE`.
        Raises:
            ValueError: wrong number of columns or a value that is not finite.
        Examples:
            >>> votes = GALAXY_ZOO_2.project(np.full((1, 37), 0.4))
            >>> votes[0, :3].round(3).tolist()
            [0.333, 0.333, 0.333]
            >>> bool(GALAXY_ZOO_2.residuals(votes).max() < 1e-6)
            True

        Source: simplex projection of Duchi et al. 2008 (ICML), algorithm of figure 1, in batch
            form.
        """
        projected = self._checked(votes).copy()
        if not np.isfinite(projected).all():
            raise ValueError("vote fractions to project must be finite")
        for question in self.top_down:
            span = self.span(question)
            projected[:, span] = _project_to_simplex(
                projected[:, span], self._parent_values(projected, question)
            )
        return projected

    def _parent_values(self, votes: np.ndarray, question: Question) -> np.ndarray:
        """(galaxy,) value that a question's answers must sum to."""
        index = self.parent_index(question)
        return np.ones(len(votes)) if index is None else votes[:, index]

    def _checked(self, votes: np.ndarray) -> np.ndarray:
        votes = np.asarray(votes, dtype=np.float64)
        if votes.ndim != 2 or votes.shape[1] != len(self.columns):
            raise ValueError(
                f"expected (galaxy, {len(self.columns)}) vote fractions, got shape {votes.shape}"
            )
        return votes


def _project_to_simplex(points: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Closest non-negative points that add up to `sums`; (n, k), (n,) >= 0 -> (n, k)."""
    # The same shift and floor for all change nothing (no answer more than the sum below the highest
    # keeps anything), but keep a sum of 1 from being lost among large numbers.
    with np.errstate(over="ignore"):  # minus infinity is as good as any answer far below
        points = np.maximum(points - points.max(axis=1, keepdims=True), -sums[:, None])
    ordered = -np.sort(-points, axis=1)
    excess = np.cumsum(ordered, axis=1) - sums[:, None]
    shifts = excess / np.arange(1, points.shape[1] + 1)
    # 0 only where the sum is 0: every answer becomes 0
    active = np.maximum((ordered > shifts).sum(axis=1), 1)
    shift = np.take_along_axis(shifts, active[:, None] - 1, axis=1)
    projected = np.maximum(points - shift, 0.0)
    # A last scaling removes rounding left by large inputs; it is 1 to about 1e-16 otherwise.
    total = projected.sum(axis=1)
    scale = np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)
    return projected * scale[:, None]


GALAXY_ZOO_2 = DecisionTree(
    (
        Question(
            1,
            "Is it smooth, or does it have features or a disk?",
            ("smooth", "features or disk", "star or artifact"),
            None,
        ),
        Question(2, "Is it a disk seen edge-on?", ("edge-on", "not edge-on"), "Class1.2"),
        Question(3, "Is there a bar?", ("bar", "no bar"), "Class2.2"),
        Question(4, "Are there spiral arms?", ("spiral arms", "no spiral arms"), "Class2.2"),
        Question(
            5,
            "How prominent is the bulge?",
            ("no bulge", "just noticeable", "obvious", "dominant"),
            "Class2.2",
        ),
        Question(6, "Is there anything odd?", ("odd", "nothing odd"), None),
        Question(
            7, "How round is it?", ("completely round", "in between", "cigar-shaped"), "Class1.1"
        ),
        Question(
            8,
            "What is odd about it?",
            ("ring", "lens or arc", "disturbed", "irregular", "other", "merger", "dust lane"),
            "Class6.1",
        ),
        Question(
            9,
            "What shape is the bulge of the edge-on disk?",
            ("rounded", "boxy", "no bulge"),
            "Class2.1",
        ),
        Question(10, "How tightly are the arms wound?", ("tight", "medium", "loose"), "Class4.1"),
        Question(
            11,
            "How many arms are there?",
            ("1", "2", "3", "4", "more than 4", "can't tell"),
            "Class4.1",
        ),
    )
)
# Names of the questions and answers in Galaxy Zoo 2's published table, in the tree's order.
_PUBLISHED = {
    "t01_smooth_or_features": "a01_smooth a02_features_or_disk a03_star_or_artifact",
    "t02_edgeon": "a04_yes a05_no",
    "t03_bar": "a06_bar a07_no_bar",
    "t04_spiral": "a08_spiral a09_no_spiral",
    "t05_bulge_prominence": "a10_no_bulge a11_just_noticeable a12_obvious a13_dominant",
    "t06_odd": "a14_yes a15_no",
    "t07_rounded": "a16_completely_round a17_in_between a18_cigar_shaped",
    "t08_odd_feature": "a19_ring a20_lens_or_arc a21_disturbed a22_irregular a23_other a24_merger "
    "a38_dust_lane",
    "t09_bulge_shape": "a25_rounded a26_boxy a27_no_bulge",
    "t10_arms_winding": "a28_tight a29_medium a30_loose",
    "t11_arms_number": "a31_1 a32_2 a33_3 a34_4 a36_more_than_4 a37_cant_tell",
}
PUBLISHED_NAMES = tuple(
    f"{q}_{answer}" for q, answers in _PUBLISHED.items() for answer in answers.split()
)
