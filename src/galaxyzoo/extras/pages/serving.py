"""Options of commands that serve a page, and its address."""

import socket
from dataclasses import dataclass

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.options import option


@dataclass(frozen=True, kw_only=True)
class ServingOptions:
    """Options of commands that serve a page."""

    host: str = option("address to serve on (default: 127.0.0.1, this machine)", "127.0.0.1")
    allow_host: tuple[str, ...] = option(
        "public host name behind a proxy, such as galaxies.example.org; repeatable",
        (),
        metavar="NAME",
    )
    port: int = option("port to serve on (default: 7860)", 7860)
    open: bool = option("open the page in a browser", False)

    @property
    def hosts(self) -> list[str]:
        """Names to which the page answers."""
        return [self.host, *self.allow_host]

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{self.host}:{self.port}/"

    @property
    def bare_host(self) -> str:
        """The host as sockets take it: an IPv6 address without its brackets."""
        return self.host.strip("[]")

    def check_address(self) -> None:
        """Refuse an address on which nothing can be served."""
        family = socket.AF_INET6 if self.host.startswith("[") else socket.AF_INET
        try:  # a server's own error is a traceback, and comes after the imports
            socket.create_server((self.bare_host, self.port), family=family).close()
        except (OSError, OverflowError) as error:
            problem = f"cannot serve on --host {self.host} --port {self.port}: {error}"
            if isinstance(error, socket.gaierror):
                problem += "; behind a proxy, use --allow-host NAME instead of --host"
            raise InputError(problem) from None

    def print_address(self) -> None:
        """Print where the page is."""
        print(f"serving at {self.address} (Ctrl-C to stop)")
