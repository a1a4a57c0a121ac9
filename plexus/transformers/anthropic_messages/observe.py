"""A cheap look at answers that are passed through (canonical.md §8, design decision 10)."""

import msgspec
from msgspec import Raw, Struct

from plexus.streaming.document import DocumentError, JsonBody
from plexus.streaming.framing import Frame
from plexus.transformers.anthropic_messages.errors import parse_stream_error, upstream_error
from plexus.transformers.anthropic_messages.events import given
from plexus.transformers.anthropic_messages.finish import parse_finish
from plexus.transformers.anthropic_messages.reader import Malformed
from plexus.transformers.anthropic_messages.usage import merge_usage, parse_usage
from plexus.transformers.base import Observation
from plexus.unified.errors import UnifiedError
from plexus.unified.response import UnifiedUsage

_NOTHING = Observation()
_CONTENT = Observation(content=True)


class _Peek(Struct):
    type: str = ""
    error: Raw = Raw()
    content: list[Raw] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: dict[str, Raw] | None = None


class _Block(Struct):
    type: str = ""
    text: str | None = None
    thinking: str | None = None


class _Delta(Struct):
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Message(Struct):
    usage: dict[str, Raw] | None = None


class _Event(Struct):
    type: str = ""
    delta: _Delta | None = None
    content_block: _Block | None = None
    message: _Message | None = None
    usage: dict[str, Raw] | None = None
    error: Raw = Raw()


_peek = msgspec.json.Decoder(_Peek).decode
_event = msgspec.json.Decoder(_Event).decode


def observe_response(body: bytes) -> Observation:
    """``error`` for an error in a 200, an empty completion, and what is no message at all.

    An empty ``content`` with a stop reason is a message: a stop sequence at once, or a refusal.
    """
    try:
        seen = _peek(body)
    except (msgspec.MsgspecError, RecursionError):
        return Observation(error=upstream_error(_foreign(body)))
    if seen.type == "error" or given(seen.error):
        return Observation(error=parse_stream_error(body))
    if seen.content is None:
        return Observation(error=upstream_error("the provider's answer is no message"))
    if not seen.content and seen.stop_reason is None:
        return Observation(error=upstream_error("the provider sent an empty completion"))
    calls = any(b'"tool_use"' in bytes(block) for block in seen.content)
    return Observation(
        content=True,
        terminal=True,
        usage=_usage(seen.usage or {}),
        finish=parse_finish(seen.stop_reason, seen.stop_sequence, None, calls).reason,
    )


def _foreign(body: bytes) -> str:
    what = "an HTML page" if body.lstrip()[:1] == b"<" else "an answer that is not JSON"
    return f"the provider sent {what}"


def _usage(fields: dict[str, Raw]) -> UnifiedUsage | None:
    """Accounting must not break an answer: counts of a wrong type are no counts."""
    try:
        found = parse_usage(fields)
    except Malformed:
        return None
    return found.usage if found is not None else None


class AnthropicStreamObserver:
    """Watches a stream; merges usage as it comes."""

    def __init__(self) -> None:
        self._usage: dict[str, Raw] = {}
        self._reason: str | None = None
        self._calls = False

    def observe(self, frame: Frame) -> Observation:
        data = frame.data
        if not data or data.isspace():
            return _NOTHING
        if frame.event == "error":
            return Observation(error=parse_stream_error(data))
        try:
            event = _event(data)
        except (msgspec.MsgspecError, RecursionError):
            return self._unreadable(data)
        match event.type or frame.event:
            case "content_block_delta":
                delta = event.delta
                if delta is not None and (delta.text or delta.thinking or delta.partial_json):
                    return _CONTENT
                return _NOTHING
            case "content_block_start":
                return self._block(event.content_block)
            case "message_start":
                return self._merge(event.message.usage if event.message is not None else None)
            case "message_delta":
                return self._message_delta(event)
            case "message_stop":
                return self._message_stop()
            case kind if kind == "error" or given(event.error):
                # The official SDKs drop events without a name (streaming.md §1).
                return Observation(error=parse_stream_error(data), unsaid=True)
            case _:
                return _NOTHING

    def _unreadable(self, data: bytes) -> Observation:
        """A vendor's ``[DONE]``, or an event that says what this dialect does not."""
        if data.strip() == b"[DONE]":
            return _NOTHING
        error = upstream_error("the provider sent an event that is no JSON")
        return Observation(error=error, unsaid=True)

    def _block(self, block: _Block | None) -> Observation:
        if block is None:
            return _NOTHING
        if block.type == "tool_use":
            self._calls = True
        if block.type in ("text", "thinking") and not (block.text or block.thinking):
            return _NOTHING
        return _CONTENT

    def _merge(self, usage: dict[str, Raw] | None) -> Observation:
        if not usage:
            return _NOTHING
        merge_usage(self._usage, usage)
        return Observation(usage=_usage(self._usage))

    def _message_delta(self, event: _Event) -> Observation:
        merge_usage(self._usage, event.usage or {})
        delta = event.delta
        if delta is None or delta.stop_reason is None:
            return Observation(usage=_usage(self._usage))
        self._reason = delta.stop_reason
        finish = parse_finish(self._reason, delta.stop_sequence, None, self._calls)
        return Observation(content=True, usage=_usage(self._usage), finish=finish.reason)

    def _message_stop(self) -> Observation:
        if self._reason is not None:
            return Observation(terminal=True)
        error: UnifiedError = upstream_error("the provider ended the message without saying why")
        return Observation(error=error, unsaid=True)


def rename_model(frame: Frame, model: str) -> Frame:
    """The model of ``message_start`` replaced; every other byte of the data stays."""
    if b'"message_start"' not in frame.data:
        return frame
    try:
        outer = JsonBody.parse(frame.data)
        message = outer.fields.get("message")
        if message is None:
            return frame
        inner = JsonBody.parse(bytes(message)).edit({"model": msgspec.json.encode(model)})
        return Frame(frame.event, outer.edit({"message": inner}))
    except DocumentError:
        return frame
