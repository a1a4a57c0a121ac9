"""Both gateways beside one upstream: musistudio/llms in node, Plexus in this process."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clients.processes import Talker
from tests.faults.server import FaultServer, Peer, Request, fault_server
from tests.gateway.harness import ENVIRONMENT, Gateway, gateway
from tests.oracle.exchanges import CORPUS, PATHS, ROUTES, Exchange, Route

JS = Path(__file__).parent / "js"
INSTALLED = JS / "node_modules" / "@musistudio" / "llms"
KEY = ENVIRONMENT["UPSTREAM_KEY"]
CLIENT_KEY = "sk-client-0ddba11"
PATIENCE = 5.0
"""Seconds after which an answer that has not ended will not end."""


def missing() -> str:
    """What the comparison needs and is not here, in words; empty when all is."""
    if not CORPUS.is_dir():
        return "../shared/corpus with the recorded traffic"
    if shutil.which("node") is None:
        return "node >= 20"
    return "" if INSTALLED.is_dir() else "the package that `make oracle` installs"


TOKEN = json.dumps({"access_token": KEY, "token_type": "Bearer", "expires_in": 3600}).encode()


@dataclass
class Said:
    """What one gateway made of an exchange.

    ``asked`` is the first body that reached the upstream with the secrets that came with it, None
    when none did.  ``ended`` is false when the answer did not come to its end.
    """

    asked: Any
    status: int
    kind: str
    body: bytes
    ended: bool = True


@dataclass
class Both:
    """Plexus and its parent; ``upstream`` answers what ``ask`` is told."""

    upstream: FaultServer
    plexus: Gateway
    parent: Parent
    exchange: list[Exchange] = field(default_factory=list)

    def ask(self, exchange: Exchange) -> tuple[Said, Said]:
        """What the parent makes of it, and what Plexus does."""
        self.exchange[:] = [exchange]
        route = exchange.route.name
        return (
            self._ask(self.parent.port, exchange, f"{route},m"),
            self._ask(self.plexus.port, exchange, route),
        )

    def _ask(self, port: int, exchange: Exchange, model: str) -> Said:
        self.upstream.forget()
        body = json.dumps({**exchange.body, "model": model}).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {CLIENT_KEY}"}
        if exchange.client == "messages":
            headers["anthropic-version"] = "2023-06-01"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        read, ended = b"", True
        try:
            connection.request("POST", PATHS[exchange.client], body, headers)
            response = connection.getresponse()
            while part := response.read1():
                read += part
        except (TimeoutError, http.client.IncompleteRead, ConnectionError):
            ended = False
        finally:
            connection.close()
        seen = [request for request in self.upstream.requests if request.path != "/token"]
        return Said(
            _asked(seen[0]) if seen else None,
            response.status,
            response.headers.get("content-type", ""),
            read,
            ended,
        )


def _asked(request: Request) -> Any:
    """The body, and which secrets stood in the headers, by whom they belong to."""
    heads = " ".join(request.headers.values())
    secrets = {"provider": KEY, "client": CLIENT_KEY}
    sent = [name for name, secret in secrets.items() if secret in heads]
    return {"secrets": sent, "path": request.path, "body": json.loads(request.body)}


class Parent(Talker):
    """musistudio/llms, with the providers of ``ROUTES``."""

    def __init__(self, upstream: str, folder: Path) -> None:
        providers = [_parents_provider(route, upstream) for route in ROUTES]
        config = {"HOST": "127.0.0.1", "PORT": "0", "providers": providers}
        command = ["node", str(JS / "server.cjs"), json.dumps(config), upstream]
        super().__init__(command, JS, folder / "parent.log")
        self.port = int(self.line())


def _parents_provider(route: Route, upstream: str) -> dict[str, Any]:
    made = {"name": route.name, "api_key": KEY, "models": ["m"]}
    made["api_base_url"] = f"{upstream}{route.parents_path}"
    if route.use:
        made["transformer"] = {"use": route.parents_use or route.use}
    return made


def _plexus(upstream: str) -> dict[str, Any]:
    providers, aliases = {}, {}
    for route in ROUTES:
        made = {"api_base_url": f"{upstream}{route.path}", "models": ["m"], **route.more}
        made["api_key"] = {"env": "UPSTREAM_KEY"}
        if route.use:
            made["transformer"] = {"use": route.use}
        if not route.names_dialect:
            made["type"] = route.dialect
        providers[route.name] = made
        aliases[route.name] = {"targets": [f"{route.name}/m"]}
    return {"providers": providers, "aliases": aliases}


@contextmanager
def both(folder: Path) -> Iterator[Both]:
    """Served until the end; what is in ``folder`` is theirs."""
    current: list[Exchange] = []

    async def answer(peer: Peer) -> None:
        if peer.request.path == "/token":
            await peer.answer(200, TOKEN)
            return
        # In one piece: what the parent loses depends on how a stream was cut.
        exchange = current[0]
        await peer.answer(exchange.status, exchange.answer, exchange.kind)

    with ExitStack() as stack:
        upstream = stack.enter_context(fault_server(answer))
        url = f"http://127.0.0.1:{upstream.port}"
        parent = Parent(url, folder)
        stack.callback(parent.stop)
        plexus = stack.enter_context(gateway(_plexus(url), folder / "plexus"))
        yield Both(upstream, plexus, parent, current)
