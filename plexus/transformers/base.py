"""What a dialect module and a step must offer; the types that pass between them.

A dialect is a *module*, checked as the protocol ``Dialect``, or as ``ProviderDialect`` when no
client speaks it.  musistudio/llms' four hooks map to it: transformRequestOut = parse_request,
transformRequestIn = format_request, transformResponseOut = parse_response / stream_parser,
transformResponseIn = format_response / stream_formatter.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, Protocol, runtime_checkable

from msgspec import Struct

from plexus.streaming.document import JsonBody
from plexus.streaming.form import FormBody
from plexus.streaming.framing import Decoder, Encoder, Frame
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.losses import Loss, LossWarning
from plexus.unified.chunks import StreamChunk
from plexus.unified.errors import UnifiedError
from plexus.unified.request import Source, UnifiedChatRequest
from plexus.unified.response import FinishReason, UnifiedChatResponse, UnifiedUsage

Headers = tuple[tuple[str, str], ...]
"""Header pairs, names in lower case."""


TRACING = frozenset({"traceparent", "tracestate"})
"""W3C Trace Context: goes to every provider, whatever it speaks."""


def picked(source: Source, names: frozenset[str]) -> Headers:
    """Those of the client's headers that are named, sorted."""
    return tuple((name, source.headers[name]) for name in sorted(names & source.headers.keys()))


class ClientCall(Struct, frozen=True, kw_only=True):
    """One client request as it came in, guarded but not parsed.

    ``model`` is the requested name.  ``strict`` is ``"on_loss": "error"``; ``show_model`` is the
    alias name to show instead of the provider's model (``"reveal_model": false``), else None.
    ``form`` is the body of endpoints that take files; ``body`` is then an empty object.
    ``framing`` makes the encoder of a stream whose client asked for another framing than its
    dialect's own.
    """

    model: str
    stream: bool
    body: JsonBody
    source: Source
    strict: bool = False
    show_model: str | None = None
    form: FormBody | None = None
    framing: Callable[[], Encoder] | None = None


class WireRequest(Struct, frozen=True, kw_only=True):
    """A provider request: what goes out, and what reading its answer needs.

    ``path`` is relative to the provider's base URL, with its leading slash.  ``headers`` are the
    dialect's own (version, betas), without credentials.  ``tool_names`` maps a name changed for the
    provider back to the client's; ``structured_tool`` is the forced tool that emulates structured
    output; ``custom_tools`` are the client's custom tools sent as functions; ``stop`` are sequences
    that the provider does not know, so that the text is cut here.
    """

    target: TargetModel
    path: str
    body: bytes
    headers: Headers = ()
    stream: bool = False
    warnings: tuple[LossWarning, ...] = ()
    tool_names: Mapping[str, str] = {}
    custom_tools: frozenset[str] = frozenset()
    structured_tool: str | None = None
    prefix: str = ""
    """The beginning of the answer that the client wrote and the provider repeats."""
    stop: tuple[str, ...] = ()
    content_type: str | None = None
    """Of a body that is not JSON."""
    hide_usage: bool = False
    """Pass-through only: Plexus asked for a usage chunk that the client did not ask for."""


class Observation(Struct, frozen=True, kw_only=True):
    """What a cheap look at a provider's answer or frame shows, for pass-through.

    ``content``: it commits the stream (design decision 10).  ``terminal``: the message is complete.
    ``usage_only``: a chat usage chunk, which a client that did not ask must not see.  ``unsaid``:
    the frame shows an ``error`` in a form that the dialect's clients would not notice.
    """

    content: bool = False
    terminal: bool = False
    usage_only: bool = False
    usage: UnifiedUsage | None = None
    finish: FinishReason | None = None
    error: UnifiedError | None = None
    unsaid: bool = False


class StreamParser(Protocol):
    """Provider frames to chunks; obeys the grammar of ``unified.chunks``."""

    def feed(self, frame: Frame) -> list[StreamChunk]: ...

    def close(self) -> list[StreamChunk]:
        """The upstream ended: the missing end of the message, or a StreamError when truncated."""
        ...


