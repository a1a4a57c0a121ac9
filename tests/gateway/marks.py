"""Steps that leave their mark on everything that passes, to see the order of a chain."""

from __future__ import annotations

from typing import ClassVar

import msgspec
from msgspec.structs import replace

from plexus.streaming.document import JsonBody
from plexus.transformers.base import Step, StreamStage, WireStep
from plexus.transformers.capabilities import TargetModel
from plexus.unified.chunks import MessageStart, StreamChunk
from plexus.unified.request import UnifiedChatRequest
from plexus.unified.response import UnifiedChatResponse


class Mark(Step, frozen=True):
    """Appends ``letter`` to the request's ``user`` and to the answer's ``model``."""

    NAME: ClassVar[str] = "mark"

    letter: str

    def request(self, request: UnifiedChatRequest, target: TargetModel) -> UnifiedChatRequest:
        return replace(request, user=(request.user or "") + self.letter)

    def response(self, response: UnifiedChatResponse) -> UnifiedChatResponse:
        return replace(response, model=response.model + self.letter)

    def stream(self) -> StreamStage:
        return _MarkedStream(self.letter)


class _MarkedStream:
    def __init__(self, letter: str) -> None:
        self._letter = letter

    def feed(self, chunk: StreamChunk) -> list[StreamChunk]:
        if isinstance(chunk, MessageStart):
            chunk = replace(chunk, model=chunk.model + self._letter)
        return [chunk]

    def close(self) -> list[StreamChunk]:
        return []


class WireMark(WireStep, frozen=True):
    """Appends ``letter`` to ``marks`` of the provider's body."""

    NAME: ClassVar[str] = "wiremark"

    letter: str

    def edit(self, body: JsonBody, dialect: str) -> dict[str, bytes | None]:
        marks = msgspec.json.decode(body.fields.get("marks", b'""'), type=str)
        return {"marks": msgspec.json.encode(marks + self.letter)}
