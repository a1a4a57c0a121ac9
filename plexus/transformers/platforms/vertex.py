"""Google's Vertex AI: Claude, Gemini and OpenAI-compatible models (bedrock-vertex.md §1, §8).

The base URL is the location: ``…/projects/{project}/locations/{location}``.
"""

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from plexus.streaming.document import JsonBody
from plexus.transformers.base import Headers, Platform, ProviderDialect, WireRequest
from plexus.transformers.losses import Loss
from plexus.transformers.platforms.claude import (
    BETA,
    LOSSES,
    Prepared,
    is_messages_error,
    prepare,
)

_BETAS = (
    "claude-code-20250219",
    "computer-use-*",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "interleaved-thinking-2025-05-14",
    "web-search-*",
)
_CLAUDE, _GEMINI = "anthropic-messages", "gemini"


class Vertex(Platform, frozen=True):
    """``version`` is the ``anthropic_version`` of a Claude body."""

    NAME: ClassVar[str] = "vertex"
    DIALECTS: ClassVar[frozenset[str]] = frozenset({_CLAUDE, _GEMINI, "openai-chat"})
    CHANGED: ClassVar[frozenset[str]] = frozenset({"anthropic-messages"})
    LOSSES: ClassVar[Mapping[str, Loss]] = LOSSES

    version: str = "vertex-2023-10-16"

    def request(self, wire: WireRequest, dialect: str) -> WireRequest:
        if dialect == _GEMINI:
            return replace(wire, path=f"/publishers/google{wire.path}")
        if dialect != _CLAUDE:
            return replace(wire, path=f"/endpoints/openapi{wire.path}")
        prepared = prepare(wire, self.version, _BETAS, {})
        verb = "streamRawPredict" if wire.stream else "rawPredict"
        model = quote(wire.target.model, safe="@")
        path = f"/publishers/anthropic/models/{model}:{verb}"
        return replace(prepared.wire, path=path, headers=_with_betas(prepared))

    def count(self, wire: WireRequest, dialect: str) -> WireRequest:
        """Gemini's counter has its members at the top; Claude's is a model of its own."""
        if dialect == _GEMINI:
            return self.request(replace(wire, body=_unwrapped(wire.body)), dialect)
        model = msgspec.json.encode(wire.target.model)
        prepared = prepare(wire, self.version, _BETAS, {"model": model})
        path = "/publishers/anthropic/models/count-tokens:rawPredict"
        return replace(prepared.wire, path=path, headers=_with_betas(prepared))

    def speaks(self, dialect: str, body: bytes) -> bool:
        """Errors of Google's own front end are in Google's form, whatever the model speaks."""
        return dialect == _GEMINI or (dialect == _CLAUDE and is_messages_error(body))

    def authorize(self, dialect: ProviderDialect, secret: str) -> Headers:
        """An OAuth token as it is; an API key only where the dialect has one (Gemini, express)."""
        if dialect.NAME == _GEMINI:
            return dialect.authorize(secret)
        return (("authorization", f"Bearer {secret}"),)


_COUNTED = frozenset(
    {
        "contents",
        "generationConfig",
        "generation_config",
        "systemInstruction",
        "system_instruction",
        "tools",
    }
)
_WRAPPERS = ("generateContentRequest", "generate_content_request")


def _unwrapped(raw: bytes) -> bytes:
    """AI Studio's body of a count as Vertex takes it."""
    body = JsonBody.parse(raw)
    for name in _WRAPPERS:
        if name in body.fields:
            whole = JsonBody.parse(bytes(body.fields[name]))
            return whole.edit(dict.fromkeys(whole.fields.keys() - _COUNTED))
    return raw


def _with_betas(prepared: Prepared) -> Headers:
    if not prepared.betas:
        return prepared.wire.headers
    return (*prepared.wire.headers, (BETA, ",".join(prepared.betas)))