class StreamFormatter(Protocol):
    """Chunks to client frames; a StreamError becomes the dialect's in-band error (errors.md §6)."""

    def feed(self, chunk: StreamChunk) -> list[Frame]: ...


class StreamObserver(Protocol):
    """Watches a stream that is passed through."""

    def observe(self, frame: Frame) -> Observation: ...


@runtime_checkable
class StreamFailure(Protocol):
    """An observer whose dialect's in-band error repeats what the client has read of the answer."""

    def failure(self, error: UnifiedError, request_id: str) -> Frame: ...


class ProviderDialect(Protocol):
    """A wire format that providers speak."""

    NAME: str
    FAMILY: str
    """Default family of proofs issued by a provider of this dialect."""
    RESPONSE_FIELDS: frozenset[str]
    """Names of ``fields.py`` that a provider of this dialect can answer with."""
    REQUEST_LOSSES: Mapping[str, Loss]
    """What ``format_request`` changes, by field."""
    SERVER_TOOLS: frozenset[str]
    """Kinds of server tools that it can be asked to run by clients of other dialects."""

    def authorize(self, secret: str) -> Headers:
        """The credential headers of a provider of this dialect."""
        ...

    def format_request(self, request: UnifiedChatRequest, target: TargetModel) -> WireRequest:
        """Raises PlexusError (400) for what the dialect cannot mean at all."""
        ...

    def parse_response(self, body: bytes, wire: WireRequest) -> UnifiedChatResponse:
        """Raises PlexusError for an error in a 200, an empty completion, or a foreign body."""
        ...

    def stream_parser(self, wire: WireRequest) -> StreamParser: ...

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UnifiedError:
        """Classify a provider's error answer (errors.md §2); never raises."""
        ...

    def decoder(self) -> Decoder: ...

    def encoder(self) -> Encoder: ...


class Dialect(ProviderDialect, Protocol):
    """A wire format that clients speak too: it can be passed through.

    A module without these (``bedrock_converse``) has no client endpoint.
    """

    REQUEST_FIELDS: frozenset[str]
    """Names of ``fields.py`` that a client of this dialect can use."""
    RESPONSE_LOSSES: Mapping[str, Loss]
    """What ``format_response`` and ``stream_formatter`` change, by field."""
    FORWARDED_HEADERS: frozenset[str]
    """Client headers that a same-dialect provider must see (lower case)."""
    ASKED_TOOLS: frozenset[str]
    """Kinds of server tools that its clients can ask for and some other dialect has too."""

    def parse_request(self, call: ClientCall) -> UnifiedChatRequest:
        """Raises PlexusError (400 with ``param``) on a body that is not of this dialect."""
        ...

    def request_facts(self, call: ClientCall) -> frozenset[str]:
        """Names of ``facts.py`` that hold for a call, read off few of its members; never raises."""
        ...

    def passthrough(self, call: ClientCall, target: TargetModel) -> WireRequest:
        """The client's own bytes with the edits of canonical.md §8 (``model``, usage option)."""
        ...

    def format_response(
        self, response: UnifiedChatResponse, request: UnifiedChatRequest
    ) -> tuple[bytes, tuple[LossWarning, ...]]: ...

    def stream_formatter(self, request: UnifiedChatRequest) -> StreamFormatter: ...

    def format_error(self, error: UnifiedError, request_id: str) -> tuple[int, bytes]:
        """HTTP status and JSON body in this dialect (errors.md §3)."""
        ...

    def format_stream_error(self, error: UnifiedError, request_id: str) -> Frame:
        """The in-band form, for streams that are passed through (errors.md §6)."""
        ...

    def observe_response(self, body: bytes) -> Observation:
        """A look at a whole JSON answer; ``error`` is set for errors and empty completions."""
        ...

    def stream_observer(self) -> StreamObserver: ...

    def rename_model(self, frame: Frame, model: str) -> Frame:
        """The frame with its model value replaced (``"reveal_model": false``)."""
        ...


