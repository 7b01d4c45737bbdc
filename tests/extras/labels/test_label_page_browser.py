"""A person labels in a real browser, at the real command."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from support.browser import PageProcess, check_accessibility, open_window
from support.commands import call, complaint
from support.thoroughness import is_long

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Page


@pytest.fixture
def begin(votes: Path) -> Iterator[Callable[[], PageProcess]]:
    """Start the real command; what is still running in the end is stopped."""
    begun = []

    def begin() -> PageProcess:
        begun.append(PageProcess(votes.parent, "label.py", str(votes)))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()


@pytest.mark.slow
def test_a_person_labels_by_mouse_and_keys_and_a_kill_loses_nothing(votes, begin, browser):
    """Two visits of a real browser to the real command, the first ended by kill -9."""
    process = begin()
    page = open_window(browser, 1280, process.address)
    refused = call(votes.parent, "label.py", "--port", "0", votes)
    assert "is being labeled by another label.py" in complaint(refused)
    page.click("#grid button >> nth=0")
    page.wait_for_selector("#message.error:has-text('Add the names of your classes first')")
    for name in ("bright", "empty", "<b>dark</b>"):
        page.fill("#name", name)
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#classes :text('{name} (0)')")
    page.click("#grid button >> nth=0")  # dark, which was added last
    page.wait_for_selector("#classes :text('<b>dark</b> (1)')")
    tab = open_window(browser, 1280, process.address)
    tab.wait_for_selector("#grid li:nth-child(10):last-child")
    for key, text in (("u", "Nothing to undo"), ("9", "No class has the key 9")):
        tab.keyboard.press(key)
        tab.wait_for_selector(f"#message.error:has-text('{text}')")
    page.keyboard.press("ArrowRight")
    for key, text in (("1", "bright (1)"), ("1", "bright (2)"), ("u", "bright (1)")):
        page.keyboard.press(key)
        page.wait_for_selector(f"#classes :text('{text}')")
    page.keyboard.press("3")
    page.keyboard.press("1")
    page.wait_for_selector("#scores td:has-text('of 2')")
    names = ["<b>dark</b>", "bright", None, "<b>dark</b>", "bright"]
    expected = dict(zip(ids(page), names, strict=False))
    assert labels_of(votes) == {galaxy: name for galaxy, name in expected.items() if name}
    tab.click(f"#grid button[title='{ids(page)[1]}']")
    tab.wait_for_selector("#message.error:has-text('Labels that another tab has changed stay')")
    tab.wait_for_selector("#grid button[aria-pressed=true]:has-text('bright')")
    assert labels_of(votes) == {galaxy: name for galaxy, name in expected.items() if name}
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
    process.kill()
    page.keyboard.press("r")
    page.wait_for_selector("#message.error:has-text('does not respond')")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(begin().address)
    page.wait_for_selector("#classes :text('3 <b>dark</b> (2)')")
    page.wait_for_selector("#grid li:nth-child(7):last-child")
    assert not {*ids(page)} & {*labels_of(votes)}
    page.select_option("#by", "doubtful")
    page.wait_for_selector("#grid li:nth-child(4):last-child")
    assert {*ids(page)} == {*labels_of(votes)}
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    check_accessibility(page)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390] if is_long() else [390])
def test_by_keys_alone_a_person_looks_closer_skips_notes_and_renames(votes, begin, browser, width):
    """Each undo says what it took back, in a real browser."""
    page = open_window(browser, width, begin().address)

    def press(*keys: str, until: str) -> None:
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_selector(until)

    page.wait_for_selector("#grid li:first-child button[aria-current=true]")
    for control in ("#rename", "#of", "#undo"):  # there is no class that they could work on
        assert not page.is_visible(control)
    first_galaxy = page.locator("#grid img >> nth=0").bounding_box()
    assert first_galaxy is not None
    assert first_galaxy["y"] + first_galaxy["height"] < 844  # on the first screen of a phone
    press("s", until="#undo:visible")
    page.keyboard.press("u")
    page.wait_for_selector("#undo", state="hidden")
    press("ArrowLeft", until="#grid li:first-child button[aria-current=true]")
    for name in ("bright", "dim"):
        page.focus("#name")
        page.keyboard.type(name)
        press("Enter", until=f"#classes :text('{name} (0)')")
    page.evaluate("document.activeElement.blur()")
    first, second, third, *_ = ids(page)
    press("1", "2", until="#classes :text('dim (1)')")
    press("s", until=f"#grid button[title='{third} skipped']")
    press("ArrowLeft", "1", until="#classes :text('bright (2)')")  # skipped no more
    press("u", until=f"#grid button[title='{third} skipped']")
    before = labels_of(votes)
    page.click("#rest")
    page.wait_for_selector("#message:has-text('Saved: dim for')")
    assert page.locator("#grid button[title$=skipped]").count() == 1
    assert pd.isna(labels_of(votes)[third])
    press("u", until="#message:has-text('Undone: dim for 8')")
    assert labels_of(votes) == before
    press("u", until=f"#message:has-text('Undone: hiding {third}.')")
    press("u", until=f"#message:has-text('Undone: dim for {second}.')")
    press("n", until="#noting:not([hidden])")
    page.keyboard.type("two rings")
    press("Enter", until="#grid button[title$='two rings']")
    page.focus("#name")
    page.keyboard.type("bright")
    page.focus("#rename")  # dim, the class chosen last
    press("Enter", until="#message:has-text('dim merged into bright (0 labels).')")
    page.focus("#undo")
    press("Enter", until="#classes :text('2 dim (0)')")
    page.evaluate("document.activeElement.blur()")
    press("e", until="#closer[open] img[src^=data]")
    before = page.evaluate("getComputedStyle(document.querySelector('#closer img')).filter")
    press("]", "+", until="#closer[open]")
    after = page.evaluate("getComputedStyle(document.querySelector('#closer img')).filter")
    assert (before, after) == ("url(\"#stretching\") brightness(1)",
                               "url(\"#stretching\") brightness(1.2)")  # fmt: skip
    size = page.evaluate("document.querySelector('#closer img').naturalWidth")
    assert size == 424
    shown = page.inner_text("#about")
    press("ArrowRight", until=f"#about:not(:text-is('{shown}'))")
    press("1", until="#classes :text('bright (2)')")
    check_accessibility(page)
    press("Escape", "l", until="#message:has-text('Most similar to')")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    check_accessibility(page)
    table = pd.read_csv(votes / "labels.csv", dtype=str).fillna("")
    assert sorted(zip(table["class"], table["note"], strict=True)) == [
        ("", "two rings"), ("bright", ""), ("bright", "")]  # fmt: skip
    assert first in table["id"].tolist()


@pytest.mark.slow
def test_what_a_person_has_written_is_lost_to_no_slip_and_no_other_tab(votes, begin, browser):
    """Removal of a class, notes of two tabs, images that are changed while the page is open."""
    address = begin().address
    page = open_window(browser, 1280, address)
    questions = []

    def answer(dialog: "Dialog") -> None:
        questions.append(dialog.message)
        dialog.accept() if len(questions) > 1 else dialog.dismiss()

    def classes() -> list[tuple[str, str]]:
        script = "all => all.map(button => [button.textContent, button.style.cssText])"
        return page.locator("#classes button").evaluate_all(script)

    page.on("dialog", answer)
    page.wait_for_selector("#grid li:nth-child(11):last-child")
    for name in ("dark", "gray", "bright"):
        page.fill("#name", name)
        page.keyboard.press("Enter")
        page.wait_for_selector(f"#classes :text('{name} (0)')")
    page.evaluate("document.activeElement.blur()")
    for key in "112233":
        page.keyboard.press(key)
    page.wait_for_selector("#scores tr:nth-child(3) td:has-text('of 2')")
    before = classes()
    page.click("#classes :text('gray')")
    page.click("#remove")
    page.click("#remove")  # the first question was answered by no
    page.wait_for_selector("#message:has-text('gray deleted (2 labels).')")
    assert ["Delete gray" in question for question in questions] == [True, True]
    assert classes()[1][1] == before[2][1]
    assert [button[0] for button in classes()] == ["1 dark (2)", "3 bright (2)"]
    assert page.locator("#scores tr").count() == 2
    page.click("#undo")
    page.wait_for_selector("#message:has-text('Undone: gray deleted')")
    assert classes() == before
    page.fill("#name", "dark")
    page.click("#rename")
    page.wait_for_selector("#message:has-text('gray merged into dark (2 labels).')")
    assert len(questions) == 3
    shown = page.evaluate("galaxies.map(({id, share}) => [id, share])")
    page.click("#again")
    page.wait_for_selector("#message:has-text('Ranked 1 to')")
    assert page.evaluate("galaxies.map(({id, share}) => [id, share])") == shown
    with page.expect_download() as download:
        page.click("#ranked")
    assert download.value.suggested_filename == "ranking.csv"
    assert pd.read_csv(download.value.path(), dtype=str)["id"].tolist() == ids(page)

    tab = open_window(browser, 390, address)
    tab.wait_for_selector("#grid li:nth-child(5):last-child")
    galaxy = ids(tab)[0]
    for window, text in ((page, "two rings"), (tab, "a bar")):
        window.focus(f"#grid button[title='{galaxy}']")
        window.keyboard.press("n")
        window.keyboard.type(text)
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#message:has-text('Saved the note on {galaxy}')")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#message.error:has-text('changed the note on')")
    assert tab.input_value("#note") == "a bar"
    assert notes_of(votes) == {galaxy: "two rings"}
    tab.keyboard.press("Enter")
    tab.wait_for_selector(f"#message:has-text('Saved the note on {galaxy}')")
    assert notes_of(votes) == {galaxy: "a bar"}
    (votes.parent / "survey" / f"{galaxy}.png").unlink()
    tab.keyboard.press("r")
    tab.wait_for_selector("#grid em:has-text('The image was changed or removed')")
    check_accessibility(tab)


def notes_of(votes: Path) -> dict[str, str]:
    table = pd.read_csv(votes / "labels.csv", dtype=str).dropna(subset="note")
    return dict(zip(table["id"], table["note"], strict=True))


def ids(page: "Page") -> list[str]:
    return page.locator("#grid button").evaluate_all("all => all.map(button => button.title)")


def labels_of(votes: Path) -> dict[str, str]:
    table = pd.read_csv(votes / "labels.csv", dtype=str)
    return dict(zip(table["id"], table["class"], strict=True))
