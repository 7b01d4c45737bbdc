"""The Gradio page that predicts and explains images: its layout, and the actions of its parts."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.ensemble.model_listing import ModelEntry
from galaxyzoo.extras.app import components, service
from galaxyzoo.extras.app.service import LoadedRun, PredictedGalaxy
from galaxyzoo.extras.explain.gradcam import DEFAULT_METHOD, METHODS, likeliest
from galaxyzoo.inference.load_model import describe

_TITLE = "Galaxy Zoo explorer"
_UPLOADS_KEPT = (600, 3600)  # seconds between deletions, and age of the files deleted
_CONCURRENCY_LIMIT = 4  # requests of an action; the others wait in a queue
_MAX_IMAGES = 50  # uploaded at once
_DRAWN_FIRST = 781510  # a spiral
_listed: dict[str, ModelEntry] = {}  # title -> predictor that the page offers


def build_page(chosen: ModelEntry) -> gr.Blocks:
    """Build the whole page; `chosen` predicts first."""
    _listed[chosen.title] = chosen
    with gr.Blocks(title=_TITLE, analytics_enabled=False, delete_cache=_UPLOADS_KEPT) as page:
        gr.Markdown(f"# {_TITLE}\nPredictions of trained networks, with heat maps.")
        run = gr.Dropdown([chosen.title], value=chosen.title, label="Run", elem_id="run")
        shown = gr.State(None)
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                with gr.Row():
                    upload = gr.UploadButton(
                        "Upload images",
                        type="filepath",
                        file_count="multiple",
                        variant="primary",
                        elem_id="upload",
                        min_width=90,
                    )
                    draw = gr.Button("Simulate a galaxy", elem_id="draw", min_width=90)
                facts = gr.HTML("", elem_id="facts")
                with gr.Accordion("Heat map", open=True):
                    answer = gr.Dropdown([], label="Answer", elem_id="answer")
                    method = gr.Dropdown(
                        [*METHODS], value=DEFAULT_METHOD, label="Method", elem_id="method"
                    )
                    explain = gr.Button("Show heat map", elem_id="explain")
                    heat = gr.HTML("", elem_id="heat")
            with gr.Column(scale=2, min_width=320):
                tree = gr.HTML("", elem_id="answers")
        outputs = [shown, facts, tree, answer, heat]  # in the order of `_show`
        _on(run.change, _show_again, [run, shown], outputs)
        _on(explain.click, _explain, [run, shown, answer, method], heat)

        def fill() -> Any:
            """List predictors with their scores whenever the page is opened."""
            known = {predictor.title: predictor for predictor in [chosen, *service.list_runs()]}
            _listed.update(known)
            names = [(f"{title} · {each.about}", title) for title, each in known.items()]
            return gr.update(choices=names, value=chosen.title)

        filled = page.load(fill, None, run, api_visibility="private")
        first = _on(filled.then, _show_first, [run, shown], outputs)
        # The first galaxy takes seconds: it must not replace one that was asked for meanwhile.
        _on(draw.click, _show_drawn, run, outputs, cancels=first)
        _on(upload.upload, _show_upload, [run, upload], outputs, cancels=first)
    return page


def _show(name: str, predict_with: Callable[[LoadedRun], PredictedGalaxy]) -> list[Any]:
    """Compute all outputs for one galaxy."""
    loaded = _load(name)
    shown = predict_with(loaded)
    asked = likeliest(shown.prediction[None], loaded.task)[0]
    answers = loaded.task.labels
    description = f"{_listed[name].about}; {describe(loaded.predictor)}"  # score, what is combined
    return [
        shown,
        components.facts_html(loaded.task, [shown]),
        components.answers_html(loaded.run, loaded.task, shown, description),
        gr.update(choices=answers, value=answers[asked]),
        "",
    ]


def _show_drawn(name: str, number: int | None = None) -> list[Any]:
    """A galaxy of the demo set's kind, drawn at random unless its number is given."""
    drawn = number or int(np.random.default_rng().integers(100_000, 1_000_000))
    return _show(name, lambda loaded: loaded.predict_drawn(drawn))


def _show_upload(name: str, paths: list[str]) -> list[Any]:
    """The first uploaded image that can be used, and the likeliest answers of all such."""
    if len(paths) > _MAX_IMAGES:
        raise InputError(
            f"upload at most {_MAX_IMAGES} images at once, not {len(paths)}, or use predict.py"
        )
    loaded, predicted, problems = _load(name), [], []
    for path in map(Path, paths):
        try:
            predicted.append(loaded.predict_upload(path.read_bytes(), one_line(path.name)))
        except InputError as error:
            problems.append(str(error))
    problem = InputError("; ".join(problems))
    if not predicted:
        raise problem
    if problems:
        gr.Warning(str(problem), duration=None)
    outputs = _show(name, lambda loaded: predicted[0])
    outputs[1] = components.facts_html(loaded.task, predicted)
    return outputs


def _show_first(name: str, shown: PredictedGalaxy | None) -> Any:
    """Draw a spiral, unless a galaxy that was asked for meanwhile is there: its map would go."""
    if shown is not None:
        return gr.skip()
    return _show_drawn(name, _DRAWN_FIRST)


def _show_again(name: str, shown: PredictedGalaxy | None) -> list[Any]:
    """Show the same picture with another run; where there is none yet, draw a spiral."""
    if shown is None:
        return _show_drawn(name, _DRAWN_FIRST)
    return _show(name, lambda loaded: loaded.predict_picture(shown.galaxy))


def _explain(name: str, shown: PredictedGalaxy | None, answer: str, method: str) -> str:
    if shown is None:
        raise InputError("upload or simulate a galaxy first")
    loaded = _load(name)
    column = loaded.task.labels.index(answer)
    return components.heat_html(*loaded.gradcam(shown, column, method), answer)


def _on(
    event: Callable[..., Any],
    handler: Callable[..., Any],
    inputs: Any,
    outputs: Any,
    cancels: Any = None,
) -> Any:
    """Connect an event; a user's mistake is shown as a message on the page.

    Args:
        event: of a part of the page, such as its click.
        handler: computes the outputs.
        inputs: parts whose values it takes.
        outputs: parts that it fills.
        cancels: an event that no longer matters once this one happens.
    Returns:
        The connected event.
    """

    @functools.wraps(handler)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except InputError as error:
            # Not `gr.Error`, for which Gradio also writes "Error" over each of the outputs.
            gr.Warning(str(error), duration=None)
            return gr.skip()

    return event(
        wrapper,
        inputs,
        outputs,
        concurrency_limit=_CONCURRENCY_LIMIT,
        api_visibility="private",
        cancels=cancels,
    )


def _load(name: str) -> LoadedRun:
    """Load the listed run of a title; any other title is an error."""
    if name not in _listed:
        raise InputError("choose a run first")
    return service.load_cached_run(_listed[name].dataset, _listed[name].name)
