"""A stand-in for the survey's server on this machine, which fails as it is told to."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np

from support.pictures import draw_image, encode

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


def good(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    send_head(handler, 200, len(data))
    handler.wfile.write(data)


def status(code: int, **headers: str) -> Answer:
    """Refuse with that status."""

    def answer(handler: BaseHTTPRequestHandler, data: bytes) -> None:
        send_head(handler, code, 0, **headers)

    return answer


def words(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    """A page that says sorry, with status 200."""
    good(handler, b"<html>The service is down for maintenance.</html>")


class CutoutServer:
    """Answers with a picture for each place; `plans` says how, request by request, then well."""

    def __init__(self) -> None:
        self.plans: dict[float, list[Answer]] = {}  # by ra
        self.always: Answer | None = None
        self.asked: Counter[float] = Counter()  # requests by ra
        self.files: dict[str, bytes] = {}  # other paths
        self.base = ""

    def picture(self, ra: float, side_px: int = 64) -> bytes:
        return encode(draw_image(np.random.default_rng(round(ra * 1000)), side_px))

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        if parts.path in self.files:
            good(handler, self.files[parts.path])
            return
        query = {name: float(values[0]) for name, values in parse_qs(parts.query).items()}
        ra = query["ra"]
        self.asked[ra] += 1
        plan = self.plans.get(ra, [])
        act = plan.pop(0) if plan else self.always or good
        act(handler, self.picture(ra, int(query["width"])))


@contextmanager
def serving() -> Iterator[CutoutServer]:
    """A server on a free port of this machine alone."""
    server = CutoutServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):  # the other end did not wait
                server.answer(self)

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.base = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def send_head(handler: BaseHTTPRequestHandler, code: int, length: int, **headers: str) -> None:
    handler.send_response(code)
    handler.send_header("Content-Length", str(length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
