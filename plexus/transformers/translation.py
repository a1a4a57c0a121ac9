"""How one target serves one client dialect: ``Passthrough`` or ``Translate``, chosen at build time.

Both are pure.  ``prepare`` makes one attempt from the client's untouched call; the prepared object
holds the outgoing request and reads the answer, whole or as a stream.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial, wraps
from typing import Protocol, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from plexus.streaming.document import DocumentError, JsonBody
from plexus.streaming.framing import Decoder, Frame, FramingError, readable
from plexus.transformers.base import (
    VENDOR,
    ClientCall,
    Dialect,
    Platform,
    ProviderDialect,
    Step,
    StreamFailure,
    StreamStage,
    WireRequest,
    WireStep,
    client_encoder,
)
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.losses import LossWarning
from plexus.transformers.recall import Kept, Recalled, Recorder, keep, restored
from plexus.transformers.refusals import read
from plexus.transformers.repairs import (
    Repair,
    Repairs,
    applied,
    body_edits,
    headers_without,
    rewritten,
)
from plexus.transformers.stops import StopCutter, cut_response
from plexus.unified.chunks import (
    FinishReport,
    MessageStart,
    MessageStop,
    PartDelta,
    PartStart,
    StreamChunk,
    StreamError,
    UsageReport,
)
from plexus.unified.content import (
    Content,
    RefusalContent,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
)
from plexus.unified.errors import (
    CREDENTIAL_CODE,
    PlexusError,
    UnifiedError,
    UpstreamDetail,
    invalid,
)
from plexus.unified.fold import fold, unfold
from plexus.unified.request import UnifiedChatRequest
from plexus.unified.response import FinishReason, UnifiedChatResponse, UnifiedUsage

_UNASKED = {"stream_usage": "never"}

UNREADABLE = (FramingError, msgspec.MsgspecError, RecursionError)
"""What readers raise for what a provider sent.  JSON may nest as deep as Python recurses, which is
the less the deeper a reader is called: no reader knows beforehand.
"""


class Answer(Struct, frozen=True, kw_only=True):
    """A finished success for the client: JSON bytes, or a stream's bytes when it asked for one.

    ``kept``: what of it the client may strip, and the provider must see again.
    """

    body: bytes
    content_type: str
    usage: UnifiedUsage | None = None
    finish: FinishReason | None = None
    warnings: tuple[LossWarning, ...] = ()
    kept: Kept | None = None


class Failure(Struct, frozen=True, kw_only=True):
    """A provider's error answer; ``verbatim`` is its body when the client may see it unchanged."""

    error: UnifiedError
    status: int
    verbatim: bytes | None = None
    content_type: str = "application/json"


