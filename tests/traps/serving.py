"""A served gateway over one upstream that speaks every provider dialect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults.server import FaultServer, Peer, Script, fault_server
from tests.gateway.clouds import EVENT_STREAM
from tests.gateway.harness import Answer, Gateway, gateway, post
from tests.traps.dialects import (
    CHAT,
    CONVERSE,
    GEMINI,
    HI,
    MESSAGES,
    PATHS,
    PROVIDERS,
    RESPONSES,
    STREAM_PATHS,
    Json,
    Piece,
    answer,
    asking,
    join,
    stream_objects,
)

KEY = {"env": "UPSTREAM_KEY"}
BASES = {GEMINI: "/v1beta", CONVERSE: ""}


def config(port: int, **more: Any) -> Json:
    """An alias for each provider dialect, of its name; ``more`` is for all the providers."""
    providers = {
        name: {
            "type": name,
            "api_base_url": f"http://127.0.0.1:{port}{BASES.get(name, '/v1')}",
            "api_key": KEY,
            "models": ["m"],
            **more,
        }
        for name in PROVIDERS
    }
    return {
        "providers": providers,
        "aliases": {name: {"targets": [f"{name}/m"]} for name in PROVIDERS},
    }


@contextmanager
def everything(folder: Path, more: Json | None = None, **options: Any) -> Iterator[Served]:
    with (
        fault_server() as server,
        gateway(config(server.port, **(more or {})), folder, **options) as g,
    ):
        yield Served(g, server)


class Served:
    """The gateway, and the one upstream behind all of its aliases."""

    def __init__(self, found: Gateway, server: FaultServer) -> None:
        self.gateway = found
        self.server = server

    def ask(self, client: str, provider: str, body: Json, stream: bool = False) -> Answer:
        """A client's request for the alias of a provider dialect."""
        return self.gateway.ask(
            path_of(client, provider, stream), body_of(client, provider, body, stream)
        )

    def request(self, client: str, provider: str, body: Json, stream: bool = False) -> bytes:
        """The same as bytes for a raw socket."""
        raw = json.dumps(body_of(client, provider, body, stream)).encode()
        return post(path_of(client, provider, stream), raw)


def path_of(client: str, alias: str, stream: bool) -> str:
    return (STREAM_PATHS if stream else PATHS)[client].replace("/m:", f"/{alias}:")


def body_of(client: str, alias: str, body: Json, stream: bool) -> Json:
    return body if client == GEMINI else {**body, "model": alias, "stream": stream}


def spoken(peer: Peer) -> str:
    """The dialect a request to the upstream is in."""
    path = peer.request.path
    if "/chat/completions" in path:
        return CHAT
    if path.endswith("/responses"):
        return RESPONSES
    if path.endswith("/messages"):
        return MESSAGES
    return CONVERSE if path.startswith("/model/") else GEMINI


def streams(peer: Peer) -> bool:
    path = peer.request.path
    if spoken(peer) in (GEMINI, CONVERSE):
        return "stream" in path
    return bool(json.loads(peer.request.body).get("stream"))


def says(*pieces: Piece) -> Script:
    """The upstream answers with these pieces, whole or as a stream, as it is asked."""

    async def script(peer: Peer) -> None:
        dialect = spoken(peer)
        if streams(peer):
            await begin(peer)
            for one in stream_objects(dialect, *pieces):
                await peer.chunk(join(dialect, [one]) if dialect != CHAT else _chat_event(one))
            if dialect == CHAT:
                await peer.chunk(b"data: [DONE]\n\n")
            await peer.raw(b"0\r\n\r\n")
        else:
            await peer.answer(200, answer(dialect, *pieces))

    return script


def _chat_event(one: Json) -> bytes:
    return b"data: %b\n\n" % json.dumps(one, ensure_ascii=False).encode()


async def begin(peer: Peer) -> None:
    kind = EVENT_STREAM if spoken(peer) == CONVERSE else "text/event-stream"
    await peer.head(200, kind, transfer_encoding="chunked")


def hello(client: str, **fields: Any) -> Json:
    return asking(client, HI, **fields)


def chunked(raw: bytes) -> bytes:
    """A raw answer's body without its chunked coding."""
    rest = raw.partition(b"\r\n\r\n")[2]
    out = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        out += rest[:length]
        rest = rest[length + 2 :]
    return out
