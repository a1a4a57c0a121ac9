"""A ConverseStream answer to chunks (reference/bedrock-vertex.md §5, streaming.md §8)."""

import base64
import binascii
from typing import Literal, TypeAlias

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from plexus.streaming.framing import Frame
from plexus.transformers.anthropic_messages.errors import upstream_error
from plexus.transformers.anthropic_messages.reader import OBJECT, Level, Malformed
from plexus.transformers.base import WireRequest
from plexus.transformers.bedrock_converse.content import (
    encrypted,
    image_of,
    origin_of,
    parse_block,
    parse_citation,
    signed,
)
from plexus.transformers.bedrock_converse.errors import stream_error
from plexus.transformers.bedrock_converse.finish import parse_finish
from plexus.transformers.bedrock_converse.models import NAME
from plexus.transformers.bedrock_converse.response import answer_ext, parse_tier
from plexus.transformers.bedrock_converse.usage import parse_usage
from plexus.transformers.jsontext import custom_text, is_json, two_values
from plexus.unified.chunks import (
    DeltaKind,
    FinishReport,
    MessageStart,
    MessageStop,
    PartDelta,
    PartStart,
    PartStop,
    StreamChunk,
    StreamError,
    UsageReport,
)
from plexus.unified.content import (
    Citation,
    Content,
    Proof,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import UnifiedError, UpstreamDetail
from plexus.unified.fold import PartBuilder

_Kind: TypeAlias = Literal["text", "thinking", "tool", "custom", "server", "result", "image"]


class _Tool(Struct):
    toolUseId: str = ""
    name: str = ""
    type: str | None = None


class _Image(Struct):
    format: str = "png"


class _Start(Struct):
    toolUse: _Tool | None = None
    toolResult: dict[str, Raw] | None = None
    image: _Image | None = None


class _Input(Struct):
    input: str | None = None


class _Reasoning(Struct):
    text: str | None = None
    signature: str | None = None
    redactedContent: str | None = None


class _Source(Struct):
    bytes: str | None = None


class _ImageDelta(Struct):
    source: _Source | None = None


class _Delta(Struct):
    text: str | None = None
    toolUse: _Input | None = None
    toolResult: list[Raw] | None = None
    reasoningContent: _Reasoning | None = None
    citation: Raw = Raw()
    image: _ImageDelta | None = None


class _Event(Struct):
    contentBlockIndex: int = 0
    start: _Start | None = None
    delta: _Delta | None = None
    stopReason: str | None = None
    additionalModelResponseFields: Raw = Raw()


_decode = msgspec.json.Decoder(_Event).decode


class _Block:
    """An open block; ``number`` is its part's index, -1 for one whose part comes whole."""

    __slots__ = ("builder", "kind", "number", "part", "pieces", "raws", "start")

    def __init__(self, kind: _Kind, number: int, part: Content) -> None:
        self.kind = kind
        self.number = number
        self.part = part
        self.builder = PartBuilder(part)
        self.pieces: list[str] = []
        self.raws: list[Raw] = []
        self.start: dict[str, object] = {}


class ConverseStreamParser:
    """See the module text.  ``wire`` tells which names and tools Plexus changed."""

    def __init__(self, wire: WireRequest) -> None:
        self._wire = wire
        self._origin = origin_of(wire)
        self._started = False
        self._ended = False
        self._parts = 0
        self._calls = False
        self._open: dict[int, _Block] = {}
        self._redacted: dict[int, list[str]] = {}
        self._reason: str | None = None
        self._more: Raw | None = None

    def feed(self, frame: Frame) -> list[StreamChunk]:
        """Raises msgspec's errors for data that is no event of this dialect."""
        if self._ended:
            return []
        error = stream_error(frame)
        if error is not None:
            return self._fail(error)
        try:
            return self._read(frame)
        except Malformed as problem:
            return self._fail(self._bad(f"sent a wrong event: {problem}"))
        except RecursionError:
            return self._fail(self._bad("sent an event nested too deeply"))

    def close(self) -> list[StreamChunk]:
        """The usage comes after the stop; a stream without it is whole all the same."""
        if self._ended:
            return []
        if self._reason is None:
            return self._fail(self._bad("closed the stream before it was complete"))
        return self._finish({})

    def _read(self, frame: Frame) -> list[StreamChunk]:
        if self._reason is not None and frame.event != "metadata":
            return []
        match frame.event:
            case "contentBlockDelta":
                event = _decode(frame.data)
                out = self._ensure_started()
                if event.delta is not None:
                    out += self._delta(event.contentBlockIndex, event.delta)
                return out
            case "contentBlockStart":
                event = _decode(frame.data)
                out = self._ensure_started()
                if event.start is not None:
                    out += self._begin(event.contentBlockIndex, event.start)
                return out
            case "contentBlockStop":
                return self._stop(_decode(frame.data).contentBlockIndex)
            case "messageStart":
                return self._ensure_started()
            case "messageStop":
                return self._message_stop(_decode(frame.data))
            case "metadata":
                return self._metadata(frame.data)
            case _:
                return []

    def _ensure_started(self) -> list[StreamChunk]:
        if self._started:
            return []
        self._started = True
        return [MessageStart(id="", model=self._wire.target.model, dialect=NAME)]

    # blocks

    def _begin(self, index: int, start: _Start) -> list[StreamChunk]:
        out = self._stop(index)
        if start.toolUse is not None:
            self._begin_tool(index, start.toolUse, out)
        elif start.toolResult is not None:
            block = self._held(index, "result")
            block.start = dict(start.toolResult)
        elif start.image is not None:
            self._held(index, "image").start = {"format": start.image.format}
        return out

    def _begin_tool(self, index: int, tool: _Tool, out: list[StreamChunk]) -> None:
        wire = self._wire
        name = wire.tool_names.get(tool.name, tool.name)
        if tool.type == "server_tool_use":
            block = self._held(index, "server")
            block.start = {"toolUseId": tool.toolUseId, "name": tool.name, "type": tool.type}
        elif tool.name == wire.structured_tool:
            self._open_part(index, "tool", TextContent(text=""), out)
        elif tool.name in wire.custom_tools:
            part = ToolCallContent(id=tool.toolUseId, name=name, kind="custom")
            self._open[index] = _Block("custom", -1, part)
        else:
            self._calls = True
            part = ToolCallContent(id=tool.toolUseId, name=name)
            self._open_part(index, "tool", part, out)

    def _held(self, index: int, kind: _Kind) -> _Block:
        block = self._open[index] = _Block(kind, -1, TextContent(text=""))
        return block

    def _open_part(self, index: int, kind: _Kind, part: Content, out: list[StreamChunk]) -> _Block:
        block = self._open[index] = _Block(kind, self._parts, part)
        self._parts += 1
        out.append(PartStart(block.number, part))
        return block

    def _fitting(self, index: int, kind: _Kind, part: Content, out: list[StreamChunk]) -> _Block:
        """The open block, when it is of this kind: text and thinking have no start of their own."""
        block = self._open.get(index)
        if block is not None and block.kind == kind:
            return block
        out += self._stop(index)
        return self._open_part(index, kind, part, out)

    def _delta(self, index: int, delta: _Delta) -> list[StreamChunk]:
        out: list[StreamChunk] = []
        if delta.text:
            block = self._fitting(index, "text", TextContent(text=""), out)
            out.append(_grow(block, "text", delta.text))
        if delta.toolUse is not None and delta.toolUse.input:
            out += self._arguments(index, delta.toolUse.input)
        if delta.reasoningContent is not None:
            self._reasoning(index, delta.reasoningContent, out)
        if bytes(delta.citation) not in (b"", b"null"):
            block = self._fitting(index, "text", TextContent(text=""), out)
            citation = parse_citation(delta.citation, "delta.citation")
            out.append(_grow(block, "citation", citation))
        block_open = self._open.get(index)
        if block_open is not None and delta.toolResult is not None:
            block_open.raws += delta.toolResult
        if block_open is not None and delta.image is not None and delta.image.source is not None:
            block_open.pieces.append(delta.image.source.bytes or "")
        return out

    def _reasoning(self, index: int, said: _Reasoning, out: list[StreamChunk]) -> None:
        if said.text:
            block = self._fitting(index, "thinking", ThinkingContent(), out)
            out.append(_grow(block, "thinking", said.text))
        proof = signed(said.signature, self._origin)
        if proof is not None:
            block = self._fitting(index, "thinking", ThinkingContent(), out)
            out.append(_grow(block, "proof", proof))
        if said.redactedContent:
            self._redacted.setdefault(index, []).append(said.redactedContent)

    def _arguments(self, index: int, piece: str) -> list[StreamChunk]:
        block = self._open.get(index)
        if block is None or block.kind not in ("tool", "custom", "server"):
            raise Malformed("delta.toolUse", "tool input without an open tool block")
        block.pieces.append(piece)
        if block.number < 0:
            return []
        kind: DeltaKind = "text" if isinstance(block.part, TextContent) else "tool_args"
        return [_grow(block, kind, piece)]

    def _stop(self, index: int) -> list[StreamChunk]:
        block = self._open.pop(index, None)
        pieces = self._redacted.pop(index, None)
        proof = None if pieces is None else encrypted(_joined(pieces), self._origin)
        out: list[StreamChunk] = []
        if block is not None and block.kind == "thinking" and proof is not None:
            out.append(_grow(block, "proof", proof))
            proof = None
        if block is not None:
            out += self._finish_block(block)
        if proof is not None:
            out += self._whole(ThinkingContent(redacted=True, proof=proof))
        return out

    def _finish_block(self, block: _Block) -> list[StreamChunk]:
        out: list[StreamChunk] = []
        match block.kind:
            case "server":
                text = "".join(block.pieces)
                value = Raw(text.encode("utf-8", "surrogatepass") if is_json(text) else b"{}")
                return self._held_part({"toolUse": {**block.start, "input": value}})
            case "result":
                return self._held_part({"toolResult": {**block.start, "content": block.raws}})
            case "image":
                return self._whole(image_of(str(block.start["format"]), _joined(block.pieces)))
            case "custom":
                return self._custom(block)
            case "tool" if not block.pieces:
                kind: DeltaKind = "text" if isinstance(block.part, TextContent) else "tool_args"
                out.append(_grow(block, kind, "{}"))
            case "tool" if two_values("".join(block.pieces)):
                raise Malformed("delta.toolUse", "two JSON values as the input of one tool")
        out.append(PartStop(block.number, block.builder.build()))
        return out

    def _held_part(self, value: dict[str, object]) -> list[StreamChunk]:
        part = parse_block(Raw(msgspec.json.encode(value)), "contentBlock", self._wire)
        return [] if part is None else self._whole(part)

    def _custom(self, block: _Block) -> list[StreamChunk]:
        """The input of a custom tool is text inside an object: known at its end."""
        assert isinstance(block.part, ToolCallContent)
        self._calls = True
        number = self._parts
        self._parts += 1
        text = custom_text("".join(block.pieces))
        out: list[StreamChunk] = [PartStart(number, block.part)]
        if text:
            out.append(PartDelta(number, "tool_args", text))
        return [*out, PartStop(number, replace(block.part, arguments=text))]

    def _whole(self, part: Content) -> list[StreamChunk]:
        number = self._parts
        self._parts += 1
        return [PartStart(number, part), PartStop(number, part)]

    # the end

    def _message_stop(self, event: _Event) -> list[StreamChunk]:
        out = self._ensure_started()
        for index in sorted({*self._open, *self._redacted}):
            out += self._stop(index)
        if event.stopReason is None:
            return out + self._fail(self._bad("ended the message without saying why"))
        self._reason = event.stopReason
        if bytes(event.additionalModelResponseFields) not in (b"", b"null"):
            self._more = event.additionalModelResponseFields
        return out

    def _metadata(self, data: bytes) -> list[StreamChunk]:
        """The usage; it also comes when the message was never finished, and then says nothing."""
        if self._reason is None:
            return []
        return self._finish(Level(data, "metadata").fields)

    def _finish(self, fields: dict[str, Raw]) -> list[StreamChunk]:
        level = Level.of(fields, "metadata")
        usage = parse_usage(level.take("usage", OBJECT), "metadata.usage")
        tier = parse_tier(level)
        if tier is not None:
            level.fields["serviceTier"] = Raw(msgspec.json.encode({"type": tier}))
        out: list[StreamChunk] = []
        if usage is not None:
            out.append(UsageReport(usage, final=True))
        out.append(FinishReport(parse_finish(self._reason, self._more, self._calls)))
        out.append(MessageStop(ext=answer_ext(level.fields, self._more)))
        self._ended = True
        return out

    def _fail(self, error: UnifiedError) -> list[StreamChunk]:
        self._ended = True
        return [StreamError(error, partial=self._parts > 0)]

    def _bad(self, what: str) -> UnifiedError:
        detail = UpstreamDetail(provider=self._wire.target.provider)
        return replace(upstream_error(f"it {what}"), upstream=detail)


def _grow(block: _Block, kind: DeltaKind, value: str | Proof | Citation) -> PartDelta:
    delta = PartDelta(block.number, kind, value)
    block.builder.add(delta)
    return delta


def _joined(pieces: list[str]) -> str:
    """Base64 that came in pieces, each of them whole for itself."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        whole = b"".join(base64.b64decode(piece, validate=True) for piece in pieces)
    except (binascii.Error, ValueError):
        raise Malformed("delta", "expected base64") from None
    return base64.b64encode(whole).decode()
