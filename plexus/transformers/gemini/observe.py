"""A cheap look at answers that are passed through (canonical.md §8, design decision 10)."""

import msgspec
from msgspec import Raw, Struct

from plexus.streaming.document import DocumentError, JsonBody
from plexus.streaming.framing import Frame
from plexus.transformers.base import Observation
from plexus.transformers.gemini.errors import parse_stream_error, upstream_error
from plexus.transformers.gemini.finish import finish_word, parse_finish
from plexus.transformers.gemini.framing import BARE
from plexus.transformers.gemini.response import is_error
from plexus.transformers.gemini.usage import merge_usage, seen_usage
from plexus.unified.response import FinishReason

_NOTHING = Observation()


class _Part(Struct, rename="camel"):
    text: str | None = None
    function_call: Raw = Raw()


class _Content(Struct):
    parts: list[_Part] | None = None


class _Candidate(Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | int | None = None


class _Feedback(Struct, rename="camel"):
    block_reason: str | int | None = None


class _Answer(Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: dict[str, Raw] | None = None
    error: Raw = Raw()


_answer = msgspec.json.Decoder(_Answer).decode


class _Seen(Struct):
    """What one answer or event shows."""

    content: bool = False
    calls: bool = False
    word: str | None = None
    blocked: bool = False

    @property
    def finish(self) -> FinishReason | None:
        if self.blocked:
            return "content_filter"
        return None if self.word is None else parse_finish(self.word, self.calls).reason


def _look(answer: _Answer) -> _Seen:
    seen = _Seen()
    candidates = answer.candidates or []
    feedback = answer.prompt_feedback
    seen.blocked = not candidates and feedback is not None and bool(feedback.block_reason)
    for candidate in candidates:
        seen.word = seen.word or finish_word(candidate.finish_reason)
        parts = candidate.content.parts if candidate.content is not None else None
        for part in parts or ():
            seen.calls = seen.calls or bytes(part.function_call) not in (b"", b"null")
            # Whatever is no text is media or a tool of Google's, which comes whole.
            seen.content = seen.content or part.text is None or part.text != ""
    return seen


def observe_response(body: bytes) -> Observation:
    """``error`` for an error in a 200, an empty completion, and what is no answer at all."""
    try:
        answer = _answer(body)
    except (msgspec.MsgspecError, RecursionError):
        if body.lstrip()[:1] == b"[":
            return Observation(error=parse_stream_error(body))
        page = body.lstrip()[:1] == b"<"
        what = "an HTML page" if page else "an answer that cannot be read"
        return Observation(error=upstream_error(f"the provider sent {what}"))
    if _given(answer.error):
        return Observation(error=parse_stream_error(body))
    seen = _look(answer)
    if not seen.content and seen.finish is None:
        return Observation(error=upstream_error("the provider sent an empty completion"))
    return Observation(
        content=True,
        terminal=True,
        usage=seen_usage(answer.usage_metadata),
        finish=seen.finish or ("tool_calls" if seen.calls else "stop"),
    )


def _given(raw: Raw) -> bool:
    return bytes(raw) != b"" and is_error(raw)


class GeminiStreamObserver:
    """Watches a stream; a count of tokens never shrinks."""

    def __init__(self) -> None:
        self._usage: dict[str, Raw] = {}
        self._calls = False

    def observe(self, frame: Frame) -> Observation:
        data = frame.data
        if not data or data.isspace():
            return _NOTHING
        try:
            answer = _answer(data)
        except (msgspec.MsgspecError, RecursionError):
            return self._unreadable(data)
        if _given(answer.error):
            return Observation(error=parse_stream_error(data), unsaid=frame.event == BARE)
        seen = _look(answer)
        self._calls = seen.calls = self._calls or seen.calls
        usage = None
        if answer.usage_metadata:
            merge_usage(self._usage, answer.usage_metadata)
            usage = seen_usage(self._usage)
        finish = seen.finish
        return Observation(
            content=seen.content or finish is not None,
            terminal=finish is not None,
            usage=usage,
            finish=finish,
        )

    def _unreadable(self, data: bytes) -> Observation:
        """A vendor's ``[DONE]``, an error in an array, or what is no event of this dialect."""
        if data.strip() == b"[DONE]":
            return _NOTHING
        if data.lstrip()[:1] == b"[":
            return Observation(error=parse_stream_error(data), unsaid=True)
        error = upstream_error("the provider sent an event that cannot be read")
        return Observation(error=error, unsaid=True)


def rename_model(frame: Frame, model: str) -> Frame:
    """``modelVersion`` replaced; every other byte stays."""
    if b'"modelVersion"' not in frame.data:
        return frame
    try:
        body = JsonBody.parse(frame.data)
    except DocumentError:
        return frame
    if "modelVersion" not in body.fields:
        return frame
    return Frame(frame.event, body.edit({"modelVersion": msgspec.json.encode(model)}))
