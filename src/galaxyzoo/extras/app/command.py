"""Serve a web page that predicts uploaded images, with heat maps.

Only this machine can reach the page unless you give --host. The page opens with
the default of `src/predict.py`, which has the best out-of-fold score. With
--label, it lets you label a survey with your own classes and rank its galaxies.

  python3 src/app.py
  python3 src/app.py gz37/mobilenetv2 --dataset kaggle-mini --port 8000
  python3 src/app.py --host 0.0.0.0                   reachable from outside
  python3 src/app.py --allow-host galaxies.example    behind a proxy
  python3 src/app.py --label votes/                   a survey of src/survey.py
"""

import gc
import os
import socket
import webbrowser
from dataclasses import dataclass
from pathlib import Path

from galaxyzoo.core import files, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.options import DatasetOptions, option, positional, read_options
from galaxyzoo.ensemble.model_listing import ModelEntry, pick_predictor


@dataclass(frozen=True, kw_only=True)
class AppOptions(DatasetOptions):
    """Options of the command."""

    run: str | None = positional("run or ensemble:NAME (default: the best)", "RUN", None, nargs="?")
    label: Path | None = option("label the galaxies of a survey, such as votes/", metavar="FOLDER")
    host: str = option("address to serve on (default: 127.0.0.1, this machine)", "127.0.0.1")
    allow_host: tuple[str, ...] = option(
        "public host name behind a proxy, such as galaxies.example.org; repeatable",
        (),
        metavar="NAME",
    )
    port: int = option("port to serve on (default: 7860)", 7860)
    open: bool = option("open the page in a browser", False)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{self.host}:{self.port}/"

    @property
    def bare_host(self) -> str:
        """The host as sockets take it: an IPv6 address without its brackets."""
        return self.host.strip("[]")


def main() -> None:
    """Read the options, check the address, serve."""
    options = read_options(AppOptions, __doc__)
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported
    family = socket.AF_INET6 if options.host[:1] == "[" else socket.AF_INET
    try:  # gradio's own error is a traceback, and comes after the imports
        socket.create_server((options.bare_host, options.port), family=family).close()
    except (OSError, OverflowError) as error:
        is_unknown = (getattr(error, "errno", None) or 0) < 0  # of getaddrinfo
        name = "; behind a proxy, use --allow-host NAME instead of --host"
        advice = name if is_unknown else ""
        raise InputError(
            f"cannot serve on --host {options.host} --port {options.port}: {error}{advice}"
        ) from None
    if options.label:
        serve_labels(options, options.label)
    else:
        serve_explorer(options)


def serve_explorer(options: AppOptions) -> None:
    """Load the first run, serve the page that predicts images."""
    gc.disable()  # imports leave nothing to collect, and looking for it takes a quarter of them
    import gradio as gr
    import torch

    from galaxyzoo.extras.app import service
    from galaxyzoo.extras.app.page import build_page
    from galaxyzoo.extras.labels.hosts import own_hosts
    from galaxyzoo.extras.pages.templates import render

    gc.enable()
    torch.set_num_threads(1)  # several requests at once, each on a core
    chosen = ModelEntry(*pick_predictor(options.run, options.dataset))
    service.load_cached_run(chosen.dataset, chosen.name)  # before the first visitor waits for it
    page = build_page(chosen)
    print_address(options)
    page.queue(max_size=64).launch(
        quiet=True,  # Gradio's own lines advise options that a user of this script cannot set
        server_name=options.host,
        server_port=options.port,
        inbrowser=options.open,
        max_file_size=service.MAX_UPLOAD_BYTES,
        css=render("app.css"),
        theme=gr.themes.Default(
            font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
        ),
        footer_links=[],
        ssr_mode=False,
        show_error=True,
        app_kwargs={"middleware": [own_hosts([options.host, *options.allow_host])]},
    )


def serve_labels(options: AppOptions, folder: Path) -> None:
    """Read a survey, serve the page to label it; one process at a time writes its labels."""
    import uvicorn

    from galaxyzoo.extras.labels.label_loop import LABELS_LOCK, LabelLoop
    from galaxyzoo.extras.labels.label_page import build_app
    from galaxyzoo.extras.surveys.finished import read_features
    from galaxyzoo.extras.surveys.survey import add_features

    add_features(folder)
    survey = read_features(folder)
    with files.try_lock(folder / LABELS_LOCK) as lock:
        if not lock.is_locked:
            raise InputError(
                f"{paths.shown(folder)} is being labeled by another app.py: stop that one (Ctrl-C)"
            )
        app = build_app(LabelLoop(survey), [options.host, *options.allow_host])
        print_address(options)
        if options.open:
            webbrowser.open(options.address)
        uvicorn.run(app, host=options.bare_host, port=options.port, log_level="warning")


def print_address(options: AppOptions) -> None:
    """Print where the page is."""
    print(f"serving at {options.address} (Ctrl-C to stop)")
