"""Errors of Responses providers, and of streams for Responses clients (errors.md §2, §3, §6).

HTTP errors have chat's form.  Inside a stream an error is a ``response.failed``.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from plexus.streaming.framing import Frame
from plexus.transformers.openai_chat.errors import (
    classify,
    error_code,
    format_error,
    parse_error,
)
from plexus.transformers.openai_chat.evidence import MESSAGE_LIMIT, read_evidence, truthy
from plexus.transformers.openai_responses.ids import made_id
from plexus.unified.errors import UnifiedError, UpstreamDetail

__all__ = [
    "error_in",
    "failed_error",
    "format_error",
    "format_stream_error",
    "not_responses",
    "parse_error",
]


def error_in(fields: Mapping[str, Raw], provider: str = "") -> UnifiedError | None:
    """The error that a 200 answer, a response object or an ``error`` event carries.

    An event has it at its top (``code``, ``message``) or nested.
    """
    raw = fields.get("error")
    if truthy(raw):
        return classify(0, read_evidence(msgspec.json.encode({"error": raw})), {}, provider)
    if "output" in fields:
        return None
    if "message" in fields or "detail" in fields or "errors" in fields:
        error = {name: value for name, value in fields.items() if name != "type"}
        body = {"error": error} if "message" in fields else fields
        return classify(0, read_evidence(msgspec.json.encode(body)), {}, provider)
    return None


def failed_error(
    fields: Mapping[str, Raw], provider: str = "", event: Mapping[str, Raw] | None = None
) -> UnifiedError:
    """The error of a response whose status is ``failed``, which may fail to say it (T50).

    ``event``: the whole ``response.failed``, beside whose response it may stand.
    """
    found = error_in(fields, provider)
    if found is None and event is not None:
        found = error_in(event, provider)
    return found or UnifiedError(
        kind="upstream",
        message=f"{provider or 'the provider'} says that the response failed, and not why",
        code="upstream_error",
        upstream=UpstreamDetail(provider=provider),
    )


def not_responses(body: bytes, problem: object, provider: str = "") -> UnifiedError:
    """The error for a 200 that is no Responses answer; a foreign page is not echoed (C16)."""
    start = body[:200].lstrip().lower()
    said = "an HTML page" if start.startswith(b"<") else f"what is no Responses answer: {problem}"
    return UnifiedError(
        kind="upstream",
        message=f"{provider or 'the provider'} sent {said}",
        code="upstream_error",
        upstream=UpstreamDetail(provider=provider, status=200),
    )


def stream_error(error: UnifiedError) -> dict[str, str]:
    """``response.error``: it has no field for a wait, so the message says it."""
    message = error.message
    if error.retry_after:
        message += f" (retry after {error.retry_after:g} s)"
    return {"code": error_code(error) or "server_error", "message": message[:MESSAGE_LIMIT]}


def format_stream_error(error: UnifiedError, request_id: str) -> Frame:
    """``response.failed`` for a stream of which nothing is known."""
    return failed_frame({}, error, request_id, 0)


def failed_frame(
    response: Mapping[str, object], error: UnifiedError, request_id: str, sequence: int
) -> Frame:
    """``response.failed``; ``response`` is what the client knows of it already.

    Not the bare ``error`` event: the official SDK iterates over that without raising.
    """
    whole: dict[str, object] = {
        "id": made_id("resp_", request_id),
        "object": "response",
        "created_at": 0,
        "model": "",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "incomplete_details": None,
        "usage": None,
        **response,
        "status": "failed",
        "error": stream_error(error),
    }
    event = {"type": "response.failed", "response": whole, "sequence_number": sequence}
    return Frame("response.failed", msgspec.json.encode(event))
