"""Errors of providers read, and errors for clients written (errors.md §2, §3, §6; gemini.md §7)."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from plexus.streaming.framing import Frame
from plexus.unified.errors import ErrorKind, UnifiedError, UpstreamDetail, credential_refused

MESSAGE_LIMIT = 2048
"""Characters of a provider's message at most."""

LONGEST = 3600.0
"""Seconds of waiting at most."""

_WORDS: dict[ErrorKind, str] = {
    "invalid_request": "INVALID_ARGUMENT",
    "unsupported": "INVALID_ARGUMENT",
    "context_length": "INVALID_ARGUMENT",
    "content_filter": "INVALID_ARGUMENT",
    "authentication": "UNAUTHENTICATED",
    "billing": "RESOURCE_EXHAUSTED",
    "permission": "PERMISSION_DENIED",
    "not_found": "NOT_FOUND",
    "conflict": "ABORTED",
    "too_large": "INVALID_ARGUMENT",
    "rate_limit": "RESOURCE_EXHAUSTED",
    "quota": "RESOURCE_EXHAUSTED",
    "cancelled": "CANCELLED",
    "server": "INTERNAL",
    "upstream": "INTERNAL",
    "overloaded": "UNAVAILABLE",
    "timeout": "DEADLINE_EXCEEDED",
}
"""The ``error.status`` of each kind (errors.md §3)."""

