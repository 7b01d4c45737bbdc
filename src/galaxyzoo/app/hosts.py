"""The host names that a page of this machine answers to."""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from galaxyzoo.core.errors import one_line


def own_hosts(hosts: Sequence[str]) -> Middleware:
    """Middleware that answers to these names, localhost and the machine's own alone."""
    names = {name.lower() for name in (*hosts, "localhost", socket.gethostname())}
    return Middleware(_OwnHosts, names=names)


@dataclass
class _OwnHosts:
    """Refuse host names that are not this machine's; any IP address is fine.

    Else a foreign site, open in the user's browser, could point its own name at this machine and
    read the page (DNS rebinding). That takes a name: an IP address can only be what the user typed.
    """

    app: ASGIApp
    names: set[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = dict(scope.get("headers", ())).get(b"host", b"").decode("latin-1")
        respond = self.app
        if scope["type"] in ("http", "websocket") and not self._is_own(host):
            message = f"the page has no name {one_line(host)!r}: start it with --allow-host NAME"
            respond = PlainTextResponse(message, status_code=400)
        await respond(scope, receive, send)

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            return name in self.names or bool(ipaddress.ip_address(name))
        except ValueError:
            return False
