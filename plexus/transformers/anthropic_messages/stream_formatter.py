"""Chunks to a client's Messages stream: one open block at a time (streaming.md §6)."""

from collections import deque

from plexus.streaming.framing import Frame
from plexus.transformers.anthropic_messages.content import NAME
from plexus.transformers.anthropic_messages.errors import format_stream_error, upstream_error
from plexus.transformers.anthropic_messages.estimate import CHARACTERS_PER_TOKEN, estimate_prompt
from plexus.transformers.anthropic_messages.finish import format_finish
from plexus.transformers.anthropic_messages.losses import RESPONSE_LOSSES
from plexus.transformers.anthropic_messages.names import message_id
from plexus.transformers.anthropic_messages.response import own_raw, thinking_block
from plexus.transformers.anthropic_messages.slots import (
    BlockEvents,
    Slot,
    TextSlot,
    ThinkingSlot,
    ToolSlot,
    WholeSlot,
    event,
)
from plexus.transformers.anthropic_messages.usage import format_usage
from plexus.transformers.losses import LossLog
from plexus.unified.chunks import (
    FinishReport,
    MessageStart,
    MessageStop,
    OpaqueChunk,
    PartDelta,
    PartStart,
    PartStop,
    Ping,
    StreamChunk,
    StreamError,
    UsageReport,
)
from plexus.unified.content import (
    AudioContent,
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

_PING = Frame("ping", b'{"type":"ping"}')
_STOP = Frame("message_stop", b'{"type":"message_stop"}')
_CUT_SHORT = frozenset({"length", "context_window", "content_filter", "refusal", "cancelled"})
"""Endings after which a half-written call is the model's own."""


class AnthropicStreamFormatter:
    """See the module text.  Blocks are numbered in the order they are opened."""

    def __init__(self, request: UnifiedChatRequest) -> None:
        self._request = request
        self._dialect = ""
        self._events = BlockEvents()
        self._floor: Slot | None = None
        self._queue: deque[Slot] = deque()
        self._slots: dict[int, Slot | None] = {}
        self._broken = False
        self._characters = 0
        self._usage: UnifiedUsage | None = None
        self._finish = Finish("stop")
        self._refusal: RefusalContent | None = None
        self._ended = False

    def feed(self, chunk: StreamChunk) -> list[Frame]:
        if self._ended:
            return []
        match chunk:
            case PartDelta():
                return self._delta(chunk)
            case PartStart():
                return self._start(chunk)
            case PartStop():
                return self._stop(chunk)
            case MessageStart():
                return [self._message_start(chunk)]
            case UsageReport(usage=usage):
                self._usage = usage
            case FinishReport(finish=finish, choice=0):
                self._finish = finish
            case MessageStop():
                return self._message_stop(chunk)
            case Ping():
                return [_PING]
            case StreamError(error=error):
                return [self._fail(error)]
            case OpaqueChunk(dialect=dialect, name=name, raw=raw) if dialect == NAME:
                return [Frame(name, bytes(raw))]
            case _:
                pass
        return []

    def _message_start(self, chunk: MessageStart) -> Frame:
        self._dialect = chunk.dialect
        self._usage = chunk.usage
        usage = chunk.usage
        if usage is None:
            usage = UnifiedUsage(prompt_tokens=estimate_prompt(self._request), estimated=True)
        message: dict[str, object] = {
            "id": message_id(chunk.id or self._request.source.request_id),
            "type": "message",
            "role": "assistant",
            "model": chunk.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            "usage": format_usage(usage, chunk.service_tier),
            **chunk.ext.get(NAME, {}),
        }
        return event("message_start", message=message)

    def _slot(self, part: Content) -> Slot | None:
        """The slot of a part; None for what this dialect leaves out."""
        events = self._events
        match part:
            case ToolCallContent():
                return ToolSlot(part, events)
            case ThinkingContent(redacted=True):
                block = thinking_block(part)
                return None if block is None else WholeSlot(part, block, events)
            case ThinkingContent():
                return ThinkingSlot(part, events)
            case RefusalContent() if self._dialect == NAME:
                return None
            case TextContent() | RefusalContent() | AudioContent():
                return TextSlot(part, events, self._dialect == NAME)
            case _:
                raw = own_raw(part, LossLog(RESPONSE_LOSSES))
                return None if raw is None else WholeSlot(part, raw, events)

    def _start(self, chunk: PartStart) -> list[Frame]:
        slot = self._slot(chunk.part) if chunk.choice == 0 else None
        self._slots[chunk.index] = slot
        if slot is None:
            return []
        slot.waiting += _given(chunk)
        return self._enter(slot)

    def _enter(self, slot: Slot) -> list[Frame]:
        """The early close rule, then the floor or a place in the queue."""
        self._queue.append(slot)
        out: list[Frame] = []
        if self._floor is not None and self._floor.complete:
            out += self._close(self._floor)
        return out + self._advance()

    def _advance(self) -> list[Frame]:
        """Give the floor to the next slots, as far as they can go."""
        out: list[Frame] = []
        while self._floor is None and self._queue:
            slot = self._floor = self._queue.popleft()
            out += slot.open()
            for delta in slot.waiting:
                out += slot.feed(delta)
            slot.waiting.clear()
            if slot.stopped or (self._queue and slot.complete):
                out += self._close(slot)
        return out

    def _close(self, slot: Slot) -> list[Frame]:
        out = slot.close()
        if isinstance(slot, ToolSlot) and slot.broken:
            self._broken = True
        self._floor = None
        return out

    def _delta(self, chunk: PartDelta) -> list[Frame]:
        slot = self._slots.get(chunk.index)
        if slot is None:
            return []
        if isinstance(chunk.value, str):
            self._characters += len(chunk.value)
        if slot is self._floor:
            out = slot.feed(chunk)
            if self._queue and slot.complete:
                out += self._close(slot) + self._advance()
            return out
        if not slot.closed:
            slot.waiting.append(chunk)
            return []
        return self._continue(slot, chunk)

    def _continue(self, slot: Slot, chunk: PartDelta) -> list[Frame]:
        """Something for a block that is closed: a new block, or an empty one for a proof."""
        if isinstance(chunk.value, Proof):
            follower: Slot = ThinkingSlot(ThinkingContent(proof=chunk.value), self._events)
            follower.stopped = True
            return self._enter(follower)
        if isinstance(slot, ToolSlot) or not isinstance(chunk.value, str):
            return []
        if isinstance(slot, ThinkingSlot):
            follower = ThinkingSlot(ThinkingContent(), self._events)
        else:
            follower = TextSlot(TextContent(text=""), self._events, self._dialect == NAME)
        follower.waiting.append(chunk)
        self._slots[chunk.index] = follower
        return self._enter(follower)

    def _stop(self, chunk: PartStop) -> list[Frame]:
        if isinstance(chunk.part, RefusalContent):
            self._refusal = chunk.part
        slot = self._slots.pop(chunk.index, None)
        if slot is None or slot.closed:
            return []
        slot.proof = slot.proof or chunk.part.proof
        if slot is not self._floor:
            slot.stopped = True
            return []
        return self._close(slot) + self._advance()

    def _message_stop(self, chunk: MessageStop) -> list[Frame]:
        out: list[Frame] = []
        if self._floor is not None:
            out += self._close(self._floor)
        for slot in self._queue:
            slot.stopped = True
        out += self._advance()
        reason = self._finish.reason
        if reason in ("error", "malformed_tool_call"):
            return [*out, self._fail(upstream_error("the provider's answer ended in an error"))]
        if self._broken and reason not in _CUT_SHORT:
            broken = upstream_error("the input of a tool call is not valid JSON")
            return [*out, self._fail(broken)]
        self._ended = True
        delta: dict[str, object] = dict(format_finish(self._finish, self._refusal, self._dialect))
        container = chunk.ext.get(NAME, {}).get("container")
        if container is not None:
            delta["container"] = container
        usage = format_usage(self._usage or self._estimated())
        return [*out, event("message_delta", delta=delta, usage=usage), _STOP]

    def _estimated(self) -> UnifiedUsage:
        prompt = estimate_prompt(self._request)
        output = -(-self._characters // CHARACTERS_PER_TOKEN)
        return UnifiedUsage(
            prompt_tokens=prompt,
            completion_tokens=output,
            total_tokens=prompt + output,
            estimated=True,
        )

    def _fail(self, error: UnifiedError) -> Frame:
        self._ended = True
        return format_stream_error(error, self._request.source.request_id)


def _given(chunk: PartStart) -> list[PartDelta]:
    """What a part brings in its start already, as deltas."""
    part, index = chunk.part, chunk.index
    match part:
        case TextContent(text=text) if text:
            return [PartDelta(index, "text", text)]
        case RefusalContent(text=text) if text:
            return [PartDelta(index, "refusal", text)]
        case ThinkingContent(text=text, redacted=False) if text:
            return [PartDelta(index, "thinking", text)]
        case ToolCallContent(arguments=text) if text:
            return [PartDelta(index, "tool_args", text)]
        case AudioContent(transcript=str(text)):
            return [PartDelta(index, "transcript", text)]
        case _:
            return []
