"""Endpoints beside chat: embeddings, images, audio, moderations, rerank, legacy completions,
counts of tokens, compaction.

An operation goes to a target whose provider speaks the client's dialect (any of OpenAI's API, for
most), with its model replaced and everything else untouched.  Nothing of it is read on the way,
apart from errors and usage.  Embeddings are also translated to and from Gemini's
(``embeddings.py``), counts between all dialects that have one (``counting.py``).
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec
from msgspec import Raw, Struct

from plexus.streaming.document import DocumentError, JsonBody
from plexus.streaming.framing import Frame, FramingError, readable
from plexus.streaming.sse import SSEDecoder
from plexus.transformers.base import (
    VENDOR,
    ClientCall,
    Dialect,
    Platform,
    WireRequest,
    picked,
)
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.counting import ANTHROPIC, GEMINI, RESPONSES, find_counter
from plexus.transformers.embeddings import CLIENTS, Embeddings, gemini_form
from plexus.transformers.embeddings import GEMINI as GEMINI_BATCH
from plexus.transformers.embeddings import OPENAI as EMBEDDINGS
from plexus.transformers.gemini.request_format import model_place
from plexus.transformers.recall import Kept, Recalled
from plexus.transformers.repairs import Repair, Repairs
from plexus.transformers.translation import (
    Answer,
    Failure,
    Translation,
    forget,
    passed_failure,
    renamed,
    truncated,
    unchanged,
    unreadable,
)
from plexus.transformers.vectors import fit
from plexus.unified.errors import CREDENTIAL_CODE, PlexusError, UnifiedError
from plexus.unified.request import UnifiedChatRequest
from plexus.unified.response import FinishReason, UnifiedUsage

OPENAI = ("openai-chat", "openai-responses")
"""Dialects whose base URL is that of OpenAI's API: its other endpoints are there too."""

_PEEK_LIMIT = 16 * 1024 * 1024
"""Longer answers are images or vectors by the thousand; nobody looks for usage in them."""


class Operation(Struct, frozen=True, kw_only=True):
    """An endpoint; ``path`` follows the client's ``/v1`` and the provider's base URL alike, or is
    the verb of a Gemini call.

    ``dialect`` is the client's.  ``speakers`` are the dialects whose providers take it as it is.
    ``counts``: the answer is a number of tokens.  ``optional``: clients manage without it, so a
    target that has none is a 404.
    """

    name: str
    path: str
    dialect: str = "openai-chat"
    speakers: tuple[str, ...] = OPENAI
    counts: bool = False
    optional: bool = False


def _counting(dialect: str, path: str) -> Operation:
    return Operation(
        name="token counting", path=path, dialect=dialect, speakers=(), counts=True, optional=True
    )


_COMPACT = Operation(
    name="compaction of responses",
    path="/responses/compact",
    dialect=RESPONSES,
    speakers=(RESPONSES,),
    optional=True,
)
_COUNTS = (
    _counting(ANTHROPIC, "/messages/count_tokens"),
    _counting(RESPONSES, "/responses/input_tokens"),
)

OPERATIONS: dict[str, Operation] = {
    f"/v1{path}": Operation(name=name, path=path)
    for name, path in {
        "embeddings": "/embeddings",
        "legacy completions": "/completions",
        "moderations": "/moderations",
        "reranking": "/rerank",
        "image generation": "/images/generations",
        "image edits": "/images/edits",
        "image variations": "/images/variations",
        "speech": "/audio/speech",
        "transcription": "/audio/transcriptions",
        "audio translation": "/audio/translations",
    }.items()
} | {f"/v1{operation.path}": operation for operation in (*_COUNTS, _COMPACT)}
"""By client path."""

VERBS: dict[str, Operation] = {
    "countTokens": _counting(GEMINI, ":countTokens"),
    **{
        verb: Operation(name="embeddings", path=f":{verb}", dialect=GEMINI, speakers=(GEMINI,))
        for verb in ("embedContent", "batchEmbedContents")
    },
}
"""By verb of a Gemini call."""


