"""Errors of providers read, and errors for clients written (errors.md §2, §3, §6)."""

import email.utils
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from plexus.streaming.framing import Frame
from plexus.unified.errors import (
    ErrorKind,
    UnifiedError,
    UpstreamDetail,
    credential_refused,
)

MESSAGE_LIMIT = 2048
"""Characters of a provider's message at most."""

TYPES: dict[ErrorKind, str] = {
    "invalid_request": "invalid_request_error",
    "unsupported": "invalid_request_error",
    "context_length": "invalid_request_error",
    "content_filter": "invalid_request_error",
    "authentication": "authentication_error",
    "billing": "billing_error",
    "permission": "permission_error",
    "not_found": "not_found_error",
    "conflict": "conflict_error",
    "too_large": "request_too_large",
    "rate_limit": "rate_limit_error",
    "quota": "rate_limit_error",
    "cancelled": "api_error",
    "server": "api_error",
    "upstream": "api_error",
    "overloaded": "overloaded_error",
    "timeout": "timeout_error",
}
"""The ``error.type`` of each kind (errors.md §3)."""

_KINDS: dict[str, ErrorKind] = {
    "invalid_request_error": "invalid_request",
    "authentication_error": "authentication",
    "api_key_invalid": "authentication",
    "invalid_api_key": "authentication",
    "billing_error": "billing",
    "permission_error": "permission",
    "not_found_error": "not_found",
    "conflict_error": "conflict",
    "request_too_large": "too_large",
    "rate_limit_error": "rate_limit",
    "api_error": "server",
    "overloaded_error": "overloaded",
    "timeout_error": "timeout",
    "context_length_exceeded": "context_length",
    "insufficient_quota": "quota",
    "model_not_found": "not_found",
    "content_filter": "content_filter",
    "content_policy_violation": "content_filter",
    "server_error": "server",
    "UNAVAILABLE": "overloaded",
    "RESOURCE_EXHAUSTED": "rate_limit",
    "DEADLINE_EXCEEDED": "timeout",
}
_STATUSES: dict[int, ErrorKind] = {
    400: "invalid_request",
    401: "authentication",
    402: "billing",
    403: "permission",
    404: "not_found",
    408: "timeout",
    409: "conflict",
    413: "too_large",
    422: "invalid_request",
    429: "rate_limit",
    498: "overloaded",
    499: "cancelled",
    500: "server",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_PATTERNS: tuple[tuple[re.Pattern[str], ErrorKind], ...] = (
    (
        re.compile(
            r"prompt is too long|exceed context limit|maximum context length"
            r"|exceeds the maximum number of tokens|input is too long",
            re.IGNORECASE,
        ),
        "context_length",
    ),
    (re.compile(r"credit balance is too low|spend(ing)? limit", re.IGNORECASE), "billing"),
    (re.compile(r"content (management )?policy|content filter", re.IGNORECASE), "content_filter"),
)
_REFINED = frozenset({"invalid_request", "permission", "rate_limit"})
"""Kinds whose message may say more."""

_SECRETS = (
    re.compile(r"\b(?:sk|pk|rk|xai|gsk|AIza|hf)[-_A-Za-z0-9]{12,}"),
    re.compile(r"(?i)\b(?:bearer|key=|api[_-]?key[\"' :=]+)\s*[A-Za-z0-9._-]{8,}"),
)
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_TOO_LONG = "prompt is too long"
_OPENAI_LENGTH = re.compile(r"maximum context length is (\d+) tokens.*?(\d+) tokens", re.DOTALL)

_decode = msgspec.json.Decoder().decode


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> UnifiedError:
    """Classify a provider's error answer; never raises.

    A refused credential is Plexus' own and becomes kind ``upstream`` (errors.md §3).
    """
    found = _read(body)
    kind = _classify(status, found)
    upstream = UpstreamDetail(
        status=status,
        type=found.type,
        code=found.code,
        request_id=headers.get("request-id") or headers.get("x-request-id"),
    )
    if kind in ("authentication", "permission"):
        return credential_refused(status, upstream)
    return UnifiedError(
        kind=kind,
        message=found.message or f"the provider answered with HTTP status {status}",
        code=found.code,
        param=found.param,
        retry_after=_retry_after(headers),
        should_retry=False if kind in ("quota", "billing") else None,
        upstream=upstream,
    )


def parse_stream_error(data: bytes) -> UnifiedError:
    """An error inside a stream, or in the body of a 200; never raises."""
    found = _read(data)
    kind = _classify(200, found)
    upstream = UpstreamDetail(status=200, type=found.type, code=found.code)
    if kind in ("authentication", "permission"):
        return credential_refused(200, upstream)
    return UnifiedError(
        kind=kind,
        message=found.message or "the provider sent an error without a message",
        code=found.code,
        upstream=upstream,
    )


def upstream_error(message: str) -> UnifiedError:
    """A provider's answer that is not what this dialect says."""
    return UnifiedError(kind="upstream", message=message, code="upstream_error")


class _Found(msgspec.Struct):
    message: str = ""
    type: str | None = None
    code: str | None = None
    param: str | None = None


def _read(body: bytes) -> _Found:
    """The error in a body of any vendor's form (errors.md §2, in its order)."""
    try:
        value: Any = _decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return _Found(_clean(_TAGS.sub(" ", body.decode("utf-8", "replace"))[:500]))
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return _Found(_clean(str(value)) if value is not None else "")
    inner = value.get("error")
    if isinstance(inner, str) and inner:
        return _Found(_clean(_string(value.get("message")) or inner), None, _string(inner))
    source = inner if isinstance(inner, dict) and inner else value
    found = _fields(source)
    nested = _nested(found.message)
    if nested is not None:
        # A wrapped error classifies better; the words stay the provider's.
        return _Found(found.message, nested.type or found.type, nested.code or found.code)
    return found


def _fields(source: dict[str, Any]) -> _Found:
    message = source.get("message") or source.get("Message") or source.get("detail")
    errors = source.get("errors")
    if message is None and isinstance(errors, list) and errors:
        message = errors[0].get("message") if isinstance(errors[0], dict) else errors[0]
    if message is not None and not isinstance(message, str):
        message = msgspec.json.encode(message).decode()
    details = source.get("details")
    code = details.get("error_code") if isinstance(details, dict) else None
    status = source.get("status")
    return _Found(
        _clean(message or ""),
        _string(source.get("type")) or _string(status),
        _string(code) or _string(source.get("code")),
        _string(source.get("param")),
    )


def _nested(message: str) -> _Found | None:
    """The error inside a message that is itself JSON (Vertex, OpenRouter)."""
    if not message.startswith("{"):
        return None
    try:
        value: Any = _decode(message.encode())
    except (msgspec.MsgspecError, RecursionError):
        return None
    inner = value.get("error") if isinstance(value, dict) else None
    return _fields(inner) if isinstance(inner, dict) else None


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _clean(message: str) -> str:
    """Without secrets, white space in runs, and more than 2 KiB."""
    for pattern in _SECRETS:
        message = pattern.sub("[redacted]", message)
    return message.strip()[:MESSAGE_LIMIT]


def _classify(status: int, found: _Found) -> ErrorKind:
    """Code and type first, then the status, then the words."""
    code = found.code or ""
    if code.endswith("spend_limit_reached"):
        return "quota"
    kind = _KINDS.get(code) or _KINDS.get(found.type or "")
    if status in (401, 403, 429) or kind is None:
        by_status = _STATUSES.get(status)
        # Quota and overload are finer than the 429 or 403 they come with.
        if by_status is not None and kind not in ("quota", "overloaded", "content_filter"):
            kind = by_status
    if kind is None:
        kind = "upstream" if status < 400 or status >= 500 else "invalid_request"
    if kind in _REFINED:
        for pattern, refined in _PATTERNS:
            if pattern.search(found.message):
                return refined
    return kind


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; a date is taken relative to the answer's own ``date``."""
    millis = _number(headers.get("retry-after-ms"))
    if millis is not None:
        return millis / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        then = email.utils.parsedate_to_datetime(value)
        now = email.utils.parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (then - now).total_seconds())
    except (ValueError, TypeError):
        return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number < 1e9 else None


