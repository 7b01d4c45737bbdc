"""Pictures: galaxies with what volunteers voted and what a run predicts."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from galaxyzoo import atomic
from galaxyzoo.decision_tree import GALAXY_ZOO_2

VOTES, PREDICTED = "#b8c4d6", "#e07a2f"
SHOWN_ANSWERS = (
    "Class1.1",
    "Class1.2",
    "Class2.1",
    "Class3.1",
    "Class4.1",
    "Class6.1",
    "Class7.1",
    "Class7.3",
)


def pick_varied(targets: np.ndarray, count: int) -> np.ndarray:
    """(count,) rows of galaxies that each show another answer of `SHOWN_ANSWERS` most clearly."""
    columns = [GALAXY_ZOO_2.columns.index(c) for c in SHOWN_ANSWERS]
    rows: list[int] = []
    for i in range(count):
        order = np.argsort(-targets[:, columns[i % len(columns)]], kind="stable")
        rows.append(next(int(row) for row in order if row not in rows))
    return np.array(rows)


def draw_gallery(
    path: Path,
    ids: np.ndarray,
    images: np.ndarray,
    votes: np.ndarray,
    predictions: np.ndarray,
    title: str,
) -> None:
    """Write a PNG: each galaxy beside bars of its votes and its out-of-fold predictions.

    Args:
        path: the PNG.
        ids: (galaxy,) GalaxyIDs.
        images: (galaxy, H, W, 3) uint8.
        votes: (galaxy, answer) vote fractions.
        predictions: (galaxy, answer).
        title: above the grid.
    """
    across = 4
    down = -(-len(ids) // across)
    figure = Figure(figsize=(15, 2.35 * down + 0.6), layout="constrained")
    FigureCanvasAgg(figure)  # no screen is needed
    axes = figure.subplots(down, 2 * across, squeeze=False, width_ratios=[1.0, 0.8] * across)
    for axis in axes.flat:
        axis.set_axis_off()
    for i, (galaxy_id, image) in enumerate(zip(ids, images, strict=True)):
        row, column = divmod(i, across)
        axes[row, 2 * column].imshow(image)
        axes[row, 2 * column].set_title(f"GalaxyID {galaxy_id}", fontsize=9, loc="left")
        _draw_bars(axes[row, 2 * column + 1], votes[i], predictions[i])
    handles = [Rectangle((0, 0), 1, 1, color=color) for color in (VOTES, PREDICTED)]
    figure.legend(
        handles,
        ["votes", "predicted (out of fold)"],
        loc="outside lower center",
        ncols=2,
        frameon=False,
    )
    figure.suptitle(title, fontsize=12)
    with atomic.writing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=80, metadata={"Software": None})


def _draw_bars(axis: Axes, votes: np.ndarray, predictions: np.ndarray) -> None:
    columns = [GALAXY_ZOO_2.columns.index(c) for c in SHOWN_ANSWERS]
    places = np.arange(len(columns))[::-1]
    axis.set_axis_on()
    axis.barh(places + 0.2, votes[columns], 0.38, color=VOTES)
    axis.barh(places - 0.2, predictions[columns], 0.38, color=PREDICTED)
    axis.set_yticks(places, [GALAXY_ZOO_2.answer_text(c) for c in SHOWN_ANSWERS], fontsize=7)
    axis.set_xlim(0, 1)
    axis.set_xticks([0, 1], ["0", "1"], fontsize=7)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(length=0)