def find(
    operation: Operation,
    spoken: Iterable[str],
    dialects: Mapping[str, Dialect],
    target: TargetModel,
    platform: Platform = VENDOR,
    chat: Translation | None = None,
) -> Translation | None:
    """How a provider that speaks ``spoken`` is asked, or None when it cannot be.

    ``chat`` is what a chat of the same client would be.
    """
    if operation.counts:
        return find_counter(operation.dialect, chat, spoken, dialects, platform)
    served = {name for name in spoken if name in dialects}
    form = gemini_form(platform, target.model)
    as_it_is = operation.dialect != GEMINI or form == GEMINI_BATCH
    for name in operation.speakers:
        if name in served and as_it_is:
            return Forward(dialects[name], target, operation, platform)
    if operation.path not in CLIENTS:
        return None
    client = operation.path
    if GEMINI in served:
        return Embeddings(dialects[GEMINI], target, client, form, platform)
    for name in OPENAI:
        if name in served:
            return Embeddings(dialects[name], target, client, EMBEDDINGS, platform)
    return None


class Forward(Struct, frozen=True):
    """The client's own bytes, JSON or form, to the endpoint of the same name."""

    upstream: Dialect
    target: TargetModel
    operation: Operation
    platform: Platform = VENDOR

    def parse(self, call: ClientCall) -> UnifiedChatRequest | None:
        return None

    def prepare(
        self, call: ClientCall, repairs: Repairs = (), recalled: Recalled | None = None
    ) -> "ForwardPrepared":
        path, form = self.operation.path, call.form
        if self.operation.dialect == GEMINI:
            path = model_place(self.target.model) + path
            body = _with_model(call.body, self.target.model)
        elif form is None and self.upstream.NAME == self.operation.dialect == RESPONSES:
            # Of a conversation, with what may not leave Plexus.
            body = self.upstream.passthrough(call, self.target).body
        elif form is None:
            body = call.body.edit({"model": msgspec.json.encode(self.target.model)})
        else:
            body = form.edit("model", self.target.model.encode())
        wire = WireRequest(
            target=self.target,
            path=path,
            body=body,
            headers=picked(call.source, self.upstream.FORWARDED_HEADERS),
            content_type=None if form is None else form.content_type,
            stream=call.stream,
        )
        return ForwardPrepared(self, call, self.platform.request(wire, self.upstream.NAME))

    def repair_for(self, call: ClientCall, error: UnifiedError) -> Repair | None:
        """Nothing of the client's is touched."""
        return None


def _with_model(body: JsonBody, model: str) -> bytes:
    """A Gemini client's embeddings: the model also stands in each entry.

    What is malformed goes on as it is: the provider says what is wrong with it.
    """
    name = msgspec.json.encode(f"models/{model.removeprefix('models/')}")
    changes: dict[str, bytes | None] = {"model": name} if "model" in body.fields else {}
    requests = body.fields.get("requests")
    if requests is not None:
        try:
            entries = [JsonBody.parse(bytes(raw)) for raw in _raws(requests)]
        except (msgspec.MsgspecError, DocumentError):
            return body.raw
        changes["requests"] = b"[%b]" % b",".join(
            entry.edit({"model": name}) if "model" in entry.fields else entry.raw
            for entry in entries
        )
    return body.edit(changes) if changes else body.raw


class ForwardPrepared:
    opaque = True

    def __init__(self, forward: Forward, call: ClientCall, wire: WireRequest) -> None:
        self.wire = wire
        self._dialect = forward.upstream
        self._platform = forward.platform
        self._embeds = forward.operation.path == EMBEDDINGS
        self._call = call

    def answer(self, body: bytes, content_type: str) -> Answer:
        usage = None
        if "json" in content_type:
            seen = _peek(body)
            if seen.error not in _NO_ERROR:
                raise PlexusError(self._dialect.parse_error(0, {}, readable(body)))
            usage = seen.unified
            if self._embeds:
                body = fit(body, self._call.body)
            if self._call.show_model is not None:
                body = renamed(body, self._call.show_model)
        return Answer(body=body, content_type=content_type, usage=usage)

    def stream(self) -> "ForwardStream":
        return ForwardStream(self._dialect, self._call, self.wire)

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        return passed_failure(self._dialect, self._platform, status, headers, body)