def format_error(error: UnifiedError, request_id: str) -> tuple[int, bytes]:
    """Status and body; an overload is 529 to clients of this dialect."""
    status = 529 if error.kind == "overloaded" else error.http_status
    return status, _body(error, _message(error), request_id)


def format_stream_error(error: UnifiedError, request_id: str) -> Frame:
    """``event: error``; the waiting time, which has no field here, stands in the message."""
    message = _message(error)
    if error.retry_after is not None:
        message = f"{message} (retry after {error.retry_after:g} seconds)"
    return Frame("error", _body(error, message, request_id))


def _message(error: UnifiedError) -> str:
    """Claude Code compacts when a message begins with "prompt is too long"."""
    message = error.message
    if error.kind == "context_length" and not message.startswith(_TOO_LONG):
        sizes = _OPENAI_LENGTH.search(message)
        if sizes is not None:
            return f"{_TOO_LONG}: {sizes[2]} tokens > {sizes[1]} maximum: {message}"
        return f"{_TOO_LONG}: {message}"
    if error.param is not None and error.param not in message:
        return f"{error.param}: {message}"
    return message


def _body(error: UnifiedError, message: str, request_id: str) -> bytes:
    inner: dict[str, Any] = {"type": TYPES[error.kind], "message": message}
    if error.kind == "unsupported" and error.param == "thread":
        # The official tool runners start a stored thread unasked, and go on without when told so.
        inner["details"] = {"error_code": "thread_unsupported_request", "unsupported": []}
    return msgspec.json.encode({"type": "error", "error": inner, "request_id": request_id})