class DisguisedError(PlexusError):
    """A 200 whose whole body is an error, passed through: it fails over like any other error, and a
    client of the same dialect may see it as it came (errors.md §3).
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error)
        self.failure = failure


class StreamTranslation(Protocol):
    """One upstream stream on its way to the client; the relay drives it.

    ``committed``: content was seen, so failover is over.  ``finished``: the message is complete.
    ``failure``: the stream failed; after the commit its in-band form is in the returned bytes.
    ``verbatim``: the stream is nothing but an error the client may see as it came.
    ``words`` puts an error into the words for the client, who may not know the provider's name.
    ``enough``: the client has its end, and the upstream need not go on.
    ``keep`` is given what the client may strip of the message and the provider must see again.
    Bytes returned before ``committed`` must be held back by the caller.
    """

    committed: bool
    finished: bool
    failure: UnifiedError | None
    verbatim: Failure | None
    usage: UnifiedUsage | None
    finish: FinishReason | None
    enough: bool
    content_type: str
    words: Callable[[UnifiedError], UnifiedError]
    keep: Callable[[Kept], None]

    def feed(self, data: bytes) -> bytes: ...

    def close(self, cut: bool = False) -> bytes:
        """The upstream ended, or was ``cut`` off in the middle; a missing end sets ``failure``."""
        ...

    def fail(self, error: UnifiedError) -> bytes:
        """An error of the transport or of Plexus: sets ``failure``, gives its in-band form."""
        ...


class Prepared(Protocol):
    """One attempt: what to send, and how to read what comes back.

    ``opaque``: the answer may be anything, and is of the type that the provider says.
    """

    wire: WireRequest
    opaque: bool

    def answer(self, body: bytes, content_type: str) -> Answer:
        """A 2xx body.  Raises PlexusError when it is a failure in disguise."""
        ...

    def stream(self) -> StreamTranslation: ...

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure: ...


class Translation(Protocol):
    @property
    def upstream(self) -> ProviderDialect: ...

    def parse(self, call: ClientCall) -> UnifiedChatRequest | None:
        """The canonical request, None where the call is passed through.  Raises PlexusError."""
        ...

    def prepare(
        self, call: ClientCall, repairs: Repairs = (), recalled: Recalled | None = None
    ) -> Prepared:
        """Raises PlexusError (400) for what the target cannot mean, or loses under ``strict``.

        ``repairs``: what was learned from refusals of the target.  ``recalled``: what ``parse``
        gave, with what is known of its turns.
        """
        ...

    def repair_for(self, call: ClientCall, error: UnifiedError) -> Repair | None:
        """What to do differently after a refusal; None when that is not wanted, or not known."""
        ...


class Passthrough(Struct, frozen=True):
    """The client's own bytes to a provider of the same dialect (canonical.md §8)."""

    upstream: Dialect
    target: TargetModel
    wire_steps: tuple[WireStep, ...] = ()
    platform: Platform = VENDOR
    repair: bool = False
    """Whether a refused request is mended in the client's own bytes."""

    def parse(self, call: ClientCall) -> UnifiedChatRequest | None:
        return None

    def prepare(
        self, call: ClientCall, repairs: Repairs = (), recalled: Recalled | None = None
    ) -> "PassthroughPrepared":
        try:
            # What no edit touches is read by the provider alone, who may take the other one.
            call.body.locate()
        except DocumentError as problem:
            raise bad_json(problem) from None

        def write(target: TargetModel) -> WireRequest:
            wire = self.upstream.passthrough(call, target)
            return _mended(wire, repairs) if repairs and self.repair else wire

        wire = _sent(write, self, applied(self.target, repairs), call)
        return PassthroughPrepared(self, call, wire)

    def repair_for(self, call: ClientCall, error: UnifiedError) -> Repair | None:
        """Our own edit is taken back in any case: what a client did not send is not its fault."""
        found = None if call.strict else read(error, self.upstream.NAME)
        own = found is not None and found.capabilities == _UNASKED and not found.drop
        return found if self.repair or own else None


class Translate(Struct, frozen=True):
    """Through the canonical form: client dialect, steps, provider dialect, and the mirror back."""

    client: Dialect
    upstream: ProviderDialect
    target: TargetModel
    steps: tuple[Step, ...] = ()
    wire_steps: tuple[WireStep, ...] = ()
    platform: Platform = VENDOR
    repair: bool = True

    def parse(self, call: ClientCall) -> UnifiedChatRequest:
        try:
            call.body.check_deep()
        except DocumentError as problem:
            raise bad_json(problem) from None
        return self.client.parse_request(call)

    def prepare(
        self, call: ClientCall, repairs: Repairs = (), recalled: Recalled | None = None
    ) -> "TranslatePrepared":
        recalled = recalled or Recalled(self.parse(call))
        request = restored(recalled, self.target, self.upstream.NAME)
        for step in self.steps:
            request = step.request(request, self.target)
        body = partial(self.upstream.format_request, rewritten(request, repairs))

        def write(target: TargetModel) -> WireRequest:
            wire = body(target)
            if repairs:
                wire = replace(wire, headers=headers_without(wire.headers, repairs))
            return wire

        wire = _sent(write, self, applied(self.target, repairs), call)
        return TranslatePrepared(self, call, recalled.request, request, wire)

    def repair_for(self, call: ClientCall, error: UnifiedError) -> Repair | None:
        if call.strict or not self.repair:
            return None
        return read(error, self.upstream.NAME)


def bad_json(problem: DocumentError) -> PlexusError:
    """A 400 for a body that no reader of JSON should trust."""
    return invalid(str(problem), problem.param, "plexus_bad_json")


