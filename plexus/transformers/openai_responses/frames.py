"""What goes over a WebSocket of Responses: ``response.create`` in, events and errors out.

The frames of clients are ``response.create`` with the members of the HTTP body beside ``type``
(openai 3.54.0, ``types/responses/responses_client_event.py``; Codex 0.169.0 sends the same).
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw, Struct

from plexus.streaming.document import DocumentError, JsonBody
from plexus.transformers.openai_responses.continuation import Node
from plexus.unified.errors import PlexusError, UnifiedError, invalid

CREATE, STEER = "response.create", "response.steer"
_LANE_LIMIT = 128
_ENVELOPE = ("type", "generate", "stream_id")
"""Members that HTTP does not have."""

_ELSEWHERE = ("conversation", "prompt")

_word = msgspec.json.Decoder(str | None).decode
_flag = msgspec.json.Decoder(bool | None).decode
_raws = msgspec.json.Decoder(list[Raw]).decode
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_NULL = Raw(b"null")


class ClientFrame(Struct, frozen=True, kw_only=True):
    """One frame of a client.

    ``lane`` is its ``stream_id``, which the events of the answer repeat.  ``items`` is its own
    input, None when that is no list of items.  ``elsewhere``: it names a ``conversation`` or a
    ``prompt`` that only its provider has.
    """

    kind: str
    body: JsonBody
    lane: str | None = None
    previous: str | None = None
    generate: bool = True
    store: bool = True
    items: tuple[bytes, ...] | None = None
    elsewhere: bool = False

    def request(self, before: Node | None) -> bytes:
        """The HTTP body: ``before`` is the conversation that ``previous`` stands for, if known."""
        changes: dict[str, bytes | None] = dict.fromkeys(_ENVELOPE)
        changes["stream"] = b"true"
        if before is not None:
            changes["previous_response_id"] = None
            changes["input"] = b"[%b]" % b",".join((*before.whole(), *(self.items or ())))
        return self.body.edit(changes)


class FrameError(Exception):
    """A frame that is refused; the connection lives.  ``lane`` as far as it is known."""

    def __init__(self, error: UnifiedError, lane: str | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.lane = lane


def parse_frame(raw: bytes) -> ClientFrame:
    """Raises FrameError (400 with ``param``)."""
    try:
        body = JsonBody.parse(raw)
    except DocumentError as problem:
        error = invalid(str(problem).replace("request body", "frame"), problem.param)
        raise FrameError(error.error) from None
    lane = None
    try:
        lane = _lane(body.fields)
        return _read(body, lane)
    except PlexusError as problem:
        raise FrameError(problem.error, lane) from None


def _read(body: JsonBody, lane: str | None) -> ClientFrame:
    fields = body.fields
    kind = _text(fields, "type") or ""
    if kind == STEER:
        return ClientFrame(kind=kind, body=body)
    if kind != CREATE:
        raise invalid(f"the type of a frame must be {CREATE}, not {kind[:64]!r}", "type")
    if _bool(fields, "background", False):
        raise invalid("background is not supported over WebSocket", "background")
    frame = ClientFrame(
        kind=kind,
        body=body,
        lane=lane,
        previous=_text(fields, "previous_response_id"),
        generate=_bool(fields, "generate", True),
        store=_bool(fields, "store", True),
        items=_items(fields.get("input", _NULL)),
        elsewhere=any(bytes(fields.get(name, _NULL)) != b"null" for name in _ELSEWHERE),
    )
    if frame.previous is not None and frame.items is None:
        raise invalid("input must be a string or a list of items", "input", "invalid_type")
    return frame


def _items(raw: Raw) -> tuple[bytes, ...] | None:
    """A string is one user message (openai-responses.md §1)."""
    data = bytes(raw)
    if data == b"null":
        return ()
    if data.startswith(b'"'):
        return (b'{"type":"message","role":"user","content":%b}' % data,)
    if not data.startswith(b"["):
        return None
    return tuple(bytes(item) for item in _raws(data))


def _lane(fields: Mapping[str, Raw]) -> str | None:
    lane = _text(fields, "stream_id")
    if lane is not None and not 0 < len(lane) <= _LANE_LIMIT:
        message = f"stream_id must have 1 to {_LANE_LIMIT} characters"
        raise invalid(message, "stream_id", "invalid_stream_id")
    return lane


def _text(fields: Mapping[str, Raw], name: str) -> str | None:
    try:
        found: str | None = _word(fields.get(name, _NULL))
    except msgspec.MsgspecError:
        raise invalid(f"{name} must be a string", name, "invalid_type") from None
    return found


def _bool(fields: Mapping[str, Raw], name: str, default: bool) -> bool:
    try:
        found = _flag(fields.get(name, _NULL))
    except msgspec.MsgspecError:
        raise invalid(f"{name} must be true or false", name, "invalid_type") from None
    return default if found is None else found


def not_found(previous: str) -> UnifiedError:
    """The error that makes a client send its conversation whole again."""
    return UnifiedError(
        kind="invalid_request",
        message=f"Previous response with id {previous[:128]!r} not found.",
        status=400,
        code="previous_response_not_found",
        param="previous_response_id",
        should_retry=False,
    )


def names_previous(body: bytes) -> bool:
    """Whether an HTTP error is about the ``previous_response_id``."""
    try:
        return bytes(_members(_members(body)["error"])["param"]) == b'"previous_response_id"'
    except (msgspec.MsgspecError, KeyError):
        return False


_BESIDE = ("retry-after", "x-request-id")


def error_frame(
    status: int, headers: Mapping[str, str], body: bytes, lane: str | None = None
) -> bytes:
    """An HTTP error as an event (openai 3.54.0, ``ResponseWsError``).

    The SDK's type has the headers in the error; Codex reads some of them beside it.
    """
    try:
        error: dict[str, object] = dict(_members(_members(body)["error"]))
    except (msgspec.MsgspecError, KeyError):
        words = body.decode("utf-8", "replace")[:1000]
        error = {"type": "server_error", "code": None, "message": words, "param": None}
    event: dict[str, object] = {
        "type": "error",
        "status": status,
        "error": {**error, "headers": headers},
        "headers": {name: headers[name] for name in _BESIDE if name in headers},
    }
    if lane is not None:
        event["stream_id"] = lane
    return msgspec.json.encode(event)


def steer_failed(frame: ClientFrame) -> bytes:
    """``response.steer.failed`` (``ResponseSteerFailedEvent``): the client gets its input back."""
    fields = frame.body.fields
    steer = {name: fields.get(name, _NULL) for name in ("previous_response_id", "input")}
    error = {
        "type": "invalid_request_error",
        "code": "steering_not_supported",
        "message": "Plexus does not steer a response; send the input with the next response.create",
    }
    event = {"type": STEER + ".failed", "error": error, "steer": steer, "sequence_number": 0}
    return msgspec.json.encode(event)


def in_lane(event: bytes, lane: str) -> bytes:
    """An event with the ``stream_id`` of the frame it answers."""
    head, brace, _ = event.rpartition(b"}")
    return b'%b,"stream_id":%b%b' % (head, msgspec.json.encode(lane), brace)


_DEFAULTS: Mapping[str, object] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}


def warm_events(body: JsonBody, response_id: str, model: str, now: int) -> Sequence[bytes]:
    """The answer to ``generate: false``, which no model is asked for: created and completed."""
    details = {"cached_tokens": 0, "cache_write_tokens": 0}
    usage = {
        "input_tokens": 0,
        "input_tokens_details": details,
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 0,
    }
    whole: dict[str, object] = {
        "id": response_id,
        "object": "response",
        "created_at": now,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        **{name: body.fields.get(name, default) for name, default in _DEFAULTS.items()},
    }
    begun = {**whole, "status": "in_progress", "usage": None}
    done = {**whole, "status": "completed", "completed_at": now, "usage": usage}
    return [
        msgspec.json.encode({"type": kind, "response": response, "sequence_number": number})
        for number, (kind, response) in enumerate(
            (("response.created", begun), ("response.completed", done))
        )
    ]
