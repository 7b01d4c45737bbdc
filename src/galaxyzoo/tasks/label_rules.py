"""Label rules: classes out of vote fractions, for the galaxies whose votes are clear.

A share is the fraction of the volunteers asked a question who gave an answer: the published
fraction divided by that of the answer that leads to the question. Rules were fixed before any
training; docs/tasks.md lists how many galaxies each keeps.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from galaxyzoo.core.errors import InputError
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2

# Vote fractions by column name: arrays, or a network's tensors, through which gradients pass
Votes: TypeAlias = Mapping[str, Any]
ClassValues = dict[str, Any]  # class name -> (galaxy,) array or tensor, as the votes are


@dataclass(frozen=True)
class ClassRule:
    """Classes out of votes; both functions name the classes in the same order."""

    # class -> (galaxy,) bool, at most one true per galaxy; none: the galaxy is dropped
    hard: Callable[[Votes], ClassValues]
    # class -> (galaxy,) weight of the class in the votes, of any sum; below 0 counts as 0
    soft: Callable[[Votes], ClassValues]

    def labels(self, votes: pd.DataFrame) -> pd.DataFrame:
        """Compute one-hot classes of the galaxies that the rule keeps.

        Args:
            votes: (galaxy, 37) vote fractions by column name.
        Returns:
            (kept galaxy, class) 0.0 or 1.0, rows in the votes' order.
        Raises:
            InputError: the rule puts a galaxy into two classes.
        """
        members = pd.DataFrame(self.hard(_to_arrays(votes)), votes.index).astype(np.float64)
        several = members[members.sum(axis=1) > 1]
        if len(several):
            classes = " and ".join(members.columns[several.iloc[0] > 0])
            raise InputError(
                f"the label rule {self.hard.__name__} puts galaxy {several.index[0]} into {classes}"
                f" (such galaxies: {len(several):,}): change it so that classes exclude each other"
            )
        return members[members.any(axis=1)]

    def shares(self, votes: pd.DataFrame) -> pd.DataFrame:
        """(galaxy, class) probabilities by the votes, rows sum to 1: soft targets."""
        weights = pd.DataFrame(self.soft(_to_arrays(votes)), votes.index).clip(lower=0.0)
        sums = weights.sum(axis=1)
        # Where every weight is 0, the classes are equally probable.
        return weights.div(sums.where(sums > 0), axis=0).fillna(1 / weights.shape[1])


def _to_arrays(votes: pd.DataFrame) -> Votes:
    return {column: votes[column].to_numpy(dtype=np.float64) for column in votes}


def share(votes: Votes, column: str) -> Any:
    """(galaxy,) share of an answer among those who were asked, 0 to 1; 0 where nobody was."""
    value = votes[column]
    parent = GALAXY_ZOO_2.question_of(column).parent
    if parent is None:
        return value
    asked = votes[parent]
    # Divided by 1 where nobody was asked, of arrays and tensors alike.
    return value * (asked > 0) / (asked + (asked <= 0))


CLEAR = 0.80  # published fraction above which the first question is clearly answered


def elliptical_spiral(votes: Votes) -> ClassValues:
    """More than 80 % smooth, or more than 80 % features or disk; others and artifacts are dropped.

    Source: the threshold is that of the source systems named in the configs.
    """
    return {
        "elliptical": votes["Class1.1"] > CLEAR,
        "spiral": votes["Class1.2"] > CLEAR,
    }


def elliptical_spiral_shares(votes: Votes) -> ClassValues:
    """The two answers of the first question."""
    return {"elliptical": votes["Class1.1"], "spiral": votes["Class1.2"]}


MAJORITY = 0.5
FIRST = 0.60  # smaller majorities of the first question leave the tuning fork's branch open


def hubble10(votes: Votes) -> ClassValues:
    """Ten Hubble-like classes down the volunteers' own tree, a majority of shares at each step.

    1. Odd (Class6.1 > 0.5) and mostly merger or mostly irregular: that class. Odd in another
       way: dropped, as no class of the Hubble sequence.
    2. Smooth (Class1.1 > 0.6): round, intermediate or cigar-shaped by question 7.
    3. Features or disk (Class1.2 > 0.6): edge-on, with or without a bulge by question 9; else
       with spiral arms: barred, or unbarred of early type (bulge obvious or dominant) or late type
       (just noticeable or none). A disk without arms is dropped.
    Neither (and so every star or artifact): dropped.
    """
    odd = votes["Class6.1"] > MAJORITY
    smooth = ~odd & (votes["Class1.1"] > FIRST)
    disk = ~odd & (votes["Class1.2"] > FIRST)
    edge_on = disk & _most(votes, "Class2.1")
    face_on = disk & _most(votes, "Class2.2")
    spiral = face_on & _most(votes, "Class4.1")
    unbarred = spiral & _most(votes, "Class3.2")
    obvious_bulge = share(votes, "Class5.3")
    dominant_bulge = share(votes, "Class5.4")
    early = obvious_bulge + dominant_bulge
    return {
        "E_round": smooth & _most(votes, "Class7.1"),
        "E_intermediate": smooth & _most(votes, "Class7.2"),
        "E_cigar": smooth & _most(votes, "Class7.3"),
        "edge_on_bulge": edge_on & (share(votes, "Class9.3") < MAJORITY),
        "edge_on_no_bulge": edge_on & _most(votes, "Class9.3"),
        "S_early": unbarred & (early > MAJORITY),
        "S_late": unbarred & (early < MAJORITY),
        "SB": spiral & _most(votes, "Class3.1"),
        "merger": odd & _most(votes, "Class8.6"),
        "irregular": odd & _most(votes, "Class8.4"),
    }


def hubble10_shares(votes: Votes) -> ClassValues:
    """Fraction of votes for each class; mergers and irregulars first, as in the rule."""
    merger = votes["Class8.6"]
    irregular = votes["Class8.4"]
    regular = 1 - merger - irregular
    arms = regular * votes["Class4.1"]
    bar = share(votes, "Class3.1")
    unbarred = arms * (1 - bar)
    early = share(votes, "Class5.3") + share(votes, "Class5.4")
    return {
        "E_round": regular * votes["Class7.1"],
        "E_intermediate": regular * votes["Class7.2"],
        "E_cigar": regular * votes["Class7.3"],
        "edge_on_bulge": regular * (votes["Class9.1"] + votes["Class9.2"]),
        "edge_on_no_bulge": regular * votes["Class9.3"],
        "S_early": unbarred * early,
        "S_late": unbarred * (1 - early),
        "SB": arms * bar,
        "merger": merger,
        "irregular": irregular,
    }


def anomaly4(votes: Votes) -> ClassValues:
    """Clearly not odd (Class6.2 > 0.80), or odd (Class6.1 > 0.5) in one way for most of those."""
    odd = votes["Class6.1"] > MAJORITY
    return {
        "normal": votes["Class6.2"] > CLEAR,
        "ringed": odd & _most(votes, "Class8.1"),
        "merger": odd & _most(votes, "Class8.6"),
        "irregular": odd & _most(votes, "Class8.4"),
    }


def anomaly4_shares(votes: Votes) -> ClassValues:
    """Not odd, and the three answers of question 8."""
    return {
        "normal": votes["Class6.2"],
        "ringed": votes["Class8.1"],
        "merger": votes["Class8.6"],
        "irregular": votes["Class8.4"],
    }


def zoo5(votes: Votes) -> ClassValues:
    """Five clear classes of published fractions.

    Source: Zhu et al. 2019 (Astrophysics and Space Science 364:55), table 1, after the thresholds
    of Willett et al. 2013 (MNRAS 435, 2835), table 3.
    """
    smooth = votes["Class1.1"] >= 0.469
    disk = votes["Class1.2"] >= 0.430
    edge_on = disk & (votes["Class2.1"] >= 0.602)
    face_on = disk & (votes["Class2.2"] >= 0.715)
    return {
        "completely_round_smooth": smooth & (votes["Class7.1"] >= 0.5),
        "in_between_smooth": smooth & (votes["Class7.2"] >= 0.5),
        "cigar_shaped_smooth": smooth & (votes["Class7.3"] >= 0.5),
        "edge_on": edge_on,
        "spiral": face_on & (votes["Class4.1"] >= 0.619),
    }


def zoo5_shares(votes: Votes) -> ClassValues:
    """The published fractions of the rule's last steps."""
    return {
        "completely_round_smooth": votes["Class7.1"],
        "in_between_smooth": votes["Class7.2"],
        "cigar_shaped_smooth": votes["Class7.3"],
        "edge_on": votes["Class2.1"],
        "spiral": votes["Class4.1"],
    }


def _most(votes: Votes, column: str) -> Any:
    """(galaxy,) whether more than half of those asked gave the answer."""
    return share(votes, column) > MAJORITY
