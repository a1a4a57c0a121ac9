"""Chunks to a client's stream: every event a whole GenerateContentResponse (streaming.md §7)."""

from typing import Any

import msgspec
from msgspec import Raw

from plexus.streaming.framing import Frame
from plexus.transformers.gemini.answer import AnswerWriter, Written, candidate
from plexus.transformers.gemini.errors import format_stream_error, upstream_error
from plexus.transformers.gemini.finish import format_finish
from plexus.transformers.gemini.losses import RESPONSE_LOSSES
from plexus.transformers.gemini.names import NAME
from plexus.transformers.gemini.usage import TIERS, format_usage
from plexus.transformers.jsontext import compact, is_json
from plexus.transformers.losses import LossLog
from plexus.unified.chunks import (
    FinishReport,
    LogprobsDelta,
    MessageStart,
    MessageStop,
    OpaqueChunk,
    PartDelta,
    PartStart,
    PartStop,
    StreamChunk,
    StreamError,
    UsageReport,
)
from plexus.unified.content import (
    Content,
    Proof,
    RefusalContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import UnifiedError
from plexus.unified.request import UnifiedChatRequest
from plexus.unified.response import Finish, UnifiedUsage

_STOP = Finish("stop")
_CUT_SHORT = frozenset({"length", "context_window", "content_filter", "refusal", "cancelled"})
"""Endings after which a half-written call is the model's own."""


class _Part:
    """An open part: whose it is, and how its thoughts come.

    ``held`` is the last fragment of Google's own text: its signature may come right behind it.
    ``around``: what stands before and behind a fragment in its event, once one was written.
    """

    __slots__ = ("around", "choice", "held", "kind", "part", "signed", "sub", "writer")

    def __init__(self, part: Content, choice: int, writer: AnswerWriter) -> None:
        self.part = part
        self.choice = choice
        self.writer = writer
        self.around: tuple[bytes, bytes] | None = None
        self.kind = ""
        self.sub = 0
        self.held = ""
        self.signed = False


class _Choice:
    """What was written of one candidate; ``held`` are calls that may never be complete."""

    __slots__ = ("finish", "held", "logprobs", "refused", "writer")

    def __init__(self, writer: AnswerWriter) -> None:
        self.writer = writer
        self.refused = False
        self.held: list[ToolCallContent] = []
        self.logprobs: Raw | None = None
        self.finish: FinishReport | None = None


class GeminiStreamFormatter:
    """One stream.  What is known at the end only stands in the last event."""

    def __init__(self, request: UnifiedChatRequest) -> None:
        self._request = request
        self._log = LossLog(RESPONSE_LOSSES)
        self._native = False
        self._head: dict[str, Any] = {}
        self._tail: dict[str, Any] = {}
        self._ext: dict[str, Raw] = {}
        self._tier: str | None = None
        self._usage: UnifiedUsage | None = None
        self._parts: dict[int, _Part] = {}
        self._choices: dict[int, _Choice] = {}
        self._ended = False

    def feed(self, chunk: StreamChunk) -> list[Frame]:
        if self._ended:
            return []
        match chunk:
            case PartDelta():
                return self._delta(self._parts[chunk.index], chunk)
            case PartStart():
                return self._start(chunk)
            case PartStop():
                return self._stop(chunk)
            case MessageStart():
                self._message_start(chunk)
            case LogprobsDelta(choice=number, raw=raw):
                self._choice(number).logprobs = raw
            case UsageReport(usage=usage):
                self._usage = usage
            case FinishReport(choice=number):
                self._choice(number).finish = chunk
            case MessageStop():
                return self._message_stop(chunk)
            case StreamError(error=error):
                return [self._fail(error)]
            case OpaqueChunk(dialect=dialect, raw=raw) if dialect == NAME:
                return [Frame("", compact(raw))]
            case _:
                pass
        return []

    def _message_start(self, chunk: MessageStart) -> None:
        self._native = chunk.dialect == NAME
        self._usage, self._tier = chunk.usage, chunk.service_tier
        self._ext = dict(chunk.ext.get(NAME, {}))
        if chunk.service_tier in TIERS:
            # Google says it in every event; here the first one does, for counts come at the end.
            self._head = {"usageMetadata": {"serviceTier": chunk.service_tier}}
        self._tail = {
            "modelVersion": chunk.model,
            "responseId": chunk.id or self._request.source.request_id,
        }

    def _choice(self, number: int) -> _Choice:
        found = self._choices.get(number)
        if found is None:
            writer = AnswerWriter(self._request, self._native, self._log)
            found = self._choices[number] = _Choice(writer)
        return found

    def _event(self, number: int, parts: list[Written]) -> list[Frame]:
        if not parts:
            return []
        frame = self._with(number, parts)
        self._head = {}
        return [frame]

    def _with(self, number: int, parts: list[Written]) -> Frame:
        return _frame({"candidates": [candidate(number, parts)], **self._head, **self._tail})

    # -- parts -----------------------------------------------------------------------------------

    def _start(self, chunk: PartStart) -> list[Frame]:
        part = chunk.part
        state = _Part(part, chunk.choice, self._choice(chunk.choice).writer)
        others = [other for other in self._parts.values() if other.choice == chunk.choice]
        out = [frame for other in others for frame in self._release(other)]
        self._parts[chunk.index] = state
        match part:
            case TextContent(text=text) if text:
                return out + self._write(state, text)
            case ThinkingContent(text=text, redacted=False) if text:
                state.kind = "thinking"
                return out + self._write(state, text)
            case RefusalContent(text=text) if text:
                return out + self._event(chunk.choice, [{"text": text}])
            case _:
                return out

    def _delta(self, state: _Part, delta: PartDelta) -> list[Frame]:
        value = delta.value
        if not isinstance(value, str):
            if not isinstance(value, Proof) or not state.held:
                return []
            state.signed = True
            return self._release(state, value)
        if not value:
            return []
        match delta.kind:
            case "text":
                return self._write(state, value)
            case "thinking" | "thinking_summary":
                return self._think(state, delta, value)
            case "refusal":
                return self._event(state.choice, [{"text": value}])
            case _:
                # Calls and media leave whole, at their end.
                return []

    def _write(self, state: _Part, text: str) -> list[Frame]:
        """A fragment; one of Google's own waits for the next, or for a signature."""
        around = state.around
        if around is not None and state.writer.loose is None:
            # All but the first: the same event with another text.
            return [Frame("", b"%b%b%b" % (around[0], msgspec.json.encode(text), around[1]))]
        out = self._release(state)
        state.held = text
        if self._native:
            return out
        out += self._release(state)
        if around is None and state.writer.loose is None:
            parts = state.writer.text("", isinstance(state.part, ThinkingContent))
            if parts:
                before, _, behind = self._with(state.choice, parts).data.partition(b'""')
                state.around = before, behind
        return out

    def _release(self, state: _Part, proof: Proof | None = None) -> list[Frame]:
        if not state.held:
            return []
        text, state.held = state.held, ""
        thought = isinstance(state.part, ThinkingContent)
        return self._event(state.choice, state.writer.text(text, thought, proof))

    def _think(self, state: _Part, delta: PartDelta, text: str) -> list[Frame]:
        """A provider that gives thoughts and their summary gives the same twice."""
        first = not state.kind
        state.kind = state.kind or delta.kind
        if delta.kind != state.kind:
            return []
        if delta.sub != state.sub:
            state.sub = delta.sub
            text = text if first else "\n\n" + text
        return self._write(state, text)

    def _stop(self, chunk: PartStop) -> list[Frame]:
        state = self._parts.pop(chunk.index)
        choice, part = self._choice(state.choice), chunk.part
        match part:
            case TextContent() | ThinkingContent(redacted=False):
                out = self._release(state)
                return out + self._event(state.choice, choice.writer.end_text(part, state.signed))
            case RefusalContent():
                choice.refused = True
                return []
            case ToolCallContent(kind="function", arguments=text) if text and not is_json(text):
                choice.held.append(part)
                return []
            case _:
                return self._event(state.choice, choice.writer.write(part))

    # -- the end ---------------------------------------------------------------------------------

    def _message_stop(self, chunk: MessageStop) -> list[Frame]:
        for number in sorted(self._choices):
            finish = self._choices[number].finish
            if finish is not None and finish.finish.reason == "error" and not self._native:
                return [self._fail(upstream_error("the provider's answer ended in an error"))]
        self._ended = True
        ext = {**self._ext, **chunk.ext.get(NAME, {})} if self._native else {}
        body: dict[str, Any] = {}
        blocked = "promptFeedback" in ext and not self._parts_written()
        if not blocked:
            body["candidates"] = [self._last(number) for number in sorted(self._choices)]
        if self._usage is not None:
            body["usageMetadata"] = format_usage(self._usage, self._tier)
        return [_frame({**body, **self._tail, **ext})]

    def _parts_written(self) -> bool:
        return any(choice.writer.count for choice in self._choices.values())

    def _last(self, number: int) -> dict[str, Any]:
        choice = self._choices[number]
        report = choice.finish or FinishReport(_STOP, number)
        parts: list[Written] = []
        if report.finish.reason not in _CUT_SHORT:
            parts += [wire for call in choice.held for wire in choice.writer.write(call)]
        parts += choice.writer.close()
        out = candidate(number, parts or [{"text": ""}])
        out["finishReason"] = format_finish(report.finish, self._native, choice.refused)
        if self._native:
            if choice.logprobs is not None:
                out["logprobsResult"] = choice.logprobs
            out.update(report.ext.get(NAME, {}))
        elif (grounding := choice.writer.grounding()) is not None:
            out["groundingMetadata"] = grounding
        return out

    def _fail(self, error: UnifiedError) -> Frame:
        self._ended = True
        return format_stream_error(error, self._request.source.request_id)


def _frame(body: dict[str, Any]) -> Frame:
    """One event, on one line whatever white space a provider's JSON had."""
    data = msgspec.json.encode(body)
    return Frame("", compact(data) if b"\n" in data or b"\r" in data else data)
