"""The page in a real browser, wide and narrow; under load; and sent what is no galaxy."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.browser import PATIENCE_MS, check_accessibility, find_port, open_window
from support.commands import COMPETITION, succeed
from support.page_client import PageClient, close_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

IMAGE = COMPETITION.images[int(COMPETITION.votes.index[5])]

PATIENCE_S = PATIENCE_MS / 1000
WIDTHS = {"desktop": 1280, "phone": 390}


@pytest.fixture(scope="module")
def address(project: Path) -> Iterator[str]:
    """The page, which the command `app` serves in this process."""
    import gradio

    from galaxyzoo.extras.app import command, service

    served = []
    launch = gradio.Blocks.launch

    def launch_beside(blocks: Any, **options: Any) -> None:
        assert not options.get("prevent_thread_lock"), "the command would end"
        served.append(blocks)
        launch(blocks, prevent_thread_lock=True, **options)

    port = find_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GALAXYZOO_ROOT", str(project))
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        patch.setattr(sys, "argv", ["app.py", "gz37/cnn", "--port", str(port)])
        patch.setattr(gradio.Blocks, "launch", launch_beside)
        service.load_cached_run.cache_clear()  # of other files' projects
        command.main()
        yield f"http://127.0.0.1:{port}"
        close_page(served[0])
        service.load_cached_run.cache_clear()


@pytest.fixture(scope="module")
def open_page(browser: Any, address: str) -> Iterator[Callable[[str], "Page"]]:
    """The page in a window of that width: one for all tests, as opening it takes seconds."""
    opened: dict[str, Page] = {}

    def at_width(name: str) -> "Page":
        if name not in opened:
            opened[name] = open_window(browser, WIDTHS[name], address)
            opened[name].wait_for_selector("#answers .tree .question")
        return opened[name]

    yield at_width
    for window in opened.values():
        window.close()


both_widths = pytest.mark.parametrize("page", list(WIDTHS), indirect=True)
on_a_phone = pytest.mark.parametrize("page", ["phone"], indirect=True)


@pytest.fixture
def page(request: pytest.FixtureRequest, open_page: Callable[[str], "Page"]) -> Iterator["Page"]:
    """The page as the test before has left it."""
    name = getattr(request, "param", "desktop")
    opened = open_page(name)
    yield opened
    if folder := os.environ.get("GALAXYZOO_SCREENSHOTS"):
        opened.screenshot(path=Path(folder) / f"{request.node.name}.png", full_page=True)
    wide = opened.evaluate("document.documentElement.scrollWidth")
    assert wide <= WIDTHS[name], "the page is wider than the screen"


@both_widths
def test_the_page_opens_with_a_galaxy_on_the_first_screen(page):
    box = page.locator("#facts img").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] / 2 < page.evaluate("innerHeight")
    assert "simulated galaxy, no volunteer votes" in page.inner_text("#facts")


@on_a_phone
def test_an_image_that_is_sent_is_predicted_and_explained(page, tmp_path):
    path = tmp_path / "mine.jpg"
    path.write_bytes(IMAGE)
    page.set_input_files("input[type=file]", path)
    page.wait_for_selector("#facts :text('mine.jpg')")
    assert page.locator("#answers .answer").count() == 37
    page.click("#explain")
    page.wait_for_selector("#heat img >> nth=1")
    page.click("#draw")
    page.wait_for_selector("#facts :text('simulated galaxy')")


class HeldCall:
    """A function that goes on when it is told to."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.begun, self.go_on, self.ended = (threading.Event() for _ in range(3))

    def __call__(self, *args: Any) -> Any:
        self.begun.set()
        assert self.go_on.wait(PATIENCE_S)
        try:
            return self.function(*args)
        finally:
            self.ended.set()


def test_an_image_that_is_chosen_before_the_first_galaxy_is_shown_is_not_lost(
    browser, address, tmp_path, monkeypatch
):
    """The page still lists the runs, or draws the galaxy."""
    from galaxyzoo.extras.app import service

    path = tmp_path / "early.jpg"
    path.write_bytes(IMAGE)
    opened = browser.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    for place, name in ((service, "list_runs"), (service.LoadedRun, "predict_drawn")):
        held = HeldCall(getattr(place, name))
        with monkeypatch.context() as patch:
            patch.setattr(place, name, lambda *args, held=held: held(*args))
            opened.goto(address)
            assert held.begun.wait(PATIENCE_S)  # before, the page's script takes no file
            opened.set_input_files("input[type=file]", path)
            opened.wait_for_selector("#facts :text('early.jpg')")
            held.go_on.set()
            assert held.ended.wait(PATIENCE_S)
            opened.click("#explain")  # answered after what was held
            opened.wait_for_selector("#heat img >> nth=1")
        assert "early.jpg" in opened.inner_text("#facts")
        assert "choose a run" not in opened.inner_text("body")
    opened.close()


def test_the_keyboard_alone_is_enough(page):
    source = "document.querySelector('#facts img')?.getAttribute('src')"
    before = page.evaluate(source)
    page.focus("#draw")
    page.keyboard.press("Enter")
    # else the new galaxy would take away the map of the one before
    page.wait_for_function(f"before => {source} && {source} !== before", arg=before)
    page.wait_for_function("!document.querySelector('#heat img')")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id || ''") == "explain":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("#heat img >> nth=1")


@on_a_phone
def test_the_page_can_be_used_by_everyone(page):
    check_accessibility(page)


def test_reports_and_a_ranking_can_be_used_by_everyone(browser, project):
    images = next((project / "input").rglob("images_test*.zip"))
    words = ["votes/", "--with", "spread", "--rank", "disagreement"]
    succeed(project, "survey.py", "gz37/cnn", str(images), *words)
    succeed(project, "evaluate.py", "gz37")
    pages = [*project.glob("reports/*/*/index.html"), project / "votes" / "ranking.html"]
    assert len(pages) == 2
    for path in [*pages, project / "reports" / "index.html"]:
        opened = open_window(browser, 390, path.as_uri())
        assert opened.evaluate("document.documentElement.scrollWidth") <= 390
        check_accessibility(opened)
        opened.close()


def test_no_path_of_a_visitor_reaches_the_files(address, project):
    secret = project / "input" / "training_solutions_rev1.zip"
    visitor = PageClient(address)
    for path in (secret, Path("/etc/passwd"), Path("../../../../etc/passwd")):
        answer = visitor.show_file(str(path))
        assert not answer["success"], path
        assert "was not uploaded by a user" in answer["output"]["error"]
        fetched = visitor.http.get(f"/gradio_api/file={path}")
        assert fetched.status_code in (403, 404)
    other = visitor.ask("draw", "../../x")
    assert "is not in the list of choices" in other["output"]["error"]