def _mended(wire: WireRequest, repairs: Repairs) -> WireRequest:
    """A client's own bytes with what was learned."""
    body = JsonBody.parse(wire.body)
    changes = body_edits(body, repairs)
    headers = headers_without(wire.headers, repairs)
    return replace(wire, body=body.edit(changes) if changes else wire.body, headers=headers)


def _sent(
    write: Callable[[TargetModel], WireRequest],
    translation: "Passthrough | Translate",
    target: TargetModel,
    call: ClientCall,
) -> WireRequest:
    """The request after its wire steps, as the platform wants it; written once more when one of
    the steps chose another model.  Raises PlexusError for a loss under ``strict``.
    """
    dialect = translation.upstream.NAME
    wire, model = _edited(write(target), translation.wire_steps, dialect)
    if model != target.model:
        chosen = write(replace(target, model=model))
        wire, _ = _edited(chosen, translation.wire_steps, dialect)
    wire = translation.platform.request(wire, dialect)
    if call.strict:
        refuse_losses(wire.warnings)
    return wire


def _edited(
    wire: WireRequest, steps: tuple[WireStep, ...], dialect: str
) -> tuple[WireRequest, str]:
    """The request after its wire steps, in order, and the model they want."""
    model = wire.target.model
    for step in steps:
        body = JsonBody.parse(wire.body)
        model = step.choose_model(body, dialect, model)
        changes = step.edit(body, dialect)
        if changes:
            wire = replace(wire, body=body.edit(changes))
    return wire, model


def refuse_losses(warnings: tuple[LossWarning, ...]) -> None:
    """``"on_loss": "error"``: a 400 naming the first field, all of them in the message."""
    bad = [w for w in warnings if w.loss.outcome in ("approximated", "lost")]
    if bad:
        what = "; ".join(f"{w.path}: {w.loss.note}" for w in bad)
        raise invalid(
            f"this target cannot keep everything the request says, and on_loss is error: {what}",
            bad[0].path,
            "plexus_loss",
        )


class _Sent(Protocol):
    wire: WireRequest


_Sender = TypeVar("_Sender", bound=_Sent)


def or_unreadable(
    answer: Callable[[_Sender, bytes, str], Answer],
) -> Callable[[_Sender, bytes, str], Answer]:
    """``answer`` of a Prepared; raises PlexusError for what none of its readers can read."""

    @wraps(answer)
    def read(prepared: _Sender, body: bytes, content_type: str) -> Answer:
        try:
            return answer(prepared, body, content_type)
        except UNREADABLE as problem:
            raise PlexusError(unreadable(prepared.wire.target, problem)) from None

    return read


class PassthroughPrepared:
    opaque = False

    def __init__(self, passthrough: Passthrough, call: ClientCall, wire: WireRequest) -> None:
        self.wire = wire
        self._dialect = passthrough.upstream
        self._platform = passthrough.platform
        self._call = call

    @or_unreadable
    def answer(self, body: bytes, content_type: str) -> Answer:
        if content_type == self._dialect.encoder().content_type:
            response = collect(self._dialect, self.wire, body, self._platform)
            body, _ = self._dialect.format_response(response, self._request())
        seen = self._dialect.observe_response(readable(body))
        if seen.error is not None:
            raise _disguised(seen.error, body, "application/json")
        kind = "application/json"
        if self._call.stream:
            body, kind = self._as_stream(body)
        elif self._call.show_model is not None:
            body = renamed(body, self._call.show_model)
        return Answer(body=body, content_type=kind, usage=seen.usage, finish=seen.finish)

    def _as_stream(self, body: bytes) -> tuple[bytes, str]:
        """What a provider that does not stream said to a client that asked for a stream."""
        response = self._dialect.parse_response(readable(body), self.wire)
        if self._call.show_model is not None:
            response = replace(response, model=self._call.show_model)
        return as_stream(self._dialect, self._call, response, self._request())

    def _request(self) -> UnifiedChatRequest:
        """What was asked; the provider took it, so what we cannot read of it does not matter."""
        call = self._call
        try:
            return self._dialect.parse_request(call)
        except PlexusError:
            return UnifiedChatRequest(
                model=call.model, messages=(), stream=call.stream, source=call.source
            )

    def stream(self) -> "PassthroughStream":
        return PassthroughStream(self._dialect, self._platform, self._call, self.wire)

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        return passed_failure(self._dialect, self._platform, status, headers, body)


