"""Endpoints beside chat: embeddings, images, audio, moderations, rerank, legacy completions.

An operation goes to a target whose provider speaks a dialect of OpenAI's API, with its model
replaced and everything else untouched.  Nothing of it is read on the way, apart from errors and
usage.  Embeddings are also asked of Gemini (``embeddings.py``).
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec
from msgspec import Raw, Struct

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
from plexus.transformers.embeddings import GEMINI, GeminiEmbeddings, fit
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
from plexus.unified.errors import CREDENTIAL_CODE, PlexusError, UnifiedError
from plexus.unified.request import UnifiedChatRequest
from plexus.unified.response import FinishReason, UnifiedUsage

OPENAI = ("openai-chat", "openai-responses")
"""Dialects whose base URL is that of OpenAI's API: its other endpoints are there too."""

_PEEK_LIMIT = 16 * 1024 * 1024
"""Longer answers are images or vectors by the thousand; nobody looks for usage in them."""


class Operation(Struct, frozen=True, kw_only=True):
    """An endpoint; ``path`` follows the client's ``/v1`` and the provider's base URL alike."""

    name: str
    path: str


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
}
"""By client path."""


def find(
    operation: Operation,
    spoken: Iterable[str],
    dialects: Mapping[str, Dialect],
    target: TargetModel,
    platform: Platform = VENDOR,
) -> Translation | None:
    """How a provider that speaks ``spoken`` is asked, or None when it cannot be."""
    served = {name for name in spoken if name in dialects}
    for name in OPENAI:
        if name in served:
            return Forward(dialects[name], target, operation, platform)
    if operation.path == "/embeddings" and GEMINI in served:
        return GeminiEmbeddings(dialects[GEMINI], target)
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
        form = call.form
        if form is None:
            body = call.body.edit({"model": msgspec.json.encode(self.target.model)})
        else:
            body = form.edit("model", self.target.model.encode())
        wire = WireRequest(
            target=self.target,
            path=self.operation.path,
            body=body,
            headers=picked(call.source, self.upstream.FORWARDED_HEADERS),
            content_type=None if form is None else form.content_type,
            stream=call.stream,
        )
        return ForwardPrepared(self, call, self.platform.request(wire, self.upstream.NAME))

    def repair_for(self, call: ClientCall, error: UnifiedError) -> Repair | None:
        """Nothing of the client's is touched."""
        return None


class ForwardPrepared:
    opaque = True

    def __init__(self, forward: Forward, call: ClientCall, wire: WireRequest) -> None:
        self.wire = wire
        self._dialect = forward.upstream
        self._platform = forward.platform
        self._embeds = forward.operation.path == "/embeddings"
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
    """Usage as chat, images and audio name it (models-embeddings.md §4)."""

    type: str = ""
    error: Raw = Raw(b"null")
    usage: dict[str, Raw] | None = None

    @property
    def unified(self) -> UnifiedUsage | None:
        if self.usage is None:
            return None
        prompt = _count(self.usage, "prompt_tokens", "input_tokens")
        completion = _count(self.usage, "completion_tokens", "output_tokens")
        return UnifiedUsage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=_count(self.usage, "total_tokens") or prompt + completion,
        )


_NO_ERROR = (Raw(b"null"), Raw(b'""'), Raw(b"{}"), Raw(b"false"))
_NOTHING = _Peek()
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