class ForwardStream:
    """Relays each event's own bytes.  Any event but an error is content.

    ``[DONE]`` ends it, or an event whose type ends in ``.done`` or ``.completed``, of which there
    may be several (images).
    """

    def __init__(self, dialect: Dialect, call: ClientCall, wire: WireRequest) -> None:
        self.committed = False
        self.finished = False
        self.failure: UnifiedError | None = None
        self.verbatim: Failure | None = None
        self.enough = False
        self.usage: UnifiedUsage | None = None
        self.finish: FinishReason | None = None
        self._dialect = dialect
        self._call = call
        self._wire = wire
        self._encoder = dialect.encoder()
        self._decoder = SSEDecoder()
        self.content_type = "text/event-stream"
        self.words: Callable[[UnifiedError], UnifiedError] = unchanged
        self.keep: Callable[[Kept], None] = forget
        self._ended = False

    def feed(self, data: bytes) -> bytes:
        try:
            return self._relay(self._decoder.feed(data))
        except FramingError as problem:
            return self.fail(unreadable(self._wire.target, problem))

    def close(self, cut: bool = False) -> bytes:
        out = self._relay([] if cut else self._decoder.close())
        self.finished = self._ended and self.failure is None
        if not self.finished and self.failure is None:
            return out + self.fail(truncated(self._wire.target))
        return out

    def fail(self, error: UnifiedError) -> bytes:
        self.failure = error
        said = self.words(error)
        frame = self._dialect.format_stream_error(said, self._call.source.request_id)
        return self._encoder.encode(frame) + self._encoder.end()

    def _relay(self, frames: list[Frame]) -> bytes:
        out: list[bytes] = []
        for frame in frames:
            if self.failure is not None:
                break
            out.append(self._look(frame) if frame.data else frame.raw)
        return b"".join(out)

    def _look(self, frame: Frame) -> bytes:
        """What the client gets for one event."""
        seen = _peek(frame.data)
        hidden = self._call.show_model
        if frame.event == "error" or seen.error not in _NO_ERROR:
            error = self._dialect.parse_error(0, {}, frame.data)
            if hidden is not None or error.code == CREDENTIAL_CODE:
                return self.fail(error)
            self.failure = error
            return frame.raw
        self.committed = True
        self.usage = seen.unified or self.usage
        if frame.data.strip() == b"[DONE]" or seen.type.endswith((".done", ".completed")):
            self._ended = True
        if hidden is None:
            return frame.raw
        other = self._dialect.rename_model(frame, hidden)
        return frame.raw if other is frame else self._encoder.encode(other)


class _Peek(Struct):
    """Usage as chat, images, audio and Gemini name it (models-embeddings.md §4)."""

    type: str = ""
    error: Raw = Raw(b"null")
    usage: dict[str, Raw] | None = None
    usageMetadata: dict[str, Raw] | None = None

    @property
    def unified(self) -> UnifiedUsage | None:
        usage = self.usage or self.usageMetadata
        if usage is None:
            return None
        prompt = _count(usage, "prompt_tokens", "input_tokens", "promptTokenCount")
        completion = _count(usage, "completion_tokens", "output_tokens")
        return UnifiedUsage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=_count(usage, "total_tokens") or prompt + completion,
        )


_NO_ERROR = (Raw(b"null"), Raw(b'""'), Raw(b"{}"), Raw(b"false"))
_NOTHING = _Peek()
_raws = msgspec.json.Decoder(list[Raw]).decode
_decode = msgspec.json.Decoder(_Peek).decode


def _peek(body: bytes) -> _Peek:
    if len(body) > _PEEK_LIMIT:
        return _NOTHING
    try:
        return _decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return _NOTHING


def _count(usage: Mapping[str, Raw], *names: str) -> int:
    for name in names:
        raw = bytes(usage.get(name, b""))
        if raw.isdigit() and len(raw) < 16:
            return int(raw)
    return 0
