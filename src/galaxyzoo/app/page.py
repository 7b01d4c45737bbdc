"""The page where a person explores galaxies: what stands on it, and what its parts do."""

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import numpy as np

from galaxyzoo.app import service
from galaxyzoo.app.components import HINT, STYLE, caption, facts_html, heat_html, result_html
from galaxyzoo.app.service import LoadedRun, Look
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.explain.gradcam import FAST_METHODS, likeliest
from galaxyzoo.tasks.registry import Task

TITLE = "Galaxy Zoo explorer"
NONE = "– none –"
ALL = "all answers together"
_SIMILAR, _WORST = 8, 12
_PROGRESS = gr.Progress()
_UPLOADS_KEPT = (600, 3600)  # how often, and from which age on, uploaded files go, in seconds
_AT_ONCE = 4  # requests; the others wait in a line
# One fold of our small network on the demo set: about a minute on two cores.
DEMO_RUN = ("gz37/cnn", "--data", "demo", "--only", "0")
CSS = f"""
{STYLE}
.gradio-container {{ max-width: 72rem !important; width: 100%; margin: auto; }}
.gradio-container main, .gradio-container main > .wrap {{ width: 100%; }}
.tree li, .tree-key {{ font-size: .95rem; margin: 0; }}
.tree .question {{ margin: .5rem 0 .75rem !important; }}
.facts, .facts tr, .facts td {{ border: 0 !important; font-size: .95rem; }}
.facts td {{ padding: .1rem .9rem .1rem 0 !important; }}
.facts .unclear {{ opacity: .7; }}
.galaxies .grid-container {{ min-width: 0 !important;
  grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)) !important; }}
.galaxies .caption-label {{ font-size: .72rem; padding: .1rem .3rem; left: auto; right: 0;
  max-width: 100%; white-space: normal; }}
.pair {{ display: flex; gap: 1rem; flex-wrap: wrap; }}
.pair figure {{ margin: 0; flex: 1 1 14rem; max-width: 22rem; }}
.pair img {{ width: 100%; border-radius: 8px; image-rendering: auto; }}
.pair figcaption {{ font-size: .85em; opacity: .85; margin: .25rem 0 .6rem; }}
"""


def build_page(chosen: tuple[str, str] | None) -> gr.Blocks:
    """The whole page.

    Args:
        chosen: dataset and run that it opens with; default the newest.
    """
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=_UPLOADS_KEPT) as page:
        gr.Markdown(f"# {TITLE}\nHow trained networks see galaxies, beside what volunteers said.")
        with gr.Column(visible=False) as empty:
            _add_training()
        with gr.Column(visible=False) as full:
            with gr.Row():
                run = gr.Dropdown([], label="Run", elem_id="run")
                other = gr.Dropdown([NONE], value=NONE, label="Compare with", elem_id="other")
            look = gr.State(None)
            with gr.Tabs() as tabs:
                with gr.Tab("A galaxy", id="galaxy"):
                    one = _add_galaxy(run, other, look)
                with gr.Tab("Largest errors", id="errors"):
                    _add_errors(run, other, tabs, one)

        def fill() -> list[Any]:
            """What is trained when somebody opens the page."""
            names = [_name(found) for found in service.list_runs()]
            first = _name(chosen) if chosen else next(iter(names), None)
            lists = gr.update(choices=names, value=first), gr.update(choices=[NONE, *names])
            return [gr.update(visible=not names), gr.update(visible=bool(names)), *lists]

        page.load(fill, None, [empty, full, run, other], api_visibility="private")
    return page


def _add_training() -> None:
    """Where nothing is trained: a button that trains a small run on drawn galaxies."""
    gr.Markdown(
        "## No trained run yet\nTrain a small network on galaxies that this project draws itself; "
        "it takes about a minute. Or train a real one: `bash scripts/train_folds.sh`."
    )
    button = gr.Button("Train a demo run", variant="primary", elem_id="train")
    said = gr.Textbox(label="Progress", lines=6, interactive=False, elem_id="progress")
    button.click(_train, None, said, concurrency_limit=1, api_visibility="private")


