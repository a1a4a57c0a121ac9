"""A provider's Messages stream to chunks (streaming.md §5).

Blocks are known by the order they come in, not by the index a vendor gives them.
"""

from typing import Literal, TypeAlias

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from plexus.streaming.framing import Frame
from plexus.transformers.anthropic_messages.calls import origin_of
from plexus.transformers.anthropic_messages.content import (
    NAME,
    parse_block,
    parse_citation,
    parse_proof,
)
from plexus.transformers.anthropic_messages.errors import parse_stream_error, upstream_error
from plexus.transformers.anthropic_messages.events import Delta, Event, decode_event, given
from plexus.transformers.anthropic_messages.finish import parse_finish, parse_refusal
from plexus.transformers.anthropic_messages.reader import Level, Malformed, edited
from plexus.transformers.anthropic_messages.response import message_ext
from plexus.transformers.anthropic_messages.usage import merge_usage, parse_usage
from plexus.transformers.base import WireRequest
from plexus.transformers.jsontext import compact, custom_text, is_json, two_values
from plexus.unified.chunks import (
    DeltaKind,
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
    CompactionContent,
    Content,
    Proof,
    ServerToolCallContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import UnifiedError, UpstreamDetail
from plexus.unified.fold import PartBuilder

_Kind: TypeAlias = Literal["text", "thinking", "tool", "held"]


_raws = msgspec.json.Decoder(list[Raw]).decode
_string = msgspec.json.Decoder(str).decode


class _Block:
    """An open block: ``number`` is its part's index, -1 while a held block has none."""

    __slots__ = ("arguments", "builder", "kind", "number", "part", "whole")

    def __init__(self, kind: _Kind, number: int, part: Content) -> None:
        self.kind = kind
        self.number = number
        self.part = part
        self.builder = PartBuilder(part)
        self.arguments: list[str] = []
        self.whole = ""
        """Input that came whole in the start, for a block without deltas (traps T58)."""


class AnthropicStreamParser:
    """See the module text.  ``wire`` tells which names and tools Plexus changed."""

    def __init__(self, wire: WireRequest) -> None:
        self._wire = wire
        self._origin = origin_of(wire)
        self._started = False
        self._ended = False
        self._parts = 0
        self._calls = False
        self._open: dict[tuple[int, str], _Block] = {}
        self._usage: dict[str, Raw] = {}
        self._reason: str | None = None
        self._sequence: str | None = None
        self._details: Raw | None = None
        self._ext: dict[str, Raw] = {}
        self._start = MessageStart(id="", model="", dialect=NAME)

    def feed(self, frame: Frame) -> list[StreamChunk]:
        """Raises msgspec's errors for data that is no event of this dialect."""
        data = frame.data
        if self._ended or (data[:1] != b"{" and data.strip() in (b"", b"[DONE]")):
            return []
        if frame.event == "error":
            return self._fail(parse_stream_error(data))
        try:
            event = decode_event(data)
            delta = event.delta
            if delta is not None and delta.type == "text_delta" and delta.text:
                block = self._open.get((event.index, "text"))
                if block is not None and (event.type or frame.event) == "content_block_delta":
                    # Nearly all events are these: ``_read`` would do the same in five calls.
                    return [self._grow(block, "text", delta.text)]
            return self._read(event, frame)
        except Malformed as problem:
            return self._fail(self._bad(f"sent a wrong event: {problem}"))
        except RecursionError:
            return self._fail(self._bad("sent an event nested too deeply"))

    def close(self) -> list[StreamChunk]:
        """``message_stop`` is the only end; anything else was cut (traps T47)."""
        if self._ended:
            return []
        return self._fail(self._bad("closed the stream before it was complete"))

    def _read(self, event: Event, frame: Frame) -> list[StreamChunk]:
        match event.type or frame.event:
            case "content_block_delta":
                return [] if event.delta is None else self._delta(event.index, event.delta)
            case "content_block_start":
                return self._begin(event.index, event.content_block)
            case "content_block_stop":
                return self._stop(event.index)
            case "ping":
                return [Ping()]
            case "message_start":
                return self._message_start(event.message or {})
            case "message_delta":
                return self._message_delta(event)
            case "message_stop":
                return self._message_stop()
            case kind if kind == "error" or given(event.error):
                return self._fail(parse_stream_error(frame.data))
            case kind:
                return [OpaqueChunk(NAME, kind, Raw(frame.data))] if self._started else []

    def _message_start(self, message: dict[str, Raw]) -> list[StreamChunk]:
        """A second one is a retry behind the vendor's proxy: fine as long as nothing came."""
        if self._started:
            if self._parts:
                return self._fail(self._bad("started a second message after content"))
            self._open.clear()
            self._usage.clear()
        level = Level.of(message, "message")
        fields = level.fields
        for name in ("type", "role", "stop_reason", "stop_sequence", "stop_details"):
            fields.pop(name, None)
        usage = fields.pop("usage", None)
        content = fields.pop("content", None)
        if usage is not None and given(usage):
            merge_usage(self._usage, Level(usage, "message.usage").fields)
        if self._started:
            return []
        self._started = True
        found = parse_usage(self._usage)
        self._start = MessageStart(
            id=_text(fields.pop("id", None)),
            model=_text(fields.pop("model", None)),
            dialect=NAME,
            usage=found.usage if found is not None else None,
            service_tier=found.service_tier if found is not None else None,
            ext=message_ext(fields),
        )
        return [self._start, *self._ready(content)]

    def _ready(self, content: Raw | None) -> list[StreamChunk]:
        """Blocks that some vendors put into the start of the message."""
        out: list[StreamChunk] = []
        if content is not None and given(content):
            for raw in _raws(content):
                out += self._begin(-1, raw)
                out += self._stop(-1)
        return out

    def _begin(self, index: int, raw: Raw) -> list[StreamChunk]:
        out = self._ensure_started()
        out += self._stop(index)
        if not given(raw):
            raise Malformed("content_block", "expected an object, and the field is required")
        part = parse_block(raw, "content_block", self._origin)
        match part:
            case TextContent():
                block = self._open_part(index, "text", replace(part, text="", citations=()), out)
                if part.text:
                    out.append(self._grow(block, "text", part.text))
                out += [self._cite(block, c.raw) for c in part.citations if c.raw is not None]
            case ThinkingContent(redacted=False):
                bare = replace(part, text="", proof=None)
                block = self._open_part(index, "thinking", bare, out)
                if part.text:
                    out.append(self._grow(block, "thinking", part.text))
                if part.proof is not None:
                    out.append(self._grow(block, "proof", part.proof))
            case ToolCallContent():
                self._begin_tool(index, part, out)
            case ServerToolCallContent() | CompactionContent():
                self._open[index, "held"] = _Block("held", -1, part)
            case _:
                out += self._whole(part)
        return out

    def _begin_tool(self, index: int, part: ToolCallContent, out: list[StreamChunk]) -> None:
        wire = self._wire
        whole = part.arguments if part.arguments != "{}" else ""
        if part.name == wire.structured_tool:
            block = self._open_part(index, "tool", TextContent(text=""), out)
        elif part.name in wire.custom_tools:
            name = wire.tool_names.get(part.name, part.name)
            block = _Block("held", -1, replace(part, name=name, arguments="", kind="custom"))
            self._open[index, "tool"] = block
        else:
            self._calls = True
            name = wire.tool_names.get(part.name, part.name)
            bare = replace(part, name=name, arguments="")
            block = self._open_part(index, "tool", bare, out)
        block.whole = whole

    def _open_part(self, index: int, kind: _Kind, part: Content, out: list[StreamChunk]) -> _Block:
        block = _Block(kind, self._parts, part)
        self._parts += 1
        self._open[index, kind] = block
        out.append(PartStart(block.number, part))
        return block

    def _whole(self, part: Content) -> list[StreamChunk]:
        number = self._parts
        self._parts += 1
        return [PartStart(number, part), PartStop(number, part)]

    def _delta(self, index: int, delta: Delta) -> list[StreamChunk]:
        out = self._ensure_started()
        match delta.type:
            case "text_delta":
                if delta.text:
                    block = self._block(index, "text", TextContent(text=""), out)
                    out.append(self._grow(block, "text", delta.text))
            case "thinking_delta":
                if delta.thinking:
                    block = self._block(index, "thinking", ThinkingContent(), out)
                    out.append(self._grow(block, "thinking", delta.thinking))
            case "input_json_delta":
                if delta.partial_json:
                    out += self._arguments(index, delta.partial_json)
            case "signature_delta":
                proof = parse_proof(delta.signature, "signature", self._origin)
                if proof is not None:
                    block = self._block(index, "thinking", ThinkingContent(), out)
                    out.append(self._grow(block, "proof", proof))
            case "citations_delta":
                block = self._block(index, "text", TextContent(text=""), out)
                out.append(self._cite(block, delta.citation))
            case "compaction_delta":
                held = self._open.get((index, "held"))
                if held is not None and delta.content:
                    held.arguments.append(delta.content)
            case _:
                pass
        return out

    def _block(self, index: int, kind: _Kind, skeleton: Content, out: list[StreamChunk]) -> _Block:
        """The open part of this kind; a delta that fits no open block gets a part of its own."""
        found = self._open.get((index, kind))
        if found is None and all(open_index != index for open_index, _ in self._open):
            fitting = [block for (_, k), block in self._open.items() if k == kind]
            found = fitting[-1] if fitting else None
        return found or self._open_part(index, kind, skeleton, out)

    def _arguments(self, index: int, piece: str) -> list[StreamChunk]:
        found = self._open.get((index, "tool")) or self._open.get((index, "held"))
        if found is None:
            fitting = [b for (_, k), b in self._open.items() if k in ("tool", "held")]
            if not fitting:
                raise Malformed("delta", "tool input without an open tool block")
            found = fitting[-1]
        found.arguments.append(piece)
        if found.number < 0:
            return []
        kind: DeltaKind = "text" if isinstance(found.part, TextContent) else "tool_args"
        return [self._grow(found, kind, piece)]

    def _grow(self, block: _Block, kind: DeltaKind, value: str | Proof) -> PartDelta:
        delta = PartDelta(block.number, kind, value)
        block.builder.add(delta)
        return delta

    def _cite(self, block: _Block, raw: Raw) -> PartDelta:
        delta = PartDelta(block.number, "citation", parse_citation(raw, "delta.citation"))
        block.builder.add(delta)
        return delta

    def _stop(self, index: int) -> list[StreamChunk]:
        out: list[StreamChunk] = []
        for key in [key for key in self._open if key[0] == index]:
            out += self._finish_block(self._open.pop(key))
        return out

    def _finish_block(self, block: _Block) -> list[StreamChunk]:
        if block.number < 0:
            return self._finish_held(block)
        out: list[StreamChunk] = []
        if block.kind == "tool":
            arguments = "".join(block.arguments)
            if not arguments:
                kind: DeltaKind = "text" if isinstance(block.part, TextContent) else "tool_args"
                out.append(self._grow(block, kind, block.whole or "{}"))
            elif two_values(arguments):
                raise Malformed("delta", "two JSON values as the input of one tool")
        out.append(PartStop(block.number, block.builder.build()))
        return out

    def _finish_held(self, block: _Block) -> list[StreamChunk]:
        """Blocks whose part is known only at their end."""
        pieces, part = "".join(block.arguments), block.part
        if isinstance(part, ToolCallContent):
            self._calls = True
            number = self._parts
            self._parts += 1
            text = custom_text(pieces or block.whole)
            done = replace(part, arguments=text)
            out: list[StreamChunk] = [PartStart(number, part)]
            if text:
                out.append(PartDelta(number, "tool_args", text))
            return [*out, PartStop(number, done)]
        return self._whole(self._completed(part, pieces) if pieces else part)

    def _completed(self, part: Content, pieces: str) -> Content:
        """A verbatim block with what its deltas brought, in its place in the JSON."""
        if isinstance(part, CompactionContent):
            raw = edited(part.raw, content=pieces)
        elif isinstance(part, ServerToolCallContent) and is_json(pieces):
            raw = edited(part.raw, input=Raw(compact(pieces.encode())))
        else:
            return part
        return parse_block(raw, "content_block", self._origin)

    def _message_delta(self, event: Event) -> list[StreamChunk]:
        out = self._ensure_started()
        delta = event.delta
        if event.usage:
            merge_usage(self._usage, event.usage)
        if delta is not None:
            self._reason = delta.stop_reason or self._reason
            self._sequence = delta.stop_sequence or self._sequence
            if given(delta.stop_details):
                self._details = delta.stop_details
            if given(delta.container):
                self._ext["container"] = delta.container
        return out

    def _message_stop(self) -> list[StreamChunk]:
        """Closes what is open.  Without a stop reason the message is not complete."""
        if self._reason is None:
            return self._fail(self._bad("ended the message without saying why"))
        out = self._ensure_started()
        for key in list(self._open):
            out += self._finish_block(self._open.pop(key))
        if self._reason == "refusal" and (refusal := parse_refusal(self._details)) is not None:
            number = self._parts
            self._parts += 1
            out.append(PartStart(number, replace(refusal, text="")))
            out.append(PartDelta(number, "refusal", refusal.text))
            out.append(PartStop(number, refusal))
        found = parse_usage(self._usage)
        if found is not None:
            out.append(UsageReport(found.usage, final=True))
        finish = parse_finish(self._reason, self._sequence, self._details, self._calls)
        out.append(FinishReport(finish))
        # Folding replaces what the start said of this dialect, so it is said again.
        ext = {**self._start.ext.get(NAME, {}), **self._ext}
        out.append(MessageStop(ext={NAME: ext} if self._ext else {}))
        self._ended = True
        return out

    def _ensure_started(self) -> list[StreamChunk]:
        """A message without ``message_start`` is still a message."""
        if self._started:
            return []
        self._started = True
        return [self._start]

    def _fail(self, error: UnifiedError) -> list[StreamChunk]:
        self._ended = True
        return [StreamError(error, partial=self._parts > 0)]

    def _bad(self, what: str) -> UnifiedError:
        detail = UpstreamDetail(provider=self._wire.target.provider)
        return replace(upstream_error(f"it {what}"), upstream=detail)


def _text(raw: Raw | None) -> str:
    return "" if raw is None or not given(raw) else _string(raw)
