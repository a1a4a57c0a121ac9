"""Errors of chat providers and for chat clients (errors.md §2, §3)."""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from plexus.streaming.framing import Frame
from plexus.transformers.openai_chat.evidence import (
    MESSAGE_LIMIT,
    Evidence,
    find,
    read_evidence,
    truthy,
)
from plexus.transformers.openai_chat.finish import ERRORS
from plexus.transformers.openai_chat.retry import retry_after
from plexus.unified.errors import ErrorKind, UnifiedError, UpstreamDetail, credential_refused

_CODES: dict[str, ErrorKind] = {
    "context_length_exceeded": "context_length",
    "insufficient_quota": "quota",
    "billing_error": "billing",
    "billing_hard_limit_reached": "billing",
    "content_filter": "content_filter",
    "content_policy_violation": "content_filter",
    "responsibleaipolicyviolation": "content_filter",
    "misalignment": "content_filter",
    "bio_policy": "content_filter",
    "misalignment_policy_violation": "content_filter",
    "invalid_prompt": "invalid_request",
    "server_is_overloaded": "overloaded",
    "slow_down": "overloaded",
    "model_not_found": "not_found",
    "deploymentnotfound": "not_found",
    "not_found_error": "not_found",
    "insufficient_system_resource": "overloaded",
    "overloaded_error": "overloaded",
    "unavailable": "overloaded",
    "api_key_invalid": "authentication",
    "invalid_api_key": "authentication",
    "authentication_error": "authentication",
    # The model wrote a call that Groq could not read: nothing the client can mend (T88).
    "tool_use_failed": "upstream",
    "rate_limit_exceeded": "rate_limit",
    "rate_limit_error": "rate_limit",
}
_PATTERNS: tuple[tuple[str, ErrorKind], ...] = (
    ("maximum context length", "context_length"),
    ("prompt is too long", "context_length"),
    ("input length and `max_tokens` exceed context limit", "context_length"),
    ("exceeds the maximum number of tokens", "context_length"),
    ("input is too long", "context_length"),
    ("exceeds the context window", "context_length"),
    ("spend_limit_reached", "quota"),
    ("exceeded your current quota", "quota"),
    ("responsibleaipolicyviolation", "content_filter"),
    ("usage guidelines", "content_filter"),
    ("requires moderation", "content_filter"),
    ("api_key_invalid", "authentication"),
    ("on-demand throughput isn", "not_found"),
)
_BUSY = ("overloaded", "slow down", "at capacity", "temporarily unavailable")
_STATUSES: dict[int, ErrorKind] = {
    400: "invalid_request",
    401: "authentication",
    402: "billing",
    403: "permission",
    404: "not_found",
    408: "timeout",
    409: "conflict",
    410: "not_found",
    413: "too_large",
    429: "rate_limit",
    498: "overloaded",
    500: "server",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_TYPES: dict[ErrorKind, tuple[str, str | None]] = {
    "invalid_request": ("invalid_request_error", None),
    "unsupported": ("invalid_request_error", "unsupported_parameter"),
    "context_length": ("invalid_request_error", "context_length_exceeded"),
    "content_filter": ("invalid_request_error", "content_filter"),
    "authentication": ("authentication_error", "invalid_api_key"),
    "billing": ("insufficient_quota", "insufficient_quota"),
    "permission": ("permission_error", None),
    "not_found": ("invalid_request_error", "model_not_found"),
    "conflict": ("conflict_error", None),
    "too_large": ("invalid_request_error", "request_too_large"),
    "rate_limit": ("rate_limit_error", "rate_limit_exceeded"),
    "quota": ("insufficient_quota", "insufficient_quota"),
    "cancelled": ("server_error", "cancelled"),
    "server": ("server_error", None),
    "upstream": ("server_error", "upstream_error"),
    "overloaded": ("server_error", "overloaded"),
    "timeout": ("server_error", "timeout"),
}
_OWN_STATUS = frozenset({("content_filter", 403), ("not_found", 400)})
"""What providers say with another status than that of the kind, and clients of theirs know."""

_FINAL = ("quota", "billing")
_CREDENTIAL = ("authentication", "permission")


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> UnifiedError:
    """Classify a provider's error answer; never raises.  ``headers`` have lower-case names."""
    lower = {name.lower(): value for name, value in headers.items()}
    return classify(status, read_evidence(body), lower)


def classify(
    status: int, evidence: Evidence, headers: Mapping[str, str], provider: str = ""
) -> UnifiedError:
    """The error that ``evidence`` amounts to; ``status`` 0 means it came inside a 200."""
    known = status or evidence.status or 0
    kind = _kind(known, evidence)
    upstream = UpstreamDetail(
        provider=provider,
        status=known,
        type=evidence.type or None,
        code=evidence.code or None,
        request_id=headers.get("x-request-id") or headers.get("request-id"),
    )
    if kind in _CREDENTIAL:
        return credential_refused(known, upstream)
    asked = headers.get("x-should-retry", "").lower()
    code = evidence.code if kind == "invalid_request" and evidence.code else _TYPES[kind][1]
    return UnifiedError(
        kind=kind,
        message=evidence.message or f"the provider answered with status {known or 200}",
        status=known if (kind, known) in _OWN_STATUS else None,
        param=evidence.param,
        code=code,
        retry_after=None if kind in _FINAL else retry_after(headers, evidence.retry_delay),
        should_retry=False if kind in _FINAL or asked == "false" else (asked == "true" or None),
        upstream=upstream,
    )


def _kind(status: int, evidence: Evidence) -> ErrorKind:
    """Codes before text, text before the status (errors.md §2)."""
    for word in (evidence.code, evidence.type):
        found = _CODES.get(word.lower())
        if found is not None:
            return found
    for pattern, kind in _PATTERNS:
        if pattern in evidence.text:
            return kind
    if status in (0, 500, 502, 503) and any(word in evidence.text for word in _BUSY):
        return "overloaded"
    if status in _STATUSES:
        return _STATUSES[status]
    if 400 <= status < 500:
        return "invalid_request"
    return "upstream"


def error_in(fields: Mapping[str, Raw], provider: str = "") -> UnifiedError | None:
    """The error a 200 answer or a stream chunk carries, in any vendor's form (T46, T100)."""
    groq = fields.get("x_groq")
    for raw in (fields.get("error"), None if groq is None else _member(groq, "error")):
        if truthy(raw):
            whole = {"error": raw, **_statuses(fields)}
            return classify(0, read_evidence(msgspec.json.encode(whole)), {}, provider)
    if "choices" in fields:
        return None
    is_error = bytes(fields.get("object", b"")) == b'"error"'
    if is_error or fields.keys() & {"detail", "errors", "message", "Message"}:
        try:
            evidence = find(msgspec.json.decode(msgspec.json.encode(fields)))
        except msgspec.DecodeError:
            # A number or a string that nothing can hold: the reader of the answer will say so.
            return None
        if evidence is not None:
            return classify(0, evidence, {}, provider)
    return None


def choice_error(
    fields: Mapping[str, Raw], finish: str | None, provider: str = ""
) -> UnifiedError | None:
    """The error one choice reports: OpenRouter's ``error``, or a finish word that is one."""
    raw = fields.get("error")
    if truthy(raw):
        return error_in({"error": raw} if raw is not None else {}, provider)
    if finish not in ERRORS:
        return None
    words = f"the provider ended the answer with finish_reason {finish}"
    evidence = Evidence(message=words, code=finish or "", text=words)
    return classify(0, evidence, {}, provider)


def _statuses(fields: Mapping[str, Raw]) -> dict[str, Raw]:
    return {name: fields[name] for name in ("status_code", "raw_status_code") if name in fields}


def _member(raw: Raw, name: str) -> Raw | None:
    try:
        return msgspec.json.decode(raw, type=dict[str, Raw]).get(name)
    except msgspec.DecodeError:
        return None


def format_error(error: UnifiedError, request_id: str) -> tuple[int, bytes]:
    """HTTP status and body; all four keys are always there (errors.md §3)."""
    return error.http_status, msgspec.json.encode(_body(error, error.message))


def format_stream_error(error: UnifiedError, request_id: str) -> Frame:
    """The in-band form; it has no header for a wait, so the message says it (errors.md §6)."""
    message = error.message
    if error.retry_after:
        message += f" (retry after {error.retry_after:g} s)"
    return Frame("", msgspec.json.encode(_body(error, message)))


def error_code(error: UnifiedError) -> str | None:
    """The error's own code, else that of its kind."""
    return error.code or _TYPES[error.kind][1]


def _body(error: UnifiedError, message: str) -> dict[str, dict[str, str | None]]:
    return {
        "error": {
            "message": message[:MESSAGE_LIMIT],
            "type": _TYPES[error.kind][0],
            "param": error.param,
            "code": error_code(error),
        }
    }
