"""Serve a page that predicts images that you upload, with heat maps.

Only this machine can reach it unless --host is given. It opens with what `src/predict.py` takes
where nothing is named: the best out-of-fold score. With --label it is another page, to label the
galaxies of a survey by classes of your own, and to rank the survey by them.

  python3 src/app.py
  python3 src/app.py gz37/mobilenetv2 --dataset kaggle-mini --port 8000
  python3 src/app.py --host 0.0.0.0                         reachable from the network
  python3 src/app.py --allow-host galaxies.example.org      by that name, behind a proxy
  python3 src/app.py --label survey/                        a folder of `predict.py --with features`
"""

import argparse
import gc
import os
import socket
import webbrowser
from pathlib import Path

from galaxyzoo.core import files, launch, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.ensemble import predictors

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported


def main() -> None:
    """Parse, check the address, serve."""
    args = parse_args()
    family = socket.AF_INET6 if args.host[:1] == "[" else socket.AF_INET
    try:  # gradio's own error is a traceback, and comes after the imports
        socket.create_server((args.host.strip("[]"), args.port), family=family).close()
    except (OSError, OverflowError) as error:
        is_unknown = (getattr(error, "errno", None) or 0) < 0  # of getaddrinfo
        name = "; for a proxy's name leave --host out and add --allow-host NAME"
        cure = name if is_unknown else ""
        raise InputError(
            f"cannot serve on --host {args.host} --port {args.port}: {error}{cure}"
        ) from None
    if args.label:
        serve_labels(args)
    else:
        serve_explorer(args)


def serve_explorer(args: argparse.Namespace) -> None:
    """Load the first run, serve the page that predicts images."""
    gc.disable()  # imports leave nothing to collect, and looking for it takes a quarter of them
    import gradio as gr
    import torch

    from galaxyzoo.app import service
    from galaxyzoo.app.hosts import own_hosts
    from galaxyzoo.app.page import build_page
    from galaxyzoo.core.templates import render

    gc.enable()
    torch.set_num_threads(1)  # several requests at once, each on a core
    chosen = choose(args.run, args.dataset)
    service.load_run(chosen.dataset, chosen.name)  # before the first visitor waits for it
    page = build_page(chosen)
    print_address(args)
    page.queue(max_size=64).launch(
        quiet=True,  # Gradio's own lines advise options that a user of this script cannot set
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
        app_kwargs={"middleware": [own_hosts([args.host, *args.allow_host])]},
    )


def serve_labels(args: argparse.Namespace) -> None:
    """Read a survey, serve the page to label it; one process at a time writes its labels."""
    import uvicorn

    from galaxyzoo.app.label_loop import LOCK, LabelLoop
    from galaxyzoo.app.label_page import build_app
    from galaxyzoo.inference.finished import read_features

    survey = read_features(args.label)
    with files.try_lock(args.label / LOCK) as is_held:
        if not is_held:
            raise InputError(f"another page labels {paths.shown(args.label)}: end that one first")
        app = build_app(LabelLoop(survey), [args.host, *args.allow_host])
        print_address(args)
        if args.open:
            webbrowser.open(f"http://{args.host}:{args.port}/")
        uvicorn.run(app, host=args.host.strip("[]"), port=args.port, log_level="warning")


def print_address(args: argparse.Namespace) -> None:
    """Print where the page is."""
    print(f"the page is at http://{args.host}:{args.port}/ (Ctrl-C ends it)")


def choose(run: str | None, dataset: str | None) -> predictors.KnownPredictor:
    """Choose the run or ensemble that the page opens with: the named one, else the default."""
    if run is None:
        chosen, line = predictors.choose_default(dataset)
        print(line)
        return chosen
    return predictors.KnownPredictor(
        *predictors.find_predictor(run, dataset)
    )  # the page lists it with its score


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = launch.new_parser(__doc__, "--dataset")
    parser.add_argument("run", nargs="?", metavar="RUN", help="or ensemble:NAME; default: the best")
    parser.add_argument(
        "--label",
        type=Path,
        metavar="FOLDER",
        help="label the galaxies of a finished survey, predicted --with features",
    )
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s, this machine")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which a proxy reaches the page, such as galaxies.example.org; repeatable",
    )
    parser.add_argument("--port", type=int, default=7860, help="default: %(default)s")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    return parser.parse_args()
