"""The page of the label loop: its routes, and pictures out of the survey's images."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Body, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse
from pydantic import BaseModel, NonNegativeInt

from galaxyzoo.config.schema import ORIGINAL_PX, ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.extras.labels.label_loop import LabelLoop, Order
from galaxyzoo.extras.labels.scores import Proportion
from galaxyzoo.extras.labels.survey_labels import NOTE, SKIPPED
from galaxyzoo.extras.pages.hosts import own_hosts
from galaxyzoo.extras.pages.html import sky_links
from galaxyzoo.extras.pages.templates import jpeg_address, render

_PAGE = 48  # galaxies
PICTURE = ImageConfig(crop_px=ORIGINAL_PX, cache_px=160)
_WHOLE = ImageConfig(crop_px=ORIGINAL_PX, cache_px=ORIGINAL_PX)
_HANDLERS: dict[Any, Any] = {
    InputError: lambda _request, error: PlainTextResponse(str(error), 400),
    RequestValidationError: lambda *_: PlainTextResponse(
        "this tab is outdated: reload the page", 400
    ),
    404: lambda *_: PlainTextResponse("this tab shows another survey: reload the page", 400),
    Exception: lambda *_: PlainTextResponse("the page failed: its terminal shows the error", 500),
}


class Change(BaseModel):
    """Galaxies, the class that they get, and that which the tab shows for them; None: none."""

    galaxies: list[str]
    label: str | None
    before: str | None


class Note(BaseModel):
    """Text of a galaxy's column, and that which the tab shows."""

    galaxy: str
    column: Literal["note", "skipped"] = "note"
    text: str
    before: str = ""


class ClassName(BaseModel):
    """Name of a class; of one that is to be renamed its name before, and how many labels it has."""

    name: str
    before: str | None = None
    count: int | None = None
    place: int | None = None


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
        return render(
            "label_page.html.j2",
            folder=shown(loop.survey.folder),
            count=len(loop.survey.ids),
            page=_PAGE,
            key=loop.key,
        )

    @tab.get("/ranking")
    def ranking(by: Order, of: str | None = None, start: NonNegativeInt = 0) -> list[Any]:
        return _rank(loop, by, of, start)

    @tab.get("/picture")
    def picture(galaxy: str) -> dict[str, str]:
        return _pictures(loop, np.array([loop.row_of(galaxy)]), _WHOLE)[0]

    @tab.post("/compare")
    def compare(text: Annotated[str, Body(embed=True)]) -> dict[str, Any]:
        agreement = loop.compare(text)
        cards = _cards(loop, np.array(list(agreement.others), int))
        for card, other in zip(cards, agreement.others.values(), strict=True):
            card["other"] = other
        kappa = agreement.kappa
        return {
            "agreement": _in_words(agreement.share),
            "kappa": None if np.isnan(kappa) else kappa,
            "galaxies": cards,
        }

    @tab.get("/ranking.csv", response_class=PlainTextResponse)
    def table(by: Order, of: str | None = None) -> PlainTextResponse:
        number = _find_number(loop, by, of)
        return _download("ranking.csv", loop.table(by, number))

    @tab.get("/label_errors.csv", response_class=PlainTextResponse)
    def errors() -> PlainTextResponse:
        return _download("label_errors.csv", loop.label_errors())

    @tab.get("/scores")
    def scores() -> dict[str, Any]:
        measured = loop.scores()
        if measured is None:
            return {"shares": [], "error": None}
        shares = []
        for name, recall, precision in zip(
            loop.classes, measured.recall, measured.precision, strict=False
        ):
            shares.append((name, _in_words(recall), _in_words(precision)))
        return {"shares": shares, "error": measured.calibration_error}

    _add_changes(tab, loop)
    app.include_router(tab)
    return app


def _add_changes(tab: APIRouter, loop: LabelLoop) -> None:
    """Add the routes that write the files, and the state that these have then."""

    @tab.get("/state")
    def state() -> dict[str, Any]:
        numbers = np.array(list(loop.labels.values()), int)
        counts = np.bincount(numbers, minlength=len(loop.classes)).tolist()
        return {"classes": loop.classes, "counts": counts}

    @tab.post("/note")
    def annotate(note: Note) -> dict[str, Any]:
        row = loop.row_of(note.galaxy)
        changed = loop.annotate(row, note.column, note.text, note.before)
        return {"changed": changed, "text": loop.cell(row, note.column)}

    @tab.post("/label")
    def label(change: Change) -> dict[str, Any]:
        rows = [loop.row_of(name) for name in change.galaxies]
        number = loop.class_number(change.label)
        before = loop.class_number(change.before)
        changed = loop.label(rows, number, before)
        return {
            **state(),
            "labels": _labels(loop, rows),
            "changed": [loop.names[row] for row in changed],
        }

    @tab.post("/class")
    def name_class(change: ClassName) -> dict[str, Any]:
        number = loop.class_number(change.before)
        rows = []
        if number is None:
            loop.add_class(change.name, change.place)
        else:
            rows = loop.rename(number, change.name, change.count)
        return {**state(), "name": change.name.strip(), "labels": _labels(loop, rows)}


def _labels(loop: LabelLoop, rows: Sequence[int]) -> dict[str, str | None]:
    """Galaxy -> its class; None: it has no label."""
    return {loop.names[row]: loop.class_of(row) for row in rows}


def _download(name: str, text: str) -> PlainTextResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return PlainTextResponse(text, headers=headers, media_type="text/csv")


def _find_number(loop: LabelLoop, by: Order, of: str | None) -> int:
    """Number that a ranking goes by: of a class or, for likeness, of a galaxy's row."""
    if by == "like":
        return loop.row_of(of or "")
    return loop.class_number(of) or 0


def _rank(loop: LabelLoop, by: Order, of: str | None, start: int) -> list[Any]:
    """One page of a ranking by a class, or by likeness to a galaxy."""
    number = _find_number(loop, by, of)
    end = start + _PAGE
    rows = loop.ranking(by, number, end)[start:end]
    if by == "like":
        return _cards(loop, rows)
    probs = loop.probabilities()
    shares = None if probs is None else probs[rows, number].round(3)
    return _cards(loop, rows, shares)


def _cards(loop: LabelLoop, rows: np.ndarray, shares: np.ndarray | None = None) -> list[Any]:
    """Galaxies with pictures; `shares`: probability of each, where there is one."""
    cards = _pictures(loop, rows, PICTURE)
    for i, row in enumerate(rows.tolist()):
        links = dict(sky_links(*loop.survey.positions[row]))
        cards[i] |= {
            "id": loop.names[row],
            "label": loop.class_of(row),
            NOTE: loop.cell(row, NOTE),
            SKIPPED: loop.cell(row, SKIPPED),
            "share": None if shares is None else float(shares[i]),
            "sky": links.get("sky"),
        }
    return cards


def _pictures(loop: LabelLoop, rows: np.ndarray, size: ImageConfig) -> list[dict[str, Any]]:
    """Picture of each galaxy, or why it cannot be shown."""
    survey = loop.survey
    pictures, problems = survey.images.pictures(survey.parts[rows], survey.rows[rows], size)
    cards = []
    for i, picture in enumerate(pictures):
        if i in problems:
            cards.append({"picture": "", "problem": problems[i]})
        else:
            cards.append({"picture": jpeg_address(picture), "problem": ""})
    return cards


def _in_words(share: Proportion) -> str:
    if not share.n:
        return "–"
    lower, upper = share.interval
    return f"{share.hits} of {share.n}\n({100 * lower:.0f}–{100 * upper:.0f} %)"