class TranslatePrepared:
    opaque = False

    def __init__(
        self,
        translate: Translate,
        call: ClientCall,
        asked: UnifiedChatRequest,
        request: UnifiedChatRequest,
        wire: WireRequest,
    ) -> None:
        self.wire = wire
        self._translate = translate
        self._call = call
        self._asked = asked
        """As the client sent it; ``_request`` is what the steps made of it."""
        self._request = request

    @or_unreadable
    def answer(self, body: bytes, content_type: str) -> Answer:
        upstream, client = self._translate.upstream, self._translate.client
        if content_type == upstream.encoder().content_type:
            response = collect(upstream, self.wire, body, self._translate.platform)
        else:
            response = upstream.parse_response(readable(body), self.wire)
        if self.wire.stop:
            response = cut_response(response, self.wire.stop)
        for step in reversed(self._translate.steps):
            response = step.response(response)
        if self._call.show_model is not None:
            response = replace(response, model=self._call.show_model)
        warnings: tuple[LossWarning, ...] = ()
        if self._call.stream:
            out, content_type = as_stream(client, self._call, response, self._request)
        else:
            out, warnings = client.format_response(response, self._request)
            content_type = "application/json"
        first = response.choices[0] if response.choices else None
        return Answer(
            body=out,
            content_type=content_type,
            usage=response.usage,
            finish=None if first is None else first.finish.reason,
            warnings=warnings,
            kept=None if first is None else self._kept(first.message.content),
        )

    def _kept(self, parts: tuple[Content, ...]) -> Kept | None:
        return keep(parts, self._asked, self.wire.target, self._translate.upstream.NAME)

    def stream(self) -> "TranslateStream":
        recorder = Recorder(self._asked, self.wire.target, self._translate.upstream.NAME)
        return TranslateStream(self._translate, self._call, self._request, self.wire, recorder)

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        translate = self._translate
        error = translate.platform.parse_error(translate.upstream, status, headers, readable(body))
        return Failure(error=error, status=status)


def as_stream(
    client: Dialect,
    call: ClientCall,
    response: UnifiedChatResponse,
    request: UnifiedChatRequest,
) -> tuple[bytes, str]:
    """A whole answer for a client that asked for a stream, and its type (streaming.md §11)."""
    formatter, encoder = client.stream_formatter(request), client_encoder(client, call)
    frames = [frame for chunk in unfold(response) for frame in formatter.feed(chunk)]
    return b"".join(map(encoder.encode, frames)) + encoder.end(), encoder.content_type


def collect(
    dialect: ProviderDialect, wire: WireRequest, body: bytes, platform: Platform = VENDOR
) -> UnifiedChatResponse:
    """A whole stream body as one response, for providers that stream unasked (streaming.md §11)."""
    decoder, parser = platform.decoder(dialect), dialect.stream_parser(wire)
    chunks: list[StreamChunk] = []
    try:
        for frame in decoder.feed(body) + decoder.close():
            chunks += parser.feed(frame)
        chunks += parser.close()
    except UNREADABLE as problem:
        raise PlexusError(unreadable(wire.target, problem)) from None
    return fold(chunks)


def unreadable(target: TargetModel, problem: Exception) -> UnifiedError:
    """The error for an answer that is not what its dialect says."""
    deep = isinstance(problem, RecursionError)
    return UnifiedError(
        kind="upstream",
        message=f"its answer cannot be read: {'it is nested too deeply' if deep else problem}",
        code="upstream_error",
        upstream=UpstreamDetail(provider=target.provider),
    )


def truncated(target: TargetModel) -> UnifiedError:
    """The error for a stream that stopped before its end (streaming.md §2)."""
    return UnifiedError(
        kind="upstream",
        message="it closed the stream before it was complete",
        code="upstream_error",
        upstream=UpstreamDetail(provider=target.provider),
    )