def _train() -> Iterator[str]:
    """Train the demo run; yields what it has said so far."""
    command = [sys.executable, str(CODE_ROOT / "src" / "train.py"), *DEMO_RUN]
    lines: list[str] = []
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TQDM_DISABLE": "1"},
    ) as process:
        yield "training …"
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            yield "\n".join(lines[-12:])
    done = "done: reload this page" if process.returncode == 0 else "it failed: see above"
    yield "\n".join([*lines[-12:], done])


def _add_galaxy(run: gr.Dropdown, other: gr.Dropdown, look: gr.State) -> list[Any]:
    """The tab of one galaxy; returns its parts that `_show_number` fills."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            number = gr.Textbox(label="GalaxyID", placeholder="such as 100008", elem_id="id")
            with gr.Row():
                go = gr.Button("Show", variant="primary", elem_id="show", min_width=100)
                random = gr.Button("Any galaxy", elem_id="random", min_width=100)
            upload = gr.File(
                label="Or an image",
                file_types=["image"],
                type="binary",
                height=140,
                elem_id="upload",
            )
            facts = gr.HTML(HINT, elem_id="facts")
            with gr.Accordion("Why?", open=True):
                answer = gr.Dropdown([], label="What speaks for", elem_id="answer")
                method = gr.Dropdown(
                    [*FAST_METHODS],
                    value="gradcam",
                    label="Method",
                    elem_id="method",
                )
                why = gr.Button("Explain", elem_id="explain")
                heat = gr.HTML("", elem_id="heat")
        with gr.Column(scale=3, min_width=320):
            tree = gr.HTML("", elem_id="answers")
    alike = gr.Button("Find training galaxies that look like it to the network", elem_id="alike")
    gallery = gr.Gallery(
        label="Similar galaxies; choose one to see it",
        columns=4,
        height="auto",
        visible=False,
        elem_id="similar",
        elem_classes="galaxies",
        allow_preview=False,
    )
    found = gr.State([])
    outputs = [look, facts, tree, answer, heat, gallery]

    def show_random(name: str, second: str) -> list[Any]:
        ids = _load(name).catalog.ids
        return _show_number(name, second, int(np.random.default_rng().choice(ids)))

    def show_upload(name: str, second: str, data: bytes | None) -> list[Any]:
        if data is None:
            return _nothing(HINT)
        return _show(name, second, lambda one: one.look_at_upload(data, "the image you sent"))

    def similar(name: str, seen: Look | None, progress: gr.Progress = _PROGRESS) -> list[Any]:
        one = _load(name)
        pairs = one.find_similar(_needed(seen), _SIMILAR, lambda part: progress(part, "comparing"))
        ids = [i for i, _ in pairs]
        notes = [f"{i} · {likeness:.2f}" for i, likeness in pairs]
        pictures = list(zip(one.thumbnails(ids), notes, strict=True))
        return [gr.update(value=pictures, visible=True), ids]

    def open_similar(name: str, second: str, ids: list[int], event: gr.SelectData) -> list[Any]:
        return _show_number(name, second, ids[event.index])

    for asked in (go.click, number.submit):
        _on(asked, _show_number, [run, other, number], [number, *outputs])
    _on(random.click, show_random, [run, other], [number, *outputs])
    _on(upload.change, show_upload, [run, other, upload], outputs)
    _on(why.click, _explain, [run, look, answer, method], heat)
    _on(alike.click, similar, [run, look], [gallery, found])
    _on(gallery.select, open_similar, [run, other, found], [number, *outputs])
    for changed in (run, other):
        _on(changed.change, _show_again, [run, other, look], outputs)
    return [number, *outputs]


def _add_errors(run: gr.Dropdown, other: gr.Dropdown, tabs: gr.Tabs, one_galaxy: list[Any]) -> None:
    """The tab of the largest errors, out of fold; what is chosen there is shown as one galaxy."""
    found = gr.State([])
    answer = gr.Dropdown([ALL], value=ALL, label="Errors in", elem_id="errors-in")
    button = gr.Button("Show the largest errors", variant="primary", elem_id="worst")
    gallery = gr.Gallery(
        label="Out of fold; choose one to see it",
        columns=4,
        height="auto",
        elem_id="errors",
        elem_classes="galaxies",
        allow_preview=False,
    )

    def choices(name: str) -> Any:
        return gr.update(choices=[ALL, *_answers(_load(name).task)], value=ALL)

    def worst(name: str, asked: str) -> list[Any]:
        one = _load(name)
        column = None if asked == ALL else _answers(one.task).index(asked)
        table = one.worst(column, _WORST)
        ids = [int(i) for i in table.index]
        notes = [caption(i, row) for i, (_, row) in zip(ids, table.iterrows(), strict=True)]
        return [list(zip(one.thumbnails(ids), notes, strict=True)), ids]

    def open_error(name: str, second: str, ids: list[int], event: gr.SelectData) -> list[Any]:
        return [gr.Tabs(selected="galaxy"), *_show_number(name, second, ids[event.index])]

    _on(run.change, choices, [run], answer)
    _on(answer.focus, choices, [run], answer)
    _on(button.click, worst, [run, answer], [gallery, found])
    _on(gallery.select, open_error, [run, other, found], [tabs, *one_galaxy])


def _show(name: str, second: str, look_with: Callable[[LoadedRun], Look]) -> list[Any]:
    """Everything about one galaxy, by one run or two."""
    one = _load(name)
    look = look_with(one)
    pages = [result_html(one, look)]
    if second != NONE and second != name:
        other = _load(second)
        pages.append(result_html(other, look_with(other)))
    asked = likeliest(look.prediction[None], one.task)[0]
    answers = _answers(one.task)
    chosen = gr.update(choices=answers, value=answers[asked])
    return [look, facts_html(one, look), "".join(pages), chosen, "", _no_gallery()]


def _show_number(name: str, second: str, text: str | int | None) -> list[Any]:
    """A galaxy by its GalaxyID, and that number for its box."""
    number = _number(text)
    return [str(number), *_show(name, second, lambda one: one.look_at(number))]


def _show_again(name: str, second: str, look: Look | None) -> list[Any]:
    """The same galaxy by another run."""
    if look is None:
        return _nothing(HINT)
    if look.galaxy_id is None:
        return _nothing("<p>Send the image again for this run.</p>")
    number = look.galaxy_id
    return _show(name, second, lambda one: one.look_at(number))


def _nothing(said: str) -> list[Any]:
    """The tab of one galaxy without one."""
    return [None, said, "", gr.update(choices=[], value=None), "", _no_gallery()]


def _no_gallery() -> Any:
    return gr.update(value=[], visible=False)


def _explain(name: str, look: Look | None, answer: str, method: str) -> str:
    """What the network sees, and the heat over it."""
    one = _load(name)
    column = _answers(one.task).index(answer)
    return heat_html(*one.explain(_needed(look), column, method), answer)


def _on(listen: Callable[..., Any], act: Callable[..., Any], inputs: Any, outputs: Any) -> None:
    """Connect an event; a user's mistake becomes a sentence on the page."""

    @functools.wraps(act)
    def careful(*args: Any, **kwargs: Any) -> Any:
        try:
            return act(*args, **kwargs)
        except InputError as error:
            raise gr.Error(str(error), print_exception=False, duration=None) from None

    listen(careful, inputs, outputs, concurrency_limit=_AT_ONCE, api_visibility="private")


def _load(name: str) -> LoadedRun:
    """The run that a name in the list means: any other is refused, whoever asks."""
    for run in service.list_runs():
        if _name(run) == name:
            return service.load_run(*run)
    raise InputError("choose a run first")


def _name(run: tuple[str, str]) -> str:
    return f"{run[1]} on {run[0]}"


def _number(text: str | int | None) -> int:
    try:
        return int(str(text).strip())
    except ValueError:
        raise InputError("a GalaxyID is a whole number, such as 100008") from None


def _needed(look: Look | None) -> Look:
    if look is None:
        raise InputError("show a galaxy first")
    return look


def _answers(task: Task) -> list[str]:
    """What a task's columns are called in lists: unique, in their order."""
    return task.labels
