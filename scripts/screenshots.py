"""Draw the README's pictures of explanations and of the page; `scripts/screenshots.sh` calls it.

python scripts/screenshots.py FOLDER   (GALAXYZOO_ROOT holds a run trained on the demo set)
"""

import os
import sys
from pathlib import Path

from playwright.sync_api import ViewportSize, sync_playwright

from galaxyzoo.data.catalog import load_catalog
from galaxyzoo.io.tables import read_csv
from support.browser import PATIENCE_MS, find_browser, show, start
from support.commands import call

SCREEN: ViewportSize = {"width": 1280, "height": 1180}
RUN, SPIRAL = "gz37/cnn", "Class4.1"


def main() -> None:
    """A heat map, and the page with the same galaxy."""
    folder, root = Path(sys.argv[1]).resolve(), Path(os.environ["GALAXYZOO_ROOT"])
    (table,) = root.glob(f"oof/*/{RUN}.csv")
    ids = read_csv(table).index
    galaxy = str(load_catalog("demo").train.loc[ids, SPIRAL].idxmax())
    words = ["--galaxy-id", galaxy, "--answer", SPIRAL, "--output", folder / "demo_gradcam.png"]
    drawn = call(root, "gradcam.py", RUN, *words)
    assert drawn.returncode == 0, drawn.stderr
    process, address = start(root)
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
            page = browser.new_page(viewport=SCREEN)
            page.set_default_timeout(PATIENCE_MS)
            page.goto(address)
            show(page, galaxy)
            page.wait_for_selector("#answers .tree .question")
            page.screenshot(path=folder / "demo_page.png")
    finally:
        process.terminate()
    print(f"pictures: demo_gradcam.png and demo_page.png in {folder}")


if __name__ == "__main__":
    main()
