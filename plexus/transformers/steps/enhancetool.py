"""``enhancetool``: models whose tool arguments are almost JSON."""

from typing import ClassVar

from msgspec.structs import replace

from plexus.transformers.base import Step, StreamStage
from plexus.transformers.mending import Mender
from plexus.transformers.stages import through
from plexus.unified.chunks import (
    FinishReport,
    MessageStop,
    PartDelta,
    PartStart,
    PartStop,
    StreamChunk,
)
from plexus.unified.content import ToolCallContent
from plexus.unified.response import FinishReason, UnifiedChatResponse

CUT: frozenset[FinishReason] = frozenset(
    {"length", "context_window", "content_filter", "cancelled", "error"}
)
"""Reasons after which a call that is not whole stays as it is."""


class EnhanceTool(Step, frozen=True):
    """Puts the arguments of tool calls right while they stream; JSON stays byte for byte.

    A call that the model could not finish, because its answer was cut, is not made whole; what
    cannot be put right stays as the model wrote it.  Source: musistudio/llms ``enhancetool``
    (lineage §2.3 row 13).
    """

    NAME: ClassVar[str] = "enhancetool"

    def response(self, response: UnifiedChatResponse) -> UnifiedChatResponse:
        return through(self.stream(), response)

    def stream(self) -> StreamStage:
        return _MendStage()


class _Call:
    """One call on its way; ``part`` is set when the model is through with it."""

    def __init__(self, choice: int) -> None:
        self.choice = choice
        self.part: ToolCallContent | None = None
        self._mender = Mender()
        self._pieces: list[str] = []

    @property
    def whole(self) -> bool:
        return self._mender.whole

    def add(self, index: int, text: str) -> list[StreamChunk]:
        return self._write(index, self._mender.feed(text))

    def stop(self, index: int, part: ToolCallContent, cut: bool = False) -> list[StreamChunk]:
        out = self._write(index, self._mender.close(cut))
        return [*out, PartStop(index, replace(part, arguments="".join(self._pieces)))]

    def _write(self, index: int, text: str) -> list[StreamChunk]:
        if not text:
            return []
        self._pieces.append(text)
        return [PartDelta(index, "tool_args", text)]


class _MendStage:
    """Mends each call by itself.  One that lacks its end waits for the reason of the finish."""

    def __init__(self) -> None:
        self._calls: dict[int, _Call] = {}

    def feed(self, chunk: StreamChunk) -> list[StreamChunk]:
        match chunk:
            case PartStart(index=index, part=ToolCallContent(kind="function"), choice=choice):
                self._calls[index] = _Call(choice)
            case PartDelta(index=index, kind="tool_args", value=str() as text) if (
                index in self._calls
            ):
                return self._calls[index].add(index, text)
            case PartStop(index=index, part=ToolCallContent() as part) if index in self._calls:
                call = self._calls[index]
                if call.whole:
                    return self._calls.pop(index).stop(index, part)
                call.part = part
                return []
            case FinishReport(finish=finish, choice=choice):
                return [*self._settle(choice, cut=finish.reason in CUT), chunk]
            case MessageStop():
                return [*self._settle(None, cut=True), chunk]
        return [chunk]

    def close(self) -> list[StreamChunk]:
        return []

    def _settle(self, choice: int | None, cut: bool) -> list[StreamChunk]:
        """The calls of a choice (None: of all) that wait for the reason."""
        out: list[StreamChunk] = []
        for index, call in list(self._calls.items()):
            if call.part is not None and choice in (None, call.choice):
                out += self._calls.pop(index).stop(index, call.part, cut)
        return out
