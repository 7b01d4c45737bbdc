"""Serve a web page to label a survey with your own classes; it ranks the rest.

FOLDER is a survey made by src/survey.py. Each click is saved in FOLDER/labels.csv.
Only this machine can reach the page unless you give --host.

  python3 src/label.py votes/
  python3 src/label.py votes/ --host 0.0.0.0                  reachable from outside
  python3 src/label.py votes/ --allow-host galaxies.example   behind a proxy
"""

import webbrowser
from dataclasses import dataclass
from pathlib import Path

from galaxyzoo.core import files, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.options import positional, read_options
from galaxyzoo.extras.pages.serving import ServingOptions


@dataclass(frozen=True, kw_only=True)
class LabelOptions(ServingOptions):
    """Options of the command."""

    folder: Path = positional("survey to label, such as votes/", "FOLDER", None)


def main() -> None:
    """Read a survey, serve the page to label it; one process at a time writes its labels."""
    options = read_options(LabelOptions, __doc__)
    options.check_address()
    import uvicorn

    from galaxyzoo.extras.labels.label_loop import LabelLoop
    from galaxyzoo.extras.labels.label_page import build_app
    from galaxyzoo.extras.labels.survey_labels import LABELS_LOCK
    from galaxyzoo.extras.surveys.finished import read_features
    from galaxyzoo.extras.surveys.survey import add_features

    folder = options.folder
    add_features(folder)
    survey = read_features(folder)
    with files.try_lock(folder / LABELS_LOCK) as lock:
        if not lock.is_locked:
            raise InputError(
                f"{paths.shown(folder)} is being labeled by another label.py: stop that one "
                "(Ctrl-C)"
            )
        app = build_app(LabelLoop(survey), options.hosts)
        options.print_address()
        if options.open:
            webbrowser.open(options.address)
        uvicorn.run(app, host=options.bare_host, port=options.port, log_level="warning")
