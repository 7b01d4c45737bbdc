"""What the volunteers' votes say as a whole: means, correlations, consistency, clarity."""

import numpy as np
import pandas as pd
from scipy.special import entr

from galaxyzoo.decision_tree import GALAXY_ZOO_2, WRITE_TOLERANCE

ANSWERS = list(GALAXY_ZOO_2.columns)
ASKED = 0.1  # smallest vote of the parent answer at which a question's shares mean something
# Of the entropy of a question's shares, 1 where all answers are equally frequent. Of two answers
# 0.5 is a share of 89 % and 0.9 one of 68 %.
CLEAR, AMBIGUOUS = 0.5, 0.9
_ROUNDING = 1.001 * WRITE_TOLERANCE  # a miss of 1e-6 itself is rounding to six decimals
CLARITY = ("clear", "between", "ambiguous", "hardly_asked")


def answer_label(column: str) -> str:
    """An answer with its number, for many answers read alike: `9.3: no bulge`."""
    return f"{column.removeprefix('Class')}: {GALAXY_ZOO_2.answer_text(column)}"


def summarise_answers(votes: pd.DataFrame) -> pd.DataFrame:
    """(answer,) mean, sd, median, and parts of the galaxies with no vote and with a majority.

    Args:
        votes: (galaxy, 37) vote fractions by column name; other columns are ignored.
    """
    values = votes[ANSWERS]
    table = pd.DataFrame(
        {
            "mean": values.mean(),
            "sd": values.std(ddof=0),
            "median": values.median(),
            "no_vote": (values == 0).mean(),
            "majority": (values > 0.5).mean(),
        }
    )
    return table.rename_axis("column").reset_index()


def correlate_answers(votes: pd.DataFrame) -> pd.DataFrame:
    """(answer, answer) Pearson correlations of vote fractions; NaN where an answer never varies."""
    return votes[ANSWERS].corr()


def strongest_pairs(correlations: pd.DataFrame, count: int) -> pd.DataFrame:
    """The answers of different questions that go together, or exclude each other, the most.

    A question and the answer that leads to it are left out: their votes are tied by the sums.
    """
    questions = {column: q for q in GALAXY_ZOO_2.questions for column in q.columns}
    pairs = [
        (a, b, correlations.loc[a, b])
        for i, a in enumerate(ANSWERS)
        for b in ANSWERS[i + 1 :]
        if questions[a] != questions[b] and a != questions[b].parent and b != questions[a].parent
    ]
    table = pd.DataFrame(pairs, columns=["answer", "other", "correlation"]).dropna()
    order = table["correlation"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order[:count]].reset_index(drop=True)


def residuals(votes: pd.DataFrame) -> pd.DataFrame:
    """(galaxy, question) by how much the answers miss their parent's vote; `Q1`, …, `Q11`."""
    values = GALAXY_ZOO_2.residuals(votes[ANSWERS].to_numpy())
    return pd.DataFrame(values, index=votes.index, columns=_names())


def summarise_residuals(missed: pd.DataFrame) -> pd.DataFrame:
    """(question,) largest and mean residual, and galaxies beyond rounding (1e-6)."""
    table = pd.DataFrame(
        {
            "largest": missed.max(),
            "mean": missed.mean(),
            "beyond_rounding": (missed > _ROUNDING).sum(),
        }
    )
    return table.rename_axis("question").reset_index()


def worst_galaxies(missed: pd.DataFrame, count: int) -> pd.DataFrame:
    """The galaxies that miss the tree most: `GalaxyID`, the question, by how much."""
    worst = missed.max(axis=1).nlargest(count)
    return pd.DataFrame(
        {
            "GalaxyID": worst.index,
            "question": missed.loc[worst.index].idxmax(axis=1).to_numpy(),
            "residual": worst.to_numpy(),
        }
    )


def entropies(votes: pd.DataFrame) -> pd.DataFrame:
    """(galaxy, question) entropy of the answers' shares over that of equal ones, 0 to 1.

    NaN where the votes of the answer that leads to the question are below `ASKED`.
    """
    values, out = votes[ANSWERS].to_numpy(dtype=np.float64), {}
    for name, question in zip(_names(), GALAXY_ZOO_2.questions, strict=True):
        answers = values[:, GALAXY_ZOO_2.span(question)]
        asked = answers.sum(axis=1)
        shares = answers / np.where(asked > 0, asked, 1)[:, None]
        entropy = entr(shares).sum(axis=1) / np.log(len(question.answers))
        out[name] = np.where(asked >= ASKED, entropy, np.nan)
    return pd.DataFrame(out, index=votes.index)


def count_clarity(entropy: pd.DataFrame) -> pd.DataFrame:
    """(question,) galaxies that are clear, between, ambiguous, hardly asked; and mean entropy."""
    table = pd.DataFrame(
        {
            "clear": (entropy <= CLEAR).sum(),
            "between": ((entropy > CLEAR) & (entropy < AMBIGUOUS)).sum(),
            "ambiguous": (entropy >= AMBIGUOUS).sum(),
            "hardly_asked": entropy.isna().sum(),
            "mean_entropy": entropy.mean(),
        }
    )
    table.insert(0, "text", [q.text for q in GALAXY_ZOO_2.questions])
    return table.rename_axis("question").reset_index()


def _names() -> list[str]:
    return [f"Q{question.number}" for question in GALAXY_ZOO_2.questions]
