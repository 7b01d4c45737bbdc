"""Serve a web page that predicts uploaded images, with heat maps.

Only this machine can reach the page unless you give --host. The page opens with
the run or ensemble that has the best out-of-fold score; of the bundled networks, it
uses all five.

  python3 src/app.py
  python3 src/app.py gz37/mobilenetv2 --dataset kaggle-mini --port 8000
  python3 src/app.py --host 0.0.0.0                   reachable from outside
  python3 src/app.py --allow-host galaxies.example    behind a proxy
"""

import atexit
import gc
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass

from galaxyzoo.core.options import DatasetOptions, positional, read_options
from galaxyzoo.ensemble.model_listing import ModelEntry, pick_predictor
from galaxyzoo.extras.pages.serving import ServingOptions

_TERMINATED = 128 + signal.SIGTERM  # exit status of a program that SIGTERM ended


@dataclass(frozen=True, kw_only=True)
class AppOptions(ServingOptions, DatasetOptions):
    """Options of the command."""

    run: str | None = positional("run or ensemble:NAME (default: the best)", "RUN", None, nargs="?")


def prepare_environment() -> None:
    """Set what gradio reads when it is imported; its uploads go when the process ends."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    for name in [*os.environ]:  # gradio asks its own page whether it is there
        if name.lower().endswith("_proxy"):
            del os.environ[name]
    uploads = tempfile.mkdtemp(prefix="galaxyzoo_")  # gradio's own may be another user's
    atexit.register(shutil.rmtree, uploads, ignore_errors=True)
    # By itself, SIGTERM (`kill`, `docker stop`) ends a process without its exit.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    os.environ.setdefault("GRADIO_TEMP_DIR", uploads)


def main() -> None:
    """Check the address, load the first run, serve the page that predicts images."""
    options = read_options(AppOptions, __doc__)
    options.check_address()
    prepare_environment()
    gc.disable()  # imports leave nothing to collect, and looking for it takes a quarter of them
    import gradio as gr
    import torch

    from galaxyzoo.extras.app import service
    from galaxyzoo.extras.app.page import build_page
    from galaxyzoo.extras.pages.hosts import own_hosts
    from galaxyzoo.extras.pages.templates import render

    gc.enable()
    torch.set_num_threads(1)  # several requests at once, each on a core
    dataset, name = pick_predictor(options.run, options.dataset)
    chosen = ModelEntry(dataset, name)
    service.load_cached_run(dataset, name)  # before the first visitor waits for it
    page = build_page(chosen)
    options.print_address()
    try:
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
            app_kwargs={"middleware": [own_hosts(options.hosts)]},
        )
    except SystemExit:
        page.close(verbose=False)  # as gradio does after Ctrl-C
        raise
