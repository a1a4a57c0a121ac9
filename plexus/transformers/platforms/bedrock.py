"""Amazon Bedrock: Claude through InvokeModel (reference/bedrock-vertex.md §1, §2, §5).

Converse is a dialect of its own, ``bedrock_converse``; here it stays as it is.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import ClassVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from plexus.streaming.document import DocumentError, JsonBody
from plexus.streaming.eventstream import EventStreamDecoder
from plexus.streaming.framing import Decoder, Encoder, Frame, FramingError, readable
from plexus.transformers.anthropic_messages.errors import TYPES
from plexus.transformers.base import Headers, Platform, ProviderDialect, WireRequest
from plexus.transformers.bedrock_converse.errors import parse_error, stream_error
from plexus.transformers.bedrock_converse.models import NAME as CONVERSE
from plexus.transformers.bedrock_converse.models import base_model, model_path
from plexus.transformers.losses import Loss
from plexus.transformers.platforms.claude import LOSSES, is_messages_error, prepare
from plexus.unified.errors import UnifiedError

_BETAS = (
    "claude-code-20250219",
    "computer-use-*",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "interleaved-thinking-2025-05-14",
    "structured-outputs-2025-12-15",
)
"""Known to be taken; any other may be a 400 ("invalid beta flag")."""

_METRICS = "amazon-bedrock-invocationMetrics"


class Bedrock(Platform, frozen=True):
    """``version`` is the ``anthropic_version`` of the body."""

    NAME: ClassVar[str] = "bedrock"
    DIALECTS: ClassVar[frozenset[str]] = frozenset({"anthropic-messages", CONVERSE})
    CHANGED: ClassVar[frozenset[str]] = frozenset({"anthropic-messages"})
    LOSSES: ClassVar[Mapping[str, Loss]] = LOSSES
    REFRAMES: ClassVar[bool] = True

    version: str = "bedrock-2023-05-31"

    def request(self, wire: WireRequest, dialect: str) -> WireRequest:
        if dialect == CONVERSE:
            return wire
        prepared = prepare(wire, self.version, _BETAS, {"stream": None})
        wire = prepared.wire
        if prepared.betas:
            body = JsonBody.parse(wire.body)
            betas = msgspec.json.encode(prepared.betas)
            wire = replace(wire, body=body.edit({"anthropic_beta": betas}))
        operation = "invoke-with-response-stream" if wire.stream else "invoke"
        return replace(wire, path=model_path(wire.target.model, operation))

    def count(self, wire: WireRequest, dialect: str) -> WireRequest:
        if dialect == CONVERSE:
            return wire
        path = model_path(base_model(wire.target.model), "count-tokens")
        body = JsonBody.parse(wire.body)
        if "max_tokens" not in body.fields:
            # What is counted must be a body that could be sent.
            wire = replace(wire, body=body.edit({"max_tokens": _room(body)}))
        wire = self.request(wire, dialect)
        said = base64.b64encode(wire.body).decode("ascii")
        counted = {"input": {"invokeModel": {"body": said}}}
        return replace(wire, path=path, body=msgspec.json.encode(counted))

    def decoder(self, dialect: ProviderDialect) -> Decoder:
        if dialect.NAME == CONVERSE:
            return dialect.decoder()
        return InvokeDecoder(dialect.encoder())

    def parse_error(
        self, dialect: ProviderDialect, status: int, headers: Mapping[str, str], body: bytes
    ) -> UnifiedError:
        return parse_error(status, headers, body)

    def speaks(self, dialect: str, body: bytes) -> bool:
        return is_messages_error(body)

    def authorize(self, dialect: ProviderDialect, secret: str) -> Headers:
        """A Bedrock API key, as ``AWS_BEARER_TOKEN_BEDROCK`` holds one."""
        return (("authorization", f"Bearer {secret}"),)


class _Thinking(Struct):
    budget_tokens: int = 0


_thinking = msgspec.json.Decoder(_Thinking).decode


def _room(body: JsonBody) -> bytes:
    """A limit of the answer that leaves room for the thinking."""
    try:
        budget = _thinking(body.fields.get("thinking", b"{}")).budget_tokens
    except msgspec.MsgspecError:
        budget = 0
    return b"%d" % (max(budget, 0) + 1024)


class _Chunk(Struct):
    bytes: str = ""


class _Named(Struct):
    type: str = ""


_chunk = msgspec.json.Decoder(_Chunk).decode
_named = msgspec.json.Decoder(_Named).decode


class InvokeDecoder:
    """The events inside an InvokeModel stream, as the vendor's own API would have sent them.

    ``encoder`` gives them their ``raw`` bytes.  An exception of AWS is an ``error`` event.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._inner = EventStreamDecoder()
        self._encoder = encoder
        self._broken = ""

    def feed(self, data: bytes) -> list[Frame]:
        if self._broken:
            raise FramingError(self._broken)
        return self._frames(self._inner.feed(data))

    def close(self) -> list[Frame]:
        if self._broken:
            raise FramingError(self._broken)
        return self._frames(self._inner.close())

    def _frames(self, outer: list[Frame]) -> list[Frame]:
        found: list[Frame] = []
        try:
            for frame in outer:
                inner = _event(frame)
                if inner is not None:
                    found.append(Frame(inner.event, inner.data, self._encoder.encode(inner)))
        except FramingError as problem:
            # What came whole before it counts, however the bytes were cut.
            self._broken = str(problem)
            if not found:
                raise
        return found


def _event(frame: Frame) -> Frame | None:
    """Raises FramingError for a chunk that holds no event."""
    error = stream_error(frame)
    if error is not None:
        said = {"type": TYPES[error.kind], "message": error.message}
        return Frame("error", msgspec.json.encode({"type": "error", "error": said}))
    if frame.event != "chunk":
        return None
    try:
        data = readable(base64.b64decode(_chunk(frame.data).bytes, validate=True))
        if b"\n" in data or b"\r" in data:
            # An event of the vendor's own stream is on one line.
            data = msgspec.json.format(data, indent=-1)
        name = _named(data).type
        if not name.isprintable():
            raise FramingError("a chunk of the stream has a name that is none")
        return Frame(name, _without_metrics(data))
    except FramingError:
        raise
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise FramingError("a chunk of the stream holds no event") from None


def _without_metrics(data: bytes) -> bytes:
    """AWS puts figures of its own into the last event."""
    if _METRICS.encode() not in data:
        return data
    try:
        return JsonBody.parse(data).edit({_METRICS: None})
    except DocumentError:
        return data