def passed_failure(
    dialect: Dialect, platform: Platform, status: int, headers: Mapping[str, str], body: bytes
) -> Failure:
    """A provider's error answer for a client of the same dialect, as it came where it may be seen.

    Hidden are words about Plexus' own credential, the page of a CDN, bytes in a coding that nobody
    asked for, and a platform's own form of errors.
    """
    coded = headers.get("content-encoding", "identity").lower() not in ("", "identity")
    said = b"" if coded else readable(body)
    error = platform.parse_error(dialect, status, headers, said)
    content_type = headers.get("content-type", "application/json")
    page = "html" in content_type.lower() or body.lstrip()[:1] == b"<"
    foreign = not platform.speaks(dialect.NAME, said)
    hidden = coded or page or foreign or error.code == CREDENTIAL_CODE
    return Failure(
        error=error,
        status=status,
        verbatim=None if hidden else body,
        content_type=content_type,
    )


def _disguised(error: UnifiedError, body: bytes, content_type: str) -> PlexusError:
    """The exception for an error in a 200.

    What is no answer of the dialect, or is about our credential, stays hidden.
    """
    if error.kind == "upstream":
        return PlexusError(error)
    failure = Failure(error=error, status=200, verbatim=body, content_type=content_type)
    return DisguisedError(failure)


def renamed(body: bytes, model: str) -> bytes:
    """A JSON answer with its model replaced, if it names one."""
    try:
        answer = JsonBody.parse(body)
        # The second is Gemini's name for it.
        name = next((n for n in ("model", "modelVersion") if n in answer.fields), None)
        return body if name is None else answer.edit({name: msgspec.json.encode(model)})
    except DocumentError:
        return body


def unchanged(error: UnifiedError) -> UnifiedError:
    return error


def forget(kept: Kept) -> None:
    """For streams of which nobody keeps anything."""


class _Stream:
    """What both kinds of stream share: state, and the dialect the client reads."""

    def __init__(
        self, client: Dialect, decoder: Decoder, call: ClientCall, wire: WireRequest
    ) -> None:
        self.committed = False
        self.finished = False
        self.failure: UnifiedError | None = None
        self.verbatim: Failure | None = None
        self.enough = False
        self._ended = False
        self.usage: UnifiedUsage | None = None
        self.finish: FinishReason | None = None
        self._client = client
        self._call = call
        self._wire = wire
        self._decoder = decoder
        self._encoder = client_encoder(client, call)
        self.content_type = self._encoder.content_type
        self.words: Callable[[UnifiedError], UnifiedError] = unchanged
        self.keep: Callable[[Kept], None] = forget

    def feed(self, data: bytes) -> bytes:
        out: list[bytes] = []
        try:
            self._read(data, out)
        except UNREADABLE as problem:
            out.append(self._broken(unreadable(self._wire.target, problem)))
        except PlexusError as problem:
            out.append(self._broken(problem.error))
        return b"".join(out)

    def close(self, cut: bool = False) -> bytes:
        out: list[bytes] = []
        try:
            # Of what was cut off, half an event is no event.
            self._end([] if cut else self._decoder.close(), out)
        except UNREADABLE as problem:
            out.append(self._broken(unreadable(self._wire.target, problem)))
        except PlexusError as problem:
            out.append(self._broken(problem.error))
        else:
            if not self.finished and self.failure is None:
                out.append(self.fail(truncated(self._wire.target)))
        return b"".join(out)

    def _broken(self, error: UnifiedError) -> bytes:
        """What was read before stays said; after the end of the message nothing is wrong any more.

        Neither depends on how the network cut the stream.
        """
        return b"" if self._ended else self.fail(error)

    def fail(self, error: UnifiedError) -> bytes:
        self.failure = error
        frames = self._failure(self.words(error), self._call.source.request_id)
        return b"".join(map(self._encoder.encode, frames)) + self._encoder.end()

    def _failure(self, error: UnifiedError, request_id: str) -> list[Frame]:
        """The in-band form of an error; the dialect's own when nothing more is known."""
        return [self._client.format_stream_error(error, request_id)]

    def _read(self, data: bytes, out: list[bytes]) -> None:
        """Append what the client gets; it counts although an error follows."""
        raise NotImplementedError

    def _end(self, frames: list[Frame], out: list[bytes]) -> None:
        raise NotImplementedError


