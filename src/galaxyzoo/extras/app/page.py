"""The Gradio page that predicts and explains images: its layout, and the actions of its parts."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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


class _Outputs(NamedTuple):
    """Parts of the page that show a galaxy, or their values, in the order of Gradio's outputs."""

    shown: Any  # the galaxy that is shown, kept for later actions
    facts: Any
    answers: Any
    choice: Any  # of the answer to explain
    heat: Any


def build_page(chosen: ModelEntry) -> gr.Blocks:
    """Build the whole page; `chosen` predicts first."""
    actions = _Actions(chosen)
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
                        list(METHODS), value=DEFAULT_METHOD, label="Method", elem_id="method"
                    )
                    explain = gr.Button("Show heat map", elem_id="explain")
                    heat = gr.HTML("", elem_id="heat")
            with gr.Column(scale=2, min_width=320):
                tree = gr.HTML("", elem_id="answers")
        outputs = list(_Outputs(shown, facts, tree, choice=answer, heat=heat))
        _on(run.change, actions.show_again, [run, shown], outputs)
        _on(explain.click, actions.explain, [run, shown, answer, method], heat)

        listed = page.load(actions.list_models, None, run, api_visibility="private")
        first = _on(listed.then, actions.show_first, [run, shown], outputs)
        # The first galaxy takes seconds: it must not replace one that was asked for meanwhile.
        _on(draw.click, actions.show_drawn, run, outputs, cancels=first)
        _on(upload.upload, actions.show_upload, [run, upload], outputs, cancels=first)
    return page


class _Actions:
    """What the page's parts do; models are named by their titles.

    Args:
        chosen: predicts first.
    """

    def __init__(self, chosen: ModelEntry) -> None:
        self._chosen = chosen
        self._listed = {chosen.title: chosen}

    def list_models(self) -> Any:
        """List predictors with their scores whenever the page is opened."""
        models = {model.title: model for model in [self._chosen, *service.list_runs()]}
        self._listed.update(models)
        choices = [(f"{title} · {model.about}", title) for title, model in models.items()]
        return gr.update(choices=choices, value=self._chosen.title)

    def show_drawn(self, title: str, number: int | None = None) -> _Outputs:
        """Show a galaxy of the demo set's kind, drawn at random unless its number is given."""
        if number is None:
            number = int(np.random.default_rng().integers(100_000, 1_000_000))
        loaded = self._load(title)
        return self._show(title, loaded, [loaded.predict_drawn(number)])

    def show_first(self, title: str, shown: PredictedGalaxy | None) -> Any:
        """Draw a spiral, unless a galaxy was asked for meanwhile, whose map would go."""
        if shown is not None:
            return gr.skip()
        return self.show_drawn(title, _DRAWN_FIRST)

    def show_again(self, title: str, shown: PredictedGalaxy | None) -> _Outputs:
        """Show the same picture with another run; where there is none yet, draw a spiral."""
        if shown is None:
            return self.show_drawn(title, _DRAWN_FIRST)
        loaded = self._load(title)
        return self._show(title, loaded, [loaded.predict_picture(shown.galaxy)])

    def show_upload(self, title: str, paths: list[str]) -> _Outputs:
        """Show the first uploaded image that can be used, and the likeliest answers of all such.

        A message names those that cannot be used; none that can, or too many, are an error.
        """
        if len(paths) > _MAX_IMAGES:
            raise InputError(
                f"upload at most {_MAX_IMAGES} images at once, not {len(paths)}, or use predict.py"
            )
        loaded = self._load(title)
        predicted = []
        problems = []
        for path in map(Path, paths):
            try:
                predicted.append(loaded.predict_upload(path.read_bytes(), one_line(path.name)))
            except InputError as error:
                problems.append(str(error))
        problem = "; ".join(problems)
        if not predicted:
            raise InputError(problem)
        if problem:
            gr.Warning(problem, duration=None)
        return self._show(title, loaded, predicted)

    def explain(self, title: str, shown: PredictedGalaxy | None, answer: str, method: str) -> str:
        """Heat map of the shown galaxy for an answer; without a galaxy an error."""
        if shown is None:
            raise InputError("upload or simulate a galaxy first")
        loaded = self._load(title)
        if answer not in loaded.task.labels:
            raise InputError("this run has other answers: wait until they are shown")
        column = loaded.task.labels.index(answer)
        return components.heat_html(loaded.gradcam(shown, column, method), answer)

    def _show(
        self, title: str, loaded: LoadedRun, predicted: Sequence[PredictedGalaxy]
    ) -> _Outputs:
        """Show the first of some galaxies, and the names of all."""
        task = loaded.task
        shown = predicted[0]
        answers = task.labels
        [likely] = likeliest(shown.prediction[None], task)
        score = self._listed[title].about
        description = f"{score}; {describe(loaded.predictor)}"
        return _Outputs(
            shown,
            facts=components.facts_html(task, predicted),
            answers=components.answers_html(loaded.run, task, shown, description),
            choice=gr.update(choices=answers, value=answers[likely]),
            heat="",
        )

    def _load(self, title: str) -> LoadedRun:
        """Load a listed model; another title is an error."""
        if title not in self._listed:
            raise InputError("choose a run first")
        model = self._listed[title]
        return service.load_cached_run(model.dataset, model.name)


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
