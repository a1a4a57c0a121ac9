"""Steps that leave their mark on everything that passes, to see the order of a chain."""

from __future__ import annotations

from typing import ClassVar

import msgspec
from msgspec.structs import replace

from plexus.streaming.document import JsonBody
from plexus.transformers.base import Step, StreamStage, WireStep
from plexus.transformers.capabilities import TargetModel
from plexus.unified.chunks import MessageStart, PartDelta, StreamChunk
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


class Broken(Step, frozen=True):
    """Has a bug: in the request (``in``), or in the answer (``out``), there after some content."""

    NAME: ClassVar[str] = "broken"

    where: str

    def request(self, request: UnifiedChatRequest, target: TargetModel) -> UnifiedChatRequest:
        if self.where == "in":
            raise ZeroDivisionError("a secret of the prompt")
        return request

    def response(self, response: UnifiedChatResponse) -> UnifiedChatResponse:
        if self.where == "out":
            raise ZeroDivisionError("a secret of the answer")
        return response

    def stream(self) -> StreamStage:
        return _BrokenStream(self.where)


class _BrokenStream:
    def __init__(self, where: str) -> None:
        self._left = 3 if where == "out" else 1000

    def feed(self, chunk: StreamChunk) -> list[StreamChunk]:
        if isinstance(chunk, PartDelta):
            self._left -= 1
            if not self._left:
                raise ZeroDivisionError("a secret of the answer")
        return [chunk]

    def close(self) -> list[StreamChunk]:
        return []