class PassthroughStream(_Stream):
    """Relays each frame's own bytes; a copy is observed for usage, errors and the end."""

    def __init__(
        self, dialect: Dialect, platform: Platform, call: ClientCall, wire: WireRequest
    ) -> None:
        super().__init__(dialect, platform.decoder(dialect), call, wire)
        self._observer = dialect.stream_observer()
        self._lead: bytes | None = None if platform.REFRAMES else b""
        """What came up to the first event, None after it and for frames of another coding."""
        self._reframed = call.framing is not None

    def _read(self, data: bytes, out: list[bytes]) -> None:
        if self._lead is not None:
            # Not the frames' own bytes: what follows the last one belongs to the answer as well.
            self._lead += data
        self._relay(self._decoder.feed(data), out)

    def _end(self, frames: list[Frame], out: list[bytes]) -> None:
        last: list[bytes] = []
        self._relay(frames, last)
        if self._reframed:
            done = self.finished and self.failure is None
            out += [*last, self._encoder.end() if done else b""]
        elif self.finished or self.failure is not None:
            out += last
        else:
            # An error event follows: the unterminated last frame must not swallow it.
            out += [self._encoder.encode(frame) for frame in frames if frame.data]

    def _failure(self, error: UnifiedError, request_id: str) -> list[Frame]:
        if isinstance(self._observer, StreamFailure):
            return [self._observer.failure(error, request_id)]
        return super()._failure(error, request_id)

    def _relay(self, frames: list[Frame], out: list[bytes]) -> None:
        for frame in frames:
            if self.failure is not None:
                break
            seen = self._observer.observe(frame)
            if seen.usage is not None:
                self.usage = seen.usage
            if seen.finish is not None:
                self.finish = seen.finish
            if seen.content:
                self.committed = True
            if seen.terminal:
                self.finished = True
            if seen.error is not None and (seen.unsaid or self._hidden(seen.error)):
                out.append(self.fail(seen.error))
                break
            if seen.error is not None:
                self._fail_as_it_came(seen.error, frame)
            if frame.data:
                self._lead = None
            if seen.usage_only and self._wire.hide_usage:
                continue
            if self._reframed:
                out.append(self._in_other_framing(frame))
            elif not frame.data and _has_fields(frame.raw):
                # OpenAI's SDK takes an event without data for JSON (traps T53).
                out.append(self._encoder.keep_alive())
            elif self._call.show_model is not None and frame.data:
                renamed = self._client.rename_model(frame, self._call.show_model)
                out.append(frame.raw if renamed is frame else self._encoder.encode(renamed))
            else:
                out.append(frame.raw)

    def _in_other_framing(self, frame: Frame) -> bytes:
        """The event for a client that reads another framing than the provider writes.

        What is no object (a vendor's ``[DONE]``) belongs to the framing that is left.
        """
        if not frame.data.lstrip().startswith(b"{"):
            return b""
        if self._call.show_model is not None:
            frame = self._client.rename_model(frame, self._call.show_model)
        out = self._encoder.encode(frame)
        return out if self.failure is None else out + self._encoder.end()

    def _hidden(self, error: UnifiedError) -> bool:
        """Whether the provider's own words are not for the client."""
        return self._call.show_model is not None or error.code == CREDENTIAL_CODE

    def _fail_as_it_came(self, error: UnifiedError, frame: Frame) -> None:
        """The provider's error event; one that is the whole stream may be shown unchanged."""
        self.failure = error
        if self._lead is not None and frame.event == "error":
            shown = _disguised(error, self._lead, self.content_type)
            self.verbatim = shown.failure if isinstance(shown, DisguisedError) else None


def _has_fields(raw: bytes) -> bool:
    """Whether a block without data is more than comments and blank lines."""
    return any(line and not line.startswith(b":") for line in raw.splitlines())


