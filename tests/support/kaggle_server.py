"""A stand-in for Kaggle on the loopback: the requests of the real client, and what goes wrong.

Kaggle itself answers at 127.0.0.1 and sends on to its store of files at localhost, another host to
the client, as the real store is.
"""

import base64
import contextlib
import hashlib
import json
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USERNAME, KEY, TOKEN = "astronomer", "key-of-a-test", "token-of-a-test"
REF = 4711  # Kaggle's number of the first submission; the next ones follow
ELSEWHERE = {
    "ref": 1,
    "status": "COMPLETE",
    "date": "2026-01-02T03:04:05Z",
    "description": "from elsewhere",
    "fileName": "other.csv",
    "publicScore": "0.5",
}


class KaggleServer(ThreadingHTTPServer):
    """Files to serve, faults to come, and what was asked and sent."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        # by the call's name: (status, words, headers), each once; None breaks the connection
        self.faults: dict[str, list[tuple[int, str, dict[str, str]] | None]] = defaultdict(list)
        self.cut_after: dict[str, list[int]] = defaultdict(list)  # bytes sent before a break
        self.damaged: dict[str, int] = defaultdict(int)  # how many times a file goes out damaged
        self.calls: list[tuple[str, Any]] = []
        self.sent: dict[str, list[int]] = defaultdict(list)  # bytes of each answer of the store
        self.store_saw_credentials = False
        self.expires_on_resume = 0  # how many addresses expire when the rest of a file is asked for
        self.is_expired = False
        self.uploads: list[bytes] = []
        self.submissions: list[dict[str, Any]] = []
        self.polls_before_score = 1
        self.breaks_after_submission = 0  # connections to break when a submission has arrived
        self.error_description = ""
        self.elsewhere: list[dict[str, Any]] = [dict(ELSEWHERE)]  # submissions, by the list's names

    @property
    def endpoint(self) -> str:
        """What stands for the real address."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def store(self) -> str:
        """The same server under another name."""
        return f"http://localhost:{self.server_port}"

    def count(self, call: str) -> int:
        """How often something was called."""
        return sum(name == call for name, _ in self.calls)


class _Handler(BaseHTTPRequestHandler):
    server: KaggleServer

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """The client's remote calls."""
        name = self.path.rsplit("/", 1)[1]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = json.loads(body or b"{}")
        self.server.calls.append((name, request))
        if not self.path.startswith("/v1/"):
            return self.answer(404, {"message": "no such path"})
        if name == "IntrospectToken":
            known = request["token"] == TOKEN
            return self.answer(200, {"active": known, "username": USERNAME if known else ""})
        if not self.is_known():
            return self.answer(401, {"message": "Unauthenticated"})
        if self.server.faults[name]:
            fault = self.server.faults[name].pop(0)
            if fault is None:
                return self.break_off()
            return self.answer(fault[0], {"message": fault[1]}, fault[2])
        return getattr(self, f"do_{name}")(request)

    def do_DownloadDataFile(self, request: dict[str, Any]) -> None:
        if request["fileName"] not in self.server.files:
            return self.answer(404, {"message": "Not found"})
        self.server.is_expired = False
        url = f"{self.server.store}/store/{request['fileName']}?signature=secret"
        return self.answer(302, {}, {"Location": url})

    def do_StartSubmissionUpload(self, request: dict[str, Any]) -> None:
        url = f"{self.server.store}/upload"
        self.answer(200, {"token": "blob", "createUrl": url})

    def do_CreateSubmission(self, request: dict[str, Any]) -> None:
        assert request["blobFileTokens"] == "blob"
        self.server.submissions.append(request | {"date": f"{datetime.now(UTC):%FT%TZ}"})
        if self.server.breaks_after_submission:
            self.server.breaks_after_submission -= 1
            return self.break_off()
        ref = REF + len(self.server.submissions) - 1
        return self.answer(200, {"message": "Successfully submitted", "ref": ref})

    def do_ListSubmissions(self, request: dict[str, Any]) -> None:
        """Those sent, from REF on, and below them those from elsewhere."""
        self.server.polls_before_score -= 1
        listed = [*self.server.elsewhere]
        for number, submission in enumerate(self.server.submissions):
            entry = {
                "ref": REF + number,
                "status": "PENDING",
                "date": submission["date"],
                "description": submission["submissionDescription"],
                "fileName": "predictions.csv",
            }
            if self.server.polls_before_score < 0:
                entry |= {"status": "COMPLETE", "publicScore": "0.07512", "privateScore": "0.07498"}
            if self.server.polls_before_score < 0 and self.server.error_description:
                entry |= {"status": "ERROR", "errorDescription": self.server.error_description}
            listed.insert(1, entry)
        start = (request["page"] - 1) * request["pageSize"]
        self.answer(200, {"submissions": listed[start:][: request["pageSize"]]})

    def do_PUT(self) -> None:
        """An upload to the store."""
        length = int(self.headers.get("Content-Length", 0))
        if self.server.faults["upload"]:
            self.rfile.read(length)
            self.server.faults["upload"].pop()
            return self.answer(500, {})
        self.server.uploads.append(self.rfile.read(length))
        return self.answer(200, {})

    def do_GET(self) -> None:
        """A file from the store, or the rest of it."""
        name = self.path.split("?")[0].rsplit("/", 1)[1]
        if self.server.expires_on_resume and "Range" in self.headers:
            self.server.expires_on_resume -= 1
            self.server.is_expired = True
        faults = self.server.faults["store"]
        if self.server.is_expired or (faults and faults.pop()):
            return self.answer(403, {"message": "Request has expired"})
        self.server.store_saw_credentials |= "Authorization" in self.headers
        data = self.server.files[name]
        mark = f'"{hashlib.md5(data).hexdigest()}"'
        if self.server.damaged[name]:
            self.server.damaged[name] -= 1
            data = data[:100] + bytes(200) + data[300:]
        asked = self.headers.get("Range")
        start = 0
        if asked and self.headers.get("If-Range") == mark:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        # Before the headers: with these the client may ask again, which another thread answers.
        cuts = self.server.cut_after[name]
        part = data[start:][: cuts.pop(0) if cuts else None]
        self.server.sent[name].append(len(part))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("Content-Type", "application/zip")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", mark)
        self.end_headers()
        with contextlib.suppress(OSError):  # who resumes reads the headers alone
            self.wfile.write(part)
        return None

    def is_known(self) -> bool:
        pair = base64.b64encode(f"{USERNAME}:{KEY}".encode()).decode()
        return self.headers.get("Authorization") in (f"Basic {pair}", f"Bearer {TOKEN}")

    def answer(
        self, status: int, content: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        data = json.dumps(content | ({"code": status} if status >= 400 else {})).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def break_off(self) -> None:
        self.close_connection = True


@contextlib.contextmanager
def serving(files: dict[str, bytes]) -> Iterator[KaggleServer]:
    """Run the stand-in in a thread."""
    server = KaggleServer(files)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def without_credentials() -> dict[str, str]:
    """The environment without what the client reads, and without a proxy for the loopback."""
    kept = {name: v for name, v in os.environ.items() if not name.startswith("KAGGLE_")}
    return {**kept, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
