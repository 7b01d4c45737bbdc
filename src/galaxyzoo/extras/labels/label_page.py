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
from galaxyzoo.extras.pages.templates import jpeg_address, render

_PAGE = 48  # galaxies
PICTURE = ImageConfig(crop_px=ORIGINAL_PX, cache_px=160)
_HANDLERS: dict[Any, Any] = {
    InputError: lambda _request, error: PlainTextResponse(str(error), 400),
    KeyError: lambda *_: PlainTextResponse("no such galaxy or class", 400),
    404: lambda *_: PlainTextResponse("this tab is of another survey: reload the page", 400),
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
        number = loop.number_of(of) or 0
        rows = loop.ranking(by, number)[start : start + _PAGE]
        probs = loop.probabilities()
        shares = np.full(len(rows), None) if probs is None else probs[rows, number].round(3)
        survey = loop.survey
        pictures = survey.images.pictures(survey.parts[rows], survey.ids[rows], PICTURE)
        return [
            {
                "id": loop.names[row],
                "label": loop.class_of(row),
                "share": share,
                "picture": jpeg_address(picture),
            }
            for row, share, picture in zip(rows.tolist(), shares.tolist(), pictures, strict=True)
        ]

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
    def add(name: Annotated[str, Body(embed=True)]) -> dict[str, Any]:
        number = loop.add_class(name)
        return {**state(), "added": loop.classes[number]}

    app.include_router(tab)
    return app


def _in_words(share: Proportion) -> str:
    if not share.n:
        return "–"
    lower, upper = (f"{100 * end:.0f}" for end in share.interval)
    return f"{share.hits} of {share.n}\n({lower}–{upper} %)"