class TranslateStream(_Stream):
    """Decoder, parser, the steps' stages in mirrored order, formatter, encoder."""

    def __init__(
        self,
        translate: Translate,
        call: ClientCall,
        request: UnifiedChatRequest,
        wire: WireRequest,
        recorder: Recorder,
    ) -> None:
        decoder = translate.platform.decoder(translate.upstream)
        super().__init__(translate.client, decoder, call, wire)
        self._parser = translate.upstream.stream_parser(wire)
        self._cutter = StopCutter(wire.stop) if wire.stop else None
        self._own: set[int] = set()
        """Parts that the provider calls and answers by itself."""
        stages = (step.stream() for step in reversed(translate.steps))
        self._stages: list[StreamStage] = [stage for stage in stages if stage is not None]
        self._changes = bool(self._cutter or self._stages)
        self._formatter = translate.client.stream_formatter(request)
        self._recorder = recorder

    def _read(self, data: bytes, out: list[bytes]) -> None:
        self._translate(self._decoder.feed(data), out)

    def _end(self, frames: list[Frame], out: list[bytes]) -> None:
        self._translate(frames, out)
        if self.failure is None:
            out.append(self._write(self._close_stages(self._parser.close())))
        if self.failure is None:
            out.append(self._encoder.end())

    def _translate(self, frames: list[Frame], out: list[bytes]) -> None:
        for frame in frames:
            if self.failure is not None or self.enough:
                break
            chunks: Iterable[StreamChunk] = self._parser.feed(frame)
            out.append(self._write(self._staged(chunks) if self._changes else chunks))

    def _failure(self, error: UnifiedError, request_id: str) -> list[Frame]:
        """As the formatter says it, which knows what the client has read."""
        frames = self._formatter.feed(StreamError(error, partial=self.committed))
        return frames or super()._failure(error, request_id)

    def _staged(self, chunks: Iterable[StreamChunk]) -> Iterable[StreamChunk]:
        chunks = self._cut(chunks)
        for stage in self._stages:
            chunks = [out for chunk in chunks for out in stage.feed(chunk)]
        return chunks

    def _cut(self, chunks: Iterable[StreamChunk]) -> Iterable[StreamChunk]:
        """The chunks up to a stop sequence that the provider does not know."""
        if self._cutter is None:
            return chunks
        kept = [out for chunk in chunks for out in self._cutter.feed(chunk)]
        self.enough = self._cutter.cut
        return kept

    def _close_stages(self, chunks: Iterable[StreamChunk]) -> Iterable[StreamChunk]:
        chunks = self._cut(chunks)
        for stage in self._stages:
            chunks = [out for chunk in chunks for out in stage.feed(chunk)] + stage.close()
        return chunks

    def _write(self, chunks: Iterable[StreamChunk]) -> bytes:
        out: list[bytes] = []
        for chunk in chunks:
            # A stream is made of deltas, of which nothing but its first is news.
            if not (type(chunk) is PartDelta and self.committed):
                self._note(chunk)
                if self.failure is not None and not self.committed:
                    break
                chunk = self._recorded(chunk)
            for frame in self._formatter.feed(chunk):
                out.append(self._encoder.encode(frame))
        return out[0] if len(out) == 1 else b"".join(out)

    def _recorded(self, chunk: StreamChunk) -> StreamChunk:
        """The chunk as the client may see it."""
        kept = self._recorder.feed(chunk)
        if kept is not None:
            self.keep(kept)
        if isinstance(chunk, MessageStart) and self._call.show_model is not None:
            return replace(chunk, model=self._call.show_model)
        if isinstance(chunk, StreamError):
            return StreamError(self.words(chunk.error), chunk.partial)
        return chunk

    def _note(self, chunk: StreamChunk) -> None:
        """Keep the state the relay asks for."""
        match chunk:
            case PartDelta(index=index, value=value):
                # Neither a proof nor a citation is content a client could have acted on.
                if value and isinstance(value, str) and index not in self._own:
                    self.committed = True
            case PartStart(part=TextContent() | ThinkingContent() | RefusalContent()):
                # Thinking that is redacted is a proof alone.
                pass
            case PartStart(index, ServerToolCallContent() | ServerToolResultContent()):
                # What the provider does for itself; another one may still answer.
                self._own.add(index)
            case PartStart():
                self.committed = True
            case FinishReport(finish=finish):
                self.committed = True
                self.finished = True
                self.finish = finish.reason
            case UsageReport(usage=usage):
                self.usage = usage
            case MessageStart(usage=usage) if usage is not None:
                self.usage = usage
            case StreamError(error=error):
                self.failure = error
            case MessageStop():
                self._ended = True
            case _:
                pass