_KINDS: dict[str, ErrorKind] = {
    "INVALID_ARGUMENT": "invalid_request",
    "FAILED_PRECONDITION": "invalid_request",
    "OUT_OF_RANGE": "invalid_request",
    "UNAUTHENTICATED": "authentication",
    "PERMISSION_DENIED": "permission",
    "NOT_FOUND": "not_found",
    "ABORTED": "conflict",
    "ALREADY_EXISTS": "conflict",
    "RESOURCE_EXHAUSTED": "rate_limit",
    "CANCELLED": "cancelled",
    "INTERNAL": "server",
    "UNKNOWN": "server",
    "DATA_LOSS": "server",
    "UNAVAILABLE": "overloaded",
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
    499: "cancelled",
    500: "server",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_REASONS: dict[str, ErrorKind] = {
    "API_KEY_INVALID": "authentication",
    "API_KEY_SERVICE_BLOCKED": "authentication",
    "BILLING_DISABLED": "billing",
}
_PATTERNS: tuple[tuple[re.Pattern[str], ErrorKind], ...] = (
    (
        re.compile(
            r"exceeds the maximum number of tokens|maximum context length|prompt is too long"
            r"|input is too long|exceed context limit",
            re.IGNORECASE,
        ),
        "context_length",
    ),
    (re.compile(r"api key (not valid|expired)|api_key_invalid", re.IGNORECASE), "authentication"),
)
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_SECRETS = (
    re.compile(r"\b(?:sk|pk|rk|xai|gsk|AIza|hf)[-_A-Za-z0-9]{12,}"),
    re.compile(r"(?i)\b(?:bearer|key=|api[_-]?key[\"' :=]+)\s*[A-Za-z0-9._-]{8,}"),
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")
_RPC = "type.googleapis.com/google.rpc."

_decode = msgspec.json.Decoder().decode


class _Found(msgspec.Struct):
    """What an error body says; ``daily``: a quota of a whole day is used up.

    ``param`` is the field at fault.
    """

    message: str = ""
    status: str | None = None
    code: int | None = None
    reason: str | None = None
    param: str | None = None
    delay: str = ""
    daily: bool = False


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> UnifiedError:
    """Classify a provider's error answer; never raises.

    A refused credential is Plexus' own and becomes kind ``upstream`` (errors.md §3).
    """
    found = _read(body)
    kind = _classify(status, found)
    upstream = UpstreamDetail(
        status=status,
        type=found.status,
        code=found.reason,
        request_id=headers.get("x-request-id"),
    )
    if kind in ("authentication", "permission"):
        return credential_refused(status or found.code or 200, upstream)
    final = kind in ("quota", "billing")
    return UnifiedError(
        kind=kind,
        message=found.message or f"the provider answered with HTTP status {status}",
        param=found.param,
        retry_after=None if final else _retry_after(headers, found.delay),
        should_retry=False if final else None,
        upstream=upstream,
    )


def parse_stream_error(data: bytes, provider: str = "") -> UnifiedError:
    """An error inside a stream, or in the body of a 200; never raises."""
    found = _read(data)
    kind = _classify(found.code or 200, found)
    status = found.code or 200
    upstream = UpstreamDetail(
        provider=provider, status=status, type=found.status, code=found.reason
    )
    if kind in ("authentication", "permission"):
        return credential_refused(status, upstream)
    return UnifiedError(
        kind=kind,
        message=found.message or "the provider sent an error without a message",
        retry_after=_retry_after({}, found.delay),
        upstream=upstream,
    )


def upstream_error(message: str, provider: str = "") -> UnifiedError:
    """A provider's answer that is not what this dialect says."""
    return UnifiedError(
        kind="upstream",
        message=message,
        code="upstream_error",
        upstream=UpstreamDetail(provider=provider),
    )


def _read(body: bytes) -> _Found:
    """The error in a body: Google's, in an array too, or any vendor's (errors.md §2)."""
    try:
        value: Any = _decode(body)
    except (msgspec.MsgspecError, RecursionError):
        text = " ".join(_TAGS.sub(" ", body.decode("utf-8", "replace")[:20_000]).split())
        return _Found(_clean(text[:500]))
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return _Found(_clean(str(value)) if isinstance(value, str) else "")
    inner = value.get("error")
    if isinstance(inner, str) and inner:
        said = value.get("message")
        return _Found(_clean(said if isinstance(said, str) else inner))
    return _fields(inner if isinstance(inner, dict) and inner else value)


def _fields(source: dict[str, Any]) -> _Found:
    message = source.get("message") or source.get("detail") or source.get("Message") or ""
    if not isinstance(message, str):
        message = msgspec.json.encode(message).decode()
    status, code = source.get("status"), source.get("code")
    found = _Found(
        _clean(message),
        status if isinstance(status, str) else None,
        code if isinstance(code, int) and 400 <= code < 600 else None,
    )
    details = source.get("details")
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict):
            continue
        reason, delay = detail.get("reason"), detail.get("retryDelay")
        if isinstance(reason, str):
            found.reason = reason
        if isinstance(delay, str):
            found.delay = delay
        for violation in _list(detail.get("fieldViolations")):
            field = violation.get("field") if isinstance(violation, dict) else None
            if isinstance(field, str) and field:
                found.param = found.param or field
        for violation in _list(detail.get("violations")):
            quota = violation.get("quotaId") if isinstance(violation, dict) else None
            if isinstance(quota, str) and "PerDay" in quota:
                found.daily = True
    return found


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _clean(message: str) -> str:
    """Without secrets, and no more than 2 KiB."""
    for pattern in _SECRETS:
        message = pattern.sub("[redacted]", message)
    return message.strip()[:MESSAGE_LIMIT]


def _classify(status: int, found: _Found) -> ErrorKind:
    """Reasons first, then the words, then Google's status, then HTTP's."""
    if found.reason in _REASONS:
        return _REASONS[found.reason]
    kind = _KINDS.get(found.status or "") or _STATUSES.get(status)
    if status in (401, 403, 413):
        kind = _STATUSES[status]
    if kind is None:
        kind = "upstream" if status < 400 or status >= 500 else "invalid_request"
    if kind == "invalid_request":
        for pattern, refined in _PATTERNS:
            if pattern.search(found.message):
                return refined
    if kind == "rate_limit" and found.daily and not found.delay:
        return "quota"
    return kind


def _retry_after(headers: Mapping[str, str], delay: str) -> float | None:
    """Seconds: a header where there is one, else ``RetryInfo``."""
    for text, scale in (
        (headers.get("retry-after-ms", ""), 0.001),
        (headers.get("retry-after", ""), 1.0),
    ):
        if re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text):
            return min(float(text) * scale, LONGEST)
    match = _DURATION.fullmatch(delay[:32])
    return min(float(match[1]), LONGEST) if match is not None else None


def format_error(error: UnifiedError, request_id: str) -> tuple[int, bytes]:
    return error.http_status, msgspec.json.encode(_body(error, error.message))


def format_stream_error(error: UnifiedError, request_id: str) -> Frame:
    """An object, never an array: Google's SDK would not notice (streaming.md §1)."""
    return Frame("", msgspec.json.encode(_body(error, error.message)))


def _body(error: UnifiedError, message: str) -> dict[str, Any]:
    details: list[dict[str, Any]] = []
    if error.param is not None:
        violation = {"field": error.param, "description": message}
        details.append({"@type": f"{_RPC}BadRequest", "fieldViolations": [violation]})
    if error.code is not None:
        info = {"reason": error.code, "domain": "plexus"}
        details.append({"@type": f"{_RPC}ErrorInfo", **info})
    if error.retry_after is not None:
        details.append({"@type": f"{_RPC}RetryInfo", "retryDelay": f"{error.retry_after:g}s"})
    inner = {
        "code": error.http_status,
        "message": message,
        "status": _WORDS[error.kind],
        "details": details,
    }
    return {"error": inner}
