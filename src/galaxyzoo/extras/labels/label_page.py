"""The page of the label loop: its routes, and pictures out of the survey's images."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Body, FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse
from pydantic import BaseModel, NonNegativeInt

from galaxyzoo.config.schema import ORIGINAL_PX, ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.extras.labels.heads import Proportion
from galaxyzoo.extras.labels.hosts import own_hosts
from galaxyzoo.extras.labels.label_loop import LabelLoop, Order
from galaxyzoo.extras.pages.html import sky_links
from galaxyzoo.extras.pages.templates import jpeg_address, render

_PAGE = 48  # galaxies
PICTURE, _WHOLE = (ImageConfig(crop_px=ORIGINAL_PX, cache_px=px) for px in (160, ORIGINAL_PX))
_HANDLERS: dict[Any, Any] = {
    InputError: lambda _request, error: PlainTextResponse(str(error), 400),
    KeyError: lambda *_: PlainTextResponse("no such galaxy or class", 400),
    404: lambda *_: PlainTextResponse("this tab shows another survey: reload the page", 400),
}


class Change(BaseModel):
    """Galaxies, the class that they get, and that which the tab shows for them; None: none."""

    galaxies: list[str]
    label: str | None
    before: str | None


def build_app(loop: LabelLoop, hosts: Sequence[str]) -> FastAPI:
    """Build the page; it answers to the names of `own_hosts`.

    Requests name galaxies and classes, and lie below the survey's key: a tab may outlive its
    server, and meet that of another survey.
    """
    app = FastAPI(middleware=[own_hosts(hosts)], exception_handlers=_HANDLERS, openapi_url=None)
    tab = APIRouter(prefix=f"/{loop.key}")

    @app.get("/", response_class=HTMLResponse)
    def page() -> str:
        loop.read()
        folder, count = shown(loop.survey.folder), len(loop.survey.ids)
        return render("label_page.html.j2", folder=folder, count=count, page=_PAGE, key=loop.key)

    @tab.get("/state")
    def state() -> dict[str, Any]:
        numbers = np.array([*loop.labels.values()], int)
        counts = np.bincount(numbers, minlength=len(loop.classes)).tolist()
        return {"classes": loop.classes, "counts": counts}

    @tab.get("/ranking")
    def ranking(by: Order, of: str | None = None, start: NonNegativeInt = 0) -> list[Any]:
        return _rank(loop, by, of, start)

    @tab.get("/picture")
    def picture(galaxy: str) -> str:
        row, survey = [loop.rows[galaxy]], loop.survey
        return jpeg_address(survey.images.pictures(survey.parts[row], survey.ids[row], _WHOLE)[0])

    @tab.post("/compare")
    def compare(text: Annotated[str, Body(embed=True)]) -> dict[str, Any]:
        agreement, kappa, others = loop.compare(text)
        pairs = zip(_cards(loop, np.array([*others], int)), others.values(), strict=True)
        return {
            "agreement": _in_words(agreement),
            "kappa": None if np.isnan(kappa) else kappa,
            "galaxies": [card | {"other": other} for card, other in pairs],
        }

    @tab.post("/note")
    def note(galaxy: Annotated[str, Body()], text: Annotated[str, Body()]) -> dict[str, str]:
        before = loop.note(loop.rows[galaxy])
        loop.annotate(loop.rows[galaxy], text)
        return {"before": before, "note": loop.note(loop.rows[galaxy])}

    @tab.get("/ranking.csv", response_class=PlainTextResponse)
    def table(by: Order, of: str | None = None) -> PlainTextResponse:
        disposition = {"Content-Disposition": 'attachment; filename="ranking.csv"'}
        return PlainTextResponse(
            loop.table(by, loop.number_of(of) or 0), headers=disposition, media_type="text/csv"
        )

    @tab.get("/scores")
    def scores() -> dict[str, Any]:
        measured = loop.scores()
        if measured is None:
            return {"shares": [], "error": None}
        shares = zip(loop.classes, measured.recall, measured.precision, strict=False)
        cells = [(name, *map(_in_words, pair)) for name, *pair in shares]
        return {"shares": cells, "error": measured.calibration_error}

    @tab.post("/label")
    def label(change: Change) -> dict[str, Any]:
        rows = [loop.rows[name] for name in change.galaxies]
        changed = loop.label(rows, loop.number_of(change.label), loop.number_of(change.before))
        labels = {loop.names[row]: loop.class_of(row) for row in rows}
        return {**state(), "labels": labels, "changed": [loop.names[row] for row in changed]}

    @tab.post("/class")
    def name_class(
        name: Annotated[str, Body()], before: Annotated[str | None, Body()] = None
    ) -> dict[str, Any]:
        rows = loop.rename(loop.number_of(before), name)
        labels = {loop.names[row]: loop.class_of(row) for row in rows}
        return {**state(), "name": name.strip(), "labels": labels}

    app.include_router(tab)
    return app


def _rank(loop: LabelLoop, by: Order, of: str | None, start: int) -> list[Any]:
    """One page of a ranking by a class, or by likeness to a galaxy."""
    number = loop.rows[of or ""] if by == "like" else loop.number_of(of) or 0
    rows = loop.ranking(by, number)[start : start + _PAGE]
    probs = None if by == "like" else loop.probabilities()
    return _cards(loop, rows, None if probs is None else probs[rows, number].round(3))


def _cards(loop: LabelLoop, rows: np.ndarray, shares: np.ndarray | None = None) -> list[Any]:
    """Galaxies with pictures; `shares`: probability of each, where there is one."""
    survey = loop.survey
    shares = np.full(len(rows), None) if shares is None else shares
    pictures = survey.images.pictures(survey.parts[rows], survey.ids[rows], PICTURE)
    return [
        {
            "id": loop.names[row],
            "label": loop.class_of(row),
            "note": loop.note(row),
            "share": share,
            "sky": dict(sky_links(*survey.positions[row])).get("sky"),
            "picture": jpeg_address(picture),
        }
        for row, share, picture in zip(rows.tolist(), shares.tolist(), pictures, strict=True)
    ]


def _in_words(share: Proportion) -> str:
    if not share.n:
        return "–"
    lower, upper = (f"{100 * end:.0f}" for end in share.interval)
    return f"{share.hits} of {share.n}\n({lower}–{upper} %)"
