"""Draw the pictures of galaxies, a heat map and the page for `scripts/dev/screenshots.sh`.

python3 scripts/dev/screenshots.py FOLDER  (GALAXYZOO_ROOT holds a run trained on the demo set)
"""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import ViewportSize, sync_playwright

from galaxyzoo.core.paths import DEMO_FULL
from galaxyzoo.data.catalog import load_catalog
from galaxyzoo.data.prepare import open_dataset, take_images
from galaxyzoo.extras.pages.html import GalaxyCard, HtmlSection, write_page
from galaxyzoo.extras.reports.votes import vote_bars
from galaxyzoo.io.tables import read_csv
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.tasks.registry import get_task
from support.browser import BROWSER, PATIENCE_MS, PageProcess
from support.commands import call

NO_BUTTONS = "button { display: none !important }"  # a picture shows what the page answers
SCREEN: ViewportSize = {"width": 1280, "height": 1180}
FOUR_ACROSS: ViewportSize = {"width": 700, "height": 1180}  # the galaxies of the gallery
FIRST_SIX_ANSWERS = (
    ".name, .answer:nth-of-type(n + 8) { display: none !important } "
    ".gallery { grid-template-columns: repeat(4, 8rem) !important; width: 35rem }"
)
RUN, SPIRAL = "gz37/cnn", "Class4.1"


def main() -> None:
    """A gallery, a heat map, and the page with its first galaxy."""
    folder, root = Path(sys.argv[1]).resolve(), Path(os.environ["GALAXYZOO_ROOT"])
    predictions = read_csv(RunFolder(DEMO_FULL, RUN).oof_csv)
    columns = list(get_task("gz37").columns)  # the tables have others, too, such as folds
    predictions = predictions[columns]
    votes = load_catalog(DEMO_FULL).train.loc[predictions.index, columns]
    gallery = root / "gallery.html"
    write_gallery(gallery, votes, predictions)
    galaxy = str(votes[SPIRAL].idxmax())
    words = ["--galaxy-id", galaxy, "--answer", SPIRAL, "--output", folder / "demo_gradcam.png"]
    drawn = call(root, "gradcam.py", RUN, *words)
    assert drawn.returncode == 0, drawn.stderr
    served = PageProcess(root, RUN, "--dataset", DEMO_FULL)
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
            page = browser.new_page(viewport=SCREEN)
            page.set_default_timeout(PATIENCE_MS)
            page.set_viewport_size(FOUR_ACROSS)
            page.goto(gallery.as_uri())
            page.add_style_tag(content=FIRST_SIX_ANSWERS)
            page.locator(".gallery").screenshot(path=folder / "demo_gallery.png")
            page.set_viewport_size(SCREEN)
            page.goto(served.address)
            page.wait_for_selector("#answers .tree .question")
            page.add_style_tag(content=NO_BUTTONS)
            page.screenshot(path=folder / "demo_page.png", animations="disabled")
    finally:
        served.kill()
    print(f"pictures: demo_gallery.png, demo_gradcam.png and demo_page.png in {folder}")


def write_gallery(path: Path, votes: pd.DataFrame, predictions: pd.DataFrame) -> None:
    """Write a page with the galaxy that has the largest vote, for each of four answers."""
    ids: list[int] = []
    for answer in ("Class1.1", "Class1.2", SPIRAL, "Class6.1"):
        ids.append(int(votes[answer].drop(ids).idxmax()))
    data = open_dataset(DEMO_FULL, DEMO_FULL, "gz37")
    images = take_images(data.train_images(data.raw.image), np.array(ids))
    cards = []
    for i, image in zip(ids, images, strict=True):
        values = (table.loc[i].to_numpy() for table in (predictions, votes))
        cards.append(GalaxyCard(str(i), image, bars=vote_bars(*values)))
    write_page(path, "", {}, [HtmlSection("", galleries=[("", cards)])])


if __name__ == "__main__":
    main()
