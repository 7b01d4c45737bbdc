"""The page of the label loop: its routes, and pictures out of the survey's images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from pydantic import BaseModel, NonNegativeInt

from galaxyzoo.app.hosts import own_hosts
from galaxyzoo.app.label_loop import LabelLoop, Order, Share
from galaxyzoo.config.schema import ORIGINAL_PX, ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.core.templates import jpeg_address, render

_PAGE = 48  # galaxies
PICTURE = ImageConfig(crop_px=ORIGINAL_PX, cache_px=160)


class Labeled(BaseModel):
    """Galaxies and the class that they get; None: none."""

    rows: list[NonNegativeInt]
    number: NonNegativeInt | None


class Name(BaseModel):
    """Name of a class."""

    name: str


def build_app(loop: LabelLoop, hosts: Sequence[str]) -> FastAPI:
    """Build the page; it answers to the names of `own_hosts`."""
    app = FastAPI(middleware=[own_hosts(hosts)], docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(InputError)
    def refuse(_request: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=400)

    @app.exception_handler(IndexError)
    def miss(_request: Request, _error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "no such galaxy or class"}, status_code=400)

    @app.get("/", response_class=HTMLResponse)
    def page() -> str:
        folder, count = shown(loop.survey.folder), len(loop.survey.ids)
        return render("label_page.html.j2", folder=folder, count=count, page=_PAGE)

    @app.get("/state")
    def state() -> dict[str, Any]:
        numbers = np.array([*loop.labels.values()], int)
        counts = np.bincount(numbers, minlength=len(loop.classes)).tolist()
        return {"classes": loop.classes, "counts": counts}

    @app.get("/ranking")
    def ranking(by: Order, of: NonNegativeInt = 0, start: NonNegativeInt = 0) -> list[Any]:
        rows = loop.ranking(by, of)[start : start + _PAGE]
        probs = loop.probabilities()
        shares = np.full(len(rows), None) if probs is None else probs[rows, of].round(3)
        survey = loop.survey
        pictures = survey.images.pictures(survey.parts[rows], survey.ids[rows], PICTURE)
        return [
            {
                "row": row,
                "id": str(survey.ids[row]),
                "number": loop.labels.get(row),
                "share": share,
                "picture": jpeg_address(picture),
            }
            for row, share, picture in zip(rows.tolist(), shares.tolist(), pictures, strict=True)
        ]

    @app.get("/ranking.csv", response_class=PlainTextResponse)
    def table() -> PlainTextResponse:
        disposition = {"Content-Disposition": 'attachment; filename="ranking.csv"'}
        return PlainTextResponse(loop.table(), headers=disposition, media_type="text/csv")

    @app.get("/scores")
    def scores() -> list[dict[str, str]]:
        measured = loop.scores()
        if measured is None:
            return []
        pairs = zip(measured.recall, measured.precision, strict=True)
        return [{"recall": _in_words(a), "precision": _in_words(b)} for a, b in pairs]

    @app.post("/label")
    def label(labeled: Labeled) -> dict[str, Any]:
        loop.label(labeled.rows, labeled.number)
        return {**state(), "changed": dict.fromkeys(labeled.rows, labeled.number)}

    @app.post("/undo")
    def undo() -> dict[str, Any]:
        changed = loop.undo()
        return {**state(), "changed": changed}

    @app.post("/class")
    def add(name: Name) -> dict[str, Any]:
        number = loop.add_class(name.name)
        return {**state(), "number": number}

    return app


def _in_words(share: Share) -> str:
    if not share.n:
        return "–"
    lower, upper = (f"{100 * end:.0f}" for end in share.interval)
    return f"{share.hits} of {share.n}\n({lower}–{upper} %)"