class Platform(Struct, frozen=True):
    """A cloud's own way of serving a dialect: between the dialect and the link.

    It changes where a finished request goes and what it is wrapped in, and takes that off the
    answer again, so that the dialect never knows.  Identity by default: the vendor's own API.
    """

    NAME: ClassVar[str] = ""
    DIALECTS: ClassVar[frozenset[str]] = frozenset()
    """Which dialects it serves."""
    CHANGED: ClassVar[frozenset[str]] = frozenset()
    """The dialects among them whose bodies ``request`` changes."""
    LOSSES: ClassVar[Mapping[str, Loss]] = {}
    """What ``request`` changes or leaves out in these, by field."""
    REFRAMES: ClassVar[bool] = False
    """Streams come in a framing of its own: nothing a client reads of them is as it came."""

    def request(self, wire: WireRequest, dialect: str) -> WireRequest:
        """Raises PlexusError (400) for what the platform refuses."""
        return wire

    def count(self, wire: WireRequest, dialect: str) -> WireRequest:
        """``request`` for a count of tokens."""
        return self.request(wire, dialect)

    def decoder(self, dialect: ProviderDialect) -> Decoder:
        """Gives the dialect's frames; their ``raw`` bytes are the dialect's too."""
        return dialect.decoder()

    def parse_error(
        self, dialect: ProviderDialect, status: int, headers: Mapping[str, str], body: bytes
    ) -> UnifiedError:
        return dialect.parse_error(status, headers, body)

    def speaks(self, dialect: str, body: bytes) -> bool:
        """Whether an error's body is of the dialect, so that its clients may see it as it is."""
        return True

    def authorize(self, dialect: ProviderDialect, secret: str) -> Headers:
        """The headers of a static key."""
        return dialect.authorize(secret)


VENDOR = Platform()
"""The vendor's own API, which is no platform."""


def client_encoder(dialect: Dialect, call: ClientCall) -> Encoder:
    """The encoder of a stream to the client of ``call``."""
    return dialect.encoder() if call.framing is None else call.framing()


class StreamStage(Protocol):
    """A step's part of a stream: chunks in, chunks out."""

    def feed(self, chunk: StreamChunk) -> list[StreamChunk]: ...

    def close(self) -> list[StreamChunk]: ...


class Step(Struct, frozen=True):
    """A small transformer on the unified form; ends pass-through.

    Its fields are its options.  Identity by default; override what is needed.
    """

    NAME: ClassVar[str] = ""
    OPEN: ClassVar[str | None] = None
    """The dict field that takes the options of the config whole, for steps with free options."""
    KNOWN: ClassVar[tuple[str, ...]] = ()
    """Beside OPEN: the options that have a field, and so a type, of their own."""

    def request(self, request: UnifiedChatRequest, target: TargetModel) -> UnifiedChatRequest:
        return request

    def response(self, response: UnifiedChatResponse) -> UnifiedChatResponse:
        return response

    def stream(self) -> StreamStage | None:
        """A fresh stage for one stream, or None when the step leaves streams alone."""
        return None

    def named_models(self) -> dict[tuple[str | int, ...], str]:
        """Models of the provider that the options name, by their place in the options."""
        return {}


class WireStep(Struct, frozen=True):
    """A small transformer on the provider's JSON only; keeps pass-through possible."""

    NAME: ClassVar[str] = ""
    OPEN: ClassVar[str | None] = None
    """The dict field that takes the options of the config whole, for steps with free options."""
    KNOWN: ClassVar[tuple[str, ...]] = ()
    """Beside OPEN: the options that have a field, and so a type, of their own."""

    def edit(self, body: JsonBody, dialect: str) -> dict[str, bytes | None]:
        """Members to set (JSON bytes) or remove (None) in a body of ``dialect``."""
        return {}

    def named_models(self) -> dict[tuple[str | int, ...], str]:
        """Models of the provider that the options name, by their place in the options."""
        return {}

    def choose_model(self, body: JsonBody, dialect: str, model: str) -> str:
        """The model to ask instead of ``model``; the dialect writes it where it belongs."""
        return model
