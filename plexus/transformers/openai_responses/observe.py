"""A cheap look at what is passed through: usage, errors, the end (canonical.md §8)."""

import msgspec
from msgspec import Raw, Struct

from plexus.streaming.document import DocumentError, JsonBody
from plexus.streaming.framing import Frame
from plexus.transformers.base import Observation
from plexus.transformers.openai_chat.evidence import truthy
from plexus.transformers.openai_chat.reading import NULL
from plexus.transformers.openai_responses.errors import (
    error_in,
    failed_error,
    failed_frame,
    not_responses,
)
from plexus.transformers.openai_responses.events import TERMINAL
from plexus.transformers.openai_responses.finish import parse_finish
from plexus.transformers.openai_responses.items import HOSTED
from plexus.transformers.openai_responses.usage import parse_usage
from plexus.unified.errors import UnifiedError

_NONE = Observation()
_CONTENT = Observation(content=True)
_SILENT_ITEMS = frozenset({"message", "reasoning", *HOSTED})
"""Items whose announcement says nothing yet, or what the provider does for itself."""

_DELTA = b".delta"


class _Item(Struct):
    type: str = ""


class _Event(Struct):
    type: str = ""
    sequence_number: int | None = None
    delta: Raw = NULL
    item: _Item | None = None
    response: dict[str, Raw] | None = None
    error: Raw = NULL


class _Details(Struct):
    reason: str | None = None


_event = msgspec.json.Decoder(_Event).decode
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_items = msgspec.json.Decoder(list[_Item] | None).decode
_details = msgspec.json.Decoder(_Details | None).decode
_word = msgspec.json.Decoder(str | None).decode


class ResponsesObserver:
    """Watches one stream, and can end it with a failure that fits what the client has seen."""

    def __init__(self) -> None:
        self._response: dict[str, Raw] = {}
        self._next = 0

    def observe(self, frame: Frame) -> Observation:
        """Never raises: a frame that cannot be read shows nothing."""
        data = frame.data
        if not data:
            return _NONE
        try:
            event = _event(data)
        except msgspec.MsgspecError:
            return _NONE
        number = self._next if event.sequence_number is None else event.sequence_number
        kind = event.type or frame.event
        if kind == "error" or (kind != "response.failed" and truthy(event.error)):
            # The official SDKs read over this event; ``response.failed`` is what they notice.
            self._next = number
            return Observation(error=failed_error(_members(data)), unsaid=True)
        self._next = number + 1
        if kind.endswith(".delta"):
            return _CONTENT if bytes(event.delta) not in (b"null", b'""') else _NONE
        if event.response is not None:
            self._response = event.response
        if kind == "response.output_item.added":
            item = event.item
            return _NONE if item is None or item.type in _SILENT_ITEMS else _CONTENT
        if kind == "response.failed":
            response = event.response or {}
            # Codex shows only what stands in the response itself.
            unsaid = not truthy(response.get("error"))
            self._next = number if unsaid else self._next
            return Observation(error=failed_error(response, event=_members(data)), unsaid=unsaid)
        if kind in TERMINAL:
            return _ended(event.response or {})
        return _NONE

    def failure(self, error: UnifiedError, request_id: str) -> Frame:
        """``response.failed`` of the response that the client is reading."""
        return failed_frame(self._response, error, request_id, self._next)


def observe_response(body: bytes) -> Observation:
    """A look at a whole JSON answer; ``error`` is set for errors."""
    try:
        fields = _members(body)
    except msgspec.MsgspecError as problem:
        return Observation(error=not_responses(body, problem))
    if "output" not in fields:
        error = error_in(fields)
        return Observation(error=error or not_responses(body, "it has no output"))
    return _ended(fields)


def _ended(response: dict[str, Raw]) -> Observation:
    """A finished response object.  Members of an unknown type show nothing."""
    try:
        status = _word(response.get("status", NULL))
        details = _details(response.get("incomplete_details", NULL))
        output = _items(response.get("output", NULL)) or []
    except msgspec.MsgspecError:
        status, details, output = "completed", None, []
    if status == "failed":
        return Observation(error=failed_error(response))
    calls = any(item.type in ("function_call", "custom_tool_call") for item in output)
    reason = None if details is None else details.reason
    return Observation(
        content=True,
        terminal=True,
        usage=parse_usage(response.get("usage")),
        finish=parse_finish(status, reason, None, calls, False).reason,
    )


def rename_model(frame: Frame, model: str) -> Frame:
    """The frame with the model of its response replaced; frames without one stay as they are."""
    if b'"response"' not in frame.data:
        return frame
    try:
        body = JsonBody.parse(frame.data)
        inner = JsonBody.parse(bytes(body.fields["response"]))
    except (DocumentError, KeyError):
        return frame
    if "model" not in inner.fields:
        return frame
    renamed = inner.edit({"model": msgspec.json.encode(model)})
    return Frame(frame.event, body.edit({"response": renamed}))
