"""A cheap look at what is passed through: usage, errors, the end (canonical.md §8)."""

import msgspec
from msgspec import Raw, Struct

from plexus.streaming.document import DocumentError, JsonBody
from plexus.streaming.framing import Frame
from plexus.transformers.base import Observation
from plexus.transformers.openai_chat.errors import choice_error, error_in
from plexus.transformers.openai_chat.finish import observed
from plexus.transformers.openai_chat.reading import NULL
from plexus.transformers.openai_chat.response import not_chat
from plexus.transformers.openai_chat.stream_parser import empty
from plexus.transformers.openai_chat.usage import Usage, parse_usage, unify
from plexus.unified.errors import UnifiedError

_NONE = Observation()
_CONTENT = Observation(content=True)
_DONE = Observation(terminal=True)


class _Delta(Struct):
    content: str | list[Raw] | None = None
    reasoning_content: str | None = None
    reasoning: str | dict[str, Raw] | None = None
    refusal: str | None = None
    tool_calls: list[Raw] | None = None
    function_call: dict[str, Raw] | None = None
    audio: dict[str, Raw] | None = None

    @property
    def says(self) -> bool:
        return bool(
            self.content
            or self.reasoning_content
            or self.reasoning
            or self.refusal
            or self.tool_calls
            or self.function_call
            or self.audio
        )


class _Choice(Struct):
    index: int | None = 0
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    error: Raw = NULL


class _Groq(Struct):
    usage: Usage | None = None
    error: str | None = None


class _Chunk(Struct):
    """Only what is asked; anything odd about ``error`` sends the frame to the slow look."""

    choices: list[_Choice] | None = None
    usage: Usage | None = None
    x_groq: _Groq | None = None
    error: None = None


_chunk = msgspec.json.Decoder(_Chunk).decode
_objects = msgspec.json.Decoder(list[dict[str, Raw]] | None).decode
_members = msgspec.json.Decoder(dict[str, Raw]).decode


class ChatObserver:
    """Watches one stream; with several choices it is over when each one has finished."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._finished: set[int] = set()

    def observe(self, frame: Frame) -> Observation:
        """A frame that cannot be read shows nothing.

        Raises RecursionError for what nests too deeply, which the client cannot read either.
        """
        data = frame.data
        if not data:
            return _NONE
        try:
            chunk = _chunk(data)
        except msgspec.DecodeError:
            return self._look_closer(data)
        if not chunk.choices:
            return self._look_around(chunk, data)
        if len(chunk.choices) == 1 and chunk.usage is None and chunk.x_groq is None:
            choice = chunk.choices[0]
            if choice.finish_reason is None and choice.usage is None:
                self._open.add(choice.index or 0)
                delta = choice.delta or choice.message
                return _CONTENT if delta is not None and delta.says else _NONE
        return self._look_at(chunk)

    def _look_at(self, chunk: _Chunk) -> Observation:
        content = False
        finish = None
        usage = chunk.usage or (None if chunk.x_groq is None else chunk.x_groq.usage)
        for choice in chunk.choices or ():
            number = choice.index or 0
            self._open.add(number)
            delta = choice.delta or choice.message
            content = content or (delta is not None and delta.says)
            usage = usage or choice.usage
            if choice.finish_reason:
                finish = finish or observed(choice.finish_reason)
                self._finished.add(number)
        error = _error(chunk)
        return Observation(
            content=content or finish is not None,
            terminal=bool(self._finished) and self._finished >= self._open and error is None,
            usage=None if usage is None else unify(usage, {}),
            finish=finish,
            error=error,
            # Only an error at the top of a chunk is noticed by the official SDKs.
            unsaid=error is not None,
        )

    def _look_around(self, chunk: _Chunk, data: bytes) -> Observation:
        """No choices: a usage chunk, an error, or nothing of interest (Azure's filter results)."""
        error = error_in(_members(data))
        if error is not None:
            return Observation(error=error)
        usage = chunk.usage or (None if chunk.x_groq is None else chunk.x_groq.usage)
        if usage is None:
            return _NONE
        only = chunk.choices is not None and chunk.usage is not None
        return Observation(usage=unify(usage, {}), usage_only=only)

    def _look_closer(self, data: bytes) -> Observation:
        text = data.strip()
        if text.strip(b'"').upper() == b"[DONE]":
            return _DONE
        try:
            fields = _members(text)
        except msgspec.DecodeError:
            return _NONE
        error = error_in(fields)
        if error is not None:
            return Observation(error=error)
        # A shape nobody has seen yet: the client gets it, so it counts as content.
        return _CONTENT if "choices" in fields else _NONE


def _error(chunk: _Chunk) -> UnifiedError | None:
    """The error below the top of a chunk or answer: Groq's member, or a choice that failed."""
    if chunk.x_groq is not None and chunk.x_groq.error:
        return error_in({"error": Raw(msgspec.json.encode(chunk.x_groq.error))})
    for choice in chunk.choices or ():
        error = choice_error({"error": choice.error}, choice.finish_reason)
        if error is not None:
            return error
    return None


def observe_response(body: bytes) -> Observation:
    """A look at a whole JSON answer; ``error`` is set for errors and empty completions."""
    try:
        fields = _members(body)
    except msgspec.DecodeError as problem:
        return Observation(error=not_chat(body, problem))
    error = error_in(fields)
    if error is not None:
        return Observation(error=error)
    try:
        answer = _chunk(body)
    except msgspec.DecodeError:
        # Members of an unknown type in a message: the client's own reader shall judge.
        return _loose_answer(body, fields)
    choices = answer.choices or []
    finish = observed(choices[0].finish_reason) if choices else None
    error = _error(answer)
    if error is not None:
        return Observation(error=error)
    if not any(choice.message is not None or choice.finish_reason for choice in choices):
        return Observation(error=empty(""))
    usage = answer.usage or (None if answer.x_groq is None else answer.x_groq.usage)
    return Observation(
        content=True,
        terminal=True,
        usage=None if usage is None else unify(usage, {}),
        finish=finish,
    )


def _loose_answer(body: bytes, fields: dict[str, Raw]) -> Observation:
    try:
        choices = _objects(fields.get("choices", Raw(b"null")))
    except msgspec.DecodeError as problem:
        return Observation(error=not_chat(body, problem))
    if not choices:
        return Observation(error=empty(""))
    usage = parse_usage(fields["usage"]) if "usage" in fields else None
    return Observation(content=True, terminal=True, usage=usage)


def rename_model(frame: Frame, model: str) -> Frame:
    """The frame with its model value replaced; frames without one stay as they are."""
    if not frame.data.lstrip().startswith(b"{"):
        return frame
    try:
        body = JsonBody.parse(frame.data)
    except DocumentError:
        return frame
    if "model" not in body.fields:
        return frame
    return Frame(frame.event, body.edit({"model": msgspec.json.encode(model)}))
