"""Guards of a local page against other web sites that are open in the user's browser."""

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from galaxyzoo.core.errors import one_line

_HOST = re.compile(r"(\[[^][@/]+\]|[^][@/:]+)(:[0-9]*)?")  # name and port; no user, no path


def own_hosts(hosts: Sequence[str]) -> Middleware:
    """Middleware that answers to these names, localhost and the machine's own alone."""
    names = {name.lower() for name in (*hosts, "localhost", socket.gethostname())}
    return Middleware(_OwnHosts, names=names)


@dataclass
class _OwnHosts:
    """Refuse foreign host names, changes that a foreign page asks for, and foreign frames.

    A foreign page could point its own name at this machine and read the page (DNS rebinding). That
    takes a name: an IP address can only be what the user typed. It could send a form, too: browsers
    say from where in Sec-Fetch-Site or Origin (as Go's `http.CrossOriginProtection` compares).
    """

    app: ASGIApp
    names: set[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_unframed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = "frame-ancestors 'self'"
            await send(message)

        respond = self.app
        problem = self._problem(scope)
        if problem:
            respond = PlainTextResponse(problem, status_code=400)
        await respond(scope, receive, send_unframed)

    def _problem(self, scope: Scope) -> str:
        """Reason to refuse a request; empty: it is answered."""
        if scope["type"] not in ("http", "websocket"):
            return ""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_own(host):
            return f"unknown host name {one_line(host)!r}: start the page with --allow-host NAME"
        is_change = scope.get("method") not in ("GET", "HEAD", "OPTIONS")
        if is_change and _is_foreign(headers):
            return "another website sent this request"
        return ""

    def _is_own(self, host: str) -> bool:
        match = _HOST.fullmatch(host.lower())
        if not match:
            return False
        name = match[1].strip("[]")
        try:
            return name in self.names or bool(ipaddress.ip_address(name))
        except ValueError:
            return False


def _is_foreign(headers: Headers) -> bool:
    """Check whether a browser sends this from a page of another address."""
    site = headers.get("sec-fetch-site")
    if site:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers["host"]
