"""Serve a page to explore galaxies: predictions, heat maps, similar galaxies, largest errors.

Only this machine can reach it unless --host is given. It opens with the newest trained run; without
one with the networks that come with the project, for images that you upload.

  python3 src/app.py
  python3 src/app.py gz37/mobilenetv2 --dataset kaggle-mini --port 8000
  python3 src/app.py --host 0.0.0.0                         reachable from the network
"""

import argparse
import gc
import os
import socket

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.launch import new_parser
from galaxyzoo.tasks.registry import ensemble_name, ensemble_task

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported


def main() -> None:
    """Parse, load the first run, serve."""
    args = parse_args()
    family = socket.AF_INET6 if args.host[:1] == "[" else socket.AF_INET
    try:  # gradio's own error is a traceback, and comes after the imports
        socket.create_server((args.host.strip("[]"), args.port), family=family).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"cannot serve on --host {args.host} --port {args.port}: {error}"
        ) from None
    gc.disable()  # imports leave nothing to collect, and looking for it takes a quarter of them
    import gradio as gr
    import torch

    from galaxyzoo.app import service
    from galaxyzoo.app.page import build_page, server_settings
    from galaxyzoo.core.templates import render

    gc.enable()
    torch.set_num_threads(1)  # several requests at once, each on a core
    known = service.list_runs()
    if not known:
        raise InputError("no trained run, nor weights/: type `bash scripts/train_folds.sh` first")
    chosen = pick(known, args.run, args.dataset) if args.run else known[0]
    service.load_run(*chosen)  # before the first visitor waits for it
    page = build_page(chosen)
    page.queue(max_size=64).launch(
        server_name=args.host,
        server_port=args.port,
        inbrowser=args.open,
        max_file_size=service.MAX_UPLOAD_BYTES,
        css=render("app.css"),
        theme=gr.themes.Default(
            font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
        ),
        footer_links=[],
        ssr_mode=False,
        show_error=True,
        app_kwargs=server_settings(args.host),
    )


def pick(known: list[tuple[str, str]], run: str, dataset: str | None) -> tuple[str, str]:
    """The newest trained run of this name, or the ensemble."""
    task = ensemble_task(run)
    wanted = run if task is None else ensemble_name(task.name)
    for found in known:
        if found[1] == wanted and dataset in (None, found[0]):
            return found
    names = ", ".join(dict.fromkeys(name for _, name in known))
    raise InputError(
        f"run '{run}' is not trained{f' on {dataset}' if dataset else ''}: {names} are; type "
        f"`bash scripts/train_folds.sh {run}` first"
    )


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = new_parser(__doc__)
    parser.add_argument(
        "run", nargs="?", metavar="RUN", help="or ensemble:NAME; default: the newest run"
    )
    parser.add_argument("--dataset", help="dataset of the run")
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s, this machine")
    parser.add_argument("--port", type=int, default=7860, help="default: %(default)s")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    return parser.parse_args()
