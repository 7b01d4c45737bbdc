"""A section on symmetry: a galaxy turned or mirrored is the same one, as its prediction should be.

Each network notes how far its predictions of a galaxy differ between the views; this is what it
cannot know, and what averaging the views takes away.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import load_catalog
from galaxyzoo.data.prepare import take_images
from galaxyzoo.ensemble.intervals import NetworkTables
from galaxyzoo.reports.evaluate import Evaluation
from galaxyzoo.reports.figures import GREY, TRAINED, clean, draw_galaxies, new_figure, save_figure
from galaxyzoo.reports.html import HtmlSection
from galaxyzoo.reports.votes import galaxy_rmse

_DRAWN = 10  # galaxies of the gallery


def symmetry_section(evaluation: Evaluation) -> HtmlSection | None:
    """Spreads of the best single run over views; None where no run has left them."""
    tables = _find_tables(evaluation)
    if tables is None:
        return None
    spread, targets = tables.own(spread=True), evaluation.targets
    errors = galaxy_rmse(tables.own(), targets)
    by_galaxy = np.sqrt((spread**2).mean(axis=1))
    stem = tables.run.split("/")[1]
    caption = "each dot a galaxy: how far its views differ, and how far their mean is off"
    pictures = [(caption, evaluation.folder / f"{stem}_symmetry.png")]
    _draw(pictures[0][1], by_galaxy, errors, tables.run)
    if evaluation.images is not None:
        worst = np.argsort(-by_galaxy, kind="stable")[:_DRAWN]
        ids = evaluation.catalog.ids[worst]
        path = evaluation.folder / f"{stem}_symmetry_galaxies.png"
        title = f"{tables.run}: galaxies whose views differ most"
        notes = [f"differ by {by_galaxy[row]:.3f}\noff by {errors[row]:.3f}" for row in worst]
        draw_galaxies(path, ids, take_images(evaluation.images, ids), notes, title)
        pictures.append(("galaxies whose views differ most", path))
    text = (
        f"{tables.run}: predictions of the same galaxy, turned and mirrored, differ by "
        f"{np.sqrt((spread**2).mean()):.4f} (standard deviation over views, root mean square over "
        "galaxies and answers). A network that knew the symmetry would have 0. A galaxy's "
        f"difference and its error have a rank correlation of {_ranked(by_galaxy, errors):.2f}."
    )
    return HtmlSection("Symmetry", text, pictures=pictures)


def _find_tables(evaluation: Evaluation) -> NetworkTables | None:
    """Tables of the best single run that noted the spread of its views."""
    whole = load_catalog(evaluation.catalog.dataset)
    for result in evaluation.results:
        if result.config is None or not result.is_whole:
            continue
        try:
            tables = NetworkTables.open(result.run, whole)
        except InputError:
            continue
        if tables.has_spread:
            return tables
    return None


def _ranked(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation."""
    return float(pd.Series(one).corr(pd.Series(other), method="spearman"))


def _draw(path: Path, spread: np.ndarray, errors: np.ndarray, run: str) -> None:
    figure = new_figure(7.5, 5)
    axis = figure.subplots()
    axis.scatter(spread, errors, s=5, alpha=0.25, color=TRAINED, linewidths=0, rasterized=True)
    edges = np.quantile(spread, np.linspace(0, 1, 11))
    place = np.clip(np.searchsorted(edges, spread, side="right") - 1, 0, 9)
    used = np.unique(place)
    middles = [np.median(spread[place == i]) for i in used]
    means = [np.sqrt((errors[place == i] ** 2).mean()) for i in used]
    axis.plot(middles, means, color="black", marker="o", label="RMSE of each tenth of the galaxies")
    axis.axline((0, 0), slope=1, color=GREY, linewidth=1, linestyle=":", label="equal")
    axis.set_xlim(0, float(np.quantile(spread, 0.998)))
    axis.set_ylim(0, float(np.quantile(errors, 0.998)))
    axis.set_xlabel("difference between views")
    axis.set_ylabel("error of their mean")
    axis.set_title(run, fontsize=11)
    axis.legend(frameon=False)
    clean(axis)
    save_figure(figure, path)
