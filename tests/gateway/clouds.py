"""Clouds on loopback: what Bedrock, Vertex and Azure answer, in their own envelopes."""

from __future__ import annotations

import base64
import json
from typing import Any

from plexus.streaming.eventstream import EventStreamEncoder
from plexus.streaming.framing import Frame
from tests.faults.server import FaultServer, Peer, Script
from tests.gateway import wire

EVENT_STREAM = "application/vnd.amazon.eventstream"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0"
SECRETS = {
    "ID": "AKIDEXAMPLE",
    "SECRET": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "TOKEN": "tok/+=",
}
KEY = {"env": "UPSTREAM_KEY"}
SIGNED = {
    "type": "aws",
    "region": "eu-west-3",
    "access_key_id": {"env": "ID"},
    "secret_access_key": {"env": "SECRET"},
}


def frame(name: str, payload: dict[str, Any]) -> bytes:
    return EventStreamEncoder().encode(Frame(name, json.dumps(payload).encode()))


def converse(text: str = "hello") -> bytes:
    body = {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
        "metrics": {"latencyMs": 1},
    }
    return json.dumps(body).encode()


def converse_stream(text: str = "hello") -> list[bytes]:
    return [
        frame("messageStart", {"role": "assistant"}),
        *(
            frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": letter}})
            for letter in text
        ),
        frame("contentBlockStop", {"contentBlockIndex": 0}),
        frame("messageStop", {"stopReason": "end_turn"}),
        frame("metadata", {"usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}}),
    ]


def chunk(event: bytes) -> bytes:
    """An event of a Messages stream as InvokeModel wraps it."""
    data = event.partition(b"data: ")[2].strip()
    return frame("chunk", {"bytes": base64.b64encode(data).decode(), "p": "abcdef"})


def invoke_stream(text: str = "hello") -> list[bytes]:
    """The last event carries AWS's own figures."""
    *events, last = wire.message_stream(text)
    data = json.loads(last.partition(b"data: ")[2])
    data["amazon-bedrock-invocationMetrics"] = {"inputTokenCount": 3, "outputTokenCount": 2}
    return [*map(chunk, events), chunk(wire.event(data))]


def amazon() -> Script:
    """Bedrock's runtime: Converse and InvokeModel, whole and streaming."""

    async def script(peer: Peer) -> None:
        match peer.request.path.rpartition("/")[2]:
            case "converse":
                await peer.answer(200, converse())
            case "converse-stream":
                await binary(peer, converse_stream())
            case "invoke":
                await peer.answer(200, wire.message())
            case "invoke-with-response-stream":
                await binary(peer, invoke_stream())
            case _:
                await peer.answer(404, b"{}")

    return script


async def binary(peer: Peer, pieces: list[bytes], end: bool = True) -> None:
    await peer.head(200, EVENT_STREAM, transfer_encoding="chunked")
    for piece in pieces:
        await peer.chunk(piece)
    if end:
        await peer.raw(b"0\r\n\r\n")


def vendor() -> Script:
    """What answers as the vendor's own API does: chat, or Messages."""

    async def script(peer: Peer) -> None:
        body = json.loads(peer.request.body)
        chat = "chat/completions" in peer.request.path
        if body.get("stream"):
            await peer.stream(*(wire.chat_stream() if chat else wire.message_stream()))
        else:
            await peer.answer(200, wire.chat() if chat else wire.message())

    return script


def served(
    server: FaultServer, base: str = "", model: str = CLAUDE, **fields: Any
) -> dict[str, Any]:
    """A config with one provider at the server and the alias ``m``."""
    url = f"http://127.0.0.1:{server.port}{base}"
    return {
        "providers": {"cloud": {"api_base_url": url, "models": [model], **fields}},
        "aliases": {"m": {"targets": [f"cloud/{model}"]}},
    }
