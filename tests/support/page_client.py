"""What a browser sends to the page of `src/app.py`, without a browser."""

import gc
import json
import uuid
import warnings
import weakref
from typing import Any

import httpx

_EVENTS = {
    "load": (None, "load"),
    "upload": ("upload", "upload"),
    "draw": ("draw", "click"),
    "explain": ("explain", "click"),
    "change": ("run", "change"),
}
# Headers of what a browser sends to http://localhost from another site, and from there
FOREIGN: list[dict[str, str]] = [
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-site"},
    {"Origin": "http://evil.example"},  # of a browser that sends no Sec-Fetch-Site
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://localhost:8000"},
    {"Origin": "null"},
]
OWN: list[dict[str, str]] = [
    {},
    {"Origin": "http://localhost"},
    {"Origin": "https://proxy.example", "Sec-Fetch-Site": "same-origin"},
]


class PageClient:
    """One visitor, who has opened the page."""

    def __init__(self, address: str) -> None:
        self.session = uuid.uuid4().hex[:10]
        self.http = httpx.Client(base_url=address, timeout=300)
        weakref.finalize(self, self.http.close)  # or its sockets warn amid a later test
        config = self.http.get("/config").raise_for_status().json()
        names = {one["id"]: one["props"].get("elem_id") for one in config["components"]}
        self._numbers = {
            (names.get(target[0]), target[1]): one["id"]
            for one in config["dependencies"]
            if one["backend_fn"]  # an event that cancels another has a second entry, without
            for target in one["targets"]
        }
        # name of the run that the page opens with
        self.run = self.ask("load")["output"]["data"][0]["value"]

    def upload(self, encoded: bytes, name: str) -> httpx.Response:
        """Send a file; the answer names the place where the server keeps it."""
        files = {"files": (name, encoded, "image/jpeg")}
        return self.http.post("/gradio_api/upload", files=files)

    def ask(self, event: str, *data: Any) -> dict[str, Any]:
        """Do what a click does.

        Args:
            event: of `_EVENTS`.
            data: what the event's inputs hold.
        Returns:
            The last message: `success`, and `output` with the parts' new `data`, or an `error`,
            which may be a warning that the page shows.
        """
        body: dict[str, Any] = {"data": data, "fn_index": self._numbers[_EVENTS[event]]}
        body["session_hash"] = self.session
        joined = self.http.post("/gradio_api/queue/join", json=body)
        if joined.is_error:
            return {"success": False, "output": {"error": joined.text}}
        where = {"session_hash": self.session}
        warning = ""
        with self.http.stream("GET", "/gradio_api/queue/data", params=where) as messages:
            for line in messages.iter_lines():
                said = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if said.get("msg") == "log":
                    warning = said["log"]
                if said.get("msg") == "process_completed":
                    if warning:
                        return {"success": False, "output": {**said["output"], "error": warning}}
                    return said
        raise AssertionError("the page has not answered")

    def show(self, encoded: bytes, name: str = "mine.jpg") -> dict[str, Any]:
        """Upload an image and have it looked at; the last message."""
        sent = self.upload(encoded, name)
        if sent.is_error:
            return {"success": False, "output": {"error": f"{sent.status_code} {sent.text}"}}
        return self.show_file(sent.json()[0], name)

    def show_file(self, path: str, name: str = "mine.jpg") -> dict[str, Any]:
        """Have a file looked at that the server is said to keep at `path`; the last message."""
        file = {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}
        return self.ask("upload", self.run, [file])


def close_page(blocks: Any) -> None:
    """Close a page of Gradio; event loops that it leaves open would warn amid a later test."""
    blocks.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
